#!/usr/bin/env python3
"""Brings the whole bundle up on this machine, on an AWS emulator.

    bundle.py run     build, deploy, show an event becoming an incident and a ticket, stay up
    bundle.py exec -- COMMAND ...   build, deploy, run COMMAND against the stack, take everything down
    bundle.py tools   install the tools and nothing else

Everything that is installed or written goes to .local/, target/ and .aws-sam/ in the project's folder.
Servers listen on 127.0.0.1 only, on free ports, and are stopped at the end.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from gateway import Gateway

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
STACK = "closedloop"
STARTED = time.monotonic()


class Failed(Exception):
    """Something that the user should read, without a traceback."""


def say(text=""):
    print(text, flush=True)


@contextlib.contextmanager
def step(title):
    """Says what is being done, and while it takes long, for how long already."""
    began = time.monotonic()
    done = threading.Event()
    say(f"==> {title}")

    def tick():
        while not done.wait(15):
            say(f"    ... {time.monotonic() - began:.0f} s")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
    say(f"    done in {time.monotonic() - began:.1f} s")


def call(command, env=None, quiet=True, cwd=ROOT, stdin=None):
    """Runs a command to its end; shows what it printed only when it fails."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        input=stdin,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if result.returncode != 0:
        output = (result.stdout or "")[-6000:]
        raise Failed(f"{shlex.join(str(part) for part in command)} failed with {result.returncode}\n{output}")
    return result.stdout or ""


# ---- Tools --------------------------------------------------------------------------------------------------


def virtual_environment(name):
    """Two tools pin different versions of the same library, so each has an environment of its own."""
    requirements = ROOT / "local" / f"requirements-{name}.txt"
    home = LOCAL / name
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    mark = home / "installed"
    if mark.exists() and mark.read_text() == wanted:
        return home / "bin"
    with step(f"installing {', '.join(requirements.read_text().split())}"):
        shutil.rmtree(home, ignore_errors=True)
        call([sys.executable, "-m", "venv", home])
        call([home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])
        mark.write_text(wanted)
    return home / "bin"


def tools():
    if sys.version_info < (3, 10):
        raise Failed(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}")
    if shutil.which("cargo") is None:
        raise Failed("cargo is not on the PATH: install Rust from https://rustup.rs")
    LOCAL.mkdir(exist_ok=True)
    return virtual_environment("sam"), virtual_environment("ministack")


# ---- Servers ------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


class Servers:
    """The processes that were started here, and only these, are stopped at the end."""

    def __init__(self):
        self.processes = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="closedloop-"))

    def start(self, name, command, env, ready):
        log = (LOCAL / f"{name}.log").open("w")
        process = subprocess.Popen(
            [str(part) for part in command], env=env, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
        )
        self.processes.append(process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise Failed(f"{name} ended at once; see {LOCAL / (name + '.log')}")
            with contextlib.suppress(OSError, urllib.error.URLError):
                ready()
                return
            time.sleep(0.1)
        raise Failed(f"{name} did not answer within 60 s; see {LOCAL / (name + '.log')}")

    def stop(self):
        for process in reversed(self.processes):
            # The emulator's functions are processes of its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- The stack ----------------------------------------------------------------------------------------------


class Bundle:
    def __init__(self, sam_bin, ministack_bin):
        self.sam_bin = sam_bin
        self.ministack_bin = ministack_bin
        self.servers = Servers()
        self.aws_port = free_port()
        self.sandbox_port = free_port()
        self.aws_url = f"http://127.0.0.1:{self.aws_port}"
        api_port = free_port()
        self.gateway = Gateway(api_port)
        self.api_url = f"http://127.0.0.1:{api_port}"
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        host = call(["rustc", "-vV"])
        self.target = next(line.split()[1] for line in host.splitlines() if line.startswith("host:"))
        if self.target != "x86_64-unknown-linux-gnu":
            raise Failed(
                f"the functions are built for x86_64 Linux and run here as plain processes, but this is {self.target}"
            )
        self.binaries = LOCAL / "bin"
        # Emulated AWS only: whatever account this shell can reach is not touched.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.env = {
            **kept,
            "PATH": f"{sam_bin}{os.pathsep}{os.environ['PATH']}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            # Debug builds by the installed linker: minutes faster than release builds by way of zig, which a
            # deployment to AWS uses.
            "SAM_BUILD_MODE": "debug",
            "CARGO_LAMBDA_COMPILER": "cargo",
            "CARGO_TARGET_DIR": str(ROOT / "target"),
            "CLOSEDLOOP_STACK": STACK,
            "CLOSEDLOOP_LOG": str(LOCAL / "ministack.log"),
            "CLOSEDLOOP_BIN": str(self.binaries / "closedloop"),
            "SANDBOX_URL": self.sandbox_url,
        }

    def build(self):
        with step("building the command line and the vendors' stand-in"):
            call(["cargo", "build", "--quiet", "--target", self.target, "-p", "closedloop", "-p", "sandbox"], self.env)
            # cargo-lambda moves every binary that it finds in the target folder away.
            self.binaries.mkdir(exist_ok=True)
            for name in ("closedloop", "sandbox"):
                # Replaced, not overwritten: another `make` may be running it.
                shutil.copy2(ROOT / "target" / self.target / "debug" / name, self.binaries / f"{name}.new")
                os.replace(self.binaries / f"{name}.new", self.binaries / name)
        with step("building the functions (sam build)"):
            # Not --cached: it looks at a function's own folder only, and would miss a change in shared/.
            call(["sam", "build"], self.env)

    def start(self):
        with step("starting AWS (ministack) and the vendors (sandbox)"):
            emulator = {
                # With it AWS_ENDPOINT_URL, which the emulator hands on to the functions.
                **self.env,
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(self.aws_port),
                "MINISTACK_HOST": "127.0.0.1",
                "S3_DATA_DIR": str(self.servers.folder / "s3"),
                "TMPDIR": str(self.servers.folder),
                "SERVICES": "apigateway,cloudformation,cloudwatch,dynamodb,events,iam,lambda,logs,s3,scheduler,secretsmanager,ses,sqs,sts",
                # Roles are enforced: a function that does more than its role allows fails here, too.
                "AUTH": "true",
                "LOG_LEVEL": "INFO",
            }
            self.servers.start(
                "ministack", [self.ministack_bin / "ministack"], emulator, lambda: get(f"{self.aws_url}/_ministack/health")
            )
            self.servers.start(
                "sandbox",
                [self.binaries / "sandbox", "--port", str(self.sandbox_port)],
                self.env,
                lambda: get(f"{self.sandbox_url}/_sandbox"),
            )

    def deploy(self, stack=STACK):
        with step("deploying template.yaml (sam deploy)"):
            parameters = {
                "ServiceNowUrl": self.sandbox_url + "/servicenow/{instance}",
                "ZendeskUrl": self.sandbox_url + "/zendesk/{subdomain}",
                "QualtricsUrl": self.sandbox_url + "/qualtrics/{datacenter}",
                "TeamViewerUrl": self.sandbox_url + "/teamviewer/{company}",
                "TeamViewerLoginUrl": self.sandbox_url + "/teamviewer/{company}",
                "MailFrom": "support@example.com",
                "PublicUrl": self.api_url,
                # So that what comes after a crash is seen in seconds.
                "FunctionTimeout": "12",
                "QueueVisibility": "15",
            }
            overrides = [f"ParameterKey={name},ParameterValue={value}" for name, value in parameters.items()]
            call(
                ["sam", "deploy", "--stack-name", stack, "--resolve-s3", "--capabilities", "CAPABILITY_IAM"]
                + ["--no-confirm-changeset", "--no-progressbar", "--parameter-overrides", *overrides],
                self.env,
            )
        found = json.loads(call([self.sam_bin / "python", ROOT / "local" / "stack.py", stack], self.env))
        self.gateway.forward_to(found["api_url"])
        self.env["CLOSEDLOOP_API_URL"] = self.api_url
        self.write_variables(found["variables"])

    def write_variables(self, functions):
        """What other terminals need: `.local/env` for a shell, `.local/{function}.env` for cargo lambda watch."""
        exports = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]
        exports += ["CLOSEDLOOP_STACK", "CLOSEDLOOP_API_URL", "CLOSEDLOOP_BIN", "SANDBOX_URL"]
        lines = [f"export {name}='{self.env[name]}'\n" for name in exports]
        lines.append(f"export CARGO_BUILD_TARGET={self.target}  # what is compiled already\n")
        lines.append(f'export PATH="{LOCAL / "bin"}:{self.sam_bin}:$PATH"  # closedloop, sam, cargo-lambda\n')
        (LOCAL / "env").write_text("".join(lines))
        for name, variables in functions.items():
            (LOCAL / f"{name}.env").write_text("".join(f"{key}={value}\n" for key, value in variables.items()))

    def closedloop(self, *arguments, stdin=None, quiet=True):
        return call([self.binaries / "closedloop", *arguments], self.env, quiet, stdin=stdin)

    # ---- The demonstration ----------------------------------------------------------------------------------

    def vendors(self):
        """What the vendors' administrators would have set up."""
        self.sandbox("servicenow/dev12345", {"users": [{"username": "closedloop", "password": "sandbox-password"}]})
        self.sandbox(
            "zendesk/acme", {"api_tokens": [{"email": "agent@example.com", "token": "sandbox-token"}]}
        )
        self.sandbox(
            "teamviewer/acme",
            {
                "users": [{"id": "u1001", "name": "Sam Supporter", "email": "sam@example.com"}],
                "groups": [{"id": "g7", "name": "Service Desk"}],
                "script_tokens": [{"token": "sandbox-script-token"}],
            },
        )

    def sandbox(self, path, body):
        request = urllib.request.Request(
            f"{self.sandbox_url}/_sandbox/{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=5).close()

    def configure(self):
        with step("connecting accounts, applying endpoints and workflows"):
            self.vendors()
            self.closedloop(
                *"accounts put servicenow-dev --vendor servicenow --instance dev12345 --basic closedloop".split(),
                stdin="sandbox-password\n",
            )
            self.closedloop(
                *"accounts put zendesk-support --vendor zendesk --instance acme --api-token agent@example.com".split(),
                stdin="sandbox-token\n",
            )
            self.closedloop(
                *"accounts put teamviewer-company --vendor teamviewer --instance acme --bearer".split(),
                stdin="sandbox-script-token\n",
            )
            self.closedloop("teamviewer", "settings", "apply", ROOT / "teamviewer" / "settings.yaml")
            self.closedloop("mail-templates", "apply", ROOT / "teamviewer" / "TV_ShareSession.yaml")
            self.closedloop("endpoints", "apply", ROOT / "endpoints")
            self.closedloop("endpoints", "put-secret", "survey", stdin="demo-secret-not-for-production\n")
            self.closedloop("workflows", "apply", ROOT / "workflows")

    def demonstrate(self):
        say()
        say("==> posting events/survey-response.json to the endpoint `survey`")
        self.closedloop(
            "events", "send", ROOT / "events" / "survey-response.json", "--endpoint", "survey", "--follow", quiet=False
        )

    def hints(self):
        say(
            f"""
Up after {time.monotonic() - STARTED:.0f} s. It stays up until you press Ctrl-C. In another terminal, in this folder:

    . .local/env      # the stack's addresses, for every command below

    # the same survey response again: recognised as a repeat, nothing happens twice
    curl -i "$CLOSEDLOOP_API_URL/events/survey" -H 'content-type: application/json' \\
         -H 'authorization: Bearer demo-secret-not-for-production' --data @events/survey-response.json

    closedloop runs list
    closedloop accounts verify zendesk-support
    closedloop tokens create me --role admin     # for the management API: $CLOSEDLOOP_API_URL/v1/openapi.json
    closedloop events send events/review.json --endpoint demo-reviews --follow
    closedloop cases create INC0010001 && closedloop cases list
    closedloop connections status
    curl -s "$SANDBOX_URL/_sandbox/zendesk/acme/records?table=tickets"
    curl -s "$SANDBOX_URL/_sandbox/servicenow/dev12345/records?table=incident"

    # one function by itself, rebuilt when its code changes; then, in a third terminal, a request to it
    cargo lambda watch -p ingest --env-file .local/ingest.env
    cargo lambda invoke ingest --data-file events/ingest-qualtrics-response.json

The vendors are stand-ins: their links lead nowhere. Logs: .local/ministack.log (functions too), .local/sandbox.log
"""
        )


def main(arguments):
    command = arguments[0] if arguments else "help"
    if command not in ("run", "exec", "tools"):
        say(__doc__.strip())
        return 0 if command in ("help", "-h", "--help") else 2
    sam_bin, ministack_bin = tools()
    if command == "tools":
        return 0
    # A termination is an interruption: what was started is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    bundle = Bundle(sam_bin, ministack_bin)
    if command == "exec":
        bundle.env["SCHEMATHESIS_BIN"] = str(virtual_environment("schemathesis") / "schemathesis")
    try:
        bundle.build()
        bundle.start()
        bundle.deploy()
        if command == "exec":
            rest = arguments[2:] if arguments[1:2] == ["--"] else arguments[1:]
            return subprocess.run(rest, cwd=ROOT, env=bundle.env).returncode
        bundle.configure()
        bundle.demonstrate()
        bundle.hints()
        while all(process.poll() is None for process in bundle.servers.processes):
            time.sleep(1)
        raise Failed(f"a server ended by itself; see {LOCAL}")
    except KeyboardInterrupt:
        say("\nstopping")
        return 0 if command == "run" else 130
    finally:
        bundle.servers.stop()
        bundle.gateway.stop()
        for stale in LOCAL.glob("*env"):
            stale.unlink()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failure:
        say(f"\nerror: {failure}")
        sys.exit(1)
