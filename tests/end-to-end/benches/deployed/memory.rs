//! The memory of the functions' processes.

use std::collections::BTreeMap;
use std::path::Path;

use benchmark::deployed::Use;

/// What processes of the bundle had in use.
#[derive(Debug)]
pub(crate) struct Memory {
    endpoint: String,
    /// By process.
    processes: BTreeMap<u32, Process>,
    now: Vec<u64>,
}

/// A process of a function.
#[derive(Debug)]
struct Process {
    function: String,
    /// How far the work was, in per cent, and bytes then.
    seen: Vec<(usize, u64)>,
}

impl Memory {
    /// Of functions whose AWS is at this address, and of no other stack on this machine.
    pub(crate) fn of(endpoint: &str) -> Self {
        Self {
            endpoint: format!("AWS_ENDPOINT_URL={endpoint}"),
            processes: BTreeMap::new(),
            now: Vec::new(),
        }
    }

    /// Looks at all of them when the work is so far, in per cent.
    pub(crate) fn look(&mut self, progress: usize) {
        self.now.clear();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            // A process that ends meanwhile has no files any more.
            let Some((number, (function, bytes))) =
                number.and_then(|number: u32| Some((number, self.read(&entry.path())?)))
            else {
                continue;
            };
            self.now.push(bytes);
            let process = self.processes.entry(number).or_insert(Process {
                function,
                seen: Vec::new(),
            });
            process.seen.push((progress, bytes));
        }
    }

    fn read(&self, process: &Path) -> Option<(String, u64)> {
        let executable = std::fs::read_link(process.join("exe")).ok()?;
        let name = executable.file_name()?.to_str()?;
        // Linux marks one whose file was replaced.
        if name.trim_end_matches(" (deleted)") != "bootstrap" {
            return None;
        }
        let environment = std::fs::read(process.join("environ")).ok()?;
        let mut function = None;
        let mut is_ours = false;
        for variable in environment.split(|byte| *byte == 0) {
            let text = String::from_utf8_lossy(variable);
            is_ours |= text == self.endpoint;
            if let Some(name) = text.strip_prefix("AWS_LAMBDA_FUNCTION_NAME=") {
                function = Some(name.to_owned());
            }
        }
        let status = std::fs::read_to_string(process.join("status")).ok()?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next())?;
        let bytes = kilobytes.parse::<u64>().ok()? * 1024;
        function.filter(|_| is_ours).map(|name| (name, bytes))
    }

    /// What was in use at the last look.
    pub(crate) fn megabytes_now(&self) -> u64 {
        self.now.iter().sum::<u64>() / 1024 / 1024
    }

    /// How many there were at the last look.
    pub(crate) fn processes_now(&self) -> usize {
        self.now.len()
    }

    /// What the processes of each function had in use.
    pub(crate) fn by_function(self) -> Vec<Use> {
        let mut all: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for process in self.processes.into_values() {
            // Without what CloudFormation puts around the logical id.
            let name = process.function.split('-').nth(1);
            let name = name.unwrap_or(&process.function).to_owned();
            all.entry(name).or_default().push(process.seen);
        }
        all.iter().map(|(name, seen)| Use::of(name, seen)).collect()
    }
}
