#!/usr/bin/env python3
"""Measures how long debug builds take: from nothing, and after a one-line change in a vendor's crate.

    build.py TARGET     prints a table in Markdown; TARGET is the one of the functions

It works on a copy of the project in a temporary folder, with target folders of its own, and deletes all of it at the end.
What cargo downloads is downloaded before.
"""

import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHANGED = "shared/zendesk/src/lib.rs"
# Something that others can see, so that whatever uses the crate is compiled again.
LINE = "\n/// A line more: {0}.\npub const LINE_{0}: u8 = {0};\n"
BUILDS = [
    ("`cargo build -p zendesk-tasks`", ["build", "-p", "zendesk-tasks"]),
    ("`cargo test --no-run --workspace`", ["test", "--no-run", "--workspace"]),
]


def copy_project(folder):
    """What git knows and what it would take, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)


def cargo(folder, arguments):
    """How long it took on the clock, and of all processors together."""
    began, computed = time.monotonic(), computing()
    subprocess.run(["cargo", *arguments, "--quiet", "--locked"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began, computing() - computed


def computing():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def main(target):
    rows = []
    with tempfile.TemporaryDirectory(prefix="closedloop-build-") as temporary:
        folder = pathlib.Path(temporary) / "project"
        copy_project(folder)
        cargo(folder, ["fetch", "--target", target])
        for number, (title, arguments) in enumerate(BUILDS):
            out = pathlib.Path(temporary) / f"target-{number}"
            command = [*arguments, "--target", target, "--target-dir", str(out)]
            print(f"{title} from nothing", file=sys.stderr, flush=True)
            nothing = cargo(folder, command)
            with (folder / CHANGED).open("a") as file:
                file.write(LINE.format(number))
            print(f"{title} after a change", file=sys.stderr, flush=True)
            changed = cargo(folder, command)
            rows.append(f"| {title} | {nothing[0]:.0f} | {nothing[1]:.0f} | {changed[0]:.1f} | {changed[1]:.1f} |")
            shutil.rmtree(out)
    rustc = subprocess.run(["rustc", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"{processor()}, {os.cpu_count()} cores, {rustc}. Debug builds, in seconds.\n")
    print(f"| what | from nothing: wall | CPU | after a one-line change in {CHANGED}: wall | CPU |\n|---|--:|--:|--:|--:|")
    print("\n".join(rows))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    main(sys.argv[1])
