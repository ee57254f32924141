//! Clusters of their own, some of whose doors are shut; gone when the test ends.

use crate::{Cluster, binary, load_product, load_workload, run};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// As long as a packet filter that drops packets is waited for.
const ATTEMPT: Duration = Duration::from_secs(2);

/// A cluster that was brought up with options that shut ways into it.
#[derive(Debug)]
pub struct Closed {
    /// The cluster, whose `kubectl` enters its network if it has to.
    pub cluster: Cluster,
}

impl Closed {
    /// Brings a new one up, with the images.
    pub fn up(name: &str, options: &[&str]) -> Self {
        testbed(&["down", "--name", name]);
        // Taken down also when a later step fails.
        let closed = Self { cluster: Cluster::named(name) };
        testbed(&[&["up", "--name", name], options].concat());
        load_product(&closed.cluster);
        load_workload(&closed.cluster, "shell");
        closed
    }

    /// Where its API server listens, as its kubeconfig says.
    pub fn api_server(&self) -> SocketAddr {
        let server = ["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"];
        let server = self.cluster.kubectl(&server);
        server.trim_start_matches("https://").parse().expect("an address")
    }

    /// The address with which it is plugged into the hub.
    pub fn outer_address(&self) -> SocketAddr {
        let text = self.inside(&["ip", "-4", "-o", "address", "show", "dev", "eth0"]);
        let address = text.split_whitespace().find_map(|word| word.strip_suffix("/16")).expect("an address");
        format!("{address}:6443").parse().expect("an address with a port")
    }

    /// Runs a command in its network.
    pub fn inside(&self, command: &[&str]) -> String {
        testbed(&[&["exec", "--name", &self.cluster.name, "--"], command].concat())
    }

    /// How many packets its filter has turned away so far: those that would have opened a way in.
    pub fn turned_away(&self) -> u64 {
        self.counted("DOORS", "DROP")
    }

    /// How many packets its filter has kept in: those that would have opened a connection to the outside.
    pub fn kept_in(&self) -> u64 {
        self.counted("WAYOUT", "DROP")
    }

    /// How many connections it has let out to the one place that is open.
    pub fn let_out(&self) -> u64 {
        self.counted("WAYOUT", "RETURN")
    }

    /// What the last rule of a chain with this verdict has counted.
    fn counted(&self, chain: &str, verdict: &str) -> u64 {
        let rules = self.inside(&["iptables", "-w", "-t", "mangle", "-nvxL", chain]);
        let last = rules.lines().rfind(|line| line.contains(verdict)).expect("such a rule");
        last.split_whitespace().next().and_then(|count| count.parse().ok()).expect("a number of packets")
    }

    /// A file of its public keys and certificates.
    pub fn pki(&self, file: &str) -> String {
        self.cluster.data().join("pki").join(file).display().to_string()
    }

    /// The entries of the API server's audit log.
    pub fn audit_log(&self) -> Vec<Value> {
        let path = self.cluster.data().join("logs/audit.log");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines().map(|line| serde_json::from_str(line).expect("an entry in JSON")).collect()
    }

    /// Whether its API server answers from there to the machine's shell, where the vault runs. Something else may:
    /// what counts is who proves to be the API server.
    pub fn answers(&self, from: SocketAddr) -> bool {
        self.handshake(from).is_ok()
    }

    fn handshake(&self, with: SocketAddr) -> std::io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&with, ATTEMPT)?;
        stream.set_read_timeout(Some(ATTEMPT))?;
        let mut authorities = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.pki("ca.crt")).expect("the cluster's authority");
        authorities.add(authority).expect("an authority");
        let tls =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions of TLS")
                .with_root_certificates(authorities)
                .with_no_client_auth();
        let name = ServerName::from(with.ip());
        let mut connection = ClientConnection::new(Arc::new(tls), name).expect("a client of TLS");
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(())
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for what in [&["get", "pods", "-A", "-o", "wide"][..], &["get", "events", "-A"]] {
                eprintln!("{}", self.cluster.try_kubectl(what, "").stdout);
            }
        }
        let mut down = Command::new(binary("testbed"));
        down.args(["down", "--name", &self.cluster.name]);
        let ran = run(down, "");
        if ran.code != 0 {
            eprintln!("{} could not be taken down: {}", self.cluster.name, ran.stderr);
        }
    }
}

fn testbed(arguments: &[&str]) -> String {
    let mut command = Command::new(binary("testbed"));
    command.args(arguments);
    run(command, "").ok()
}
