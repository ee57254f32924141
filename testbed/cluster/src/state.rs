//! What the testbed remembers between two commands: which clusters exist, which
//! processes are its own, and who may change that at the moment.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::build::KubernetesVersion;
use crate::doors::Doors;
use crate::{AddressPlan, ClusterName, Error, Layout};

/// How much of a cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterKind {
    /// etcd, API server and controller manager: no node, no pods.
    ControlPlane,
    /// A node with containers, volumes and snapshots as well.
    Full(PoolKind),
}

/// Which pool the cluster's volumes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolKind {
    /// The one that all clusters share: snapshot handles mean the same in each.
    Shared,
    /// One of its own: handles of other clusters mean nothing here.
    Foreign,
}

impl fmt::Display for ClusterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlPlane => "control plane only",
            Self::Full(PoolKind::Shared) => "with a node, volumes in the shared pool",
            Self::Full(PoolKind::Foreign) => "with a node, volumes in a pool of its own",
        })
    }
}

/// The description of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// Its name.
    pub name: ClusterName,
    /// The number that its addresses derive from.
    pub number: u8,
    /// How much of it runs.
    pub kind: ClusterKind,
    /// The Kubernetes version.
    pub version: KubernetesVersion,
    /// Which ways in are shut.
    #[serde(default)]
    pub doors: Doors,
}

impl ClusterState {
    /// The cluster's addresses.
    pub fn addresses(&self) -> Result<AddressPlan, Error> {
        let plan = AddressPlan::new(self.number).ok_or_else(|| {
            Error::Usage(format!("cluster {} has the impossible number {}", self.name, self.number))
        })?;
        Ok(plan.with_private_api(self.doors.api_only_inside))
    }

    /// The name of its only node.
    pub fn node(&self) -> String {
        format!("node-{}", self.name)
    }
}

/// The clusters that exist, by name.
pub fn clusters(layout: &Layout) -> Result<BTreeMap<ClusterName, ClusterState>, Error> {
    let mut found = BTreeMap::new();
    let entries = match std::fs::read_dir(layout.run()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(Error::file("read", layout.run())(error)),
    };
    for entry in entries {
        let path = entry.map_err(Error::file("read", layout.run()))?.path();
        if let Some(state) = load::<ClusterState>(&path.join("state.json"))? {
            found.insert(state.name.clone(), state);
        }
    }
    Ok(found)
}

/// The number for a new cluster: 1 and 2 for the two that the demo uses, and
/// the first free one above for any other name.
pub fn number_for(name: &ClusterName, taken: &[u8]) -> Option<u8> {
    match name.as_str() {
        "one" => Some(1),
        "two" => Some(2),
        _ => (3..=AddressPlan::LAST).find(|number| !taken.contains(number)),
    }
}

/// A file lock, held until dropped, also when the process is killed.
#[derive(Debug)]
pub struct Lock {
    #[allow(dead_code, reason = "held for its Drop")]
    held: Flock<File>,
    path: PathBuf,
}

impl Lock {
    /// Waits for the lock.
    pub async fn take(path: &Path) -> Result<Self, Error> {
        let path = path.to_path_buf();
        let waiting = tokio::task::spawn_blocking(move || Self::acquire(&path, FlockArg::LockExclusive));
        match waiting.await {
            Ok(Ok(Some(lock))) => Ok(lock),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) | Err(_) => Err(Error::Usage("interrupted while waiting for a lock".to_owned())),
        }
    }

    /// Takes the lock if nobody has it.
    pub fn try_take(path: &Path) -> Result<Option<Self>, Error> {
        Self::acquire(path, FlockArg::LockExclusiveNonblock)
    }

    /// Gives the lock back and removes its file. Whoever waits for the removed
    /// file starts over with a new one.
    pub fn remove(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(Error::file("remove", &self.path))
    }

    fn acquire(path: &Path, how: FlockArg) -> Result<Option<Self>, Error> {
        use std::os::unix::fs::MetadataExt;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        }
        loop {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)
                .map_err(Error::file("open", path))?;
            let inode = file.metadata().map_err(Error::file("look at", path))?.ino();
            let held = match Flock::lock(file, how) {
                Ok(held) => held,
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, error)) => return Err(Error::file("lock", path)(error.into())),
            };
            if std::fs::metadata(path).is_ok_and(|now| now.ino() == inode) {
                let path = path.to_path_buf();
                return Ok(Some(Self { held, path }));
            }
        }
    }
}

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The kernel's process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

impl ProcessId {
    /// The process that has this id now, if any.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self { pid, started: start_time(&stat)? })
    }

    /// Whether this very process still runs (a zombie does not).
    pub fn alive(self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.is_ok_and(|stat| start_time(&stat) == Some(self.started) && !stat.contains(") Z "))
    }
}

/// Field 22 of `/proc/PID/stat`; the name in field 2 may hold anything, so
/// counting starts after its closing bracket.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

/// Reads a JSON file; `None` when there is none.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| Error::Corrupt { path: path.to_path_buf(), reason: error.to_string() })
}

/// Writes a JSON file in one step: readers see the old or the new content.
pub fn save<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Corrupt { path: path.to_path_buf(), reason: error.to_string() })?;
    write(path, &text)
}

/// Writes a file in one step, making its directory when needed.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    std::fs::write(&new, content).map_err(Error::file("write", &new))?;
    std::fs::rename(&new, path).map_err(Error::file("replace", path))
}

/// Removes a file; harmless when there is none.
pub fn forget(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_found_behind_a_name_with_brackets_and_spaces() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";

        let started = start_time(stat);

        assert_eq!(started, Some(987_654));
    }

    #[test]
    fn a_pid_that_another_process_has_taken_over_is_not_ours() {
        let me = ProcessId::of(std::process::id() as i32).unwrap();

        let earlier = ProcessId { started: me.started - 1, ..me };

        assert!(me.alive());
        assert!(!earlier.alive());
    }

    #[test]
    fn clusters_one_and_two_keep_their_numbers_and_others_take_free_ones() {
        let name = |text: &str| text.parse::<ClusterName>().unwrap();

        let taken = [1, 3];

        assert_eq!(number_for(&name("two"), &taken), Some(2));
        assert_eq!(number_for(&name("third"), &taken), Some(4));
    }

    #[test]
    fn a_cluster_is_found_again_after_a_restart_of_the_tool() {
        let directory = tempfile::tempdir().unwrap();
        let state = ClusterState {
            name: "one".parse().unwrap(),
            number: 1,
            kind: ClusterKind::Full(PoolKind::Foreign),
            version: KubernetesVersion::V1_35,
            doors: Doors { no_inbound: true, ..Doors::default() },
        };

        save(&directory.path().join("state.json"), &state).unwrap();

        let loaded = load::<ClusterState>(&directory.path().join("state.json")).unwrap();
        assert_eq!(loaded, Some(state));
    }

    #[test]
    fn a_lock_is_free_again_when_its_holder_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");

        let held = Lock::try_take(&path).unwrap();
        let refused = Lock::try_take(&path).unwrap();
        drop(held);

        assert!(refused.is_none());
        assert!(Lock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn a_removed_lock_can_be_taken_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");

        Lock::try_take(&path).unwrap().unwrap().remove().unwrap();

        assert!(!path.exists());
        assert!(Lock::try_take(&path).unwrap().is_some());
    }
}
