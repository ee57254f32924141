//! What the kernel has counted about one container: control groups of version 1 and 2.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// Counters of one container, since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Seconds of processor time.
    pub cpu: f64,
    /// Periods of the processor's limit in which it had something to do.
    pub periods: f64,
    /// Periods in which it was held back.
    pub throttled: f64,
    /// Seconds, added up over the processors, that it was held back.
    pub throttled_seconds: f64,
    /// MiB that count towards its limit, now.
    pub memory: f64,
    /// The most that this ever was.
    pub peak: f64,
}

/// The control groups of one container.
#[derive(Debug)]
pub struct Container(Vec<PathBuf>);

impl Container {
    /// Finds them by the container's id.
    pub fn find(id: &str) -> Result<Self> {
        let mut found = Vec::new();
        search(Path::new(ROOT), id, &mut found);
        if found.is_empty() {
            anyhow::bail!("no control group below {ROOT} is called {id}");
        }
        Ok(Self(found))
    }

    /// Its counters now.
    pub fn read(&self) -> Result<Counters> {
        // Where both versions are mounted, the second has a file of this name, too, that says nothing of limits.
        let stat = self.file("cpu.stat", "nr_periods")?;
        let in_second = self.file("memory.peak", "").is_ok();
        let number = |name: &str| -> Result<f64> {
            let text = self.file(name, "")?;
            text.trim().parse().with_context(|| format!("{name} holds {text:?}"))
        };
        let (cpu, memory, peak) = match in_second {
            true => (field(&stat, "usage_usec")? / 1e6, number("memory.current")?, number("memory.peak")?),
            false => (
                number("cpuacct.usage")? / 1e9,
                number("memory.usage_in_bytes")?,
                number("memory.max_usage_in_bytes")?,
            ),
        };
        let throttled_seconds = match in_second {
            true => field(&stat, "throttled_usec")? / 1e6,
            false => field(&stat, "throttled_time")? / 1e9,
        };
        Ok(Counters {
            cpu,
            periods: field(&stat, "nr_periods")?,
            throttled: field(&stat, "nr_throttled")?,
            throttled_seconds,
            memory: memory / 1_048_576.0,
            peak: peak / 1_048_576.0,
        })
    }

    /// A file of the first group that has it, with this in it: with version 1 each is in a hierarchy of its own.
    fn file(&self, name: &str, with: &str) -> Result<String> {
        let mut texts = self.0.iter().filter_map(|group| std::fs::read_to_string(group.join(name)).ok());
        let found = texts.find(|text| text.contains(with));
        found.with_context(|| format!("no control group of {:?} has {name} with {with:?}", self.0))
    }
}

fn field(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no {name} in {text:?}"))
}

fn search(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        match entry.file_name().to_string_lossy().contains(name) {
            true => found.push(entry.path()),
            false => search(&entry.path(), name, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_by_its_whole_name() {
        let text = "nr_periods 12\nnr_throttled 3\nthrottled_time 2500000000\n";

        assert_eq!(field(text, "nr_throttled").unwrap(), 3.0);
        assert!(field(text, "nr_thr").is_err());
    }
}
