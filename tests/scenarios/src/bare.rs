//! Clusters of a control plane alone, gone when the test ends.

use crate::{Cluster, binary, run};
use std::process::Command;

/// An API server with what it needs, and no node.
#[derive(Debug)]
pub struct Bare(pub Cluster);

impl Bare {
    /// Brings a new one up.
    pub fn up(name: &str) -> Self {
        testbed(&["down", "--name", name]);
        testbed(&["up", "--name", name, "--control-plane-only"]);
        Self(Cluster::named(name))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let mut down = Command::new(binary("testbed"));
        down.args(["down", "--name", &self.0.name]);
        let ran = run(down, "");
        if ran.code != 0 {
            eprintln!("{} could not be taken down: {}", self.0.name, ran.stderr);
        }
    }
}

fn testbed(arguments: &[&str]) {
    let mut command = Command::new(binary("testbed"));
    command.args(arguments);
    run(command, "").ok();
}
