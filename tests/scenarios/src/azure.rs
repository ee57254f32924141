//! Containers of the testbed's Azure store, which checks keys and signatures.

use crate::command::{binary, run};
use std::process::Command;
use tempfile::TempDir;

/// The account of every Azurite; its manual prints the key.
pub const ACCOUNT: &str = "devstoreaccount1";
/// That key.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// A signature made with that key that allows reading and listing, until 2099.
pub const READ_ONLY_SIGNATURE: &str = "sv=2021-12-02&ss=b&srt=sco&sp=rl&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp&sig=o8256hF4M%2F9fWSdJ3Nkh3S7OjikYg5Vm2iCbYIZWBJg%3D";

/// A container of the testbed's Azure store.
#[derive(Debug)]
pub struct Container {
    /// Its name.
    pub name: String,
    credentials: TempDir,
}

impl Container {
    /// A new, empty container; starts the store when it does not run.
    pub fn new(name: &str) -> Self {
        let mut command = Command::new(binary("testbed"));
        command.args(["store", "up", "azure", "--bucket", name]);
        run(command, "").ok();
        Self { name: name.to_owned(), credentials: TempDir::new().expect("a directory") }
    }

    /// The arguments of `install`, `preflight` and `location add` that point at this container, with this
    /// credential.
    pub fn arguments(&self, key: &str, value: &str) -> Vec<String> {
        let prefix = "configuration.backupStorageLocation";
        let settings = [
            format!("{prefix}.bucket={}", self.name),
            format!("{prefix}.config.storageAccount={ACCOUNT}"),
            format!("{prefix}.config.storageAccountURI=http://10.213.0.1:10000/{ACCOUNT}"),
        ];
        let mut arguments: Vec<String> =
            settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect();
        let file = self.credentials.path().join(key);
        std::fs::write(&file, value).expect("the file is written");
        arguments.extend(["--credential-file".to_owned(), format!("{key}={}", file.display())]);
        arguments
    }
}
