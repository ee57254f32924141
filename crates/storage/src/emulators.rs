//! Real emulators of S3 (moto) and Azure Blob (Azurite) on the loopback, for tests.
//!
//! They are installed once, by the ordinary clients of their registries, into a cache keyed by version, and
//! killed when the [`Emulator`] is dropped. Failures panic: this is test equipment.

#![allow(clippy::expect_used, clippy::panic)]

mod azurite;
mod install;
mod moto;

use crate::{
    credential::{CredentialSource, CredentialValue, StaticCredential},
    location::{Location, LocationSettings, Provider},
};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use telemetry::SystemClock;

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    provider: Provider,
    port: u16,
}

impl Emulator {
    /// S3: every credential is accepted.
    pub async fn moto() -> Self {
        moto::start(None).await
    }

    /// S3 that checks access keys and policies; make a user with [`Emulator::s3_user`] *before* anything else.
    pub async fn moto_strict() -> Self {
        moto::start(Some(moto::CALLS_FOR_A_USER)).await
    }

    /// S3 that checks access keys and policies once it has answered that many requests.
    pub async fn moto_strict_after(requests: u32) -> Self {
        moto::start(Some(requests)).await
    }

    /// Azure Blob: checks account keys and shared access signatures.
    pub async fn azurite() -> Self {
        azurite::start().await
    }

    /// The address that clients use; for Azure it includes the account.
    pub fn endpoint(&self) -> String {
        match self.provider {
            Provider::Azure => format!("http://127.0.0.1:{}/{}", self.port, azurite::ACCOUNT),
            _ => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// The process, for tests that freeze or kill the store.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Makes an empty bucket or container.
    pub async fn create_bucket(&self, name: &str) {
        match self.provider {
            Provider::Azure => azurite::create_container(&self.endpoint(), name).await,
            _ => moto::create_bucket(&self.endpoint(), name).await,
        }
    }

    /// A credential that may do everything.
    pub fn credential(&self) -> CredentialValue {
        match self.provider {
            Provider::Azure => CredentialValue::AzureAccountKey(azurite::KEY.to_owned().into()),
            _ => moto::keys("testing", "testing"),
        }
    }

    /// The same as the data of a Secret.
    pub fn secret_data(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        let pairs = match self.provider {
            Provider::Azure => vec![("AZURE_STORAGE_ACCOUNT_ACCESS_KEY", azurite::KEY)],
            _ => vec![("aws_access_key_id", "testing"), ("aws_secret_access_key", "testing")],
        };
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect()
    }

    /// A shared access signature for the account with the given permissions, for example `rl` (Azure only).
    pub fn shared_access_signature(&self, permissions: &str) -> CredentialValue {
        assert_eq!(self.provider, Provider::Azure, "only Azure has shared access signatures");
        azurite::shared_access_signature(permissions)
    }

    /// A user of a strict S3 store, with a policy document in JSON.
    pub async fn s3_user(&self, name: &str, policy: &str) -> CredentialValue {
        moto::user(&self.endpoint(), name, policy).await
    }

    /// A role that web identities may assume, with a policy document in JSON: its name in requests. Takes two
    /// requests.
    pub async fn s3_role(&self, name: &str, policy: &str) -> String {
        moto::role(&self.endpoint(), name, policy).await
    }

    /// The settings of a location in `bucket`.
    pub fn settings(&self, bucket: &str) -> LocationSettings {
        let config = match self.provider {
            Provider::Azure => {
                vec![("storageAccount", azurite::ACCOUNT.to_owned()), ("storageAccountURI", self.endpoint())]
            }
            _ => vec![
                ("region", "us-east-1".to_owned()),
                ("s3Url", self.endpoint()),
                ("s3ForcePathStyle", "true".to_owned()),
            ],
        };
        LocationSettings {
            provider: self.provider,
            bucket: bucket.to_owned(),
            prefix: crate::StorePath::root(),
            config: config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        }
    }

    /// Opens `bucket` with the given credential.
    pub async fn open_with(&self, bucket: &str, credential: CredentialValue) -> Location {
        let source: Arc<dyn CredentialSource> = Arc::new(StaticCredential::new(credential));
        let opened = self.settings(bucket).open(source, Arc::new(SystemClock)).await;
        opened.expect("the emulator's settings are valid")
    }

    /// Opens `bucket` with full rights.
    pub async fn open(&self, bucket: &str) -> Location {
        self.open_with(bucket, self.credential()).await
    }

    async fn spawn(mut command: Command, provider: Provider, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut emulator = Self { child, provider, port };
        let began = Instant::now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while !listens(&address) {
            let exited = emulator.child.try_wait().expect("the emulator's state can be read");
            assert!(exited.is_none(), "{command:?} ended: {exited:?}");
            assert!(began.elapsed() < Duration::from_secs(180), "{command:?} does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        emulator
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether somebody answers at a port of the loopback. A connection to a free port may come from that very port: it
/// is then connected to itself.
fn listens(address: &SocketAddr) -> bool {
    let connection = TcpStream::connect_timeout(address, Duration::from_secs(1));
    connection.is_ok_and(|connection| connection.local_addr().is_ok_and(|own| own != *address))
}

/// A command that is killed when this test process is, however it ends.
fn tied(program: &std::path::Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}
