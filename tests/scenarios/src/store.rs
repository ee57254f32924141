//! Object stores in the hub of the testbed.

use crate::{binary, run, scratch};
use std::process::Command;

/// A bucket of the testbed's S3 store.
#[derive(Debug, Clone)]
pub struct Store {
    /// URL of the store.
    pub url: String,
    /// Bucket name.
    pub bucket: String,
}

impl Store {
    /// A new, empty bucket; starts the store when it does not run.
    pub fn bucket(name: &str) -> Self {
        let mut command = Command::new(binary("testbed"));
        command.args(["store", "up", "s3", "--bucket", name]);
        run(command, "").ok();
        Self { url: "http://10.213.0.1:9000".to_owned(), bucket: name.to_owned() }
    }

    /// The settings that point an installation at this bucket.
    pub fn settings(&self) -> Vec<String> {
        let prefix = "configuration.backupStorageLocation";
        vec![
            format!("{prefix}.provider=aws"),
            format!("{prefix}.bucket={}", self.bucket),
            format!("{prefix}.config.region=us-east-1"),
            format!("{prefix}.config.s3Url={}", self.url),
            format!("{prefix}.config.s3ForcePathStyle=true"),
        ]
    }

    /// The arguments of `install` and `location add` that point at this bucket, with credentials that work.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for setting in self.settings() {
            arguments.extend(["--set".to_owned(), setting]);
        }
        for key in ["aws_access_key_id", "aws_secret_access_key"] {
            let file = scratch().join(key);
            std::fs::write(&file, "testing").expect("a file of this test's own");
            arguments.extend(["--credential-file".to_owned(), format!("{key}={}", file.display())]);
        }
        arguments
    }
}
