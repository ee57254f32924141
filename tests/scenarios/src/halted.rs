//! A component of a cluster that does nothing any more, as one does that hangs and that nobody starts again.

use crate::{Cluster, run};
use std::process::Command;

/// A process beside the cluster that is stopped (SIGSTOP): what starts processes again that have ended sees nothing amiss.
/// It goes on when this is dropped.
#[derive(Debug)]
pub struct Halted(u32);

impl Halted {
    /// Stops this component of the cluster, such as `snapshot-controller`.
    pub fn component(cluster: &Cluster, name: &str) -> Self {
        let halted = Self(cluster.component(name).unwrap_or_else(|why| panic!("{name}: {why}")));
        let ran = halted.signal("-STOP");
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        halted
    }

    fn signal(&self, signal: &str) -> crate::Ran {
        let mut kill = Command::new("kill");
        kill.args([signal, &self.0.to_string()]);
        run(kill, "")
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        let ran = self.signal("-CONT");
        if ran.code != 0 {
            eprintln!("process {} does not go on: {}", self.0, ran.stderr);
        }
    }
}
