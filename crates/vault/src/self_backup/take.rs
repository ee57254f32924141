//! Takes one backup: gathers, writes, reads back, tidies, and writes down how it went.

use super::{
    Place, SelfBackupError, Settings, decide,
    format::{Header, Shape},
    read::{Sink, read},
    spool::gather,
};
use crate::{
    directory::DataDirectory,
    pki::AUTHORITY_FILES,
    seal::{SETTING, Wrapping},
    sealed_file::Recipient,
    store::{
        AuditEntry, AuditOutcome, Change, Snapshot, Store, StoreError,
        whole::{Cell, Cells, TABLES, Table},
    },
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The setting of the database that says how it went.
const STATE: &str = "self-backup";
const TENANT: &str = "tenant";
const LONGEST_REASON: usize = 500;

/// What a backup is taken with.
#[derive(Debug, Clone, Copy)]
pub struct Taking<'a> {
    /// The database.
    pub store: &'a dyn Store,
    /// The keys that seal it.
    pub wrapping: &'a Wrapping,
    /// The data directory.
    pub directory: &'a DataDirectory,
    /// Where to.
    pub place: &'a Place,
    /// How many are kept, and who opens them.
    pub settings: &'a Settings,
    /// Who takes it, as the audit log names them.
    pub principal: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// A backup that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// When.
    pub at: Timestamp,
    /// Its name.
    pub name: String,
    /// Where it is, for people.
    pub place: String,
    /// Bytes.
    pub bytes: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// A backup that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    /// Why not.
    pub why: String,
    /// How many failed since the last one that was taken.
    pub times: u32,
}

/// How it went last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// The last one that was taken.
    pub last: Option<Taken>,
    /// The failure since then.
    pub failed: Option<Failed>,
}

/// How it went last.
pub async fn state(store: &dyn Store) -> Result<State, StoreError> {
    let text = store.setting(STATE).await?;
    // What cannot be read is as good as nothing: the next backup writes it anew.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Takes one. How it went is in the database afterwards, with an audit record, whichever way it went.
pub async fn take(taking: &Taking<'_>) -> Result<Taken, SelfBackupError> {
    let taken = take_one(taking).await;
    let before = state(taking.store).await?;
    let (state, action) = match &taken {
        Ok(taken) => (
            State { last: Some(taken.clone()), failed: None },
            format!("back the vault up to {} in {}", taken.name, taken.place),
        ),
        Err(error) => {
            let why: String = error.to_string().chars().take(LONGEST_REASON).collect();
            let times = before.failed.map_or(0, |failed| failed.times).saturating_add(1);
            let action = format!("fail to back the vault up: {why}");
            (State { last: before.last, failed: Some(Failed { at: taking.now, why, times }) }, action)
        }
    };
    let value = serde_json::to_string(&state).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let audit = AuditEntry {
        at: taking.now,
        principal: taking.principal.to_owned(),
        action,
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    };
    taking.store.commit(&[Change::Set(STATE.to_owned(), value)], &audit).await?;
    taken
}

async fn take_one(taking: &Taking<'_>) -> Result<Taken, SelfBackupError> {
    let Taking { store, wrapping, directory, place, settings, now, .. } = *taking;
    let mut snapshot = store.snapshot().await?;
    let found = settings_of(snapshot.as_mut()).await?;
    let tenant = found.get(TENANT).ok_or(SelfBackupError::Nothing)?.clone();
    let key = found.get(SETTING).ok_or(SelfBackupError::Nothing)?.clone();
    // The database may have been sealed anew since this process began: the key of this moment counts.
    let identity = wrapping.backup_identity(&key).ok_or_else(|| SelfBackupError::OtherKey(key.clone()))??;
    let mut header = Header::new(now, tenant.clone(), key.clone());
    if !settings.recipients.is_empty() {
        header.wrapping_key_text = wrapping.reveal(&key).map(|text| text.to_string());
    }
    for file in AUTHORITY_FILES {
        let content = directory.read(file).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        header.files.extend(content.map(|content| (file.to_owned(), content)));
    }
    let own = identity.recipient()?;
    let recipients: Vec<Recipient> =
        std::iter::once(own).chain(settings.recipients.iter().copied()).collect();
    let spool = gather(&directory.path(""), &header, &recipients, snapshot).await?;
    let (bytes, counts) = (spool.length, spool.counts.clone());
    let name = Place::name(&tenant, now);
    place.put(&name, spool).await?;
    let mut looked = Looked;
    let read_back = match place.get(&name).await {
        Ok(content) => read(content, vec![identity], &name, &mut looked).await,
        Err(error) => Err(error),
    };
    let why = match read_back {
        Ok(found) if found == counts => None,
        Ok(_) => Some("it holds other rows".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = why {
        if let Err(error) = place.remove(&name).await {
            tracing::warn!(%error, name, "could not take a backup away that is not whole");
        }
        return Err(SelfBackupError::NotWhole { name, place: place.text().to_owned(), why });
    }
    tidy(place, &tenant, settings.keep, &name).await;
    Ok(Taken { at: now, name, place: place.text().to_owned(), bytes, rows: counts.values().sum() })
}

/// A store that keeps what shall go is no reason to have no backup.
async fn tidy(place: &Place, tenant: &str, keep: usize, new: &str) {
    let names = match place.list(Some(tenant)).await {
        Ok(kept) => kept.into_iter().map(|kept| kept.name).collect(),
        Err(error) => return tracing::warn!(%error, "could not look for old backups of the vault"),
    };
    for name in decide::outlived(names, keep, new).into_iter().filter(|name| name != new) {
        match place.remove(&name).await {
            Ok(()) => tracing::info!(name, "removed an old backup of the vault"),
            Err(error) => tracing::warn!(%error, name, "could not remove an old backup of the vault"),
        }
    }
}

async fn settings_of(snapshot: &mut dyn Snapshot) -> Result<BTreeMap<String, String>, StoreError> {
    let mut found = BTreeMap::new();
    let Some(table): Option<&'static Table> = TABLES.iter().find(|table| table.name == "settings") else {
        return Ok(found);
    };
    let mut after: Option<Cells> = None;
    loop {
        let page = snapshot.page(table, after.as_ref()).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        for row in page {
            if let [Cell::Text(name), Cell::Text(value)] = row.as_slice() {
                found.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Wants to know only that all can be read.
struct Looked;

#[async_trait]
impl Sink for Looked {
    type Error = SelfBackupError;

    async fn header(&mut self, _: Header) -> Result<(), SelfBackupError> {
        Ok(())
    }

    async fn row(&mut self, _: Shape, _: Cells) -> Result<(), SelfBackupError> {
        Ok(())
    }
}
