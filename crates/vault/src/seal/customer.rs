//! Keys of customers: a Backup vault names one by its URI, as it would name a key in a key vault, and the operator gives its
//! versions as files. Such a key seals repository keys inside of what the wrapping key seals: both are needed to open one. A
//! file is read at each use, so that a key that is taken away counts at once, and again when it is back.

use super::{Key, SealError};
use aws_lc_rs::aead::Aad;
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};
use url::Url;
use zeroize::Zeroizing;

/// What is sealed with a customer's key begins so; the URI of the key and a line feed follow.
const MARK: &[u8] = b"cofferdam customer key\n";
const LONGEST: usize = 127;

/// The URI of a key: `https://HOST/keys/NAME`, with or without `/VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUri {
    base: String,
    version: Option<String>,
}

/// Why a text is no URI of a key, or no key of a customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CustomerKeyError(String);

impl FromStr for KeyUri {
    type Err = CustomerKeyError;

    fn from_str(text: &str) -> Result<Self, CustomerKeyError> {
        let wrong = || {
            CustomerKeyError(
                "write https://HOST/keys/NAME, with /VERSION behind it where one is meant".to_owned(),
            )
        };
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let host = url.host_str().filter(|_| url.scheme() == "https" && plain && url.password().is_none());
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let fits = |name: &str| {
            (1..=LONGEST).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let parts: Vec<&str> = url.path().trim_matches('/').split('/').collect();
        let (name, version) = match parts.as_slice() {
            ["keys", name] => (*name, None),
            ["keys", name, version] => (*name, Some(*version)),
            _ => return Err(wrong()),
        };
        let host = host.filter(|_| fits(name) && version.is_none_or(fits)).ok_or_else(wrong)?;
        let base = format!("https://{host}{port}/keys/{}", name.to_lowercase());
        Ok(Self { base, version: version.map(str::to_lowercase) })
    }
}

impl KeyUri {
    /// Without its version.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "/{version}"))
    }
}

/// One version of a key, and the file that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerKey {
    uri: KeyUri,
    file: PathBuf,
}

impl FromStr for CustomerKey {
    type Err = CustomerKeyError;

    fn from_str(text: &str) -> Result<Self, CustomerKeyError> {
        let wrong = |why: &str| CustomerKeyError(format!("write https://HOST/keys/NAME/VERSION=FILE: {why}"));
        let (uri, file) = text.split_once('=').ok_or_else(|| wrong("there is no ="))?;
        let uri: KeyUri = uri.parse().map_err(|_| wrong("the URI cannot be read"))?;
        if uri.version.is_none() {
            return Err(wrong("the URI has no version"));
        }
        if file.is_empty() {
            return Err(wrong("there is no file"));
        }
        Ok(Self { uri, file: PathBuf::from(file) })
    }
}

/// An identity that reaches a key, in all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUser {
    base: String,
    principal: String,
}

impl FromStr for KeyUser {
    type Err = CustomerKeyError;

    fn from_str(text: &str) -> Result<Self, CustomerKeyError> {
        let wrong = |why: &str| CustomerKeyError(format!("write https://HOST/keys/NAME=OBJECT-ID: {why}"));
        let (uri, principal) = text.split_once('=').ok_or_else(|| wrong("there is no ="))?;
        let uri: KeyUri = uri.parse().map_err(|_| wrong("the URI cannot be read"))?;
        if uri.version.is_some() {
            return Err(wrong("the URI has a version, and an identity reaches all of them"));
        }
        let principal = uuid::Uuid::try_parse(principal.trim())
            .map_err(|_| wrong("the object id of an identity is a GUID"))?;
        Ok(Self { base: uri.base, principal: principal.to_string() })
    }
}

/// All keys of customers; of the versions of one the last counts as its newest.
#[derive(Debug, Clone, Default)]
pub struct CustomerKeys {
    keys: Arc<[CustomerKey]>,
    users: Arc<[KeyUser]>,
}

impl From<Vec<CustomerKey>> for CustomerKeys {
    fn from(keys: Vec<CustomerKey>) -> Self {
        Self { keys: keys.into(), users: Arc::default() }
    }
}

impl CustomerKeys {
    /// With those who reach them. A key of which nothing is said is there for every identity of a vault.
    pub fn with_users(self, users: Vec<KeyUser>) -> Self {
        Self { users: users.into(), ..self }
    }

    /// Whether an identity reaches a key.
    pub fn permits(&self, uri: &KeyUri, principal: &str) -> bool {
        let mut users = self.users.iter().filter(|user| user.base == uri.base).peekable();
        users.peek().is_none() || users.any(|user| user.principal.eq_ignore_ascii_case(principal))
    }

    /// The version that is meant, if it can be used now.
    pub fn usable(&self, uri: &KeyUri) -> Result<KeyUri, SealError> {
        let named = |key: &&CustomerKey| {
            key.uri.base == uri.base && (uri.version.is_none() || key.uri.version == uri.version)
        };
        let found = self.keys.iter().rev().find(named).map(|key| key.uri.clone());
        let found = found.ok_or_else(|| not_there(uri, "the operator does not give it"))?;
        self.key(&found).map(|_| found)
    }

    /// Seals with a version of a key. Only the same name opens it again.
    pub(super) fn seal(
        &self,
        uri: &KeyUri,
        name: &str,
        secret: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let failed = || SealError::Seal(name.to_owned());
        let (uri_text, key) = (uri.to_string(), self.key(uri)?);
        let mut sealed = secret.to_vec();
        let context = context(name, &uri_text);
        let nonce =
            key.key.seal_in_place_append_tag(Aad::from(context), &mut sealed).map_err(|_| failed())?;
        let whole = [MARK, uri_text.as_bytes(), b"\n", nonce.as_ref(), &sealed].concat();
        Ok(Zeroizing::new(whole))
    }

    /// Opens what a customer's key sealed; what none did is as it was.
    pub(super) fn open(
        &self,
        name: &str,
        content: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Some((uri, sealed)) = split(&content) else { return Ok(content) };
        let altered = || SealError::Altered(name.to_owned());
        let parsed: KeyUri = uri.parse().map_err(|_| altered())?;
        let key = self.key(&parsed)?;
        let wrong = || not_there(&parsed, "what the operator gives under this name is another key");
        key.open(&context(name, uri), sealed).ok_or_else(wrong)
    }

    fn key(&self, uri: &KeyUri) -> Result<Key, SealError> {
        let found = self.keys.iter().find(|key| key.uri == *uri);
        let found = found.ok_or_else(|| not_there(uri, "the operator does not give it"))?;
        let text = std::fs::read_to_string(&found.file).map(Zeroizing::new);
        let text = text.map_err(|error| not_there(uri, &format!("its file cannot be read: {error}")))?;
        Key::from_hex(text.trim(), "its file")
            .map_err(|_| not_there(uri, "its file does not hold 64 hexadecimal digits"))
    }
}

/// The key with which a content is sealed, where a customer's key did it.
pub fn sealed_with(content: &[u8]) -> Option<KeyUri> {
    split(content).and_then(|(uri, _)| uri.parse().ok())
}

fn split(content: &[u8]) -> Option<(&str, &[u8])> {
    let rest = content.strip_prefix(MARK)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (uri, sealed) = rest.split_at_checked(end)?;
    Some((std::str::from_utf8(uri).ok()?, sealed.get(1..)?))
}

/// So that neither the name nor the key that is named can be exchanged for another.
fn context(name: &str, uri: &str) -> String {
    format!("{name}\n{uri}")
}

fn not_there(uri: &KeyUri, why: &str) -> SealError {
    SealError::Customer { uri: uri.to_string(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::make_key;

    fn uri(text: &str) -> KeyUri {
        text.parse().unwrap()
    }

    fn keys(folder: &std::path::Path, versions: &[&str]) -> CustomerKeys {
        let given = versions.iter().map(|version| {
            let file = folder.join(version);
            if !file.exists() {
                std::fs::write(&file, make_key().as_bytes()).unwrap();
            }
            format!("https://kv.example/keys/k/{version}={}", file.display()).parse().unwrap()
        });
        given.collect::<Vec<CustomerKey>>().into()
    }

    #[test]
    fn a_uri_names_a_key_and_perhaps_a_version() {
        let with = uri("https://KV.vault.azure.net/keys/Mine/0A1b");

        assert_eq!(with.to_string(), "https://kv.vault.azure.net/keys/mine/0a1b");
        assert_eq!(uri("https://kv.example:8443/keys/k").to_string(), "https://kv.example:8443/keys/k");
        for wrong in [
            "",
            "k",
            "http://kv.example/keys/k",
            "https://kv.example/secrets/k",
            "https://kv.example/keys",
            "https://kv.example/keys/k/v/w",
            "https://kv.example/keys/k?x=1",
            "https://me:hush@kv.example/keys/k",
            "https://kv.example/keys/k%0A",
        ] {
            assert!(wrong.parse::<KeyUri>().is_err(), "{wrong}");
        }
        for wrong in
            ["https://kv.example/keys/k=/f", "https://kv.example/keys/k/v", "https://kv.example/keys/k/v="]
        {
            assert!(wrong.parse::<CustomerKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_version_sealed_that_version_alone_opens() {
        let folder = tempfile::tempdir().unwrap();
        let both = keys(folder.path(), &["v1", "v2"]);
        let newest = both.usable(&uri("https://kv.example/keys/k")).unwrap();
        let sealed = both.seal(&newest, "n", b"secret").unwrap();

        let opened = both.open("n", sealed.clone()).unwrap();
        let elsewhere = both.open("m", sealed.clone());
        let without = keys(folder.path(), &["v1"]).open("n", sealed.clone());
        std::fs::write(folder.path().join("v2"), make_key().as_bytes()).unwrap();
        let another = both.open("n", sealed.clone());
        std::fs::remove_file(folder.path().join("v2")).unwrap();
        let away = both.open("n", sealed.clone());

        assert_eq!(newest, uri("https://kv.example/keys/k/v2"));
        assert_eq!((opened.as_slice(), sealed_with(&sealed)), (b"secret".as_slice(), Some(newest)));
        for (what, refused) in [("name", elsewhere), ("config", without), ("file", another), ("away", away)] {
            assert!(matches!(refused, Err(SealError::Customer { .. })), "{what}: {refused:?}");
        }
        assert!(both.usable(&uri("https://kv.example/keys/k/v1")).is_ok());
        assert!(both.usable(&uri("https://kv.example/keys/other")).is_err());
    }

    #[test]
    fn a_key_is_there_for_whom_the_operator_names_and_else_for_all() {
        let user = |text: &str| text.parse::<KeyUser>();
        let (one, other) = ("11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555");
        let keys = CustomerKeys::default()
            .with_users(vec![user(&format!("https://kv.example/keys/K={one}")).unwrap()]);
        let permits = |of: &str, principal: &str| keys.permits(&uri(of), principal);

        assert!(permits("https://kv.example/keys/k/v1", &one.to_uppercase()), "in every version");
        assert!(!permits("https://kv.example/keys/k/v1", other));
        assert!(permits("https://kv.example/keys/another", other), "nothing is said of it");
        for wrong in [
            format!("https://kv.example/keys/k/v1={one}"),
            "https://kv.example/keys/k=me".to_owned(),
            "https://kv.example/keys/k".to_owned(),
            format!("k={one}"),
        ] {
            assert!(user(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_no_customers_key_sealed_is_as_it_was() {
        let none = CustomerKeys::default();

        let opened = none.open("n", Zeroizing::new(b"0123".to_vec())).unwrap();

        assert_eq!((opened.as_slice(), sealed_with(b"0123")), (b"0123".as_slice(), None));
    }
}
