//! A vault beside the clusters, and a person with its command line.

use crate::{IMAGE, Ran, binary, run, wait_until};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

const START: Duration = Duration::from_secs(30);

/// A running `cofferdam vault serve` that can install the backup extension; killed when dropped.
#[derive(Debug)]
pub struct Vault {
    child: Mutex<Child>,
    place: PathBuf,
    address: String,
    settings: Vec<String>,
}

impl Vault {
    /// A new vault below `place`. `address` is one where the clusters' pods reach the machine that the tests run on,
    /// which it has as long as a cluster of the testbed is up.
    pub fn start(place: &Path, address: &str) -> Self {
        Self::run(place, address, &[], &[])
    }

    /// The same with further settings; one that ran below `place` before goes on with what it had.
    pub fn with(place: &Path, address: &str, settings: &[&str]) -> Self {
        Self::run(place, address, settings, &[])
    }

    /// One that offers these packages of third parties too, and looks every few seconds whether there are more.
    pub fn offering(place: &Path, address: &str, thirds: &[Value]) -> Self {
        Self::run(place, address, &["--extension-upgrades", "4s"], thirds)
    }

    fn run(place: &Path, address: &str, settings: &[&str], thirds: &[Value]) -> Self {
        packages(place, thirds);
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let child = Mutex::new(spawn(place, address, &settings));
        let vault = Self { child, place: place.to_owned(), address: address.to_owned(), settings };
        vault.answers();
        vault
    }

    /// Waits until something listens where its API is.
    fn answers(&self) {
        wait_until("the vault's address", START, || {
            std::net::TcpStream::connect(&self.address)
                .map_err(|error| format!("{error}: {}", self.end_of_log()))
        });
    }

    /// Kills it (SIGKILL), as a machine does that breaks.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        drop(child.kill());
        drop(child.wait());
    }

    /// Kills it (SIGKILL), and starts it again with what it had.
    pub fn dies_and_returns(&self) {
        self.kill();
        let again = spawn(&self.place, &self.address, &self.settings);
        *self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = again;
        self.answers();
    }

    /// What its operator does on its machine, in the folder above its data.
    pub fn operator(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(binary("cofferdam"));
        command.arg("vault").args(args).current_dir(&self.place).env("NO_COLOR", "1");
        run(command, "")
    }

    /// The directory of its data.
    pub fn data(&self) -> PathBuf {
        self.place.join("vault")
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The file of the administrator's credential.
    pub fn credential(&self) -> PathBuf {
        self.place.join("vault/administrator.json")
    }

    /// What is in it.
    pub fn administrators_credential(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.credential()).expect("the administrator's credential");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// The file of the authority that signs its certificate.
    pub fn authority(&self) -> PathBuf {
        self.place.join("vault/tls/ca.crt")
    }

    /// Offers one more package, signed like the first.
    pub fn offer(&self, package: &Path) {
        build(&self.place, "key", &["--package", &package.display().to_string()]);
    }

    /// Offers one more package of a third party, signed by that one.
    pub fn offer_third(&self, package: &Value) {
        third(&self.place, package);
    }

    /// The administrator, signed in at the command line.
    pub fn administrator(&self) -> Person {
        // It is written after the vault has its address.
        wait_until("the credential of the administrator", START, || {
            if self.credential().exists() { Ok(()) } else { Err(self.end_of_log()) }
        });
        self.signed_in("config", &self.credential())
    }

    /// A service principal without any role: its object id, and the file of its credential.
    pub fn principal(&self, name: &str) -> (String, PathBuf) {
        let mut command = Command::new(binary("cofferdam"));
        command.args(["vault", "add-principal", name, "-o", "json", "--data"]).arg(self.data());
        let made = run(command, "").json();
        let text = |field: &str| made[field].as_str().expect("the new principal").to_owned();
        (text("objectId"), self.data().join(format!("principal-{}.json", text("clientId"))))
    }

    /// Signs in with such a file; `name` tells people apart.
    pub fn signed_in(&self, name: &str, credential: &Path) -> Person {
        let person = Person { config: self.place.join(name) };
        let files = [credential, &self.authority()].map(|path| path.display().to_string());
        let login = ["login", "--vault-url", &self.url(), "--credential-file", &files[0], "--ca", &files[1]];
        person.cofferdam(&login).ok();
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
        self.kill();
    }
}

/// Starts one that goes on with what lies below `place`.
fn spawn(place: &Path, address: &str, settings: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(place.join("vault.log"));
    let file = log.expect("the vault's log");
    Command::new(binary("cofferdam"))
        .args(["vault", "serve", "--listen", address, "--schedule-spread", "0"])
        .args(["--public-url", &format!("https://{address}"), "--agent-image", IMAGE, "--packages"])
        .arg(place.join("packages"))
        .arg("--data")
        .arg(place.join("vault"))
        .args(settings)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a second handle of the log"))
        .stderr(file)
        .spawn()
        .expect("the vault starts")
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

/// The backup extension's package and those of third parties, each party's signed with a key of its own, and the file that
/// trusts each key for that party's types.
fn packages(place: &Path, thirds: &[Value]) {
    let packages = place.join("packages");
    if packages.exists() {
        return;
    }
    let public = key(place, "key");
    build(place, "key", &["--image", IMAGE]);
    let mut keys = vec![json!({"publicKey": public, "types": ["microsoft.dataprotection.kubernetes"]})];
    if !thirds.is_empty() {
        let public = key(place, "thirds");
        let types: Vec<&Value> = thirds.iter().map(|third| &third["type"]).collect();
        keys.push(json!({"publicKey": public, "types": types}));
    }
    thirds.iter().for_each(|package| third(place, package));
    let trust = json!({"keys": keys});
    std::fs::write(packages.join("trust.json"), trust.to_string()).expect("the file of trusted keys");
}

/// Makes a key that signs; its public half.
fn key(place: &Path, name: &str) -> String {
    let public = place.join(format!("{name}.pub"));
    let mut make = Command::new(binary("cofferdam"));
    make.args(["extension-package", "key", "--private"]).arg(place.join(format!("{name}.pem")));
    make.arg("--public").arg(&public);
    run(make, "").ok();
    std::fs::read_to_string(&public).expect("the public key")
}

/// Signs a package and puts it among those that are offered.
fn build(place: &Path, key: &str, package: &[&str]) {
    let mut build = Command::new(binary("cofferdam"));
    build.args(["extension-package", "build"]).args(package);
    build.arg("--key").arg(place.join(format!("{key}.pem")));
    build.arg("--directory").arg(place.join("packages"));
    run(build, "").ok();
}

/// A third party's package, in a repository of its own; as it was built from, it lies beside the vault.
fn third(place: &Path, package: &Value) {
    let kind = package["type"].as_str().expect("a type");
    let file = place.join(format!("{kind}.json"));
    std::fs::write(&file, package.to_string()).expect("the package");
    let file = file.display().to_string();
    build(place, "thirds", &["--package", &file, "--repository", &format!("thirds/{kind}")]);
}
