//! Storage locations: which there are, and how one is opened for reading or writing.

mod credential;
mod error;
mod initialise;
mod known;
mod lease;
mod record;

pub use credential::bytes_of;
pub use error::{LocationError, engine_problem, store_problem};
pub use known::{REPOSITORY, was_initialised};
pub use record::{
    ALLOW_UNRELATED, BadRecord, CREDENTIAL_SECRET, CredentialKind, DEFAULT, GRANTED, LABEL, LocationRecord,
    READY, REPOSITORY_KEY, REPOSITORY_KEY_SOURCE, REPOSITORY_SECRET, RepositoryKey, Role, STATE,
    default_repository_secret,
};

use crate::grants::{Grant, GrantError, GrantPurpose, Vault};

use engine::{EngineError, Repo, RepositorySecret};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use known::Known;
use kube::{Api, Client, ResourceExt, api::ListParams};
use lease::{Lease, Leased};
use std::{collections::HashMap, sync::Arc};
use storage::{
    Store, Trust,
    credential::CredentialSource,
    location::{Location, LocationSettings},
    owner::{self, Ownership},
};
use telemetry::Clock;
use tokio::sync::Mutex;

/// What an open location is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written.
    Read,
    /// What is there is changed: only in an own location, only with the marker of this cluster and its repository.
    Write,
    /// The same, for what may be the first to use the location: one that nobody ever initialised, that nobody owns and
    /// in which nothing lies is claimed, and its repository created.
    Begin,
}

impl Access {
    fn writes(self) -> bool {
        self != Self::Read
    }
}

/// An opened location.
#[derive(Debug, Clone)]
pub struct OpenLocation {
    /// How it is described.
    pub record: LocationRecord,
    /// The whole location; the owner marker lies here.
    pub root: Arc<dyn Store>,
    /// Its repository.
    pub repo: Repo,
    /// The repository's password, for movers.
    pub password: RepositorySecret,
    /// The vault prunes it, not this cluster.
    pub vault_prunes: bool,
}

/// The locations of one extension. Open repositories are kept as long as nothing about them changes; one that was
/// opened by a grant for a job is not kept at all: it ends with the job.
#[derive(Debug)]
pub struct Locations {
    maps: Api<ConfigMap>,
    secrets: Api<Secret>,
    cluster: String,
    clock: Arc<dyn Clock>,
    vault: Option<Arc<Vault>>,
    open: Mutex<HashMap<String, Kept>>,
    /// Held while a repository is created: work and health may find it missing at the same time.
    creating: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Kept {
    version: Version,
    location: OpenLocation,
    lease: Option<Arc<Lease>>,
}

/// What the ConfigMap of a location says.
struct Described {
    /// Its resource version.
    map: Option<String>,
    record: LocationRecord,
    known: Known,
}

/// What an open location depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// Resource version of the ConfigMap.
    map: Option<String>,
    /// Resource version of the repository's Secret.
    secret: Option<String>,
    /// The authorities of the vault.
    authorities: Option<String>,
}

impl Locations {
    /// The locations described in `namespace`; `cluster` is the UID of `kube-system`.
    pub fn new(client: Client, namespace: &str, cluster: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            maps: Api::namespaced(client.clone(), namespace),
            secrets: Api::namespaced(client, namespace),
            cluster,
            clock,
            vault: None,
            open: Mutex::new(HashMap::new()),
            creating: Mutex::default(),
        }
    }

    /// The same with a vault that grants keys and locations.
    pub fn with_vault(self, vault: Option<Arc<Vault>>) -> Self {
        Self { vault, ..self }
    }

    /// Every location, also those whose ConfigMap is wrong.
    pub async fn list(&self) -> Result<Vec<(String, Result<LocationRecord, BadRecord>)>, kube::Error> {
        let maps = self.maps.list(&ListParams::default().labels(LABEL)).await?;
        Ok(maps.items.iter().map(|map| (map.name_any(), LocationRecord::decode(map))).collect())
    }

    /// Opens a location for `purpose`. For writing, the owner marker and the repository are looked for each time, also
    /// where it is kept open: what was there when it was opened may be gone.
    pub async fn open(
        &self,
        name: &str,
        access: Access,
        purpose: &GrantPurpose,
    ) -> Result<OpenLocation, LocationError> {
        let Some(described) = self.described(name).await? else {
            return self.open_as_granted(name, access, purpose).await;
        };
        let Described { map, record, known } = described;
        if access.writes() && record.role == Role::Source {
            return Err(LocationError::ReadOnly(name.to_owned()));
        }
        let (secret, password) = match &record.repository_key {
            RepositoryKey::Secret(secret) => {
                let (version, password) = self.password(name, secret).await?;
                (version, Some(password))
            }
            RepositoryKey::Vault => (None, None),
        };
        let version = Version { map, secret, authorities: self.authorities().await };
        if let Some(location) =
            self.kept(name, &version, password.is_some() || *purpose == GrantPurpose::Upkeep).await
        {
            if access.writes() {
                self.still_ours(&location, access, &known).await?;
            }
            return Ok(location);
        }
        let (password, lease) = match password {
            Some(password) => (password, None),
            None => {
                let grant = self.grant(name, access, purpose).await?;
                let needs_vault = record.role == Role::Source;
                (grant.password(), Some(self.lease(name, purpose, grant, needs_vault)?))
            }
        };
        let location = self.open_anew(record, password, access, &known, lease.clone()).await?;
        if lease.is_none() || *purpose == GrantPurpose::Upkeep {
            let kept = Kept { version, location: location.clone(), lease };
            self.open.lock().await.insert(name.to_owned(), kept);
        }
        Ok(location)
    }

    /// A location that no ConfigMap describes: the vault does, for one that is only read.
    async fn open_as_granted(
        &self,
        name: &str,
        access: Access,
        purpose: &GrantPurpose,
    ) -> Result<OpenLocation, LocationError> {
        if access.writes() && name.starts_with(GRANTED) {
            return Err(LocationError::ReadOnly(name.to_owned()));
        }
        let (record, grant) = self.granted(name, purpose).await?;
        let password = grant.password();
        let lease = self.lease(name, purpose, grant, true)?;
        self.open_anew(record, password, access, &Known::Never, Some(lease)).await
    }

    /// The settings of a location and its store; nothing in the store is read, written or claimed.
    pub async fn look(
        &self,
        name: &str,
        purpose: &GrantPurpose,
    ) -> Result<(LocationRecord, Location), LocationError> {
        let (record, lease) = match self.described(name).await? {
            Some(described) => (described.record, None),
            None => {
                let (record, grant) = self.granted(name, purpose).await?;
                (record, Some(self.lease(name, purpose, grant, true)?))
            }
        };
        let location = open_store(&record, &self.secrets, self.vault.as_deref(), &self.clock).await?;
        Ok((record, leased(location, lease)))
    }

    /// What opens the store of a location, for movers.
    pub async fn credential(
        &self,
        record: &LocationRecord,
    ) -> Result<Arc<dyn CredentialSource>, LocationError> {
        let vault = self.vault.as_deref();
        credential::source(record, &self.secrets, vault, &self.clock).await
    }

    /// The settings of a location as somebody needs them who has nothing else: with the authorities to trust.
    pub async fn settings_elsewhere(
        &self,
        record: &LocationRecord,
    ) -> Result<LocationSettings, LocationError> {
        let mut settings = record.settings.clone();
        if let Trust::Only(authorities) = trust(record, self.vault.as_deref()).await? {
            settings.config.insert("caCert".to_owned(), authorities);
        }
        Ok(settings)
    }

    /// Asks the store whether it takes writes now, and leaves nothing behind.
    pub async fn verify_writable(&self, location: &OpenLocation) -> Result<(), LocationError> {
        Ok(owner::may_write(location.root.as_ref()).await?)
    }

    /// What the ConfigMap of a location says; nothing when there is none and the vault may describe it.
    async fn described(&self, name: &str) -> Result<Option<Described>, LocationError> {
        match self.read(&self.maps, &LocationRecord::config_map_name(name)).await? {
            Some(map) => {
                let record = LocationRecord::decode(&map)?;
                let known = match record.role {
                    Role::Own => Known::of(&map, &record.settings),
                    Role::Source => Known::Never,
                };
                Ok(Some(Described { map: map.resource_version(), record, known }))
            }
            None if name.starts_with(GRANTED) => Ok(None),
            None => Err(LocationError::Unknown(name.to_owned())),
        }
    }

    /// The open location that was kept, if everything is as it was. One that is held by a grant may be used by the
    /// upkeep alone, and only while the vault lets it.
    async fn kept(&self, name: &str, version: &Version, allowed: bool) -> Option<OpenLocation> {
        let kept = self.open.lock().await.get(name).filter(|kept| kept.version == *version).cloned()?;
        match &kept.lease {
            _ if !allowed => None,
            None => Some(kept.location),
            Some(lease) => match lease.hold().await {
                Ok(()) => Some(kept.location),
                Err(_) => {
                    self.open.lock().await.remove(name);
                    None
                }
            },
        }
    }

    fn vault(&self, name: &str) -> Result<&Arc<Vault>, LocationError> {
        Ok(self.vault.as_ref().ok_or_else(|| GrantError::NoVault(name.to_owned()))?)
    }

    async fn authorities(&self) -> Option<String> {
        // One that cannot be read is complained of where it is needed.
        self.vault.as_ref()?.authorities().await.ok()
    }

    async fn grant(
        &self,
        name: &str,
        access: Access,
        purpose: &GrantPurpose,
    ) -> Result<Grant, LocationError> {
        let grant = self.vault(name)?.grant(purpose, name).await?;
        if access.writes() && grant.role == Role::Source {
            let message = "the vault lets this extension only read it".to_owned();
            return Err(GrantError::Denied {
                location: name.to_owned(),
                purpose: purpose.to_string(),
                message,
            }
            .into());
        }
        Ok(grant)
    }

    /// A whole location out of a grant.
    async fn granted(
        &self,
        name: &str,
        purpose: &GrantPurpose,
    ) -> Result<(LocationRecord, Grant), LocationError> {
        let grant = self.grant(name, Access::Read, purpose).await?;
        let record = LocationRecord::granted(name, &grant.settings)
            .map_err(|cause| GrantError::Settings { location: name.to_owned(), cause })?;
        Ok((record, grant))
    }

    fn lease(
        &self,
        name: &str,
        purpose: &GrantPurpose,
        grant: Grant,
        needs_vault: bool,
    ) -> Result<Arc<Lease>, LocationError> {
        let vault = self.vault(name)?.clone();
        Ok(Arc::new(Lease::new(vault, purpose.clone(), name, grant, needs_vault)))
    }

    /// Checks once more that this cluster owns the location.
    pub async fn verify_owner(&self, location: &OpenLocation) -> Result<(), LocationError> {
        match owner::verify(location.root.as_ref(), &self.cluster).await? {
            Ownership::OwnedBySelf => Ok(()),
            Ownership::Unowned => Err(LocationError::MarkerLost(location.record.name.clone())),
            Ownership::OwnedByOther { cluster } => {
                Err(LocationError::OwnedByOther { name: location.record.name.clone(), cluster })
            }
        }
    }

    async fn open_anew(
        &self,
        record: LocationRecord,
        password: RepositorySecret,
        access: Access,
        known: &Known,
        lease: Option<Arc<Lease>>,
    ) -> Result<OpenLocation, LocationError> {
        let opened = open_store(&record, &self.secrets, self.vault.as_deref(), &self.clock).await?;
        let vault_prunes = lease.as_ref().is_some_and(|lease| lease.vault_prunes());
        let Location { root, repository } = leased(opened, lease);
        if access.writes() {
            self.owned(&record, root.as_ref(), access, known).await?;
        }
        let repo = match Repo::open(repository.clone(), &password).await {
            Err(EngineError::NotARepository { .. }) if known.is_initialised() => {
                return Err(self.lost(&record, known, access, root.describe()).await);
            }
            Err(EngineError::NotARepository { .. }) if access == Access::Begin => {
                self.create(repository, &password).await?
            }
            Err(source @ EngineError::WrongPassword { .. }) => {
                return Err(match record.repository_key {
                    RepositoryKey::Secret(secret) => LocationError::WrongPassword { secret, source },
                    RepositoryKey::Vault => LocationError::WrongGrantedPassword { name: record.name, source },
                });
            }
            opened => opened?,
        };
        if access.writes() {
            self.recognise(&record, known, &repo, root.describe()).await?;
        }
        Ok(OpenLocation { record, root, repo, password, vault_prunes })
    }

    async fn password(
        &self,
        name: &str,
        secret: &str,
    ) -> Result<(Option<String>, RepositorySecret), LocationError> {
        let fail = |cause: String| LocationError::NoPassword { name: name.to_owned(), cause };
        let found = self
            .read(&self.secrets, secret)
            .await?
            .ok_or_else(|| fail(format!("Secret {secret} does not exist")))?;
        let password =
            found.data.as_ref().and_then(|data| data.get(REPOSITORY_KEY)).filter(|key| !key.0.is_empty());
        let password =
            password.ok_or_else(|| fail(format!("Secret {secret} has no key {REPOSITORY_KEY}")))?;
        Ok((found.resource_version(), RepositorySecret::new(password.0.clone())))
    }

    async fn read<K>(&self, api: &Api<K>, name: &str) -> Result<Option<K>, LocationError>
    where
        K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        api.get_opt(name)
            .await
            .map_err(|source| LocationError::Cluster { what: format!("{} {name}", K::kind(&())), source })
    }
}

/// Opens the store of a location with the credential that it names; nothing is read or written yet.
pub async fn open_store(
    record: &LocationRecord,
    secrets: &Api<Secret>,
    vault: Option<&Vault>,
    clock: &Arc<dyn Clock>,
) -> Result<Location, LocationError> {
    let credentials = credential::source(record, secrets, vault, clock).await?;
    let trust = trust(record, vault).await?;
    Ok(record.settings.open_trusting(&trust, credentials, clock.clone()).await?)
}

/// The authorities to trust: for stored data that the vault serves, those of the vault and what the settings add.
async fn trust(record: &LocationRecord, vault: Option<&Vault>) -> Result<Trust, LocationError> {
    match vault.filter(|vault| record.settings.is_at(vault.url())) {
        None => Ok(record.settings.trust()),
        Some(vault) => {
            let authorities = vault.authorities().await?;
            let more = record.settings.ca_cert().unwrap_or_default();
            Ok(Trust::Only(format!("{authorities}\n{more}")))
        }
    }
}

fn leased(location: Location, lease: Option<Arc<Lease>>) -> Location {
    match lease {
        None => location,
        Some(lease) => Location {
            root: Arc::new(Leased::new(location.root, lease.clone())),
            repository: Arc::new(Leased::new(location.repository, lease)),
        },
    }
}
