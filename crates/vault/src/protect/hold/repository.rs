//! Which repositories hold recovery points that an immutable vault does not let go.

use super::{Place, points_in};
use crate::{
    api::{
        Loaded, load,
        points::PointRecord,
        read,
        vaults::{self, VaultRecord},
    },
    app::App,
    data_plane::located,
    keys::{setting, source_key},
    store::{Store, StoreError},
};
use arm::{ResourceId, dataprotection::ImmutabilityState};
use engine::{EngineError, Repo, RepositorySecret, SnapshotId};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// For so long what was read is believed: immutability that is set counts after this time at the latest, on every replica.
const BELIEVED: SignedDuration = SignedDuration::from_secs(5);

/// A repository in which something must stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Repository {
    account: String,
    container: String,
    prefix: Option<String>,
}

impl Repository {
    fn of(settings: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            account: setting(settings, ".config.storageAccount")?.to_lowercase(),
            container: setting(settings, ".bucket")?.to_lowercase(),
            prefix: setting(settings, ".prefix").map(|prefix| prefix.trim_matches('/').to_owned()),
        })
    }
}

/// The repositories in which something must stay, remembered for a moment: whoever wants to delete asks for each file.
#[derive(Debug, Default)]
pub struct Holds(Mutex<Option<(Timestamp, Arc<BTreeSet<Repository>>)>>);

impl Holds {
    /// The prefixes of the repositories of a container in which something must stay.
    pub async fn prefixes(
        &self,
        store: &dyn Store,
        account: &str,
        container: &str,
        now: Timestamp,
    ) -> Result<Vec<Option<String>>, StoreError> {
        let held = self.held(store, now).await?;
        let there = held.iter().filter(|one| one.account == account && one.container == container);
        Ok(there.map(|one| one.prefix.clone()).collect())
    }

    async fn held(&self, store: &dyn Store, now: Timestamp) -> Result<Arc<BTreeSet<Repository>>, StoreError> {
        if let Some((at, held)) = &*self.0.lock()
            && *at <= now
            && now.duration_since(*at) < BELIEVED
        {
            return Ok(held.clone());
        }
        let held = Arc::new(read_all(store).await?);
        *self.0.lock() = Some((now, held.clone()));
        Ok(held)
    }
}

async fn read_all(store: &dyn Store) -> Result<BTreeSet<Repository>, StoreError> {
    let mut held = BTreeSet::new();
    for vault in immutable_vaults(store).await? {
        let mut after: Option<String> = None;
        loop {
            let page = store.resources(crate::api::points::KIND, &vault, after.as_deref(), 1_000).await?;
            let whole = page.len() == 1_000;
            after = page.last().map(|last| last.id.folded().to_owned());
            for stored in page {
                let point: Loaded<PointRecord> = read(stored)?;
                if !point.document.deleting {
                    held.extend(Repository::of(&point.document.location));
                }
            }
            if !whole {
                break;
            }
        }
    }
    Ok(held)
}

async fn immutable_vaults(store: &dyn Store) -> Result<Vec<ResourceId>, StoreError> {
    let mut found = Vec::new();
    for subscription in store.subscriptions().await? {
        let mut after: Option<String> = None;
        loop {
            let page = store.resources(vaults::KIND, &subscription.id, after.as_deref(), 1_000).await?;
            let whole = page.len() == 1_000;
            after = page.last().map(|last| last.id.folded().to_owned());
            for stored in page {
                let vault: Loaded<VaultRecord> = read(stored)?;
                if is_immutable(&vault.document) {
                    found.push(vault.id);
                }
            }
            if !whole {
                break;
            }
        }
    }
    Ok(found)
}

/// Unlocked immutability holds as well as locked one: only who may take it back, which is told and can be guarded, frees
/// anything.
fn is_immutable(vault: &VaultRecord) -> bool {
    vault.settings.security_settings.immutability_settings.state != ImmutabilityState::Disabled
}

/// Whether something must stay in the repository of a location.
pub async fn is_held(app: &App, settings: &BTreeMap<String, String>) -> Result<bool, StoreError> {
    let Some(repository) = Repository::of(settings) else { return Ok(false) };
    Ok(app.holds.held(app.store.as_ref(), app.clock.now()).await?.contains(&repository))
}

/// Why the snapshot of a repository must stay: it is that of a recovery point which an immutable vault keeps. What the vault
/// lets go, and what no vault knows, may be deleted.
pub async fn refuses_to_forget(
    app: &App,
    account: &str,
    container: &str,
    prefix: Option<&str>,
    snapshot: &str,
) -> Result<Option<String>, StoreError> {
    let store = app.store.as_ref();
    let place = Place { accounts: &[account], container: Some(container) };
    let mut kept = Vec::new();
    for point in points_in(store, place).await? {
        let is_there =
            Repository::of(&point.document.location).is_some_and(|one| one.prefix.as_deref() == prefix);
        let Some(vault) = point.id.parent().and_then(|instance| instance.parent()) else { continue };
        if !is_there || point.document.deleting {
            continue;
        }
        let found: Option<Loaded<VaultRecord>> = load(store, &vault).await?;
        if found.is_some_and(|vault| is_immutable(&vault.document)) {
            kept.push((point, vault));
        }
    }
    let Some((first, _)) = kept.first() else { return Ok(None) };
    let tag = match whose(app, &first.document, snapshot).await? {
        Ok(Some(tag)) => tag,
        Ok(None) => return Ok(None),
        Err(why) => return Ok(Some(format!("whose snapshot it is cannot be read: {why}"))),
    };
    Ok(kept.iter().find(|(point, _)| point.id.name().eq_ignore_ascii_case(&tag)).map(|(point, vault)| {
        format!(
            "it is that of the recovery point '{}', which the immutable vault '{}' keeps until {}",
            point.id.name(),
            vault.name(),
            point.document.expires_at
        )
    }))
}

/// The recovery point whose snapshot this is; `None` when it is of none, or not there.
async fn whose(
    app: &App,
    neighbour: &PointRecord,
    snapshot: &str,
) -> Result<Result<Option<String>, String>, StoreError> {
    let Ok(id) = snapshot.parse::<SnapshotId>() else { return Ok(Ok(None)) };
    let place = match located(app.store.as_ref(), &neighbour.location, None).await? {
        Ok(place) => place,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let files = match app.stored.stores.files(&place.store, &place.folder, &app.clock).await {
        Ok(files) => files,
        Err(why) => return Ok(Err(why)),
    };
    let password = match source_key(app, &neighbour.key).await {
        Ok(password) => password,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let secret = RepositorySecret::new(password.as_bytes().to_vec());
    let read = async {
        let repo = Repo::open(files, &secret).await?;
        Ok::<_, EngineError>(repo.snapshot(id).await?.tag(points::TAG_POINT).map(str::to_owned))
    };
    Ok(match read.await {
        Ok(tag) => Ok(tag),
        Err(EngineError::Store(error)) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.to_string()),
    })
}
