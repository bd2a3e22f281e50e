//! Where it was measured.

use anyhow::Context;
use serde::Serialize;

/// A machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_gb: f64,
    kernel: String,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// When the system does not say what it is: any but Linux.
    pub fn this() -> anyhow::Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).context(path.to_owned());
        let (cpu, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
        };
        let kilobytes = field(&memory, "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        Ok(Self {
            processor: field(&cpu, "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gb: kilobytes.unwrap_or_default() / 1024.0 / 1024.0,
            // The version: what follows names whoever built it.
            kernel: read("/proc/sys/kernel/osrelease")?
                .split(['-', '\n'])
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            processor,
            cores,
            memory_gb,
            kernel,
        } = self;
        write!(
            f,
            "{processor}, {cores} cores, {memory_gb:.0} GB, Linux {kernel}"
        )
    }
}
