//! What an operator says of a receiver.

use crate::alerts::Severity;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};
use url::{Host, Url};
use zeroize::Zeroizing;

const LONGEST_NAME: usize = 40;
/// Bytes of a secret.
const LARGEST_SECRET: usize = 4096;

/// A receiver of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReceiverSettings {
    /// What it is called in alerts, metrics and the log, where its URL never stands.
    pub name: String,
    /// Where it takes messages.
    pub url: Url,
    /// File with the secret, read again for each message.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Variable of the environment with the secret. It stands never in these settings themselves, nor in an argument.
    #[serde(default)]
    pub secret_variable: Option<String>,
    /// Only alerts of these severities; all when empty.
    #[serde(default)]
    pub severities: BTreeSet<Severity>,
    /// Authorities that sign its certificate, PEM; those of the system when absent.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Take a loopback address without TLS.
    #[serde(default)]
    pub allow_loopback_http: bool,
}

/// Why a receiver cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the webhook receiver '{name}' {reason}")]
pub struct WebhookError {
    name: String,
    reason: String,
}

impl WebhookError {
    /// A receiver and what is wrong with it.
    pub fn wrong(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), reason: reason.into() }
    }
}

impl ReceiverSettings {
    /// Whether messages may go there.
    pub fn check(&self) -> Result<(), WebhookError> {
        let wrong = |reason: &str| Err(WebhookError::wrong(&self.name, reason));
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > LONGEST_NAME || !self.name.bytes().all(fits) {
            return wrong(
                "has a name that cannot be one; write 1 to 40 lower-case letters, digits or hyphens",
            );
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return wrong("has a URL with a user or password; messages are signed instead");
        }
        match self.url.scheme() {
            "https" => Ok(()),
            "http" if self.allow_loopback_http && self.is_loopback() => Ok(()),
            "http" if self.is_loopback() => {
                wrong("has a URL without TLS; say allow-loopback-http: true if that is meant")
            }
            _ => wrong("has a URL that does not begin with https://"),
        }
    }

    /// The secret as it is now.
    pub fn secret(&self) -> Result<Zeroizing<String>, WebhookError> {
        let wrong = |reason: String| WebhookError::wrong(&self.name, reason);
        match (&self.secret_file, &self.secret_variable) {
            (Some(path), None) => secret_in(path).map_err(|why| {
                wrong(format!("has a secret in {} that cannot be used: {why}", path.display()))
            }),
            (None, Some(name)) => std::env::var(name)
                .map(Zeroizing::new)
                .map_err(|_| wrong(format!("has a secret in the variable {name}, which is not set"))),
            _ => Err(wrong("needs either secret-file or secret-variable".to_owned())),
        }
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            None => false,
        }
    }
}

/// The text of a file that is no longer than a secret can be: whatever the operator names, no more is read.
fn secret_in(path: &Path) -> Result<Zeroizing<String>, String> {
    let is_file = std::fs::metadata(path).map_err(|error| error.to_string())?.is_file();
    if !is_file {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    // Of a text that grows while it is read, copies would stay in memory.
    let mut text = Zeroizing::new(String::with_capacity(LARGEST_SECRET + 1));
    let most = LARGEST_SECRET as u64 + 1;
    file.take(most).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() > LARGEST_SECRET {
        return Err(format!(
            "it is longer than {LARGEST_SECRET} bytes; a file with nothing but the secret is needed"
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(text: serde_json::Value) -> ReceiverSettings {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn messages_go_nowhere_without_tls_but_to_this_machine_when_that_is_said() {
        let told = |url: &str, allowed: bool| {
            let one = json!({"name": "ops", "url": url, "allow-loopback-http": allowed});
            settings(one).check().map_err(|error| error.to_string())
        };

        for fine in ["https://hooks.example/x", "https://10.0.0.1", "http://127.0.0.2:80/", "http://[::1]/"] {
            assert_eq!(told(fine, true), Ok(()), "{fine}");
        }
        for (url, allowed, reason) in [
            ("http://hooks.example/x", true, "does not begin with https"),
            ("http://127.0.0.1.example/", true, "does not begin with https"),
            ("http://localhost/", false, "allow-loopback-http"),
            ("file:///etc/passwd", true, "does not begin with https"),
            ("https://anna:secret@hooks.example/", true, "user or password"),
        ] {
            let error = told(url, allowed).unwrap_err();
            assert!(error.contains(reason) && !error.contains("secret@"), "{url}: {error}");
        }
    }

    #[test]
    fn a_receiver_has_one_secret_a_name_and_no_setting_that_nobody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "s".repeat(24)).unwrap();
        let url = "https://hooks.example";

        let file = settings(json!({"name": "ops", "url": url, "secret-file": path, "severities": ["Sev0"]}));
        let none = settings(json!({"name": "ops", "url": url}));
        let both = settings(json!({"name": "ops", "url": url, "secret-file": path, "secret-variable": "X"}));
        let unset = settings(json!({"name": "ops", "url": url, "secret-variable": "NO_SUCH_VARIABLE_HERE"}));

        assert_eq!(*file.secret().unwrap(), "s".repeat(24));
        std::fs::write(&path, "s".repeat(4096)).unwrap();
        assert_eq!(file.secret().unwrap().len(), 4096);
        std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let too_long = file.secret().unwrap_err().to_string();
        assert!(too_long.contains("longer than 4096 bytes") && too_long.contains("secret"), "{too_long}");
        let not_one = settings(json!({"name": "ops", "url": url, "secret-file": folder.path()}));
        assert!(not_one.secret().unwrap_err().to_string().contains("it is no file"));
        for wrong in [&none, &both] {
            assert!(wrong.secret().unwrap_err().to_string().contains("either"));
        }
        assert!(unset.secret().unwrap_err().to_string().contains("NO_SUCH_VARIABLE_HERE"));
        let misspelled = json!({"name": "ops", "url": url, "secret": "x"});
        assert!(serde_json::from_value::<ReceiverSettings>(misspelled).is_err());
        for name in ["", "Ops", "a b", &"x".repeat(41)] {
            let error = settings(json!({"name": name, "url": url})).check().unwrap_err();
            assert!(error.to_string().contains("name"), "{error}");
        }
    }
}
