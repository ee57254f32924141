//! What repositories hold against what the catalogue says: recovery points that it does not know are added, those that are
//! gone are named.

use super::adopt;
use crate::api::Each;
use crate::{
    api::{
        Loaded,
        extensions::{self, BACKUP_NAMESPACE, ExtensionRecord},
        instances::{self, InstanceRecord},
        jobs::JobRecord,
        load,
        points::{self, PointRecord},
        policies, put, read,
    },
    keys::location_key,
    protect::start::location_settings,
    store::{AuditEntry, AuditOutcome, Change, Expected, Store, StoreError, Stored},
};
use arm::ResourceId;
use jiff::Timestamp;
use protection::policy::{Lifetime, tag_for};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const BATCH: usize = 200;
/// The rule of what no other rule takes.
pub const DEFAULT_TAG: &str = "Default";
/// As Kubernetes names objects.
const LONGEST: usize = 253;
const VAULTS: &str = "Microsoft.DataProtection/backupVaults";

/// A recovery point as its repository tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPoint {
    /// Its id.
    pub id: String,
    /// The backup instance, by its label in the cluster.
    pub instance: String,
    /// UID of the cluster's `kube-system`.
    pub cluster: String,
    /// Name of the `Backup` object, which is the job's.
    pub backup: String,
    /// When its last byte was captured.
    pub completed: Timestamp,
    /// Something is not protected by it.
    pub is_partial: bool,
    /// The spec of the `Backup` object.
    pub spec: Value,
}

impl FoundPoint {
    /// Whether what a cluster wrote can be a part of ids. What it cannot be is not taken over.
    pub fn is_sound(&self) -> bool {
        let fits = |text: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            !text.starts_with('.') && (1..=LONGEST).contains(&text.len()) && text.bytes().all(known)
        };
        [&self.id, &self.instance, &self.cluster, &self.backup].into_iter().all(|text| fits(text))
    }
}

/// A repository that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    /// Id of its key.
    pub key: String,
    /// The settings of its location.
    pub settings: BTreeMap<String, String>,
    /// All that it holds.
    pub points: Vec<FoundPoint>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Recovery points that were added to instances of the catalogue.
    pub added: Vec<ResourceId>,
    /// Recovery points of instances that the catalogue did not know; it does now, see [`adopt`].
    pub adopted: Vec<ResourceId>,
    /// Recovery points of the catalogue that their repository does not hold.
    pub gone: Vec<ResourceId>,
    /// How many were left out because their names can be no names.
    pub unsound: usize,
}

/// What the catalogue knows of an instance.
struct Known {
    instance: Loaded<InstanceRecord>,
    points: Vec<Loaded<PointRecord>>,
    /// Ids of the keys of repositories that are its own.
    keys: BTreeSet<String>,
}

/// The ids that the catalogue has for recovery points. What it knows need not be read any closer.
pub async fn known_points(store: &dyn Store) -> Result<BTreeSet<(String, String)>, StoreError> {
    let mut known = BTreeSet::new();
    for one in catalogue(store).await? {
        let label = &one.instance.document.label;
        known.extend(one.points.iter().map(|point| (label.clone(), point.id.name().to_owned())));
    }
    Ok(known)
}

/// Adds to the catalogue what was found. `seen` are all pairs of instance and recovery point that the repositories hold, by
/// key, also those that were not read closer because they are known.
pub async fn reconcile(
    store: &dyn Store,
    scanned: &[Scanned],
    seen: &BTreeMap<String, BTreeSet<(String, String)>>,
    now: Timestamp,
) -> Result<Reconciled, StoreError> {
    let known = catalogue(store).await?;
    let mut done = Reconciled { gone: gone(&known, seen, now), ..Reconciled::default() };
    let mut changes = Vec::new();
    let mut strangers = Vec::new();
    let mut times: Vec<Vec<Timestamp>> = known.iter().map(|one| by_rule(&one.points)).collect();
    let mut found: Vec<(&Scanned, &FoundPoint)> = scanned
        .iter()
        .flat_map(|repository| repository.points.iter().map(move |point| (repository, point)))
        .collect();
    // The first of a day, a month … has its rule: the oldest is looked at first, as it was made first.
    found.sort_by_key(|(_, point)| point.completed);
    for (repository, point) in found {
        if !point.is_sound() {
            done.unsound += 1;
            continue;
        }
        // Whoever writes a repository can write any label into it: only the instance's own repositories are believed.
        let is_own = |one: &&Known| {
            one.instance.document.label == point.instance
                && one.keys.contains(&repository.key)
                && !one.instance.document.adopted
        };
        let Some((instance, earlier)) = known.iter().zip(&mut times).find(|(one, _)| is_own(one)) else {
            strangers.push((repository, point));
            continue;
        };
        if instance.points.iter().any(|one| one.id.name() == point.id)
            || is_under_way(store, instance, point).await?
        {
            continue;
        }
        let (id, record) = added(store, instance, repository, point, earlier, now).await?;
        if !record.tag_asked {
            earlier.push(record.time);
        }
        changes.push(put(&id, &record, Expected::Absent)?);
        done.added.push(id);
    }
    let (adopted, more) = adopt::changes(store, &strangers, now).await?;
    done.adopted = adopted;
    changes.extend(more);
    for batch in changes.chunks(BATCH) {
        let audit = AuditEntry {
            at: now,
            principal: "operator".to_owned(),
            action: format!("add {} records that repositories tell of", batch.len()),
            scope: "/".to_owned(),
            outcome: AuditOutcome::Changed,
            correlation: uuid::Uuid::new_v4().to_string(),
        };
        store.commit(batch, &audit).await?;
    }
    Ok(done)
}

/// When those were made that got their tags by rule.
fn by_rule(points: &[Loaded<PointRecord>]) -> Vec<Timestamp> {
    points.iter().filter(|point| !point.document.tag_asked).map(|point| point.document.time).collect()
}

/// Whether a running vault will write it down itself, when its job ends.
async fn is_under_way(store: &dyn Store, known: &Known, point: &FoundPoint) -> Result<bool, StoreError> {
    let vault = known.instance.id.parent();
    let Some(id) = vault.and_then(|vault| vault.child("backupJobs", &point.backup).ok()) else {
        return Ok(false);
    };
    let job: Option<Loaded<JobRecord>> = load(store, &id).await?;
    Ok(job.is_some_and(|job| !job.document.status.is_over()))
}

/// Those of before the repositories were read: a running vault may have written others down meanwhile.
fn gone(
    known: &[Known],
    seen: &BTreeMap<String, BTreeSet<(String, String)>>,
    now: Timestamp,
) -> Vec<ResourceId> {
    let mut gone = Vec::new();
    for one in known {
        let label = &one.instance.document.label;
        for point in &one.points {
            // A repository that could not be read says nothing about its recovery points.
            let Some(there) = seen.get(&point.document.key) else { continue };
            let is_there = there.contains(&(label.clone(), point.id.name().to_owned()));
            if !is_there && !point.document.deleting && point.document.time < now {
                gone.push(point.id.clone());
            }
        }
    }
    gone
}

/// A recovery point of an instance that the catalogue knows: by its instance, and by the policy as it is now.
async fn added(
    store: &dyn Store,
    known: &Known,
    repository: &Scanned,
    point: &FoundPoint,
    earlier: &[Timestamp],
    now: Timestamp,
) -> Result<(ResourceId, PointRecord), StoreError> {
    let instance = &known.instance;
    let wrong = |error: arm::IdError| StoreError::Damaged(error.to_string());
    let id = instance.id.child("recoveryPoints", &point.id).map_err(wrong)?;
    let vault = instance.id.parent().ok_or_else(|| StoreError::Damaged(instance.id.to_string()))?;
    let policy = &instance.document.instance.policy;
    let plan = policies::plan(store, policy).await?;
    let time = point.completed.min(now);
    // A scheduled backup got its tag from the vault when it ended; its repository never learnt it.
    let by_rule = || {
        let plan = plan.as_ref()?;
        tag_for(&plan.tags, time, earlier, &plan.schedule.zone).map(|rule| rule.tag.clone())
    };
    let tag = asked_tag(point).or_else(by_rule).unwrap_or_else(|| DEFAULT_TAG.to_owned());
    let retention =
        plan.as_ref().and_then(|plan| plan.retention(&tag).or_else(|| plan.retention(DEFAULT_TAG)));
    let lifetime = retention.map_or_else(fallback, |found| Ok(found.operational))?;
    let namespace = known.points.last().map(|other| other.document.namespace.clone());
    let record = PointRecord {
        time,
        job: vault.child("backupJobs", &point.backup).map_err(wrong)?,
        cluster: instance.document.instance.source.resource.clone(),
        namespace: namespace.unwrap_or_else(|| BACKUP_NAMESPACE.to_owned()),
        location: repository.settings.clone(),
        key: repository.key.clone(),
        is_partial: point.is_partial,
        tag_asked: asked_tag(point).is_some(),
        tag,
        policy: policy.name().to_owned(),
        // Whoever recovers a vault looks at what came back before anything of it ends.
        expires_at: lifetime.end(time).max(fallback()?.end(now)),
        deleting: false,
        kept_because: None,
    };
    Ok((id, record))
}

/// The tag that a backup on demand was asked for.
pub fn asked_tag(point: &FoundPoint) -> Option<String> {
    point.spec.get("retentionTag").and_then(Value::as_str).map(str::to_owned)
}

/// When no rule says how long a recovery point lives: the default policy's time.
pub fn fallback() -> Result<Lifetime, StoreError> {
    "P7D".parse().map_err(|error| StoreError::Damaged(format!("{error}")))
}

/// All instances with their recovery points.
async fn catalogue(store: &dyn Store) -> Result<Vec<Known>, StoreError> {
    let mut known = Vec::new();
    for subscription in store.subscriptions().await? {
        for vault in all(store, VAULTS, &subscription.id).await? {
            for instance in instances::all(store, &vault.id).await? {
                let points = all(store, points::KIND, &instance.id).await?;
                let points: Vec<Loaded<PointRecord>> =
                    points.into_iter().map(read).collect::<Result<_, _>>()?;
                let mut keys: BTreeSet<String> =
                    points.iter().map(|point| point.document.key.clone()).collect();
                let cluster = &instance.document.instance.source.resource;
                for extension in all(store, extensions::KIND, cluster).await? {
                    let extension: Loaded<ExtensionRecord> = read(extension)?;
                    keys.insert(location_key(&location_settings(&extension.document.settings)));
                }
                known.push(Known { instance, points, keys });
            }
        }
    }
    Ok(known)
}

async fn all(store: &dyn Store, kind: &str, under: &ResourceId) -> Result<Vec<Stored>, StoreError> {
    let mut found = Vec::new();
    let mut each = Each::of(store, kind, under);
    while let Some(stored) = each.next().await? {
        found.push(stored);
    }
    Ok(found)
}

/// The change of one record that must not be there yet.
pub fn fresh<D: serde::Serialize>(id: &ResourceId, document: &D) -> Result<Change, StoreError> {
    put(id, document, Expected::Absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_cluster_made_up_do_not_become_parts_of_ids() {
        let point = |id: &str, instance: &str| FoundPoint {
            id: id.to_owned(),
            instance: instance.to_owned(),
            cluster: "7d3c0c7e".to_owned(),
            backup: "b-1.2".to_owned(),
            completed: Timestamp::UNIX_EPOCH,
            is_partial: false,
            spec: Value::Null,
        };

        assert!(point("0a1b", "i1").is_sound());
        for wrong in ["", "..", "a/b", "a/../b", "a\nb", "a b", "ä", &"x".repeat(254)] {
            assert!(!point(wrong, "i1").is_sound() && !point("0a1b", wrong).is_sound(), "{wrong:?}");
        }
    }
}
