//! What the name server of a cluster answers for names of the hub, changed by a test.

use crate::{Cluster, run, wait_until};
use serde_json::Value;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
/// Where names of the hub stand in the name server's file.
const HOSTS: &str = "hosts {\n";
/// Any number: the socket hears this server alone.
const ID: [u8; 2] = [7, 7];

/// Names below `cofferdam.test` that lead where a test wants them to; all is as before when it is dropped.
#[derive(Debug)]
pub struct Names {
    corefile: PathBuf,
    before: String,
    process: PathBuf,
    server: String,
}

impl Names {
    /// The name server of this cluster, unchanged.
    pub fn of(cluster: &Cluster) -> Self {
        let corefile = cluster.data().join("config/Corefile");
        let before = std::fs::read_to_string(&corefile).expect("the name server's file");
        let bound = before.split_once("bind ").expect("its address").1;
        let server = bound.split_whitespace().next().expect("its address").to_owned();
        let process = Path::new(&cluster.kubeconfig).with_file_name("pids").join("coredns.json");
        Self { corefile, before, process, server }
    }

    /// From now on `name` has this address, and no other added name has one.
    pub fn lead(&self, name: &str, address: Ipv4Addr) {
        let line = format!("{HOSTS}        {address} {name}\n");
        self.say(&self.before.replacen(HOSTS, &line, 1));
        wait_until(&format!("the address of {name}"), SOON, || match self.ask(name) {
            Ok(found) if found == Some(address) => Ok(()),
            found => Err(format!("{found:?}")),
        });
    }

    fn say(&self, text: &str) {
        std::fs::write(&self.corefile, text).expect("the name server's file");
        let process = std::fs::read_to_string(&self.process).expect("the name server's process");
        let process: Value = serde_json::from_str(&process).expect("JSON");
        let id = process["id"]["pid"].as_i64().expect("a number").to_string();
        let mut reload = Command::new("kill");
        reload.args(["-USR1", &id]);
        run(reload, "").ok();
    }

    /// The address that it has for a name.
    fn ask(&self, name: &str) -> std::io::Result<Option<Ipv4Addr>> {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.connect((self.server.as_str(), 53))?;
        let mut question = ID.to_vec();
        question.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).expect("a short name"));
            question.extend(label.bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        socket.send(&question)?;
        let mut answer = [0_u8; 512];
        let length = socket.recv(&mut answer)?;
        // One answer of type A ends with its address.
        let last = answer[..length].last_chunk::<4>().expect("more than a head");
        Ok((answer[7] > 0).then(|| Ipv4Addr::from(*last)))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.say(&self.before);
    }
}
