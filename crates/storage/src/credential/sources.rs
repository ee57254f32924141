//! Sources that need no network: fixed values, a mounted Secret, a token file, nothing.

use super::{Credential, CredentialError, CredentialSource, CredentialValue, from_secret};
use crate::location::Provider;
use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use std::{collections::BTreeMap, io, path::PathBuf};

/// Always the same credential. Does not notice that it was revoked; the store does.
#[derive(Debug, Clone)]
pub struct StaticCredential(CredentialValue);

impl StaticCredential {
    /// This value for ever.
    pub fn new(value: CredentialValue) -> Self {
        Self(value)
    }

    /// The credential in the data of a Secret; see [`from_secret`].
    pub fn from_secret(
        provider: Provider,
        account: Option<&str>,
        data: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, CredentialError> {
        from_secret(provider, account, data).map(Self)
    }
}

#[async_trait]
impl CredentialSource for StaticCredential {
    fn describe(&self) -> String {
        self.0.kind().to_owned()
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        Ok(Credential { value: self.0.clone(), expires: None })
    }
}

/// For stores that need none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredential;

#[async_trait]
impl CredentialSource for NoCredential {
    fn describe(&self) -> String {
        "no credential".to_owned()
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        Ok(Credential { value: CredentialValue::None, expires: None })
    }
}

/// A Secret mounted as a directory, one file per key, read at every use: kubelet's updates count at once.
#[derive(Debug, Clone)]
pub struct MountedSecret {
    directory: PathBuf,
    provider: Provider,
    account: Option<String>,
}

impl MountedSecret {
    /// The Secret below `directory`; `account` as in [`from_secret`].
    pub fn new(directory: impl Into<PathBuf>, provider: Provider, account: Option<String>) -> Self {
        Self { directory: directory.into(), provider, account }
    }

    async fn data(&self) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let mut data = BTreeMap::new();
        let mut files = tokio::fs::read_dir(&self.directory).await?;
        while let Some(file) = files.next_entry().await? {
            let name = file.file_name().to_string_lossy().into_owned();
            if !name.starts_with("..") && tokio::fs::metadata(file.path()).await?.is_file() {
                data.insert(name, tokio::fs::read(file.path()).await?);
            }
        }
        Ok(data)
    }
}

#[async_trait]
impl CredentialSource for MountedSecret {
    fn describe(&self) -> String {
        format!("Secret mounted at {}", self.directory.display())
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        let data = self.data().await.map_err(|error| CredentialError {
            source_name: self.describe(),
            cause: error.to_string(),
            temporary: false,
            remedy: "Mount the Secret that holds the credential of the backup storage location.".into(),
        })?;
        let value = from_secret(self.provider, self.account.as_deref(), &data)
            .map_err(|error| CredentialError { source_name: self.describe(), ..error })?;
        Ok(Credential { value, expires: Some(Timestamp::UNIX_EPOCH) })
    }
}

/// A bearer token in a file that something else renews; read at every use.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// The token in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl CredentialSource for TokenFile {
    fn describe(&self) -> String {
        format!("bearer token in {}", self.path.display())
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        let fail = |cause: String| CredentialError {
            source_name: self.describe(),
            cause,
            temporary: false,
            remedy: "Check that the token is mounted and not empty.".into(),
        };
        let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| fail(error.to_string()))?;
        let token = text.trim();
        if token.is_empty() {
            return Err(fail("the file is empty".into()));
        }
        let value = CredentialValue::Bearer(SecretString::from(token.to_owned()));
        Ok(Credential { value, expires: Some(Timestamp::UNIX_EPOCH) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[tokio::test]
    async fn a_changed_mounted_secret_counts_at_the_next_use() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("accountKey"), "b25l\n").unwrap();
        let source = MountedSecret::new(folder.path(), Provider::Azure, None);
        let key = |credential: Credential| match credential.value {
            CredentialValue::AzureAccountKey(key) => key.expose_secret().to_owned(),
            other => panic!("{other:?}"),
        };

        let before = key(source.credential().await.unwrap());
        std::fs::write(folder.path().join("accountKey"), "dHdv").unwrap();
        let after = key(source.credential().await.unwrap());

        assert_eq!((before.as_str(), after.as_str()), ("b25l", "dHdv"));
        std::fs::remove_file(folder.path().join("accountKey")).unwrap();
        assert!(source.credential().await.unwrap_err().to_string().contains("mounted at"));
    }
}
