//! Has a recovery point deleted by the cluster that wrote it, or deletes it in that cluster's stead, and then forgets it.
//! While neither can be, the recovery point stays, hidden, and is tried again.

use super::{
    custom_resource,
    decide::Seen,
    gone::{self, Found, Standing, Watch, standing},
    hold::is_held,
    reach::{Reach, reach},
    start::vault_of,
};
use crate::{
    api::{Loaded, instances::InstanceRecord, load, points::PointRecord},
    app::App,
    cluster_link::ClusterRequest,
    keys::location_key,
    store::{Change, Expected, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use protection::code;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// The kind of this work.
pub const KIND: &str = "forget";
const PLURAL: &str = "deletebackups";
const POLL: SignedDuration = SignedDuration::from_secs(2);
const ELSEWHERE: &str = "the extension writes to another location now; it deletes this recovery point once its settings name \
                         the location again";
const ELSEWHERE_NOW: &str = "the extension writes to another location now";
/// A cluster that does not answer is asked again soon: a vault that was restarted has its tunnels back within seconds.
const KNOCK: SignedDuration = SignedDuration::from_secs(5);
/// So often; then each time after twice as long, up to [`REST`]: one that is switched off stays so for hours.
const KNOCKS: u32 = 6;
/// After a failure, so that a cluster that is being mended is met again the same day.
pub const REST: SignedDuration = SignedDuration::from_mins(30);

/// What is kept of a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// Tries in the cluster that have ended: each is another object there.
    #[serde(rename = "try")]
    tries: u64,
    /// How often in a row the cluster did not answer.
    #[serde(skip_serializing_if = "is_zero")]
    unreached: u32,
    /// For how long the cluster has been gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// What the vault found in the repository before it deletes the recovery point itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// The change that has a recovery point forgotten.
pub fn change(point: &ResourceId, now: Timestamp) -> Change {
    Change::AddWork(Work::new(work_id(point), KIND, point.clone(), now, json!({"try": 0})))
}

/// The id of this work.
pub fn work_id(point: &ResourceId) -> String {
    format!("forget {}", point.folded())
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let Some(point): Option<Loaded<PointRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    let Some(instance) = point.id.parent() else { return Ok(Step::Done(Vec::new())) };
    let vault = vault_of(&instance)?;
    let state: State = serde_json::from_value(work.document.clone())
        .map_err(|error| StoreError::Damaged(format!("{}: {error}", work.id)))?;
    let seen = gone::look(app, &point.document.cluster).await?;
    // The id that the key has now: recovery points keep the one that it had.
    let key = location_key(&point.document.location);
    match standing(seen.as_ref(), &key, app.gone_after, app.clock.now()) {
        // The cluster of what a recovery adopted is known by its UID alone: nobody can be asked. It leaves the catalogue, and
        // another look at the repositories finds it again.
        Standing::Gone(_) if is_adopted(app, &instance).await? => Ok(forgotten(&point)),
        Standing::Gone(gone) => gone::erase(app, &vault, point, state, gone).await,
        // It is back, if it was gone: it has the snapshots too.
        standing => {
            let state = State { watch: None, found: None, ..state };
            in_cluster(app, &vault, point, state, standing).await
        }
    }
}

async fn is_adopted(app: &App, instance: &ResourceId) -> Result<bool, StoreError> {
    let found: Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), instance).await?;
    Ok(found.is_some_and(|instance| instance.document.adopted))
}

/// The cluster deletes it, with its snapshots.
async fn in_cluster(
    app: &App,
    vault: &ResourceId,
    point: Loaded<PointRecord>,
    mut state: State,
    standing: Standing,
) -> Result<Step, StoreError> {
    let way = match reach(app, vault, &point.document.cluster).await? {
        Ok(way) => way,
        Err(problem) => return rest(app, point, state, REST, &problem.message),
    };
    if standing == Standing::Elsewhere {
        if let Some(lost) = lost(app, vault, &point, &state, ELSEWHERE_NOW).await? {
            return Ok(lost);
        }
        // Asked about its own location, the extension would rightly say that there is no such recovery point.
        return rest(app, point, state, REST, ELSEWHERE);
    }
    let namespace = point.document.namespace.clone();
    let name = name(&point.id, state.tries);
    let path = custom_resource::path(&namespace, PLURAL, &name);
    let seen = way.look(app, &namespace, PLURAL, &name).await;
    if !matches!(seen, Seen::Unreachable(_)) {
        state.unreached = 0;
    }
    match seen {
        Seen::Absent => {
            let spec = json!({"recoveryPoint": {"location": "default", "id": point.id.name()}});
            let object = custom_resource::object("DeleteBackup", &namespace, &name, &spec);
            match way.make(app, PLURAL, &namespace, &object).await {
                Ok(()) => later(app, POLL, &state),
                Err(Seen::Unreachable(why)) => unreached(app, point, state, &why),
                Err(seen) => rest(app, point, state, REST, &why(&seen)),
            }
        }
        Seen::There(status) if status.phase == "Completed" || status.phase == "CompletedWithWarnings" => {
            clear(app, &way, path).await;
            cleared(app, vault, &point).await
        }
        Seen::There(status) if status.phase == "Failed" || status.phase == "Cancelled" => {
            clear(app, &way, path).await;
            let failed = status.errors.first();
            if failed.is_some_and(|problem| problem.code == code::RECOVERY_POINT_NOT_FOUND) {
                // It was deleted before, by hand or by a try whose end was not heard of.
                return Ok(forgotten(&point));
            }
            let said = failed.map_or("without a reason", |problem| problem.message.as_str());
            if let Some(lost) = lost(app, vault, &point, &state, said).await? {
                return Ok(lost);
            }
            // The next try is another object: this one has ended.
            state.tries += 1;
            rest(app, point, state, REST, &format!("BackupPluginDeleteBackupOperationFailed: {said}"))
        }
        Seen::There(_) => later(app, POLL, &state),
        Seen::Unreachable(why) => unreached(app, point, state, &why),
        seen => rest(app, point, state, REST, &why(&seen)),
    }
}

/// Where nothing is any more, no cluster can delete anything either.
async fn lost(
    app: &App,
    vault: &ResourceId,
    point: &Loaded<PointRecord>,
    state: &State,
    because: &str,
) -> Result<Option<Step>, StoreError> {
    match gone::lost_with(app, &point.document).await? {
        Some(why) => gone::lost(app, vault, point, state.clone(), because, &why).await.map(Some),
        None => Ok(None),
    }
}

/// The cluster has deleted it. Where other recovery points must stay, no cluster may prune the repository: the vault does.
async fn cleared(app: &App, vault: &ResourceId, point: &Loaded<PointRecord>) -> Result<Step, StoreError> {
    let mut changes = vec![Change::Remove(point.id.clone(), Expected::Version(point.version))];
    if is_held(app, &point.document.location).await? {
        changes.extend(gone::prune::changes(&point.document.key, vault, app.clock.now())?);
    }
    Ok(Step::Done(changes))
}

fn forgotten(point: &Loaded<PointRecord>) -> Step {
    Step::Done(vec![Change::Remove(point.id.clone(), Expected::Version(point.version))])
}

/// What has ended is not left in the cluster.
async fn clear(app: &App, way: &Reach, path: String) {
    if let Err(error) = way.call(app, ClusterRequest::delete(path)).await {
        tracing::debug!(%error, "a deletion that has ended stays in the cluster");
    }
}

fn why(seen: &Seen) -> String {
    match seen {
        Seen::NotLetIn(problem) => problem.message.clone(),
        Seen::Unreachable(why) => why.clone(),
        Seen::Refused { status, message } => {
            format!("the cluster refuses the deletion ({status}): {message}")
        }
        Seen::Absent | Seen::There(_) => "the deletion is under way".to_owned(),
    }
}

/// The cluster does not answer for now.
fn unreached(app: &App, point: Loaded<PointRecord>, mut state: State, why: &str) -> Result<Step, StoreError> {
    state.unreached = state.unreached.saturating_add(1);
    let pause = knock(state.unreached);
    rest(app, point, state, pause, why)
}

/// When a cluster is asked again that did not answer so often in a row.
fn knock(unreached: u32) -> SignedDuration {
    let doublings = unreached.saturating_sub(KNOCKS).min(16);
    (KNOCK * (1_i32 << doublings)).min(REST)
}

/// What never happened need not be written.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// It goes on after a pause.
pub fn later(app: &App, pause: SignedDuration, state: &State) -> Result<Step, StoreError> {
    put_off(app, pause, state, Vec::new())
}

/// It stays for now, with the reason.
pub fn rest(
    app: &App,
    mut point: Loaded<PointRecord>,
    state: State,
    pause: SignedDuration,
    why: &str,
) -> Result<Step, StoreError> {
    tracing::warn!(point = %point.id, why, "a recovery point could not be deleted yet");
    let changes = if point.document.kept_because.as_deref() == Some(why) {
        Vec::new()
    } else {
        point.document.kept_because = Some(why.to_owned());
        vec![point.write()?]
    };
    put_off(app, pause, &state, changes)
}

fn put_off(
    app: &App,
    pause: SignedDuration,
    state: &State,
    changes: Vec<Change>,
) -> Result<Step, StoreError> {
    let now = app.clock.now();
    Ok(Step::Later {
        due_at: now.checked_add(pause).unwrap_or(now),
        advanced: true,
        document: serde_json::to_value(state).map_err(|error| StoreError::Damaged(error.to_string()))?,
        changes,
    })
}

fn name(point: &ResourceId, number: u64) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("forget {} {number}", point.folded()).as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_does_not_answer_is_asked_again_within_seconds_and_later_every_half_hour() {
        let seconds: Vec<i64> =
            [0, 1, 6, 7, 8, 14, 15, u32::MAX].map(|times| knock(times).as_secs()).to_vec();

        assert_eq!(seconds, [5, 5, 5, 10, 20, 1_280, 1_800, 1_800]);
    }
}
