//! Backup storage locations: from the original's setting names to a store, strictly.

use crate::{
    BadStorePath, LocalStore, Prefixed, RetryPolicy, Retrying, Store, StoreError, StoreErrorKind, StorePath,
    Trust,
    cloud::{self, CloudTarget, Retries},
    credential::CredentialSource,
};
use object_store::{ObjectStore, list::PaginatedListStore};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};
use telemetry::Clock;

/// What every setting of a location begins with.
pub const SETTINGS_PREFIX: &str = "configuration.backupStorageLocation.";
/// The folder of the repository inside a location.
pub const REPOSITORY_FOLDER: &str = "cofferdam";

/// The kind of store a location is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Azure Blob storage; the default, as in the original.
    Azure,
    /// S3 and compatible stores.
    Aws,
    /// Google Cloud Storage.
    Gcp,
    /// A directory.
    Local,
}

/// The settings of one backup storage location, as people write them. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocationSettings {
    /// The kind of store.
    pub provider: Provider,
    /// The container, bucket or absolute directory.
    pub bucket: String,
    /// A folder inside it; the root when empty.
    #[serde(default, skip_serializing_if = "StorePath::is_root")]
    pub prefix: StorePath,
    /// The provider's own settings, see [`config_keys`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
}

/// A setting that cannot be used: its full name, what is wrong, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {setting}: {problem}. {remedy}")]
pub struct BadSetting {
    /// The full setting name.
    pub setting: String,
    /// What is wrong.
    pub problem: String,
    /// The next step.
    pub remedy: String,
}

/// An opened location.
#[derive(Debug, Clone)]
pub struct Location {
    /// The whole location: the owner marker lies here, beside the repository.
    pub root: Arc<dyn Store>,
    /// The repository's part of it, under `cofferdam/`.
    pub repository: Arc<dyn Store>,
}

/// A bucket or container as `object_store` sees it: one client, at hand as two.
#[derive(Clone)]
pub struct ObjectClient {
    /// Reads, writes, deletes.
    pub objects: Arc<dyn ObjectStore>,
    /// Lists in pages.
    pub pages: Arc<dyn PaginatedListStore>,
}

impl fmt::Debug for ObjectClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectClient({})", self.objects)
    }
}

/// The keys allowed under `config.` for a provider.
pub fn config_keys(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Azure => {
            &["storageAccount", "resourceGroup", "subscriptionId", "useAAD", "storageAccountURI", "caCert"]
        }
        Provider::Aws => &["region", "s3Url", "s3ForcePathStyle", "caCert"],
        Provider::Gcp => &["caCert"],
        Provider::Local => &[],
    }
}

impl LocationSettings {
    /// Reads the settings that begin with [`SETTINGS_PREFIX`]; others are not looked at. Returns every problem.
    pub fn from_settings(settings: &BTreeMap<String, String>) -> Result<Self, Vec<BadSetting>> {
        let mut problems = Vec::new();
        let mut found = Self {
            provider: Provider::Azure,
            bucket: String::new(),
            prefix: StorePath::root(),
            config: BTreeMap::new(),
        };
        for (name, value) in settings {
            let Some(key) = name.strip_prefix(SETTINGS_PREFIX) else { continue };
            match key {
                "provider" => match value.parse() {
                    Ok(provider) => found.provider = provider,
                    Err(problem) => problems.push(bad(key, problem, "Use azure, aws, gcp or local.")),
                },
                "bucket" => found.bucket.clone_from(value),
                "prefix" => match StorePath::try_from(value.trim_matches('/')) {
                    Ok(prefix) => found.prefix = prefix,
                    Err(BadStorePath { reason, .. }) => {
                        problems.push(bad(key, reason, "Use plain folder names."))
                    }
                },
                _ => match key.strip_prefix("config.") {
                    Some(key) => drop(found.config.insert(key.to_owned(), value.clone())),
                    None => problems.push(bad(
                        key,
                        "there is no such setting",
                        "Known are provider, bucket, prefix and config.*.",
                    )),
                },
            }
        }
        problems.extend(found.problems());
        if problems.is_empty() { Ok(found) } else { Err(problems) }
    }

    /// Every problem of these settings; empty when they can be opened.
    pub fn problems(&self) -> Vec<BadSetting> {
        let mut problems = Vec::new();
        let known = config_keys(self.provider);
        for key in self.config.keys().filter(|key| !known.contains(&key.as_str())) {
            let remedy = match key.as_str() {
                "insecureSkipTLSVerify" => {
                    "Put the store's certificate authority into config.caCert instead.".to_owned()
                }
                _ if known.is_empty() => format!("Provider {} has no config settings.", self.provider),
                _ => format!("For provider {} known are: {}.", self.provider, known.join(", ")),
            };
            problems.push(bad(
                &format!("config.{key}"),
                "there is no such setting for this provider",
                &remedy,
            ));
        }
        if self.bucket.is_empty() {
            problems.push(bad("bucket", "it is missing", "Name the container, bucket or directory."));
        } else if self.provider == Provider::Local && !self.bucket.starts_with('/') {
            problems.push(bad(
                "bucket",
                "it is not an absolute directory",
                "Write the directory with a leading slash.",
            ));
        } else if self.provider != Provider::Local && self.bucket.contains(['/', '?', '#', ' ']) {
            problems.push(bad(
                "bucket",
                "it is not a name of a container or bucket",
                "Folders belong into prefix.",
            ));
        }
        if self.provider == Provider::Azure && self.text("storageAccount").is_none() {
            problems.push(bad("config.storageAccount", "it is missing", "Name the storage account."));
        }
        if self.provider == Provider::Aws && self.text("region").is_none() && self.text("s3Url").is_none() {
            problems.push(bad(
                "config.region",
                "it is missing",
                "Name the region, or the endpoint as config.s3Url.",
            ));
        }
        for key in ["useAAD", "s3ForcePathStyle"] {
            if self.text(key).is_some_and(|text| text.parse::<bool>().is_err()) {
                problems.push(bad(
                    &format!("config.{key}"),
                    "it is neither true nor false",
                    "Write true or false.",
                ));
            }
        }
        for key in ["storageAccountURI", "s3Url"] {
            if self.text(key).is_some_and(|text| !is_endpoint(text)) {
                problems.push(bad(
                    &format!("config.{key}"),
                    "it is not an http(s) address",
                    "Write it as https://host[:port][/path].",
                ));
            }
        }
        if self.text("caCert").is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
            problems.push(bad(
                "config.caCert",
                "it holds no certificate",
                "Paste the certificate authority as PEM.",
            ));
        }
        problems
    }

    /// The Azure storage account, when there is one.
    pub fn storage_account(&self) -> Option<&str> {
        self.text("storageAccount")
    }

    /// The private certificate authority as PEM, when there is one.
    pub fn ca_cert(&self) -> Option<&str> {
        self.text("caCert")
    }

    /// Whether the settings demand tokens and forbid account keys. The default follows from the credential.
    pub fn only_tokens(&self) -> bool {
        self.flag("useAAD")
    }

    /// Whether the endpoint is plain HTTP: data stays encrypted, credentials do not.
    pub fn is_plain_http(&self) -> bool {
        ["storageAccountURI", "s3Url"]
            .iter()
            .any(|key| self.text(key).is_some_and(|at| at.starts_with("http://")))
    }

    /// The authorities that the settings name: those of the system, and `config.caCert`.
    pub fn trust(&self) -> Trust {
        self.ca_cert().map_or(Trust::System, |pem| Trust::SystemAnd(pem.to_owned()))
    }

    /// Whether the settings say themselves where the Azure account is reached.
    pub fn names_an_endpoint(&self) -> bool {
        self.text("storageAccountURI").is_some()
    }

    /// The URL that requests go to; nothing for a directory.
    pub fn endpoint(&self) -> Option<String> {
        match self.cloud_target()? {
            CloudTarget::Azure { account, endpoint, .. } => {
                Some(endpoint.unwrap_or_else(|| format!("https://{account}.blob.core.windows.net/")))
            }
            CloudTarget::Aws { bucket, region, endpoint, path_style } => {
                let at = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
                Some(if path_style { at } else { cloud::with_bucket(&at, &bucket) })
            }
            CloudTarget::Gcp { .. } => Some("https://storage.googleapis.com".to_owned()),
        }
    }

    /// Whether the Azure endpoint of these settings has the scheme, host and port of `url`.
    pub fn is_at(&self, url: &str) -> bool {
        let origin = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
        let endpoint = self.text("storageAccountURI").filter(|_| self.provider == Provider::Azure);
        endpoint.and_then(origin).is_some_and(|at| at.is_tuple() && Some(at) == origin(url))
    }

    /// Opens the location. For object stores nothing is contacted yet.
    pub async fn open(
        &self,
        credentials: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Location, StoreError> {
        self.open_trusting(&self.trust(), credentials, clock).await
    }

    /// The same, trusting other authorities than the settings name.
    pub async fn open_trusting(
        &self,
        trust: &Trust,
        credentials: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Location, StoreError> {
        let fail = |cause: String| {
            let target = format!("backup storage location {} ({})", self.bucket, self.provider);
            StoreError::new("open", target, StoreErrorKind::Other, cause)
                .with_remedy("Correct the settings of the backup storage location.")
        };
        if let Some(problem) = self.problems().first() {
            return Err(fail(problem.to_string()));
        }
        let whole: Arc<dyn Store> = match self.cloud_target() {
            None => Arc::new(LocalStore::open(&self.bucket).await?),
            Some(target) => {
                let store = cloud::build(target, trust, credentials, clock, Retries::Outside)
                    .map_err(|error| fail(cloud::innermost(&error)))?;
                Arc::new(Retrying::new(store, RetryPolicy::default()))
            }
        };
        let root: Arc<dyn Store> =
            if self.prefix.is_root() { whole } else { Arc::new(Prefixed::new(whole, self.prefix.clone())) };
        let folder = StorePath::parse(REPOSITORY_FOLDER).map_err(|bad| fail(bad.to_string()))?;
        let repository = Arc::new(Prefixed::new(root.clone(), folder));
        Ok(Location { root, repository })
    }

    /// The client of the bucket or container itself, for those who serve objects instead of keeping write-once files.
    /// `None` for a directory. Nothing is contacted yet, and the prefix is the caller's business.
    pub fn object_client(
        &self,
        credentials: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<ObjectClient>, StoreError> {
        let fail = |cause: String| {
            let target = format!("store {} ({})", self.bucket, self.provider);
            StoreError::new("open", target, StoreErrorKind::Other, cause)
                .with_remedy("Correct the settings of the store.")
        };
        if let Some(problem) = self.problems().first() {
            return Err(fail(problem.to_string()));
        }
        let Some(target) = self.cloud_target() else { return Ok(None) };
        let store = cloud::build(target, &self.trust(), credentials, clock, Retries::Inside)
            .map_err(|error| fail(cloud::innermost(&error)))?;
        let (objects, pages) = store.client();
        Ok(Some(ObjectClient { objects, pages }))
    }

    fn cloud_target(&self) -> Option<CloudTarget> {
        let bucket = self.bucket.clone();
        match self.provider {
            Provider::Local => None,
            Provider::Gcp => Some(CloudTarget::Gcp { bucket }),
            Provider::Azure => Some(CloudTarget::Azure {
                account: self.text("storageAccount").unwrap_or_default().to_owned(),
                container: bucket,
                endpoint: self.text("storageAccountURI").map(str::to_owned),
                only_tokens: self.only_tokens(),
            }),
            Provider::Aws => Some(CloudTarget::Aws {
                bucket,
                region: self.text("region").unwrap_or("us-east-1").to_owned(),
                endpoint: self.text("s3Url").map(str::to_owned),
                path_style: self.flag("s3ForcePathStyle"),
            }),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn flag(&self, key: &str) -> bool {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or(false)
    }
}

fn is_endpoint(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    })
}

fn bad(key: &str, problem: impl Into<String>, remedy: &str) -> BadSetting {
    BadSetting {
        setting: format!("{SETTINGS_PREFIX}{key}"),
        problem: problem.into(),
        remedy: remedy.to_owned(),
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Azure => "azure",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Local => "local",
        })
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "azure" => Ok(Self::Azure),
            "aws" => Ok(Self::Aws),
            "gcp" => Ok(Self::Gcp),
            "local" => Ok(Self::Local),
            other => Err(format!("{other:?} is not a provider")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (format!("{SETTINGS_PREFIX}{key}"), (*value).to_owned())).collect()
    }

    #[test]
    fn the_originals_settings_open_an_azure_container() {
        let mut given = settings(&[
            ("bucket", "backups"),
            ("config.storageAccount", "acct"),
            ("config.resourceGroup", "rg"),
            ("config.subscriptionId", "00000000-0000-0000-0000-000000000000"),
            ("config.useAAD", "true"),
            ("config.storageAccountURI", "https://acct.blob.core.windows.net/"),
        ]);
        given.insert("resources.limits.memory".into(), "1Gi".into());

        let read = LocationSettings::from_settings(&given).unwrap();

        assert_eq!(
            read.cloud_target(),
            Some(CloudTarget::Azure {
                account: "acct".into(),
                container: "backups".into(),
                endpoint: Some("https://acct.blob.core.windows.net/".into()),
                only_tokens: true,
            })
        );
    }

    #[test]
    fn a_location_is_at_the_vault_that_serves_its_endpoint() {
        let at = |uri: &str| {
            let given = settings(&[
                ("bucket", "backups"),
                ("config.storageAccount", "acct"),
                ("config.storageAccountURI", uri),
            ]);
            LocationSettings::from_settings(&given).unwrap()
        };

        assert!(at("https://vault.example:8443/acct").is_at("https://vault.example:8443"));
        assert!(at("https://vault.example/acct/").is_at("https://vault.example:443/"));
        for other in
            ["https://vault.example:8444/acct", "http://vault.example:8443/acct", "https://x.vault.example/"]
        {
            assert!(!at(other).is_at("https://vault.example:8443"), "{other}");
        }
    }

    #[test]
    fn every_wrong_setting_is_named_at_once() {
        type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
        let cases: [Case; 6] = [
            (
                &[("bucket", "b"), ("config.storageAcount", "a")],
                &["config.storageAcount", "config.storageAccount"],
            ),
            (&[("provider", "s3"), ("bucket", "b"), ("config.storageAccount", "a")], &["provider"]),
            (
                &[
                    ("provider", "aws"),
                    ("bucket", "b"),
                    ("config.insecureSkipTLSVerify", "true"),
                    ("config.region", "x"),
                ],
                &["config.insecureSkipTLSVerify"],
            ),
            (
                &[
                    ("provider", "aws"),
                    ("bucket", "a/b"),
                    ("config.s3Url", "ftp://x"),
                    ("config.s3ForcePathStyle", "yes"),
                ],
                &["bucket", "config.s3ForcePathStyle", "config.s3Url"],
            ),
            (&[("provider", "local"), ("bucket", "relative"), ("prefix", "a/../b")], &["prefix", "bucket"]),
            (&[("provider", "gcp"), ("buckets", "b")], &["buckets", "bucket"]),
        ];

        for (given, expected) in cases {
            let problems = LocationSettings::from_settings(&settings(given)).unwrap_err();
            let named: Vec<&str> =
                problems.iter().map(|bad| bad.setting.trim_start_matches(SETTINGS_PREFIX)).collect();
            assert_eq!(named, expected, "{problems:?}");
        }
    }

    #[test]
    fn an_address_with_a_password_in_it_is_refused() {
        assert!(is_endpoint("https://minio.example:9000"));
        assert!(!is_endpoint("https://user:password@minio.example"));
        assert!(!is_endpoint("https://acct.blob.core.windows.net/?sig=x"));
    }
}
