//! The first use of a location: it is claimed and its repository made once. What was initialised is never made anew
//! because it is empty: somebody emptied it, and only a person can say that what was there does not matter.

use super::{
    Access, Known, LocationError, LocationRecord, Locations, OpenLocation, REPOSITORY, Role, known,
    open_store,
};
use crate::{grants::GrantPurpose, status::MANAGER};
use engine::{EngineError, InitOptions, Repo, RepositorySecret};
use kube::api::{Patch, PatchParams};
use repository::{Config, FileKind};
use serde_json::json;
use std::sync::Arc;
use storage::{
    Store, StoreError, StoreErrorKind, StorePath,
    owner::{self, Ownership, Survey},
};

impl Locations {
    /// Whether a backup could use a location, without writing anything: whose it is, what lies there, and whether its
    /// repository opens. One that was never used may have none yet.
    pub async fn inspect(&self, name: &str, purpose: &GrantPurpose) -> Result<String, LocationError> {
        let described = self.described(name).await?.filter(|described| described.record.role == Role::Own);
        let Some(described) = described else {
            return Err(LocationError::ReadOnly(name.to_owned()));
        };
        let (record, known) = (described.record, described.known);
        let location = open_store(&record, &self.secrets, self.vault.as_deref(), &self.clock).await?;
        let store = location.root.describe();
        // Also of a location that is kept open: what was there when it was opened may be gone.
        let survey = owner::survey(location.root.as_ref()).await?;
        match &survey.owner {
            Some(marker) if marker.cluster != self.cluster => {
                let cluster = marker.cluster.clone();
                return Err(LocationError::OwnedByOther { name: name.to_owned(), cluster });
            }
            Some(_) => {}
            None => self.may_claim(&record, &survey, Access::Begin, &known, &store)?,
        }
        if survey.has_repository {
            match self.open(name, Access::Read, purpose).await {
                Err(LocationError::Engine(EngineError::NotARepository { .. })) => {}
                Ok(open) => {
                    self.has_config(&open, Access::Read, &known).await?;
                    return Self::same(&record, &known, &open.repo, &store).map(|()| store);
                }
                Err(error) => return Err(error),
            }
        }
        if known.is_initialised() {
            return Err(LocationError::RepositoryLost { name: name.to_owned(), store });
        }
        Ok(format!("{store} has no repository yet; the first backup makes it."))
    }

    /// Whether it is known that a location had a repository.
    pub(crate) async fn was_initialised(&self, name: &str) -> Result<bool, LocationError> {
        Ok(self.described(name).await?.is_some_and(|described| described.known.is_initialised()))
    }

    /// Makes sure that the location is ours, claiming it where that may be.
    pub(super) async fn owned(
        &self,
        record: &LocationRecord,
        root: &dyn Store,
        access: Access,
        known: &Known,
    ) -> Result<(), LocationError> {
        let other = |cluster| LocationError::OwnedByOther { name: record.name.clone(), cluster };
        match owner::verify(root, &self.cluster).await? {
            Ownership::OwnedBySelf => return Ok(()),
            Ownership::OwnedByOther { cluster } => return Err(other(cluster)),
            Ownership::Unowned => {}
        }
        let survey = owner::survey(root).await?;
        if let Err(error) = self.may_claim(record, &survey, access, known, &root.describe()) {
            self.note_lost(record, known, access, &error).await;
            return Err(error);
        }
        match owner::claim(root, &self.cluster, self.clock.now()).await? {
            Ownership::OwnedByOther { cluster } => Err(other(cluster)),
            Ownership::OwnedBySelf | Ownership::Unowned => Ok(()),
        }
    }

    /// Whether what lies in a location that nobody owns leaves it to whoever comes first.
    fn may_claim(
        &self,
        record: &LocationRecord,
        survey: &Survey,
        access: Access,
        known: &Known,
        store: &str,
    ) -> Result<(), LocationError> {
        if known.is_initialised() || access != Access::Begin {
            return Err(match (survey.has_repository, known.is_initialised()) {
                (true, _) => LocationError::MarkerLost(record.name.clone()),
                (false, true) => {
                    LocationError::RepositoryLost { name: record.name.clone(), store: store.to_owned() }
                }
                (false, false) => {
                    EngineError::NotARepository { store: store.to_owned(), path: owner::OWNER_FILE.into() }
                        .into()
                }
            });
        }
        if record.allow_unrelated {
            return Ok(());
        }
        if survey.has_repository {
            return Err(LocationError::MarkerLost(record.name.clone()));
        }
        if !survey.unrelated.is_empty() {
            let more = if survey.more_unrelated { " and more" } else { "" };
            let found = format!("{}{more}", survey.unrelated.join(", "));
            return Err(LocationError::NotEmpty { name: record.name.clone(), found });
        }
        Ok(())
    }

    /// Makes sure that a location that is kept open is still ours and its repository still there.
    pub(super) async fn still_ours(
        &self,
        open: &OpenLocation,
        access: Access,
        known: &Known,
    ) -> Result<(), LocationError> {
        self.owned(&open.record, open.root.as_ref(), access, known).await?;
        self.has_config(open, access, known).await?;
        self.recognise(&open.record, known, &open.repo, open.root.describe()).await
    }

    /// The file without which nothing opens the repository again: more must not be written into what is left of it.
    async fn has_config(
        &self,
        open: &OpenLocation,
        access: Access,
        known: &Known,
    ) -> Result<(), LocationError> {
        let store = open.repo.store();
        let config = StorePath::parse(FileKind::Config.path("")).map_err(|bad| {
            StoreError::new("open", store.describe(), StoreErrorKind::Other, bad.to_string())
        })?;
        match store.read(&config).await {
            Ok(bytes) => match Config::decode(open.repo.key(), &bytes) {
                Ok(there) if there.id == open.repo.config().id => Ok(()),
                // With a key that is kept open only what nobody can open would be written there.
                Ok(_) | Err(_) => Err(LocationError::RepositoryReplaced {
                    name: open.record.name.clone(),
                    store: open.root.describe(),
                }),
            },
            Err(error) if error.is_not_found() => {
                Err(self.lost(&open.record, known, access, open.root.describe()).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The error of a location whose repository is gone; an earlier version's note of it is kept.
    pub(super) async fn lost(
        &self,
        record: &LocationRecord,
        known: &Known,
        access: Access,
        store: String,
    ) -> LocationError {
        let error = LocationError::RepositoryLost { name: record.name.clone(), store };
        self.note_lost(record, known, access, &error).await;
        error
    }

    pub(super) async fn create(
        &self,
        store: Arc<dyn Store>,
        password: &RepositorySecret,
    ) -> Result<Repo, LocationError> {
        let _alone = self.creating.lock().await;
        match Repo::open(store.clone(), password).await {
            Err(EngineError::NotARepository { .. }) => {}
            opened => return Ok(opened?),
        }
        tracing::info!(store = store.describe(), "creating the repository");
        match Repo::init(store.clone(), password, InitOptions::new(self.clock.now())).await {
            // Somebody was faster, with the same password or it does not open.
            Err(EngineError::AlreadyExists { .. }) => Ok(Repo::open(store, password).await?),
            created => Ok(created?),
        }
    }

    fn same(record: &LocationRecord, known: &Known, repo: &Repo, store: &str) -> Result<(), LocationError> {
        if known.is_another(&repo.config().id.to_string()) {
            return Err(LocationError::RepositoryReplaced {
                name: record.name.clone(),
                store: store.to_owned(),
            });
        }
        Ok(())
    }

    /// Makes sure that it is the repository that the location was initialised with, and notes which that is.
    pub(super) async fn recognise(
        &self,
        record: &LocationRecord,
        known: &Known,
        repo: &Repo,
        store: String,
    ) -> Result<(), LocationError> {
        Self::same(record, known, repo, &store)?;
        match known {
            Known::Named(_) => Ok(()),
            Known::Never | Known::Unnamed => {
                self.note_repository(record, &known::noted(&repo.config().id.to_string(), &record.settings))
                    .await
            }
        }
    }

    /// What an earlier version knew by the note that the location can be used is kept when that note goes.
    async fn note_lost(&self, record: &LocationRecord, known: &Known, access: Access, error: &LocationError) {
        let is_lost = matches!(error, LocationError::RepositoryLost { .. } | LocationError::MarkerLost(_));
        if !access.writes() || *known != Known::Unnamed || !is_lost {
            return;
        }
        if let Err(error) = self.note_repository(record, &known::noted_unnamed(&record.settings)).await {
            tracing::warn!(location = record.name, %error, "could not note that there was a repository");
        }
    }

    async fn note_repository(&self, record: &LocationRecord, note: &str) -> Result<(), LocationError> {
        let name = LocationRecord::config_map_name(&record.name);
        let patch = Patch::Merge(json!({"metadata": {"annotations": {REPOSITORY: note}}}));
        let manager = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match self.maps.patch(&name, &manager, &patch).await {
            Ok(_) => Ok(()),
            Err(source) => Err(LocationError::Cluster {
                what: format!("ConfigMap {name}, to note its repository there"),
                source,
            }),
        }
    }
}
