//! Deletes a recovery point in the stead of a cluster that is gone, as the cluster would: what it holds is written down
//! first, then its repository forgets it under an exclusive lock. Done again after a crash, it goes on where it was.

use super::{
    Found, Gone, Watch,
    left::{self, LeftRecord},
    observe::restoring,
    prune,
};
use crate::{
    api::{
        Loaded,
        jobs::{JobRecord, MOST_PROBLEMS},
        load,
        points::PointRecord,
    },
    app::App,
    data_plane::{NotLocated, located, vault_may_access},
    keys::{RepositoryKeyError, source_key},
    protect::forget::{self, State},
    store::{Change, Expected, StoreError},
    work::Step,
};
use arm::ResourceId;
use engine::{EngineError, Repo, RepositorySecret};
use jiff::{SignedDuration, Timestamp};
use points::{Forgotten, Point};
use protection::Problem;
use std::collections::BTreeMap;

/// When another piece of work of this vault is at work in the repository.
const BUSY: SignedDuration = SignedDuration::from_secs(1);
/// When somebody else holds a lock there, and a little more for each, so that replicas do not meet again.
const LOCKED: SignedDuration = SignedDuration::from_secs(20);
/// Until the store is asked again whether its retention is over.
const RETAINED: SignedDuration = SignedDuration::from_hours(1);
/// At the next moment.
const SOON: SignedDuration = SignedDuration::ZERO;

/// One step of the deletion.
pub async fn erase(
    app: &App,
    vault: &ResourceId,
    point: Loaded<PointRecord>,
    mut state: State,
    gone: Gone,
) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let because = gone.text(point.document.cluster.name());
    let watch = Watch::after(state.watch.take(), gone, now);
    let acts_from = watch.acts_from(app.gone_after);
    state.watch = Some(watch);
    let kept = |why: &str| format!("{because}, and {why}");
    if now < acts_from {
        let why = format!(
            "{because}; unless that changes, the vault deletes the recovery point itself from {acts_from} on"
        );
        return forget::rest(app, point, state, forget::REST.min(acts_from.duration_since(now)), &why);
    }
    if let Some(job) = restoring(app, vault, &point.id).await? {
        let why = format!("the job '{}' restores from it", job.name());
        return forget::rest(app, point, state, forget::REST, &kept(&why));
    }
    let Some(_turn) = app.turns.take(&point.document.key) else { return forget::later(app, BUSY, &state) };
    let PointRecord { key, location, time, .. } = &point.document;
    let repo = match open(app, vault, key, location, Some(*time)).await? {
        Ok(repo) => repo,
        Err(Closed::Removed(why)) => return lost(app, vault, &point, state, &because, &why).await,
        Err(Closed::Kept(why)) => return forget::rest(app, point, state, forget::REST, &kept(&why)),
    };
    match delete(app, &repo, point.id.name(), &mut state).await {
        Ok(Deleted::Found) => forget::later(app, SOON, &state),
        Ok(Deleted::Gone) => done(app, vault, &point, &because, state.found.as_ref()),
        Ok(Deleted::Retained) => {
            let why = "the retention of its store keeps it; it is deleted when that ends";
            forget::rest(app, point, state, RETAINED, &kept(why))
        }
        Err(error @ EngineError::Locked { .. }) => {
            let spread = point.id.folded().bytes().fold(0_u8, u8::wrapping_add) % 20;
            let pause = LOCKED + SignedDuration::from_secs(spread.into());
            forget::rest(app, point, state, pause, &kept(&error.to_string()))
        }
        Err(error) => forget::rest(app, point, state, forget::REST, &kept(&error.to_string())),
    }
}

/// Why a recovery point is gone with the place in which it lay, if it is.
pub async fn lost_with(app: &App, point: &PointRecord) -> Result<Option<String>, StoreError> {
    let place = located(app.store.as_ref(), &point.location, Some(point.time)).await?;
    Ok(place.err().filter(NotLocated::is_gone).map(|error| error.to_string()))
}

/// The catalogue forgets what went with its place, and the job that made it tells so.
pub async fn lost(
    app: &App,
    vault: &ResourceId,
    point: &Loaded<PointRecord>,
    state: State,
    because: &str,
    why: &str,
) -> Result<Step, StoreError> {
    let found = state.found.unwrap_or_else(|| Found { unread: Some(why.to_owned()), ..Found::default() });
    let record = LeftRecord::of(&point.id, &point.document.cluster, because, &found, app.clock.now());
    let mut changes = vec![Change::Remove(point.id.clone(), Expected::Version(point.version))];
    changes.extend(left::change(record)?);
    changes.extend(prune::changes(&point.document.key, vault, app.clock.now())?);
    let told = format!("{because}, and the recovery point is gone: {why}; {found}");
    tracing::warn!(point = %point.id, because, why, "a recovery point was lost with the place in which it lay");
    let job: Option<Loaded<JobRecord>> = load(app.store.as_ref(), &point.document.job).await?;
    if let Some(mut job) = job.filter(|job| job.document.warnings.len() < MOST_PROBLEMS) {
        let message = format!("The recovery point '{}' does not exist any more: {why}.", point.id.name());
        let fix = "Snapshots of it may be left in the storage system; 'cofferdam vault left' lists them.";
        job.document.warnings.push(Problem::warning("RecoveryPointLost", message).fix(fix));
        changes.push(job.write()?);
    }
    Ok(Step::Told(told, Box::new(Step::Done(changes))))
}

/// How far the deletion is.
enum Deleted {
    /// What it holds is known now, and has to be written down.
    Found,
    /// It is in the repository no more.
    Gone,
    /// The store's retention keeps it.
    Retained,
}

async fn delete(app: &App, repo: &Repo, id: &str, state: &mut State) -> Result<Deleted, EngineError> {
    let found: Option<Point> = points::find(repo, id).await?;
    let Some(point) = found else { return Ok(Deleted::Gone) };
    if state.found.is_none() {
        state.found = Some(Found::read(repo, point).await);
        return Ok(Deleted::Found);
    }
    Ok(match points::forget(repo, &point, app.clock.clone()).await? {
        Forgotten::Gone => Deleted::Gone,
        Forgotten::Retained => Deleted::Retained,
    })
}

/// The catalogue forgets it, what is left in a storage system is written down, and the space is freed by and by. Where nothing
/// was found, somebody else had deleted it before: in the cluster, or by hand.
fn done(
    app: &App,
    vault: &ResourceId,
    point: &Loaded<PointRecord>,
    because: &str,
    found: Option<&Found>,
) -> Result<Step, StoreError> {
    let (now, PointRecord { cluster, key, .. }) = (app.clock.now(), &point.document);
    let mut changes = vec![Change::Remove(point.id.clone(), Expected::Version(point.version))];
    changes.extend(prune::changes(key, vault, now)?);
    let Some(found) = found else {
        let told = format!(
            "{because}; the recovery point was in the repository {key} no more, and which snapshots of it are left is not known"
        );
        return Ok(Step::Told(told, Box::new(Step::Done(changes))));
    };
    changes.extend(left::change(LeftRecord::of(&point.id, cluster, because, found, now))?);
    let told =
        format!("{because}, the vault deleted the recovery point itself from the repository {key}; {found}");
    if found.leaves() {
        tracing::warn!(point = %point.id, because, %found, "a recovery point was deleted without its snapshots");
    }
    Ok(Step::Told(told, Box::new(Step::Done(changes))))
}

/// Why a repository is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Somebody deleted all of it.
    Removed(String),
    /// It cannot be reached; it, and all that is in it, stays.
    Kept(String),
}

/// Opens a repository in an account of the vault with the key that the vault keeps; the one in which something was written
/// at a time.
pub async fn open(
    app: &App,
    vault: &ResourceId,
    key: &str,
    settings: &BTreeMap<String, String>,
    written: Option<Timestamp>,
) -> Result<Result<Repo, Closed>, StoreError> {
    let store = app.store.as_ref();
    let kept = |why: String| Ok(Err(Closed::Kept(why)));
    let place = match located(store, settings, written).await? {
        Ok(place) => place,
        Err(NotLocated::Outside) => {
            return kept(
                "it lies in a store outside the vault, whose credential only the cluster has: connect the cluster and its \
                 extension again, or delete it there with the exported repository key"
                    .to_owned(),
            );
        }
        Err(error) if error.is_gone() => return Ok(Err(Closed::Removed(error.to_string()))),
        Err(error) => return kept(error.to_string()),
    };
    if let Err(error) = vault_may_access(store, &place.account, vault).await? {
        return kept(error.to_string());
    }
    let files = match app.stored.stores.files(&place.store, &place.folder, &app.clock).await {
        Ok(files) => files,
        Err(why) => return kept(why),
    };
    let password = match source_key(app, key).await {
        Ok(password) => password,
        Err(RepositoryKeyError::Store(error)) => return Err(error),
        Err(error) => return kept(error.to_string()),
    };
    let secret = RepositorySecret::new(password.as_bytes().to_vec());
    Ok(Repo::open(files, &secret).await.map_err(|error| Closed::Kept(error.to_string())))
}
