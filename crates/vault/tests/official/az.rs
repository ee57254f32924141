//! The `az` command line: installed once into the cache, with a configuration of its own that knows one cloud.

use super::{both, direct, folder};
use crate::world::World;
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// What `az` has to remember between two calls.
pub struct Az {
    pub home: TempDir,
    ca: PathBuf,
}

impl Az {
    /// One that knows the vault as its cloud. Nobody is signed in.
    pub fn knowing(world: &World) -> Self {
        // Installed by the machine's own proxy and authorities: those of a test are for the vault alone.
        let mut ready = python(Command::new("timeout"));
        let ready = ready.arg("--version").output().unwrap();
        assert!(ready.status.success(), "{}", both(&ready));
        let this = Self { home: tempfile::tempdir().unwrap(), ca: world.ca.clone() };
        this.done("cloud register -n Cofferdam --endpoint-resource-manager", &[&world.url]);
        // Were this to fail unnoticed, the secret would go to the public cloud next.
        this.done("cloud set -n Cofferdam", &[]);
        this
    }

    /// One where the administrator is signed in.
    pub fn signed_in(world: &World) -> Self {
        let this = Self::knowing(world);
        let admin = &world.administrator;
        let login = ["-u", &admin.client_id, "-p", &admin.secret, "--tenant", &world.tenant];
        let accounts = this.done("login --service-principal", &login);
        assert_eq!(accounts[0]["id"], world.subscription.as_str(), "{accounts}");
        this
    }

    /// Succeeds; what was printed. `words` are parted by spaces, `more` are taken as they are.
    pub fn done(&self, words: &str, more: &[&str]) -> Value {
        let told = self.run(words, more);
        assert!(told.status.success(), "az {words} {more:?}: {}", both(&told));
        if told.stdout.iter().all(u8::is_ascii_whitespace) {
            return Value::Null;
        }
        serde_json::from_slice(&told.stdout)
            .unwrap_or_else(|error| panic!("az {words}: {error}: {}", both(&told)))
    }

    /// Fails; the exit code and what was said.
    pub fn refused(&self, words: &str, more: &[&str]) -> (i32, String) {
        let told = self.run(words, more);
        assert!(!told.status.success(), "az {words} {more:?}: {}", both(&told));
        (told.status.code().unwrap_or_default(), String::from_utf8_lossy(&told.stderr).into_owned())
    }

    fn run(&self, words: &str, more: &[&str]) -> Output {
        self.command(words, more).output().unwrap()
    }

    /// The call, not yet made.
    pub fn command(&self, words: &str, more: &[&str]) -> Command {
        let mut command = python(direct("timeout"));
        command.args(["-m", "azure.cli"]).args(words.split_whitespace()).args(more).args(["-o", "json"]);
        command
            .env("AZURE_CONFIG_DIR", self.home.path())
            .env("AZURE_CORE_COLLECT_TELEMETRY", "no")
            .env("AZURE_CORE_INSTANCE_DISCOVERY", "false")
            .env("AZURE_CORE_LOGIN_EXPERIENCE_V2", "off")
            .env("AZURE_CORE_NO_COLOR", "true")
            .env("AZURE_CORE_DISABLE_CONFIRM_PROMPT", "true")
            .env("AZURE_EXTENSION_USE_DYNAMIC_INSTALL", "no")
            .env("REQUESTS_CA_BUNDLE", &self.ca)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Python with the packages of `az`; a call that hangs is ended.
fn python(mut command: Command) -> Command {
    command.arg("900").arg(folder().join("python")).env("COFFERDAM_REQUIREMENTS", "requirements-az.txt");
    command
}
