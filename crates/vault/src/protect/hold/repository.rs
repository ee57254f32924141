//! Which repositories hold recovery points that an immutable vault does not let go.

use crate::api::Each;
use crate::{
    api::{
        Loaded, load,
        points::{self, PointRecord},
        read,
        vaults::{self, VaultRecord},
    },
    app::App,
    data_plane::located,
    keys::{setting, source_key},
    store::{Store, StoreError},
};
use ::points::TAG_POINT;
use arm::{ResourceId, dataprotection::ImmutabilityState};
use engine::{EngineError, Repo, RepositorySecret, SnapshotId};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// For so long what was read is believed: a recovery point that is new, and immutability that is set, count after this time
/// at the latest, on every replica. All recovery points of immutable vaults are read for it.
const BELIEVED: SignedDuration = SignedDuration::from_secs(30);

/// A repository, by what people call the place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    account: String,
    container: String,
    prefix: Option<String>,
}

impl Place {
    fn of(settings: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            account: setting(settings, ".config.storageAccount")?.to_lowercase(),
            container: setting(settings, ".bucket")?.to_lowercase(),
            prefix: setting(settings, ".prefix").map(|prefix| prefix.trim_matches('/').to_owned()),
        })
    }
}

/// A repository in which something must stay.
#[derive(Debug)]
struct Repository {
    /// Where it lies, and the id of its key, as one of its recovery points has them.
    settings: BTreeMap<String, String>,
    key: String,
    /// Its recovery points that must stay, by their ids, folded.
    points: HashMap<String, Vec<ResourceId>>,
}

type Held = BTreeMap<Place, Repository>;

/// The repositories in which something must stay, remembered for a moment: whoever wants to delete asks for each file.
#[derive(Debug, Default)]
pub struct Holds(Mutex<Option<(Timestamp, Arc<Held>)>>);

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
        let there = held.keys().filter(|one| one.account == account && one.container == container);
        Ok(there.map(|one| one.prefix.clone()).collect())
    }

    async fn held(&self, store: &dyn Store, now: Timestamp) -> Result<Arc<Held>, StoreError> {
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

async fn read_all(store: &dyn Store) -> Result<Held, StoreError> {
    let mut held = Held::new();
    for vault in immutable_vaults(store).await? {
        let mut each = Each::of(store, points::KIND, &vault);
        while let Some(stored) = each.next().await? {
            let Loaded { id, document, .. }: Loaded<PointRecord> = read(stored)?;
            if let (false, Some(place)) = (document.deleting, Place::of(&document.location)) {
                let PointRecord { location: settings, key, .. } = document;
                let points = HashMap::new();
                let one = held.entry(place).or_insert_with(|| Repository { settings, key, points });
                one.points.entry(id.name().to_lowercase()).or_default().push(id);
            }
        }
    }
    Ok(held)
}

async fn immutable_vaults(store: &dyn Store) -> Result<Vec<ResourceId>, StoreError> {
    let mut found = Vec::new();
    for subscription in store.subscriptions().await? {
        let mut each = Each::of(store, vaults::KIND, &subscription.id);
        while let Some(stored) = each.next().await? {
            let vault: Loaded<VaultRecord> = read(stored)?;
            if is_immutable(&vault.document) {
                found.push(vault.id);
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
    let Some(place) = Place::of(settings) else { return Ok(false) };
    Ok(app.holds.held(app.store.as_ref(), app.clock.now()).await?.contains_key(&place))
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
    let place = Place {
        account: account.to_owned(),
        container: container.to_owned(),
        prefix: prefix.map(str::to_owned),
    };
    let held = app.holds.held(store, app.clock.now()).await?;
    let Some(repository) = held.get(&place) else { return Ok(None) };
    let tag = match whose(app, repository, snapshot).await? {
        Ok(Some(tag)) => tag,
        Ok(None) => return Ok(None),
        Err(why) => return Ok(Some(format!("whose snapshot it is cannot be read: {why}"))),
    };
    // What may go is known at once, and not when memory is over.
    for id in repository.points.get(&tag.to_lowercase()).into_iter().flatten() {
        let Some(vault) = id.parent().and_then(|instance| instance.parent()) else { continue };
        let point: Option<Loaded<PointRecord>> = load(store, id).await?;
        let vault: Option<Loaded<VaultRecord>> = load(store, &vault).await?;
        if let (Some(point), Some(vault)) = (point, vault)
            && !point.document.deleting
            && is_immutable(&vault.document)
        {
            return Ok(Some(format!(
                "it is that of the recovery point '{}', which the immutable vault '{}' keeps until {}",
                id.name(),
                vault.id.name(),
                point.document.expires_at
            )));
        }
    }
    Ok(None)
}

/// The recovery point whose snapshot this is; `None` when it is of none, or not there.
async fn whose(
    app: &App,
    repository: &Repository,
    snapshot: &str,
) -> Result<Result<Option<String>, String>, StoreError> {
    let Ok(id) = snapshot.parse::<SnapshotId>() else { return Ok(Ok(None)) };
    let place = match located(app.store.as_ref(), &repository.settings, None).await? {
        Ok(place) => place,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let files = match app.stored.stores.files(&place.store, &place.folder, &app.clock).await {
        Ok(files) => files,
        Err(why) => return Ok(Err(why)),
    };
    let password = match source_key(app, &repository.key).await {
        Ok(password) => password,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let secret = RepositorySecret::new(password.as_bytes().to_vec());
    let read = async {
        let repo = Repo::open(files, &secret).await?;
        Ok::<_, EngineError>(repo.snapshot(id).await?.tag(TAG_POINT).map(str::to_owned))
    };
    Ok(match read.await {
        Ok(tag) => Ok(tag),
        Err(EngineError::Store(error)) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.to_string()),
    })
}
