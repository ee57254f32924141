//! A CONNECT proxy in the hub of the testbed, where a cluster's only way out may lead. Node.js carries it: another
//! implementation of HTTP and TLS than the product's.

use crate::{binary, wait_until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START: Duration = Duration::from_secs(30);

/// A proxy that is reached over TLS, with a certificate of a private authority, and asks for a name and a password. Ends
/// when it is dropped.
#[derive(Debug)]
pub struct ConnectProxy {
    child: Child,
    place: PathBuf,
    address: String,
}

impl ConnectProxy {
    /// One below `place`, at an address of the hub's with a port, for this `name:password`.
    pub fn start(place: &Path, address: &str, password: &str) -> Self {
        let (host, port) = address.rsplit_once(':').expect("an address with a port");
        let place = place.join("proxy");
        std::fs::create_dir(&place).expect("the proxy's directory");
        certify(&place, host);
        let file = |name: &str| place.join(name);
        std::fs::write(file("passwords"), password).expect("the password");
        let child = Command::new(binary("testbed"))
            .args(["exec", "--hub", "--", "node"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("proxy.js"))
            .args([host, port])
            .args([file("proxy.key"), file("proxy.crt"), file("passwords")])
            .stdin(Stdio::piped())
            .stdout(File::create(file("log")).expect("the proxy's log"))
            .spawn()
            .expect("the proxy starts");
        let proxy = Self { child, place: place.clone(), address: address.to_owned() };
        wait_until("the proxy", START, || {
            let log = proxy.log();
            if log.contains("ready") { Ok(()) } else { Err(log) }
        });
        proxy
    }

    /// Asks for another name and password from now on.
    pub fn change_password(&self, password: &str) {
        std::fs::write(self.place.join("passwords"), password).expect("the password");
    }

    /// A file with its address for somebody with this `name:password`.
    pub fn url_file(&self, password: &str) -> String {
        let file = self.place.join("url");
        std::fs::write(&file, format!("https://{password}@{}", self.address)).expect("the proxy's address");
        file.display().to_string()
    }

    /// The file of the authority that signed its certificate.
    pub fn authority(&self) -> String {
        self.place.join("ca.crt").display().to_string()
    }

    /// How often somebody wanted to go to `target` and got this answer.
    pub fn answered(&self, target: &str, status: u16) -> usize {
        let line = format!("CONNECT {target} {status}");
        self.log().lines().filter(|seen| **seen == line).count()
    }

    /// What it wrote down.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("log")).unwrap_or_default()
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the proxy's log:\n{}", self.log());
        }
        // It ends with its standard input.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// Writes an authority and a certificate of its own for `host`.
fn certify(place: &Path, host: &str) {
    let write =
        |name: &str, text: String| std::fs::write(place.join(name), text).expect("a file of the proxy");
    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.crt", authority.self_signed(&key).expect("an authority").pem());
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([host.to_owned()]).expect("a name for the certificate");
    write("proxy.crt", params.signed_by(&own, &issuer).expect("a certificate").pem());
    write("proxy.key", own.serialize_pem());
}
