//! What processes used: processor time and memory, as the kernel counts them.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// The kernel's unit of processor time towards programs.
const TICKS_A_SECOND: f64 = 100.0;

/// Processes whose use is looked at over a while.
#[derive(Debug, Clone)]
pub struct Watched {
    name: &'static str,
    processes: Of,
}

#[derive(Debug, Clone)]
enum Of {
    One(u32),
    /// With its children, also those that have ended.
    Family(u32),
    Machine,
}

/// Processors that were busy on average: 1 is one processor all the time.
pub type Processors = f64;

impl Watched {
    /// One process.
    pub fn one(name: &'static str, process: u32) -> Self {
        Self { name, processes: Of::One(process) }
    }

    /// A server that has a process for each connection.
    pub fn family(name: &'static str, process: u32) -> Self {
        Self { name, processes: Of::Family(process) }
    }

    /// All of the machine.
    pub fn machine(name: &'static str) -> Self {
        Self { name, processes: Of::Machine }
    }

    fn seconds(&self) -> f64 {
        match self.processes {
            Of::One(process) => times(process, 2).unwrap_or(0.0),
            Of::Family(process) => {
                let children: f64 =
                    crate::process::children(process).into_iter().filter_map(|child| times(child, 2)).sum();
                times(process, 4).unwrap_or(0.0) + children
            }
            Of::Machine => fs::read_to_string("/proc/stat").ok().and_then(|stat| busy(&stat)).unwrap_or(0.0),
        }
    }
}

/// Counts what they use from now on.
#[derive(Debug)]
pub struct Meter {
    begun: Instant,
    all: Vec<(Watched, f64)>,
}

impl Meter {
    /// From now on.
    pub fn start(all: &[Watched]) -> Self {
        let all = all.iter().map(|one| (one.clone(), one.seconds())).collect();
        Self { begun: Instant::now(), all }
    }

    /// Until now: by name, the processors that were busy.
    pub fn stop(&self) -> Vec<(String, Processors)> {
        let took = self.begun.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        let used = |(one, before): &(Watched, f64)| (one.name.to_owned(), (one.seconds() - before) / took);
        self.all.iter().map(used).collect()
    }
}

/// The first of user time, system time, and those of children that have ended.
fn times(process: u32, first: usize) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: f64 =
        rest.split_whitespace().skip(11).take(first).filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(ticks / TICKS_A_SECOND)
}

/// All but idle and waiting for disks.
fn busy(stat: &str) -> Option<f64> {
    let fields: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    let idle = fields.get(3)? + fields.get(4)?;
    // Time of guests is counted as user time too.
    let all: f64 = fields.iter().take(8).sum();
    Some((all - idle) / TICKS_A_SECOND)
}

/// Processes that wanted a processor or a disk, on average of the last minute.
pub fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next()?.parse().ok()
}

/// The first process of a PostgreSQL server in a folder.
pub fn postmaster(folder: &Path) -> Option<u32> {
    fs::read_to_string(folder.join("data/postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_busy_with_all_but_idling_and_waiting() {
        assert_eq!(busy("cpu  100 0 50 1000 500 0 50 0 30 0\ncpu0 1 1"), Some(2.0));
    }

    #[test]
    fn a_process_that_works_is_seen_to() {
        let meter = Meter::start(&[Watched::one("own", std::process::id())]);

        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            std::hint::black_box((0..10_000).sum::<u64>());
        }

        let used = meter.stop();
        assert!(used[0].1 > 0.05, "{used:?}");
    }
}
