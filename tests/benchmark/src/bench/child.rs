//! A function as a process of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::process::Process;
use crate::runtime::{Runtime, Sign};

/// A function that runs. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    runtime: Runtime,
    /// What starting it took.
    pub(crate) init: Usage,
}

/// What something took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Time on the clock.
    pub(crate) wall: Duration,
    /// Time of a processor, in the process's own and in the system's code.
    pub(crate) cpu: Duration,
}

/// What came of an event.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// The function's answer.
    pub(crate) answer: Value,
    /// Until the answer, and the CPU time until the function rested again.
    pub(crate) usage: Usage,
}

/// How to start a function.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Its name, which is its access key.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// The file or folder that would be deployed.
    pub(crate) deployed: PathBuf,
    /// All of its environment but for what the Runtime API adds.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Child {
    /// Starts a function and waits until it asks for its first event. Its log goes to a file in `logs`.
    pub(crate) async fn start(program: &Program, logs: &Path) -> anyhow::Result<Self> {
        let name = &program.name;
        let mut runtime = Runtime::start(name).await?;
        let log = logs.join(format!("{name}.log"));
        let variables = program.variables.clone().into_iter();
        let api = ("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime.host());
        let began = Instant::now();
        let mut process = Process::start(&program.command, variables.chain([api]), &log)?;
        let sign = runtime.sign().await;
        let (at, sign) = sign.with_context(|| format!("{name}: see {}", log.display()))?;
        ensure!(
            matches!(sign, Sign::Waiting),
            "{name} did not start: {sign:?}"
        );
        let init = Usage {
            wall: at.duration_since(began),
            cpu: process.rest().await?,
        };
        Ok(Self {
            name: name.clone(),
            process,
            runtime,
            init,
        })
    }

    /// Gives the function an event and waits until it rests again.
    pub(crate) async fn invoke(&mut self, event: &Value) -> anyhow::Result<Invocation> {
        let name = self.name.clone();
        let began = Instant::now();
        self.runtime.give(event.to_string().into())?;
        let (at, sign) = self.runtime.sign().await.with_context(|| name.clone())?;
        let answer = match sign {
            Sign::Answered(body) => serde_json::from_slice(&body)
                .with_context(|| format!("{name} answered with no JSON"))?,
            Sign::Failed(error) => bail!("{name} failed: {error}"),
            Sign::Waiting => bail!("{name} asked for another event"),
        };
        let (_, sign) = self.runtime.sign().await.with_context(|| name.clone())?;
        ensure!(matches!(sign, Sign::Waiting), "{name}: {sign:?}");
        let usage = Usage {
            wall: at.duration_since(began),
            cpu: self.process.rest().await?,
        };
        Ok(Invocation { answer, usage })
    }

    /// Bytes that it has logged so far.
    pub(crate) fn logged(&self) -> anyhow::Result<u64> {
        self.process.logged()
    }

    /// The most memory that it had in use, in bytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        self.process.peak_memory()
    }
}
