//! A line between a cluster and its vault that carries nothing any more, and says so to nobody.

use crate::{Cluster, binary, run};
use std::process::Command;

/// Drops every packet between one pod of a cluster and an address, both ways and without a reset: connections that stand
/// are half open. Mended when dropped.
#[derive(Debug)]
pub struct Cut {
    cluster: String,
    rules: Vec<Vec<String>>,
}

impl Cut {
    /// Cuts the gateway off from the vault at `address`; agent and extension still reach it.
    pub fn of_gateway(cluster: &Cluster, address: &str) -> Self {
        let gateway = ["get", "pods", "-n", "kube-system", "-l", "app.kubernetes.io/name=cofferdam-gateway"];
        let pod = cluster.kubectl(&[&gateway[..], &["-o", "jsonpath={.items[*].status.podIP}"]].concat());
        assert!(!pod.is_empty() && !pod.contains(' '), "one gateway: {pod}");
        let (host, port) = address.split_once(':').expect("an address with a port");
        let there = ["-s", &pod, "-d", host, "-p", "tcp", "--dport", port];
        let back = ["-s", host, "-d", &pod, "-p", "tcp", "--sport", port];
        let rules = [there, back].map(|rule| rule.map(str::to_owned).to_vec()).to_vec();
        let cut = Self { cluster: cluster.name.clone(), rules };
        cut.filter("-I");
        cut
    }

    fn filter(&self, verb: &str) {
        for rule in &self.rules {
            let mut command = Command::new(binary("testbed"));
            command.args(["exec", "--name", &self.cluster, "--", "iptables", "-w", verb, "FORWARD"]);
            command.args(rule).args(["-j", "DROP"]);
            run(command, "").ok();
        }
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.filter("-D");
    }
}
