//! Storage locations: which there are, and how one is opened for reading or writing.

mod credential;
mod error;
mod record;

pub use credential::{bytes_of, http};
pub use error::{LocationError, engine_problem, store_problem};
pub use record::{
    ALLOW_UNRELATED, BadRecord, CREDENTIAL_SECRET, CredentialKind, DEFAULT, LABEL, LocationRecord,
    REPOSITORY_KEY, REPOSITORY_SECRET, Role, STATE, default_repository_secret,
};

use engine::{EngineError, InitOptions, Repo, RepositorySecret};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt, api::ListParams};
use std::{collections::HashMap, sync::Arc};
use storage::{
    Store,
    location::Location,
    owner::{self, Ownership},
};
use telemetry::Clock;
use tokio::sync::Mutex;

/// What an open location is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written.
    Read,
    /// Recovery points are added or deleted: only an own location, only with the marker of this cluster.
    Write,
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
}

/// The locations of one extension. Open repositories are kept as long as nothing about them changes.
#[derive(Debug)]
pub struct Locations {
    maps: Api<ConfigMap>,
    secrets: Api<Secret>,
    cluster: String,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<String, (Version, OpenLocation)>>,
}

/// Resource versions of the ConfigMap and the repository Secret.
type Version = (Option<String>, Option<String>);

impl Locations {
    /// The locations described in `namespace`; `cluster` is the UID of `kube-system`.
    pub fn new(client: Client, namespace: &str, cluster: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            maps: Api::namespaced(client.clone(), namespace),
            secrets: Api::namespaced(client, namespace),
            cluster,
            clock,
            open: Mutex::new(HashMap::new()),
        }
    }

    /// Every location, also those whose ConfigMap is wrong.
    pub async fn list(&self) -> Result<Vec<(String, Result<LocationRecord, BadRecord>)>, kube::Error> {
        let maps = self.maps.list(&ListParams::default().labels(LABEL)).await?;
        Ok(maps.items.iter().map(|map| (map.name_any(), LocationRecord::decode(map))).collect())
    }

    /// Opens a location. For [`Access::Write`] the owner marker is checked each time; a location that nobody
    /// owns and in which nothing lies is claimed, and its repository created.
    pub async fn open(&self, name: &str, access: Access) -> Result<OpenLocation, LocationError> {
        let map_name = LocationRecord::config_map_name(name);
        let map =
            self.read(&self.maps, &map_name).await?.ok_or_else(|| LocationError::Unknown(name.to_owned()))?;
        let record = LocationRecord::decode(&map)?;
        if access == Access::Write && record.role == Role::Source {
            return Err(LocationError::ReadOnly(name.to_owned()));
        }
        let (secret_version, password) = self.password(&record).await?;
        let version = (map.resource_version(), secret_version);
        let mut open = self.open.lock().await;
        if let Some((known, location)) = open.get(name)
            && *known == version
        {
            let location = location.clone();
            drop(open);
            if access == Access::Write {
                self.claim(&record, location.root.as_ref()).await?;
            }
            return Ok(location);
        }
        let location = self.open_anew(record, password, access).await?;
        open.insert(name.to_owned(), (version, location.clone()));
        Ok(location)
    }

    /// The settings of a location and its store; nothing in the store is read, written or claimed.
    pub async fn look(&self, name: &str) -> Result<(LocationRecord, Location), LocationError> {
        let map_name = LocationRecord::config_map_name(name);
        let map =
            self.read(&self.maps, &map_name).await?.ok_or_else(|| LocationError::Unknown(name.to_owned()))?;
        let record = LocationRecord::decode(&map)?;
        let location = open_store(&record, &self.secrets, &self.clock).await?;
        Ok((record, location))
    }

    /// Checks once more that this cluster owns the location.
    pub async fn verify_owner(&self, location: &OpenLocation) -> Result<(), LocationError> {
        match owner::verify(location.root.as_ref(), &self.cluster).await? {
            Ownership::OwnedBySelf => Ok(()),
            Ownership::Unowned => Err(self.lost_marker(&location.record.name)),
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
    ) -> Result<OpenLocation, LocationError> {
        let Location { root, repository } = open_store(&record, &self.secrets, &self.clock).await?;
        if access == Access::Write {
            self.claim(&record, root.as_ref()).await?;
        }
        let repo = match Repo::open(repository.clone(), &password).await {
            Err(EngineError::NotARepository { .. }) if access == Access::Write => {
                self.create(repository, &password).await?
            }
            Err(source @ EngineError::WrongPassword { .. }) => {
                return Err(LocationError::WrongPassword { secret: record.repository_secret, source });
            }
            opened => opened?,
        };
        Ok(OpenLocation { record, root, repo, password })
    }

    async fn create(
        &self,
        store: Arc<dyn Store>,
        password: &RepositorySecret,
    ) -> Result<Repo, LocationError> {
        tracing::info!(store = store.describe(), "creating the repository");
        match Repo::init(store.clone(), password, InitOptions::new(self.clock.now())).await {
            // Somebody was faster, with the same password or it does not open.
            Err(EngineError::AlreadyExists { .. }) => Ok(Repo::open(store, password).await?),
            created => Ok(created?),
        }
    }

    /// Makes sure that the location is ours, claiming it when it is empty.
    async fn claim(&self, record: &LocationRecord, root: &dyn Store) -> Result<(), LocationError> {
        let other = |cluster| LocationError::OwnedByOther { name: record.name.clone(), cluster };
        match owner::verify(root, &self.cluster).await? {
            Ownership::OwnedBySelf => return Ok(()),
            Ownership::OwnedByOther { cluster } => return Err(other(cluster)),
            Ownership::Unowned => {}
        }
        let survey = owner::survey(root).await?;
        if !record.allow_unrelated {
            if survey.has_repository {
                return Err(self.lost_marker(&record.name));
            }
            if !survey.unrelated.is_empty() {
                let more = if survey.more_unrelated { " and more" } else { "" };
                let found = format!("{}{more}", survey.unrelated.join(", "));
                return Err(LocationError::NotEmpty { name: record.name.clone(), found });
            }
        }
        match owner::claim(root, &self.cluster, self.clock.now()).await? {
            Ownership::OwnedByOther { cluster } => Err(other(cluster)),
            Ownership::OwnedBySelf | Ownership::Unowned => Ok(()),
        }
    }

    fn lost_marker(&self, name: &str) -> LocationError {
        let found = format!("a repository, but no owner marker ({})", owner::OWNER_FILE);
        LocationError::NotEmpty { name: name.to_owned(), found }
    }

    async fn password(
        &self,
        record: &LocationRecord,
    ) -> Result<(Option<String>, RepositorySecret), LocationError> {
        let fail = |cause: String| LocationError::NoPassword { name: record.name.clone(), cause };
        let secret = self
            .read(&self.secrets, &record.repository_secret)
            .await?
            .ok_or_else(|| fail(format!("Secret {} does not exist", record.repository_secret)))?;
        let password =
            secret.data.as_ref().and_then(|data| data.get(REPOSITORY_KEY)).filter(|key| !key.0.is_empty());
        let password = password.ok_or_else(|| {
            fail(format!("Secret {} has no key {REPOSITORY_KEY}", record.repository_secret))
        })?;
        Ok((secret.resource_version(), RepositorySecret::new(password.0.clone())))
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
    clock: &Arc<dyn Clock>,
) -> Result<Location, LocationError> {
    let credentials = credential::source(&record.credential, &record.settings, secrets, clock)?;
    Ok(record.settings.open(credentials, clock.clone()).await?)
}
