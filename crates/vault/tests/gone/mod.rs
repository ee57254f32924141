//! A repository in a storage account of a vault, as a cluster leaves it behind, and recovery points that are to be forgotten.

#![allow(dead_code, reason = "each suite uses its part of it")]

pub mod written;

use arm::ResourceId;
use engine::{InitOptions, Repo, RepositorySecret};
use jiff::Timestamp;
use repository::ScryptParams;
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use storage::LocalStore;
use telemetry::Clock;
use vault::{
    api::{
        points::PointRecord,
        put,
        storage::{container_id, index},
    },
    keys::{ExportedKey, import, location_key},
    protect::forget,
    seal::Wrapping,
    store::{AuditEntry, AuditOutcome, Change, Expected, Store},
};
use written::Written;

pub const PASSWORD: &str = "0123456789abcdef";
const FOLDER: &str = "acct-1/backups-1";

/// The location's settings, as an extension has them.
pub fn settings() -> BTreeMap<String, String> {
    let name = |name: &str| format!("configuration.backupStorageLocation.{name}");
    [(name("bucket"), "backups".to_owned()), (name("config.storageAccount"), "acct".to_owned())].into()
}

/// The location in a vault's catalogue: account, container, repository key.
pub async fn keep_location(
    store: &dyn Store,
    wrapping: &Wrapping,
    group: &str,
    now: Timestamp,
) -> ResourceId {
    let account: ResourceId =
        format!("{group}/providers/Microsoft.Storage/storageAccounts/acct").parse().unwrap();
    let container = container_id(&account, "backups").unwrap();
    let put =
        |id: &ResourceId, document| Change::Put { id: id.clone(), document, expected: Expected::Absent };
    let changes = [
        put(
            &account,
            json!({"location": "local", "sku": "Standard_LRS", "kind": "StorageV2", "accessTier": "Hot",
                "store": "default", "folder": "acct-1", "createdAt": now}),
        ),
        put(&container, json!({"modified": now, "folder": FOLDER})),
        put(&index("acct").unwrap(), json!({"account": account})),
    ];
    store.commit(&changes, &audit(now)).await.unwrap();
    keep_key(store, wrapping, now).await;
    account
}

/// The repository key of the location.
pub async fn keep_key(store: &dyn Store, wrapping: &Wrapping, now: Timestamp) {
    let key = ExportedKey {
        id: location_key(&settings()),
        settings: settings(),
        owner: None,
        repository_password: PASSWORD.to_owned(),
    };
    assert_eq!(import(store, wrapping, &[key], now).await.unwrap(), 1);
}

/// Where the repository of the location is, in the store of a vault.
pub fn folder(blobs: &Path) -> PathBuf {
    blobs.join(FOLDER).join("cofferdam")
}

/// The repository of the location, made with a password.
pub async fn repository(blobs: &Path, password: &str, now: Timestamp) -> Repo {
    let folder = folder(blobs);
    std::fs::create_dir_all(&folder).unwrap();
    made_in(Arc::new(LocalStore::open(&folder).await.unwrap()), password, now).await
}

/// A repository in these files.
pub async fn made_in(store: Arc<dyn storage::Store>, password: &str, now: Timestamp) -> Repo {
    let options = InitOptions { scrypt: ScryptParams { n: 1 << 4, r: 1, p: 1 }, ..InitOptions::new(now) };
    Repo::init(store, &RepositorySecret::new(password), options).await.unwrap()
}

/// A recovery point as an extension commits it, with one snapshot in the storage system and content of its own.
pub async fn write_point(repo: &Repo, id: &str, clock: Arc<dyn Clock>) {
    let written = Written { id, backup: id, instance: "i1", cluster: "c1", selection: json!({}) };
    written.commit(repo, clock).await;
}

/// The recovery points that a repository holds.
pub async fn held(repo: &Repo) -> Vec<String> {
    let mut ids: Vec<String> = points::list(repo).await.unwrap().into_iter().map(|point| point.id).collect();
    ids.sort();
    ids
}

/// The changes that have a recovery point of an instance forgotten, which lies in the location.
pub fn doomed(instance: &str, cluster: &ResourceId, id: &str, now: Timestamp) -> (ResourceId, Vec<Change>) {
    let point: ResourceId = format!("{instance}/recoveryPoints/{id}").parse().unwrap();
    let record = PointRecord {
        time: now,
        job: format!("{instance}/jobs/job-{id}").parse().unwrap(),
        cluster: cluster.clone(),
        namespace: "extension".to_owned(),
        location: settings(),
        key: location_key(&settings()),
        is_partial: false,
        tag: "Default".to_owned(),
        tag_asked: false,
        policy: "policy1".to_owned(),
        expires_at: now,
        deleting: true,
        kept_because: None,
    };
    let changes = vec![put(&point, &record, Expected::Absent).unwrap(), forget::change(&point, now)];
    (point, changes)
}

/// What the audit log says of something.
pub async fn audited(store: &dyn Store, of: &str) -> Vec<String> {
    let rows = store.audit(0, 1_000_000).await.unwrap();
    let entries = rows.iter().map(|row| serde_json::from_str::<AuditEntry>(&row.record).unwrap());
    entries.filter(|entry| entry.scope == of).map(|entry| entry.action).collect()
}

pub fn audit(at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "test".into(),
        action: "set up".into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "c".into(),
    }
}
