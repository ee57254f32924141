//! Clusters that an agent of a vault manages.

use crate::{Cluster, NAMESPACE, binary, load_product, load_workload};

/// A cluster that an agent of a vault manages; what the agent put there goes when the test ends.
#[derive(Debug)]
pub struct Managed(pub Cluster);

impl Managed {
    /// Nothing of an earlier test is left in it, and the images are there.
    pub fn empty(cluster: Cluster) -> Self {
        let managed = Self(cluster);
        managed.clear();
        load_product(&managed.0);
        load_workload(&managed.0, "shell");
        managed
    }

    /// The command of a person who looks into the cluster.
    pub fn kubectl(&self) -> String {
        format!("{} kubectl --name {} --", binary("testbed").display(), self.0.name)
    }

    /// Takes away what the agent put there, and the agent.
    pub fn clear(&self) {
        let deployments = ["delete", "deployment", "-n", "kube-system", "--ignore-not-found"];
        let agent = [&deployments[..], &["cofferdam-agent", "cofferdam-gateway"]].concat();
        self.0.try_kubectl(&agent, "");
        for kind in ["backups", "restores", "deletebackups"] {
            self.release(&format!("{kind}.clusterbackup.dataprotection.microsoft.com"));
        }
        // A backup of a later story would hold what an earlier one left.
        let applications = ["shop", "shop-copy", "blog"];
        let namespaces = ["delete", "namespace", "--ignore-not-found", "--timeout=120s", NAMESPACE];
        self.0.try_kubectl(&[&namespaces[..], &applications].concat(), "");
    }

    /// Without an extension nobody else would take its finalizers off.
    fn release(&self, kind: &str) {
        let names = self.0.try_kubectl(&["get", kind, "-n", NAMESPACE, "-o", "name"], "").stdout;
        for name in names.lines() {
            let free =
                ["patch", name, "-n", NAMESPACE, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#];
            self.0.try_kubectl(&free, "");
        }
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.clear();
    }
}
