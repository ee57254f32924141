//! A firewall in the way of a cluster's pods, or of its nodes.

use crate::{Cluster, binary, run};
use std::process::Command;

/// What pods of the cluster have as addresses.
const PODS: &str = "10.214.0.0/16";

/// Rules of the packet filter in a cluster's network, taken back when dropped.
#[derive(Debug)]
pub struct Dropped {
    cluster: String,
    rules: Vec<Vec<String>>,
}

impl Dropped {
    /// What pods send to an address by TCP is dropped.
    pub fn to(cluster: &Cluster, address: &str, port: &str) -> Self {
        Self::by(cluster, "tcp", address, port)
    }

    /// What pods send to an address by this protocol is dropped: before services have become the pods behind them.
    pub fn by(cluster: &Cluster, protocol: &str, address: &str, port: &str) -> Self {
        let what = format!("-s {PODS} -d {address} -p {protocol} --dport {port} -j DROP");
        Self::rules(cluster, &[format!("mangle PREROUTING {what}")])
    }

    /// Pods open no connection to anybody any more: what a NetworkPolicy without any rule of egress says. Answers to what
    /// others ask of them still go out.
    pub fn all(cluster: &Cluster) -> Self {
        let new = "-m conntrack --ctstate NEW -j DROP";
        Self::rules(cluster, &[format!("mangle PREROUTING -s {PODS} {new}")])
    }

    /// Nodes are refused when they open a connection to an address.
    pub fn refused(cluster: &Cluster, address: &str, port: &str) -> Self {
        let refuse = "-j REJECT --reject-with tcp-reset";
        Self::rules(cluster, &[format!("filter OUTPUT -d {address} -p tcp --dport {port} {refuse}")])
    }

    /// What pods send out of the cluster passes this chain of the filter, and is dropped where the chain does not accept it.
    pub fn but(cluster: &Cluster, chain: &str) -> Self {
        let out = format!("filter FORWARD -s {PODS} -o eth0");
        Self::rules(cluster, &[format!("{out} -j DROP"), format!("{out} -j {chain}")])
    }

    /// Each rule is a table, a chain and the rest. The last one stands before all others.
    fn rules(cluster: &Cluster, rules: &[String]) -> Self {
        let rules = rules.iter().map(|rule| rule.split(' ').map(str::to_owned).collect()).collect();
        let dropped = Self { cluster: cluster.name.clone(), rules };
        dropped.filter("-I");
        dropped
    }

    fn filter(&self, verb: &str) {
        for rule in &self.rules {
            let (table, rest) = rule.split_first().expect("a table");
            let mut command = Command::new(binary("testbed"));
            command.args(["exec", "--name", &self.cluster, "--", "iptables", "-w", "-t", table, verb]);
            command.args(rest);
            run(command, "").ok();
        }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.filter("-D");
    }
}
