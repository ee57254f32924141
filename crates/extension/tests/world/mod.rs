//! A vault, a store and an API server on loopback ports, and an extension's locations in front of them.

#![allow(dead_code, unused_imports)] // each test binary uses its part

mod blobs;
mod cluster;
pub mod proxy;
mod vault;

pub use cluster::{FakeCluster, location_map};
pub use vault::{FakeVault, Say};

use extension::{
    grants::{Vault, VaultSettings},
    locations::Locations,
};
use jiff::SignedDuration;
use std::{path::PathBuf, sync::Arc, time::Duration};
use storage::RetryPolicy;
use telemetry::{Clock, FixedClock, SystemClock};
use tempfile::TempDir;

/// What the kubelet would mount.
pub const PROJECTED: &str = "projected-token";

pub struct World {
    pub vault: FakeVault,
    pub cluster: FakeCluster,
    pub clock: Arc<FixedClock>,
    folder: TempDir,
}

impl World {
    pub async fn start() -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(SystemClock.now()));
        let vault = FakeVault::start(clock.clone()).await;
        std::fs::write(folder.path().join("token"), PROJECTED).unwrap();
        std::fs::write(folder.path().join("ca.crt"), vault.authority()).unwrap();
        std::fs::create_dir(folder.path().join("store")).unwrap();
        Self { vault, cluster: FakeCluster::start().await, clock, folder }
    }

    pub fn settings(&self) -> VaultSettings {
        let url = self.vault.url();
        VaultSettings {
            authorities: self.file("ca.crt"),
            tenant_id: vault::TENANT.to_owned(),
            client_id: vault::CLIENT.to_owned(),
            token_file: self.file("token"),
            authority: format!("{url}/"),
            url,
        }
    }

    /// The environment that an installation gives to the pod, for a vault at `url`.
    pub fn environment(&self, url: &str) -> Vec<(&'static str, String)> {
        let settings = self.settings();
        vec![
            ("COFFERDAM_VAULT_URL", url.to_owned()),
            ("COFFERDAM_VAULT_CA", settings.authorities.display().to_string()),
            ("AZURE_TENANT_ID", settings.tenant_id),
            ("AZURE_CLIENT_ID", settings.client_id),
            ("AZURE_FEDERATED_TOKEN_FILE", settings.token_file.display().to_string()),
        ]
    }

    pub fn client(&self) -> Vault {
        let quick = RetryPolicy {
            attempts: 3,
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(10),
        };
        Vault::new(self.settings(), self.clock.clone()).with_retry(quick)
    }

    /// The locations of an extension of the cluster `uid`.
    pub async fn locations(&self, uid: &str) -> Locations {
        Locations::new(self.cluster.client().await, "backups", uid.to_owned(), self.clock.clone())
            .with_vault(Some(Arc::new(self.client())))
    }

    /// A file of the pod.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A directory that serves as an outside store.
    pub fn store(&self) -> String {
        self.file("store").display().to_string()
    }

    pub fn pass(&self, time: SignedDuration) {
        self.clock.set(self.clock.now() + time);
    }
}
