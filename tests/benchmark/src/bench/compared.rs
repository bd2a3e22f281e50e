//! What the functions are compared with: an empty function in Rust, and the ticket task as one would write it in Python and
//! in Node.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::child::Program;
use crate::scene::Scene;

/// The function whose work they do.
const LIKE: &str = "zendesk-tasks";

/// The empty function.
pub(crate) fn empty(scene: &Scene, binary: &Path) -> Program {
    Program {
        name: "empty".to_owned(),
        command: vec![binary.display().to_string()],
        deployed: binary.to_owned(),
        variables: scene.variables("empty", 256),
    }
}

/// The ticket task in Python. Its libraries are in `installed`.
pub(crate) fn python(scene: &Scene, python: &str, installed: &Path) -> anyhow::Result<Program> {
    // What is on the path may only be a script that looks for it.
    let python = printed(python, &["-c", "import sys; print(sys.executable)"])?;
    let function = scene.root().join("benches/python").canonicalize()?;
    let mut program = like(scene, "python", installed)?;
    let path = format!(
        "{}:{}",
        installed.canonicalize()?.display(),
        function.display()
    );
    program.variables.insert("PYTHONPATH".to_owned(), path);
    // As on Lambda, where the function's folder cannot be written to.
    program
        .variables
        .insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
    program.command = [&python, "-m", "awslambdaric", "function.handler"]
        .map(str::to_owned)
        .to_vec();
    Ok(program)
}

/// The ticket task in Node. It lies in `installed`, in one file with what it uses.
pub(crate) fn node(scene: &Scene, node: &str, installed: &Path) -> anyhow::Result<Program> {
    let node = printed(node, &["-p", "process.execPath"])?;
    let folder = installed.join("dist").canonicalize()?;
    let mut program = like(scene, "node", &folder)?;
    program.command = vec![node, folder.join("runtime.cjs").display().to_string()];
    Ok(program)
}

fn like(scene: &Scene, name: &str, deployed: &Path) -> anyhow::Result<Program> {
    let mut program = scene.program(LIKE)?;
    name.clone_into(&mut program.name);
    program
        .variables
        .insert("AWS_ACCESS_KEY_ID".to_owned(), name.to_owned());
    deployed.clone_into(&mut program.deployed);
    Ok(program)
}

/// What a program prints.
pub(crate) fn printed(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program} has failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
