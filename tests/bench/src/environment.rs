//! Where and with what something was measured.

use serde::{Deserialize, Serialize};
use std::process::Command;

/// The machine and the sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The day, as it was given.
    pub date: String,
    /// Processors, memory, kernel.
    pub machine: String,
    /// The commit of the checkout, with `+` behind it when files differ from it.
    pub commit: String,
}

impl Environment {
    /// What this machine says of itself.
    pub fn of_this_machine(date: &str) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let count = processors.lines().filter(|line| line.starts_with("processor")).count();
        let kib: f64 =
            memory.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        Self {
            date: date.to_owned(),
            machine: format!(
                "{count} processors ({}), {:.0} GiB, Linux {}",
                model.trim_start_matches([' ', '\t', ':']),
                kib / 1_048_576.0,
                kernel.trim()
            ),
            commit: commit(),
        }
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", "crates", "apps", "tests/bench"]);
    if changed.is_some_and(|changed| !changed.is_empty()) { format!("{commit}+") } else { commit }
}
