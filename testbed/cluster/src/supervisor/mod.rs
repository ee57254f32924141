//! Keeps the processes of a cluster running: starts each when what it needs is
//! there, restarts what ends, and records who runs.

mod gate;
mod launch;
mod run;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use gate::Gate;
pub use launch::{launch, remove_mount_points, stop};
pub use run::supervise;

use crate::layout::Places;
use crate::state::{self, ProcessId};
use crate::{Error, Invocation};

/// A process that should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its name, also of its log file.
    pub name: String,
    /// How it is started.
    pub run: Invocation,
    /// What must be there first.
    pub after: Vec<Gate>,
}

/// A process that runs, or ran until it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its identity.
    pub id: ProcessId,
    /// How often it was restarted.
    pub restarts: u32,
}

/// The lock that a supervisor holds as long as it lives.
pub fn lock_file(places: &Places) -> PathBuf {
    places.run.join("supervisor.lock")
}

/// What runs, by name.
pub fn running(places: &Places) -> Result<Vec<(String, Running)>, Error> {
    let directory = places.pids();
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", &directory)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::file("read", &directory))?.path();
        let Some(name) = path.file_stem().map(|s| s.to_string_lossy().into_owned()) else {
            continue;
        };
        if path.extension().is_some_and(|e| e == "json")
            && let Some(running) = state::load(&path)?
        {
            found.push((name, running));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}
