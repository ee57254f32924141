//! What runs, as a person asks for it.

use std::path::PathBuf;

use crate::state::{self, ClusterState};
use crate::{Error, Layout, supervisor};

/// One cluster as it is now.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ClusterStatus {
    /// Its description.
    #[serde(flatten)]
    pub state: ClusterState,
    /// Its administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Its log files.
    pub logs: PathBuf,
    /// Its processes: name, id when alive, restarts so far.
    pub processes: Vec<(String, Option<i32>, u32)>,
}

impl ClusterStatus {
    /// Whether any of its processes is alive.
    pub fn runs(&self) -> bool {
        self.processes.iter().any(|(_, pid, _)| pid.is_some())
    }
}

/// The clusters of this machine.
pub fn status(layout: &Layout) -> Result<Vec<ClusterStatus>, Error> {
    let mut found = Vec::new();
    for (name, state) in state::clusters(layout)? {
        let places = layout.cluster(&name);
        let running = supervisor::running(&places)?;
        let processes = running.into_iter();
        found.push(ClusterStatus {
            state,
            kubeconfig: places.kubeconfig(),
            logs: places.logs(),
            processes: processes
                .map(|(name, process)| {
                    let pid = process.id.alive().then_some(process.id.pid);
                    (name, pid, process.restarts)
                })
                .collect(),
        });
    }
    Ok(found)
}
