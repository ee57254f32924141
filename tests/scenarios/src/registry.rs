//! An image registry in the hub of the testbed, which nodes fetch the product's image from. Node.js carries it.

use crate::{Cluster, binary, product_archive, run, wait_until};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START: Duration = Duration::from_secs(30);
const HOST: &str = "10.213.0.1";
const PORT: &str = "5000";

/// A registry with the product's image, whose digest is another one than that which clusters are given. Ends when it is
/// dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
}

impl Registry {
    /// One below `place`, which this cluster's nodes may speak to without TLS.
    pub fn start(place: &Path, cluster: &Cluster) -> Self {
        let layout = place.join("layout");
        std::fs::create_dir(&layout).expect("the registry's directory");
        let mut unpack = Command::new("tar");
        unpack.arg("-xf").arg(product_archive()).arg("-C").arg(&layout);
        run(unpack, "").ok();
        let known = cluster.data().join("config/registries").join(format!("{HOST}:{PORT}"));
        std::fs::create_dir_all(&known).expect("the node's directory of registries");
        let hosts = format!("server = \"http://{HOST}:{PORT}\"\n\n[host.\"http://{HOST}:{PORT}\"]\n");
        std::fs::write(known.join("hosts.toml"), hosts).expect("how the registry is reached");
        let log = place.join("registry.log");
        let child = Command::new(binary("testbed"))
            .args(["exec", "--hub", "--", "node"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("registry.js"))
            .args([HOST, PORT])
            .arg(&layout)
            .arg(std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(File::create(&log).expect("the registry's log"))
            .spawn()
            .expect("the registry starts");
        let registry = Self { child };
        wait_until("the registry", START, || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if said.contains("ready") { Ok(()) } else { Err(said) }
        });
        registry
    }

    /// The name of the image there. Each test run has one of its own: a node keeps what it has fetched.
    pub fn image(&self) -> String {
        format!("{HOST}:{PORT}/cofferdam:run-{}", std::process::id())
    }

    /// Nodes of this cluster are refused by it.
    pub fn refuse(&self, cluster: &Cluster) -> crate::Dropped {
        crate::Dropped::refused(cluster, HOST, PORT)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
