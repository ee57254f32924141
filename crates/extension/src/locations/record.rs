//! A storage location as the ConfigMap `location-<name>` describes it.
//! Reference: `docs/formats/custom-resources.md`, section "Storage locations".

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use std::{collections::BTreeMap, fmt, str::FromStr};
use storage::location::{LocationSettings, Provider, SETTINGS_PREFIX};

/// Label of the ConfigMap; its value is the [`Role`].
pub const LABEL: &str = "clusterbackup.dataprotection.microsoft.com/location";
/// Annotation with the outcome of the last look at the location.
pub const STATE: &str = "clusterbackup.dataprotection.microsoft.com/location-state";
/// The note at a location that can be used: an own one was claimed, and its repository opened.
pub const READY: &str = "Ready";
/// The location that is used when none is named.
pub const DEFAULT: &str = "default";
/// Key of the repository's password in the repository Secret.
pub const REPOSITORY_KEY: &str = "repository-password";
/// Setting: name of the Secret that holds the store's credential.
pub const CREDENTIAL_SECRET: &str = "credentialSecret";
/// Setting: name of the Secret that holds the repository's password.
pub const REPOSITORY_SECRET: &str = "repositorySecret";
/// Setting: where the repository's password comes from: a Secret, or a grant of the vault.
pub const REPOSITORY_KEY_SOURCE: &str = "repositoryKey";
/// The value of [`REPOSITORY_KEY_SOURCE`] that means a grant of the vault.
const FROM_VAULT: &str = "vault";
/// What the names of locations begin with that the vault describes as a whole.
pub const GRANTED: &str = "vault-";
/// Setting: use a location in which unrelated files lie.
pub const ALLOW_UNRELATED: &str = "allowUnrelatedFiles";

const PREFIX: &str = "location-";

/// What this cluster may do with a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Read and write; the owner marker must name this cluster.
    Own,
    /// Read what another cluster wrote; nothing is ever written and the owner marker does not matter.
    Source,
}

/// Where the store's credential comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// A directory needs none.
    None,
    /// A Secret in the extension's namespace.
    Secret(String),
    /// The identity of the extension's pod.
    WorkloadIdentity,
}

/// Where the repository's password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryKey {
    /// A Secret in the extension's namespace.
    Secret(String),
    /// A grant of the vault: it is kept in memory only.
    Vault,
}

/// A storage location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationRecord {
    /// Its name.
    pub name: String,
    /// What this cluster may do with it.
    pub role: Role,
    /// Where it is.
    pub settings: LocationSettings,
    /// How to get in.
    pub credential: CredentialKind,
    /// How to open the repository.
    pub repository_key: RepositoryKey,
    /// Unrelated files beside the repository do not matter.
    pub allow_unrelated: bool,
}

/// A ConfigMap that does not describe a location. Every problem is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ConfigMap {config_map} does not describe a storage location: {}", problems.join("; "))]
pub struct BadRecord {
    /// Name of the ConfigMap.
    pub config_map: String,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

impl LocationRecord {
    /// Name of the ConfigMap of the location `name`.
    pub fn config_map_name(name: &str) -> String {
        format!("{PREFIX}{name}")
    }

    /// Reads settings, as they stand in a ConfigMap or on a command line.
    pub fn from_settings(
        name: &str,
        role: Role,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, BadRecord> {
        let mut problems = Vec::new();
        let location = LocationSettings::from_settings(settings)
            .map_err(|bad| problems.extend(bad.iter().map(ToString::to_string)))
            .ok();
        let known = [CREDENTIAL_SECRET, REPOSITORY_SECRET, REPOSITORY_KEY_SOURCE, ALLOW_UNRELATED];
        for key in settings.keys() {
            if !key.starts_with(SETTINGS_PREFIX) && !known.contains(&key.as_str()) {
                problems.push(format!(
                    "there is no setting {key}; known are {SETTINGS_PREFIX}*, {}",
                    known.join(", ")
                ));
            }
        }
        let text =
            |key: &str| settings.get(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let allow_unrelated = match text(ALLOW_UNRELATED).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                problems.push(format!("setting {ALLOW_UNRELATED} is neither true nor false"));
                false
            }
        };
        let repository_key = match text(REPOSITORY_KEY_SOURCE).as_deref() {
            Some(FROM_VAULT) => {
                if settings.contains_key(REPOSITORY_SECRET) {
                    problems.push(format!(
                        "settings {REPOSITORY_KEY_SOURCE}={FROM_VAULT} and {REPOSITORY_SECRET} exclude each other"
                    ));
                }
                RepositoryKey::Vault
            }
            Some("secret") | None => RepositoryKey::Secret(
                text(REPOSITORY_SECRET).unwrap_or_else(|| default_repository_secret(name)),
            ),
            Some(_) => {
                problems.push(format!("setting {REPOSITORY_KEY_SOURCE} is neither secret nor {FROM_VAULT}"));
                RepositoryKey::Vault
            }
        };
        match location {
            Some(location) if problems.is_empty() => Ok(Self {
                name: name.to_owned(),
                role,
                credential: match (text(CREDENTIAL_SECRET), location.provider) {
                    (_, Provider::Local) => CredentialKind::None,
                    (Some(secret), _) => CredentialKind::Secret(secret),
                    (None, _) => CredentialKind::WorkloadIdentity,
                },
                settings: location,
                repository_key,
                allow_unrelated,
            }),
            _ => Err(BadRecord { config_map: Self::config_map_name(name), problems }),
        }
    }

    /// Reads the settings in a grant. A vault says where a location is and no more: it cannot name a Secret of the
    /// cluster or a directory of the pod. Such a location is only read.
    pub fn granted(name: &str, settings: &BTreeMap<String, String>) -> Result<Self, String> {
        if let Some(other) = settings.keys().find(|key| !key.starts_with(SETTINGS_PREFIX)) {
            return Err(format!("a vault may not set {other}"));
        }
        let record =
            Self::from_settings(name, Role::Source, settings).map_err(|bad| bad.problems.join("; "))?;
        if record.settings.provider == Provider::Local {
            return Err("a vault may not name a directory of the extension's pod".to_owned());
        }
        Ok(Self { repository_key: RepositoryKey::Vault, ..record })
    }

    /// Name of the Secret with the repository's password, when it comes from one.
    pub fn repository_secret(&self) -> Option<&str> {
        match &self.repository_key {
            RepositoryKey::Secret(name) => Some(name),
            RepositoryKey::Vault => None,
        }
    }

    /// Reads a ConfigMap.
    pub fn decode(map: &ConfigMap) -> Result<Self, BadRecord> {
        let config_map = map.metadata.name.clone().unwrap_or_default();
        let fail =
            |problem: &str| BadRecord { config_map: config_map.clone(), problems: vec![problem.to_owned()] };
        let name =
            config_map.strip_prefix(PREFIX).ok_or_else(|| fail("its name does not begin with location-"))?;
        let role = map.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL));
        let role = role.and_then(|role| role.parse().ok()).ok_or_else(|| {
            fail(&format!("its label {LABEL} is neither own nor source; set it to one of them"))
        })?;
        Self::from_settings(name, role, &map.data.clone().unwrap_or_default())
    }

    /// The settings, as [`LocationRecord::from_settings`] reads them.
    pub fn to_settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        let mut put = |key: &str, value: &str| drop(settings.insert(key.to_owned(), value.to_owned()));
        put(&format!("{SETTINGS_PREFIX}provider"), &self.settings.provider.to_string());
        put(&format!("{SETTINGS_PREFIX}bucket"), &self.settings.bucket);
        if !self.settings.prefix.is_root() {
            put(&format!("{SETTINGS_PREFIX}prefix"), self.settings.prefix.as_str());
        }
        for (key, value) in &self.settings.config {
            put(&format!("{SETTINGS_PREFIX}config.{key}"), value);
        }
        if let CredentialKind::Secret(name) = &self.credential {
            put(CREDENTIAL_SECRET, name);
        }
        match &self.repository_key {
            RepositoryKey::Secret(name) => put(REPOSITORY_SECRET, name),
            RepositoryKey::Vault => put(REPOSITORY_KEY_SOURCE, FROM_VAULT),
        }
        if self.allow_unrelated {
            put(ALLOW_UNRELATED, "true");
        }
        settings
    }

    /// The ConfigMap that describes this location.
    pub fn encode(&self, namespace: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(Self::config_map_name(&self.name)),
                namespace: Some(namespace.to_owned()),
                labels: Some([(LABEL.to_owned(), self.role.to_string())].into()),
                ..ObjectMeta::default()
            },
            data: Some(self.to_settings()),
            ..ConfigMap::default()
        }
    }
}

/// Name of the Secret with the repository's password unless the settings name another.
pub fn default_repository_secret(location: &str) -> String {
    format!("repository-{location}")
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Source => "source",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "own" => Ok(Self::Own),
            "source" => Ok(Self::Source),
            other => Err(format!("{other:?} is neither own nor source")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_location_survives_its_config_map() {
        let given = settings(&[
            ("configuration.backupStorageLocation.bucket", "backups"),
            ("configuration.backupStorageLocation.prefix", "a/b"),
            ("configuration.backupStorageLocation.config.storageAccount", "acct"),
            ("configuration.backupStorageLocation.config.useAAD", "true"),
            ("credentialSecret", "store"),
            ("allowUnrelatedFiles", "true"),
        ]);

        let record = LocationRecord::from_settings("default", Role::Own, &given).unwrap();
        let again = LocationRecord::decode(&record.encode("dataprotection-microsoft")).unwrap();

        assert_eq!(record, again);
        assert_eq!(again.credential, CredentialKind::Secret("store".to_owned()));
        assert_eq!(again.repository_secret(), Some("repository-default"));
    }

    #[test]
    fn the_key_may_come_from_the_vault_and_then_from_nowhere_else() {
        let with = |pairs: &[(&str, &str)]| {
            let mut given = settings(&[
                ("configuration.backupStorageLocation.bucket", "backups"),
                ("configuration.backupStorageLocation.config.storageAccount", "acct"),
                ("repositoryKey", "vault"),
            ]);
            given.extend(settings(pairs));
            LocationRecord::from_settings("default", Role::Own, &given)
        };

        let record = with(&[]).unwrap();
        let both = with(&[("repositorySecret", "x")]).unwrap_err().to_string();
        let unknown = with(&[("repositoryKey", "elsewhere")]).unwrap_err().to_string();

        assert_eq!(record.repository_key, RepositoryKey::Vault);
        assert_eq!(LocationRecord::decode(&record.encode("backups")).unwrap(), record);
        assert!(both.contains("exclude each other"), "{both}");
        assert!(unknown.contains("neither secret nor vault"), "{unknown}");
    }

    #[test]
    fn a_vault_says_where_a_location_is_and_no_more() {
        let place = |pairs: &[(&str, &str)]| {
            let mut given = settings(&[
                ("configuration.backupStorageLocation.bucket", "backups"),
                ("configuration.backupStorageLocation.config.storageAccount", "acct"),
            ]);
            given.extend(settings(pairs));
            LocationRecord::granted("vault-3f1c", &given)
        };

        let record = place(&[]).unwrap();
        let secret = place(&[("credentialSecret", "theirs")]).unwrap_err();
        let directory = LocationRecord::granted(
            "vault-3f1c",
            &settings(&[
                ("configuration.backupStorageLocation.provider", "local"),
                ("configuration.backupStorageLocation.bucket", "/etc"),
            ]),
        );

        assert_eq!((record.role, record.credential), (Role::Source, CredentialKind::WorkloadIdentity));
        assert_eq!(record.repository_key, RepositoryKey::Vault);
        assert!(secret.contains("credentialSecret"), "{secret}");
        assert!(directory.unwrap_err().contains("directory"));
    }

    #[test]
    fn all_problems_of_a_location_are_named_at_once() {
        let given = settings(&[
            ("configuration.backupStorageLocation.bukkit", "backups"),
            ("credentialsecret", "store"),
            ("allowUnrelatedFiles", "perhaps"),
        ]);

        let bad = LocationRecord::from_settings("x", Role::Own, &given).unwrap_err().to_string();

        for expected in ["bukkit", "bucket: it is missing", "credentialsecret", "neither true nor false"] {
            assert!(bad.contains(expected), "{expected} is not in: {bad}");
        }
    }

    #[test]
    fn a_config_map_without_the_label_is_no_location() {
        let mut map = ConfigMap::default();
        map.metadata.name = Some("location-x".to_owned());

        let bad = LocationRecord::decode(&map).unwrap_err().to_string();

        assert!(bad.contains("neither own nor source"), "{bad}");
    }
}
