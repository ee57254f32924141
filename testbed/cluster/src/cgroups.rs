//! The control groups of a cluster: they hold its processes and containers, and
//! tell `down` exactly which processes are its own. Version 1 and 2 of the
//! kernel's interface are both understood.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Error;

const ROOT: &str = "/sys/fs/cgroup";
/// The group below a cluster's own for everything that is no container.
const SYSTEM: &str = "system";

/// The control groups called `name`, one per hierarchy of the machine.
#[derive(Debug)]
pub struct Groups {
    hierarchies: Vec<PathBuf>,
    /// The hierarchy of version 2 beside those of version 1: we make nothing in
    /// it, but the container runtime does.
    beside: Vec<PathBuf>,
    unified: bool,
    name: String,
}

impl Groups {
    /// The groups called `name` of this machine.
    pub fn named(name: &str) -> Result<Self, Error> {
        let path = Path::new("/proc/self/mounts");
        let mounts = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        let (hierarchies, unified) = hierarchies(&mounts);
        let beside = if unified { Vec::new() } else { of_kind(&mounts, "cgroup2") };
        Ok(Self { hierarchies, beside, unified, name: name.to_owned() })
    }

    /// Creates the groups; harmless when they exist.
    pub fn create(&self) -> Result<(), Error> {
        for hierarchy in &self.hierarchies {
            let group = hierarchy.join(&self.name);
            let system = group.join(SYSTEM);
            if self.unified {
                delegate(hierarchy)?;
            }
            make(&group)?;
            if self.unified {
                delegate(&group)?;
            }
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if !self.unified && hierarchy.join(file).exists() {
                    copy(&hierarchy.join(file), &group.join(file))?;
                }
            }
            make(&system)?;
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if !self.unified && hierarchy.join(file).exists() {
                    copy(&hierarchy.join(file), &system.join(file))?;
                }
            }
        }
        Ok(())
    }

    /// Files that a process writes its id to, to become a member.
    pub fn membership_files(&self) -> Vec<PathBuf> {
        let system = Path::new(&self.name).join(SYSTEM);
        let hierarchies = self.hierarchies.iter();
        hierarchies.map(|h| h.join(&system).join("cgroup.procs")).collect()
    }

    /// Every process in the groups and below.
    pub fn processes(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        for hierarchy in self.hierarchies.iter().chain(&self.beside) {
            for directory in below(&hierarchy.join(&self.name)) {
                let procs = std::fs::read_to_string(directory.join("cgroup.procs"));
                pids.extend(procs.unwrap_or_default().lines().filter_map(|l| l.parse::<i32>().ok()));
            }
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Kills every member until none is left, then removes the groups.
    pub async fn kill_and_remove(&self) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let pids = self.processes();
            if pids.is_empty() {
                break;
            }
            if started.elapsed() > Duration::from_secs(20) {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                return Err(Error::Usage(format!(
                    "processes {} of {} survive SIGKILL; they wait for a disk or a mount",
                    pids.join(", "),
                    self.name
                )));
            }
            for pid in pids {
                // ESRCH is the wish fulfilled; anything else shows in the next round.
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for hierarchy in self.hierarchies.iter().chain(&self.beside) {
            let mut directories = below(&hierarchy.join(&self.name));
            directories.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
            for directory in directories {
                remove(&directory).await?;
            }
        }
        Ok(())
    }
}

/// The hierarchies to use, and whether it is the single one of version 2.
fn hierarchies(mounts: &str) -> (Vec<PathBuf>, bool) {
    match of_kind(mounts, "cgroup") {
        first_version if !first_version.is_empty() => (first_version, false),
        _ => (of_kind(mounts, "cgroup2"), true),
    }
}

/// Mount points of one kind of control groups.
fn of_kind(mounts: &str, kind: &str) -> Vec<PathBuf> {
    let lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines
        .filter(|fields| fields.get(2) == Some(&kind))
        .filter_map(|fields| fields.get(1).map(PathBuf::from))
        .filter(|path| path.starts_with(ROOT))
        .collect()
}

fn make(group: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(group).map_err(Error::file("create the control group", group))
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let value = std::fs::read_to_string(from).map_err(Error::file("read", from))?;
    std::fs::write(to, value.trim()).map_err(Error::file("write", to))
}

/// Lets children of a version 2 group use every controller that it has.
fn delegate(group: &Path) -> Result<(), Error> {
    let available = group.join("cgroup.controllers");
    let controllers = std::fs::read_to_string(&available).map_err(Error::file("read", &available))?;
    let wanted: Vec<String> = controllers.split_whitespace().map(|c| format!("+{c}")).collect();
    let control = group.join("cgroup.subtree_control");
    std::fs::write(&control, wanted.join(" ")).map_err(Error::file("write", &control))
}

/// The group and all groups below it that exist.
fn below(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(group) else {
        return Vec::new();
    };
    let mut found = vec![group.to_path_buf()];
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(below(&entry.path()));
        }
    }
    found
}

async fn remove(group: &Path) -> Result<(), Error> {
    let mut outcome = std::fs::remove_dir(group);
    for _ in 0..100 {
        match &outcome {
            // The kernel needs a moment after the last process has gone.
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                outcome = std::fs::remove_dir(group);
            }
            _ => break,
        }
    }
    match outcome {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove the control group", group)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_both_versions_uses_the_first() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";

        let found = hierarchies(mounts);

        assert_eq!(found, (vec![PathBuf::from("/sys/fs/cgroup/cpuset")], false));
    }

    #[test]
    fn a_machine_with_version_2_has_one_hierarchy() {
        let mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";

        let found = hierarchies(mounts);

        assert_eq!(found, (vec![PathBuf::from("/sys/fs/cgroup")], true));
    }
}
