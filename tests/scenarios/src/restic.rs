//! Stock restic on the repository of an installation: what anyone can do without Cofferdam.

use crate::{Installation, NAMESPACE, Ran, run};
use std::process::Command;

impl Installation {
    /// `restic` with these arguments, from the hub, with the password that a person would have kept.
    pub fn restic(&self, args: &[&str]) -> Ran {
        let secret = self.cluster.get(&["secrets", "-n", NAMESPACE]).unwrap_or_default();
        let encoded = secret["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|one| one["data"]["repository-password"].as_str())
            .expect("a Secret with the repository's password")
            .to_owned();
        let mut decode = Command::new("base64");
        decode.arg("-d");
        let password = run(decode, &encoded).ok();
        let mut command = Command::new(crate::binary("testbed"));
        command.args(["exec", "--hub", "--", "restic", "--no-cache"]).args(args);
        command
            .env("RESTIC_REPOSITORY", format!("s3:{}/{}/cofferdam", self.store.url, self.store.bucket))
            .env("RESTIC_PASSWORD", password)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing");
        run(command, "")
    }
}
