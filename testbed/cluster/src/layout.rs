//! Where everything of the testbed lies on the machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::Error;

/// A cluster's name: 1 to 16 characters of `a-z`, `0-9` and `-`, because it
/// becomes part of socket paths, which must stay short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

impl ClusterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> String {
        name.0
    }
}

impl TryFrom<String> for ClusterName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for ClusterName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let reserved = ["hub", "pool", "images"];
        if text.is_empty()
            || text.len() > 16
            || !text.chars().all(allowed)
            || text.starts_with('-')
            || text.ends_with('-')
            || reserved.contains(&text)
        {
            return Err(Error::Usage(format!(
                "{text:?} is no cluster name: use 1 to 16 of a-z, 0-9 and -, not {}",
                reserved.join(", ")
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The two directories that everything lives under, and the names of what the
/// kernel holds for us. Tests use a layout of their own.
#[derive(Debug, Clone)]
pub struct Layout {
    run: PathBuf,
    data: PathBuf,
    cache: PathBuf,
}

impl Layout {
    /// The layout of this machine: `/run/cofferdam-testbed`, `/var/lib/cofferdam-testbed`
    /// and `cofferdam/testbed` in the user's cache.
    pub fn of_this_machine() -> Self {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .unwrap_or_else(|| PathBuf::from("/var/cache"));
        Self {
            run: PathBuf::from("/run/cofferdam-testbed"),
            data: PathBuf::from("/var/lib/cofferdam-testbed"),
            cache: cache.join("cofferdam/testbed"),
        }
    }

    /// State that a reboot may forget: sockets, process ids, locks.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Data on disk: etcd, images, volumes, logs.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Built programs, kept between runs.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Places of one cluster.
    pub fn cluster(&self, name: &ClusterName) -> Places {
        self.places(name.as_str())
    }

    /// Places of the hub, where the stores run.
    pub fn hub(&self) -> Places {
        self.places("hub")
    }

    /// Places of one store: processes of its own in the hub's namespace.
    pub fn store(&self, kind: &str) -> Places {
        let hub = self.hub();
        Places {
            run: hub.run.join(kind),
            data: hub.data.join(kind),
            group: format!("{}-{kind}", hub.group),
            ..hub
        }
    }

    /// Places of what the supervisor calls `name`: a cluster, or `hub/` and a store.
    pub fn supervised(&self, name: &str) -> Places {
        match name.strip_prefix("hub/") {
            Some(store) => self.store(store),
            None => self.places(name),
        }
    }

    /// The image file of the pool that all clusters share.
    pub fn shared_pool_image(&self) -> PathBuf {
        self.data.join("pool.img")
    }

    /// Where that pool is mounted.
    pub fn shared_pool(&self) -> PathBuf {
        self.data.join("pool")
    }

    /// The lock that guards what clusters share: numbers, hub, pool.
    pub fn shared_lock(&self) -> PathBuf {
        self.run.join("lock")
    }

    fn places(&self, name: &str) -> Places {
        Places {
            run: self.run.join(name),
            data: self.data.join(name),
            namespace: format!("cofferdam-{name}"),
            group: format!("cofferdam-{name}"),
        }
    }
}

/// Where one cluster (or the hub) keeps its things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Sockets, process ids, kubeconfig.
    pub run: PathBuf,
    /// Data on disk, removed by `down`.
    pub data: PathBuf,
    /// Name of the network namespace.
    pub namespace: String,
    /// Name of the control groups.
    pub group: String,
}

impl Places {
    /// The namespace's handle in the file system.
    pub fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.namespace)
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.run.join("kubeconfig")
    }

    /// The kubeconfig that `up` itself uses: the administrator's, until administrators' certificates are refused.
    pub fn own_kubeconfig(&self) -> PathBuf {
        match self.certificates_refused().exists() {
            true => self.config().join("components.kubeconfig"),
            false => self.kubeconfig(),
        }
    }

    /// The administrator's token, where certificates are refused.
    pub fn administrator_token(&self) -> PathBuf {
        self.run.join("administrator.token")
    }

    /// The file that says: certificates of administrators are refused from now on.
    pub fn certificates_refused(&self) -> PathBuf {
        self.run.join("certificates-refused")
    }

    /// Keys and certificates.
    pub fn pki(&self) -> PathBuf {
        self.data.join("pki")
    }

    /// Generated configuration files.
    pub fn config(&self) -> PathBuf {
        self.data.join("config")
    }

    /// One log file per component.
    pub fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// The kubelet's root directory.
    pub fn kubelet(&self) -> PathBuf {
        self.data.join("kubelet")
    }

    /// containerd's socket.
    pub fn containerd_socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }

    /// What the supervisor should run, as JSON.
    pub fn processes(&self) -> PathBuf {
        self.run.join("processes.json")
    }

    /// What runs: one file per process, with its id and start time.
    pub fn pids(&self) -> PathBuf {
        self.run.join("pids")
    }

    /// The file that describes the cluster.
    pub fn state(&self) -> PathBuf {
        self.run.join("state.json")
    }

    /// The socket of the CSI driver called `driver`.
    pub fn driver_socket(&self, driver: &str) -> PathBuf {
        self.run.join(format!("{driver}.sock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_break_a_path_is_refused() {
        let bad = ["", "-a", "a-", "A", "a/b", "a.b", "hub", "seventeen-letters"];

        let parsed = bad.map(|name| name.parse::<ClusterName>().is_ok());

        assert_eq!(parsed, [false; 8]);
    }

    #[test]
    fn the_longest_socket_path_fits_into_a_socket_address() {
        let name: ClusterName = "sixteen-letters1".parse().unwrap();

        let places = Layout::of_this_machine().cluster(&name);
        let socket = places.kubelet().join("plugins_registry/plain.csi.cofferdam.test@reg.sock");

        assert!(socket.as_os_str().len() < 108, "{}", socket.display());
    }
}
