//! The containers of accounts, from the vault's database.

use super::{gate::of_store, held::Held, known::Known};
use crate::{
    alerts,
    api::{
        Loaded, load, put, read,
        storage::{
            AccountRecord, CONTAINER, ContainerRecord, container_etag, container_id, fresh_container,
            gone_container,
        },
    },
    app::App,
    protect::hold::{self, Place},
    store::{AuditEntry, AuditOutcome, Change, Expected, StoreError},
};
use arm::ResourceId;
use async_trait::async_trait;
use blobs::{Accounts, BlobError, Container, ContainerListing, ContainerPage, Who};
use http::StatusCode;
use std::{collections::BTreeMap, sync::Arc};

/// The code of a container that cannot be deleted.
const PROTECTED: &str = "ContainerProtectedFromDeletion";
const TRIES: usize = 5;
const PAGE: u32 = 1_000;

/// The accounts.
#[derive(Debug)]
pub struct VaultAccounts(Arc<App>);

impl VaultAccounts {
    /// Of a vault.
    pub fn new(app: Arc<App>) -> Self {
        Self(app)
    }

    async fn account(&self, name: &str) -> Result<Arc<Known>, BlobError> {
        let known =
            self.0.stored.known(self.0.store.as_ref(), name).await.map_err(|error| of_store(&error))?;
        known.ok_or_else(|| BlobError::no_account(name))
    }

    async fn find(&self, account: &Known, name: &str) -> Result<Option<Loaded<ContainerRecord>>, BlobError> {
        let id = container_id(&account.id, name).map_err(|_| BlobError::no_container())?;
        load(self.0.store.as_ref(), &id).await.map_err(|error| of_store(&error))
    }

    fn open(&self, account: &Known, found: &Loaded<ContainerRecord>) -> Result<Container, BlobError> {
        let (ContainerRecord { metadata, modified, folder, .. }, store) =
            (&found.document, &account.record.store);
        let (account, name) = (account.id.name(), found.id.name());
        let backing = self.0.stored.stores.backing(store, folder)?;
        Ok(Container {
            name: name.to_owned(),
            etag: container_etag(found),
            modified: *modified,
            metadata: metadata.clone(),
            backing: Arc::new(Held::new(self.0.clone(), account, name, backing)),
        })
    }

    async fn commit(
        &self,
        who: &Who,
        action: &str,
        on: &ResourceId,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let entry = AuditEntry {
            at: self.0.clock.now(),
            principal: who.0.clone(),
            action: format!("Microsoft.Storage/storageAccounts/blobServices/containers/{action}"),
            scope: on.to_string(),
            outcome: AuditOutcome::Changed,
            correlation: uuid::Uuid::new_v4().to_string(),
        };
        self.0.store.commit(changes, &entry).await
    }
}

#[async_trait]
impl Accounts for VaultAccounts {
    async fn container(&self, account: &str, name: &str) -> Result<Container, BlobError> {
        let account = self.account(account).await?;
        let found = self.find(&account, name).await?.ok_or_else(BlobError::no_container)?;
        self.open(&account, &found)
    }

    async fn create(
        &self,
        who: &Who,
        account: &str,
        name: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<Container, BlobError> {
        let known = self.account(account).await?;
        for _ in 0..TRIES {
            if self.find(&known, name).await?.is_some() {
                return Err(BlobError::container_exists());
            }
            // Written back unchanged, so that no container is made in an account that goes at the same time.
            let parent: Option<Loaded<AccountRecord>> =
                load(self.0.store.as_ref(), &known.id).await.map_err(|error| of_store(&error))?;
            let parent = parent.ok_or_else(|| BlobError::no_account(account))?;
            let document = fresh_container(&parent.document, name, metadata.clone(), self.0.clock.now());
            self.0.stored.stores.make(&parent.document.store, &document.folder).await?;
            let id = container_id(&parent.id, name).map_err(|_| BlobError::no_container())?;
            let changes = [parent.write(), put(&id, &document, Expected::Absent)];
            let changes: Vec<Change> =
                changes.into_iter().collect::<Result<_, _>>().map_err(|error| of_store(&error))?;
            match self.commit(who, "write", &id, &changes).await {
                Ok(()) => return self.open(&known, &Loaded { id, document, version: 1 }),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(of_store(&error)),
            }
        }
        Err(BlobError::busy())
    }

    async fn delete(&self, who: &Who, account: &str, name: &str) -> Result<(), BlobError> {
        let known = self.account(account).await?;
        for _ in 0..TRIES {
            let found = self.find(&known, name).await?.ok_or_else(BlobError::no_container)?;
            let now = self.0.clock.now();
            let place = Place { accounts: &[known.id.name()], container: Some(found.id.name()) };
            let kept = hold::keeps(self.0.store.as_ref(), place, PROTECTED).await;
            if let Some(refusal) = kept.map_err(|error| of_store(&error))? {
                return Err(BlobError::new(StatusCode::CONFLICT, PROTECTED, refusal.message));
            }
            let mut changes: Vec<Change> = gone_container(&known.record, &found, now).into_iter().collect();
            let told =
                alerts::place_deleted(&self.0, &[known.id.name()], Some(found.id.name()), &who.0, now).await;
            changes.extend(told.map_err(|error| of_store(&error))?);
            match self.commit(who, "delete", &found.id, &changes).await {
                Ok(()) => {
                    self.0.poke_work.notify_one();
                    return Ok(());
                }
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(of_store(&error)),
            }
        }
        Err(BlobError::busy())
    }

    async fn list(&self, account: &str, wanted: &ContainerListing) -> Result<ContainerPage, BlobError> {
        let known = self.account(account).await?;
        let key = |name: &str| container_id(&known.id, name).map(|id| id.folded().to_owned());
        let mut after =
            wanted.after.as_deref().map(key).transpose().map_err(|_| BlobError::no_container())?;
        let mut containers = Vec::new();
        loop {
            let page = self.0.store.resources(CONTAINER, &known.id, after.as_deref(), PAGE).await;
            let page = page.map_err(|error| of_store(&error))?;
            let is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
            after = page.last().map(|last| last.id.folded().to_owned());
            for stored in page {
                if !stored.id.name().starts_with(&wanted.prefix) {
                    continue;
                }
                if containers.len() >= wanted.most {
                    return Ok(ContainerPage { containers, more: true });
                }
                let found = read(stored).map_err(|error| of_store(&error))?;
                containers.push(self.open(&known, &found)?);
            }
            if is_last {
                return Ok(ContainerPage { containers, more: false });
            }
        }
    }
}
