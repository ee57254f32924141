//! A vault beside the clusters, and a person with its command line.

use crate::{IMAGE, Ran, binary, run, wait_until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START: Duration = Duration::from_secs(30);

/// A running `cofferdam vault serve` that can install the backup extension; killed when dropped.
#[derive(Debug)]
pub struct Vault {
    child: Child,
    place: PathBuf,
    address: String,
}

impl Vault {
    /// A new vault below `place`. `address` is one where the clusters' pods reach the machine that the tests run on,
    /// which it has as long as a cluster of the testbed is up.
    pub fn start(place: &Path, address: &str) -> Self {
        Self::start_with(place, address, &[])
    }

    /// The same with more arguments.
    pub fn start_with(place: &Path, address: &str, more: &[&str]) -> Self {
        let packages = packages(place);
        let file = File::create(place.join("vault.log")).expect("the vault's log");
        let child = Command::new(binary("cofferdam"))
            .args(["vault", "serve", "--listen", address, "--schedule-spread", "0"])
            .args(["--public-url", &format!("https://{address}"), "--agent-image", IMAGE, "--packages"])
            .arg(packages)
            .arg("--data")
            .arg(place.join("vault"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle of the log"))
            .stderr(file)
            .spawn()
            .expect("the vault starts");
        let vault = Self { child, place: place.to_owned(), address: address.to_owned() };
        wait_until("the vault's credential of the administrator", START, || {
            let there = vault.credential().exists() && vault.authority().exists();
            if there { Ok(()) } else { Err(vault.end_of_log()) }
        });
        wait_until("the vault's address", START, || {
            std::net::TcpStream::connect(address).map_err(|error| format!("{error}: {}", vault.end_of_log()))
        });
        vault
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The file of the administrator's credential.
    pub fn credential(&self) -> PathBuf {
        self.place.join("vault/administrator.json")
    }

    /// The file of the authority that signs its certificate.
    pub fn authority(&self) -> PathBuf {
        self.place.join("vault/tls/ca.crt")
    }

    /// Offers one more package, signed like the first.
    pub fn offer(&self, package: &Path) {
        let mut build = Command::new(binary("cofferdam"));
        build.args(["extension-package", "build", "--key"]).arg(self.place.join("key.pem"));
        build.arg("--package").arg(package).arg("--directory").arg(self.place.join("packages"));
        run(build, "").ok();
    }

    /// The administrator, signed in at the command line.
    pub fn administrator(&self) -> Person {
        let person = Person { config: self.place.join("config") };
        let (credential, authority) = (self.credential(), self.authority());
        let files = [&credential, &authority].map(|path| path.display().to_string());
        person.cofferdam(&["login", "--credential-file", &files[0], "--ca", &files[1]]).ok();
        person
    }

    /// What it logged last.
    pub fn end_of_log(&self) -> String {
        let text = std::fs::read_to_string(self.place.join("vault.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the vault's log ends with\n{}", self.end_of_log());
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Somebody who is signed in at a vault, and has no kubeconfig.
#[derive(Debug)]
pub struct Person {
    config: PathBuf,
}

impl Person {
    /// `cofferdam` with these arguments.
    pub fn cofferdam(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(binary("cofferdam"));
        command.args(args).env_remove("KUBECONFIG").env("HOME", &self.config).env("NO_COLOR", "1");
        command.env("COFFERDAM_CONFIG_DIR", &self.config);
        run(command, "")
    }

    /// The same; one line of its output.
    pub fn line(&self, args: &[&str]) -> String {
        self.cofferdam(args).ok().trim().to_owned()
    }

    /// Runs a command that may say that something was left out and named (3), and returns its output.
    pub fn does(&self, args: &[&str]) -> String {
        let ran = self.cofferdam(args);
        assert!([0, 3].contains(&ran.code), "{args:?}: {}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        ran.stdout
    }
}

/// The backup extension's package, signed with a key of its own, and the file that trusts the key.
fn packages(place: &Path) -> PathBuf {
    let (private, public) = (place.join("key.pem"), place.join("key.pub"));
    let packages = place.join("packages");
    let mut key = Command::new(binary("cofferdam"));
    key.args(["extension-package", "key", "--private"]).arg(&private).arg("--public").arg(&public);
    run(key, "").ok();
    let mut build = Command::new(binary("cofferdam"));
    build.args(["extension-package", "build", "--image", IMAGE, "--key"]).arg(&private);
    build.arg("--directory").arg(&packages);
    run(build, "").ok();
    let public = std::fs::read_to_string(&public).expect("the public key");
    let trust = serde_json::json!({
        "keys": [{"publicKey": public, "types": ["microsoft.dataprotection.kubernetes"]}],
    });
    std::fs::write(packages.join("trust.json"), trust.to_string()).expect("the file of trusted keys");
    packages
}
