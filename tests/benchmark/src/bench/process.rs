//! A process, and what it uses.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// How often it is looked whether a process has come to rest.
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// Whatever still works after so long never rests.
const MOST_LOOKS: u32 = 4_000;

/// A process that runs. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: std::process::Child,
    log: PathBuf,
    /// CPU time when it last rested.
    used: Duration,
}

impl Process {
    /// Starts a program with its arguments. What it prints goes to a file.
    pub(crate) fn start(
        program: &[String],
        variables: impl IntoIterator<Item = (String, String)>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let [path, arguments @ ..] = program else {
            bail!("no command for {}", log.display());
        };
        let file = File::create(log).with_context(|| log.display().to_string())?;
        let child = Command::new(path)
            .args(arguments)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {path}"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
            used: Duration::ZERO,
        })
    }

    /// Waits until the process rests; the CPU time that it has used since it last did.
    pub(crate) async fn rest(&mut self) -> anyhow::Result<Duration> {
        let mut before = None;
        for _ in 0..MOST_LOOKS {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.cpu()?;
            if let Some(now) = now.filter(|_| now == before) {
                let since = now.saturating_sub(self.used);
                self.used = now;
                return Ok(since);
            }
            before = now;
        }
        bail!(
            "the process of {} does not come to rest",
            self.log.display()
        )
    }

    /// The CPU time of all threads that there are; `None` while one of them runs, whose time is not accounted for yet.
    /// In nanoseconds: `/proc/{pid}/stat` knows hundredths of seconds only.
    /// What a thread has used is not in it any more once that thread has ended.
    fn cpu(&self) -> anyhow::Result<Option<Duration>> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let folder = thread?.path();
            // A thread that has ended meanwhile has no files any more.
            let (Ok(state), Ok(text)) = (
                fs::read_to_string(folder.join("stat")),
                fs::read_to_string(folder.join("schedstat")),
            ) else {
                continue;
            };
            if state
                .rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('R'))
            {
                return Ok(None);
            }
            let first = text.split_whitespace().next().unwrap_or_default();
            sum += first.parse::<u64>()?;
        }
        ensure!(sum > 0, "this system does not tell threads' CPU time");
        Ok(Some(Duration::from_nanos(sum)))
    }

    /// Bytes that it has logged so far.
    pub(crate) fn logged(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(&self.log)?.len())
    }

    /// The most memory that it had in use, in bytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next())
            .context("no VmHWM")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended by itself where this fails.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
