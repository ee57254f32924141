//! Looks at the prerequisites of protected instances again and again, so that a role that is taken away at noon is an alert
//! a few minutes later, and not a backup that fails at night. The vault first looks at what lies with it, then asks the
//! cluster through a `ValidateForBackup` that writes nothing into the store. What changed is committed together with the
//! alert that tells it; what was seen is kept with the work and survives the vault's end.

mod changes;
mod kept;
pub mod own;
mod row;
mod tell;
mod turns;

pub use kept::Kept;
pub use row::{By, Row, Verdict, known};
pub use turns::{Looks, Turns};

use super::{
    checks, custom_resource,
    decide::Seen,
    reach::{Reach, reach},
    schedule::shift,
    validate, vault,
};
use crate::{
    api::{Loaded, extensions, instances::InstanceRecord, load},
    app::App,
    cluster_link::{ClusterRequest, LinkError},
    store::{Change, Store, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use changes::carried;
use identity::required::Purpose;
use jiff::{SignedDuration, Timestamp};
use kept::{Round, document, read};
use std::sync::Arc;
use tell::{ended, tell};
use turns::is_near;

/// The kind of this work.
pub const KIND: &str = "prerequisites";
/// The kind of the custom resource, and its plural.
const ASKED: (&str, &str) = ("ValidateForBackup", "validateforbackups");
/// When a cluster that was asked is looked at first, and after that.
const FIRST_POLL: SignedDuration = SignedDuration::from_secs(2);
const POLL: SignedDuration = SignedDuration::from_secs(3);
/// How long it waits for its turn to ask its cluster, at least and at most, before it looks whether it is its turn.
const SHORTEST_WAIT: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);
/// Rounds in which an extension may leave the question unanswered before that is a failure.
const SILENT_ROUNDS: u32 = 2;
/// Questions that could not be taken back, which are remembered.
const MOST_LEFT: usize = 10;

/// What is known of an instance; nothing where nobody has looked.
pub async fn kept(store: &dyn Store, instance: &ResourceId) -> Result<Option<Kept>, StoreError> {
    let work = store.work(&work_id(instance)).await?;
    work.map(|work| read(&work)).transpose()
}

/// The change that has an instance looked at from now on, where nobody does so yet.
pub async fn wanted(app: &App, instance: &ResourceId) -> Result<Option<Change>, StoreError> {
    let Some(every) = app.prerequisites.every() else { return Ok(None) };
    if app.store.work(&work_id(instance)).await?.is_some() {
        return Ok(None);
    }
    let now = app.clock.now();
    // Each at its own time, so that not all are looked at at once.
    let next = later(now, shift(instance, every));
    let document = document(&Kept::first(next))?;
    Ok(Some(Change::AddWork(Work::new(work_id(instance), KIND, instance.clone(), next, document))))
}

/// Its id.
pub fn work_id(instance: &ResourceId) -> String {
    format!("prerequisites {}", instance.folded())
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let mut kept = read(work)?;
    let instance: Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &work.target).await?;
    let scheduled = instance.filter(|instance| instance.document.is_scheduled());
    let (Some(every), Some(instance)) = (app.prerequisites.every(), scheduled) else {
        // Its next schedule begins it anew.
        app.prerequisites.give_back(&work.id);
        leave(app, work, &kept).await?;
        return Ok(Step::Done(ended(app, &work.target, &kept, now).await?));
    };
    match kept.round.clone() {
        None => {
            // A clock that ran ahead has put it off until a time that is long in coming.
            kept.next = kept.next.min(later(now, every));
            if kept.next > now {
                let next = kept.next;
                return put_off(kept, next, Vec::new());
            }
            let near = kept.place.take().filter(|place| is_near(*place, now));
            let at = near.unwrap_or_else(|| app.prerequisites.place(now));
            if at > now {
                kept.place = Some(at);
                return put_off(kept, at, Vec::new());
            }
            begin(app, &instance, kept, every, now).await
        }
        Some(round) => match round.made_at {
            None => ask(app, work, &instance, kept, round, every).await,
            Some(made_at) => hear(app, work, &instance, kept, round, made_at).await,
        },
    }
}

/// What the vault itself sees. That is told at once, whether the cluster answers or not.
async fn begin(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    mut kept: Kept,
    every: SignedDuration,
    now: Timestamp,
) -> Result<Step, StoreError> {
    // Looks that were missed are not made up for.
    let next = later(kept.next, every);
    kept.next = if next > now { next } else { later(now, every) };
    let written = &instance.document.instance;
    let of = match instance.id.parent() {
        Some(id) => vault::find(app.store.as_ref(), &id).await?,
        None => None,
    };
    let Some(of) = of else { return Ok(Step::Done(Vec::new())) };
    let of = of.acting_as(written.identity.as_ref());
    let purpose = Purpose::Backup { vault_tier: false };
    let (cluster, group) = (&written.source.resource, Some(&written.snapshot_group));
    let facts = checks::gather(app, purpose, &of, cluster, group, None).await?;
    kept.vault = carried(&kept.vault, own::rows(&facts, now));
    kept.looked_at = Some(now);
    let due = match way(app, instance).await? {
        Ok(_) => {
            let name = uuid::Uuid::new_v4().to_string();
            kept.round = Some(Round { name, began: now, made_at: None });
            kept.asked = Some(cluster.clone());
            now
        }
        Err(why) => {
            kept.unasked(why, now);
            kept.next
        }
    };
    let changes = tell(app, instance, &mut kept, now).await?;
    put_off(kept, due, changes)
}

/// The way into the cluster and the extension's namespace, or why there is none.
async fn way(
    app: &App,
    instance: &Loaded<InstanceRecord>,
) -> Result<Result<(Reach, String), String>, StoreError> {
    let written = &instance.document.instance;
    if written.is_shallow() {
        return Ok(Err(
            "The instance is validated from outside its cluster alone (ShallowValidation).".to_owned()
        ));
    }
    let (Some(vault), cluster) = (instance.id.parent(), &written.source.resource) else {
        return Ok(Err("The instance has no vault.".to_owned()));
    };
    way_to(app, &vault, cluster).await
}

async fn way_to(
    app: &App,
    vault: &ResourceId,
    cluster: &ResourceId,
) -> Result<Result<(Reach, String), String>, StoreError> {
    let way = match reach(app, vault, cluster).await? {
        Ok(way) => way,
        Err(problem) => return Ok(Err(problem.message)),
    };
    Ok(match extensions::backup_extension(app.store.as_ref(), cluster).await? {
        Some(extension) => Ok((way, extension.document.namespace)),
        None => Err("The cluster has no backup extension that could be asked.".to_owned()),
    })
}

/// Asks the cluster, when it is this instance's turn.
async fn ask(
    app: &App,
    work: &Work,
    instance: &Loaded<InstanceRecord>,
    mut kept: Kept,
    round: Round,
    every: SignedDuration,
) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let (way, namespace) = match way(app, instance).await? {
        Ok(way) => way,
        Err(why) => return unanswered(app, work, instance, kept, why).await,
    };
    if !app.prerequisites.take(&work.id, now) {
        if now.duration_since(round.began) >= every {
            let why = "Too many clusters were being looked at; this one is asked again at its next look.";
            return unanswered(app, work, instance, kept, why.to_owned()).await;
        }
        let wait = (every / 5).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        return put_off(kept, later(now, wait), Vec::new());
    }
    let Some(question) = validate::of_written(app, instance, &round.name, now) else {
        return unanswered(app, work, instance, kept, "The instance has no vault.".to_owned()).await;
    };
    let mut spec = question.spec;
    if let Some(spec) = spec.as_object_mut() {
        // An object that goes in and out every few minutes stays for a month where a retention rule holds.
        spec.insert("readOnly".to_owned(), serde_json::Value::Bool(true));
    }
    let left = std::mem::take(&mut kept.left);
    kept.left = take_back_all(app, &way, &namespace, left).await;
    let object = custom_resource::object(ASKED.0, &namespace, &round.name, &spec);
    match way.make(app, ASKED.1, &namespace, &object).await {
        Ok(()) => {
            kept.round = Some(Round { made_at: Some(now), ..round });
            put_off(kept, later(now, FIRST_POLL), Vec::new())
        }
        Err(Seen::Refused { status: 403, message }) => {
            let why = format!("The cluster refuses the vault: {message}");
            kept.unasked(why.clone(), now);
            shut_out(&mut kept, &why, now);
            finish(app, work, instance, kept).await
        }
        Err(seen) => {
            let why = validate::not_seen(&seen).message;
            unanswered(app, work, instance, kept, why).await
        }
    }
}

/// The binding is there, and the cluster does not let the vault in by it.
fn shut_out(kept: &mut Kept, why: &str, now: Timestamp) {
    let row = Row::new("P3", "", Verdict::Failed, why, By::Cluster, now);
    let code = "UserErrorTrustedAccessGatewayReturnedForbidden".to_owned();
    let fix =
        "See whether the cluster's gateway runs; delete the role binding and create it again.".to_owned();
    put_row(kept, Row { code: Some(code), ..row }.mended_by([fix]));
}

fn put_row(kept: &mut Kept, row: Row) {
    kept.cluster.retain(|other| other.id != row.id);
    kept.cluster.push(row);
}

/// Looks whether the cluster has answered.
async fn hear(
    app: &App,
    work: &Work,
    instance: &Loaded<InstanceRecord>,
    mut kept: Kept,
    round: Round,
    made_at: Timestamp,
) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let (way, namespace) = match way(app, instance).await? {
        Ok(way) => way,
        Err(why) => {
            remember(&mut kept.left, round.name);
            return unanswered(app, work, instance, kept, why).await;
        }
    };
    // After a restart it is counted again.
    app.prerequisites.take(&work.id, now);
    let path = custom_resource::path(&namespace, ASKED.1, &round.name);
    let why = match way.call(app, ClusterRequest::get(path)).await {
        Ok(answer) if answer.status == 200 => {
            let object = answer.json();
            let phase = custom_resource::status(&object).phase;
            if ["Completed", "CompletedWithWarnings", "Failed"].contains(&phase.as_str()) {
                kept.cluster = carried(&kept.cluster, row::of_cluster(&object, now));
                (kept.answered_at, kept.why, kept.silent) = (Some(now), None, 0);
                take_back(app, &way, &namespace, round.name, &mut kept.left).await;
                return finish(app, work, instance, kept).await;
            }
            None
        }
        Ok(answer) if answer.status == 404 => {
            Some("The question was removed from the cluster before it was answered.")
        }
        Ok(_) | Err(_) => Some("The cluster could not be asked."),
    };
    if why.is_none_or(|why| why.starts_with("The cluster")) && now.duration_since(made_at) < turns::WITHIN {
        return put_off(kept, later(now, POLL), Vec::new());
    }
    take_back(app, &way, &namespace, round.name, &mut kept.left).await;
    if let Some(why) = why {
        return unanswered(app, work, instance, kept, why.to_owned()).await;
    }
    kept.silent = kept.silent.saturating_add(1);
    let why = "The extension did not answer the vault's question in time.";
    let rounds = kept.silent;
    kept.unasked(why.to_owned(), now);
    if rounds >= SILENT_ROUNDS {
        let row = Row::new("P1", "", Verdict::Failed, why, By::Cluster, now);
        let code = "KubernetesBackupCustomResourcesTrackingTimeOutError".to_owned();
        let fix = "See whether the extension's pods run; add a node or raise their limits.".to_owned();
        put_row(&mut kept, Row { code: Some(code), ..row }.mended_by([fix]));
    }
    finish(app, work, instance, kept).await
}

/// Takes a question out of the cluster; one that stays is tried again at the next look.
async fn take_back(app: &App, way: &Reach, namespace: &str, name: String, left: &mut Vec<String>) {
    if !is_taken_back(app, way, namespace, &name).await {
        remember(left, name);
    }
}

/// Takes questions out of the cluster; which stay. Where one stays the rest is not tried: a cluster that is slow to fail
/// would hold up other work for minutes.
async fn take_back_all(app: &App, way: &Reach, namespace: &str, names: Vec<String>) -> Vec<String> {
    let mut left = Vec::new();
    let mut names = names.into_iter();
    for name in names.by_ref() {
        if !is_taken_back(app, way, namespace, &name).await {
            left.push(name);
            break;
        }
    }
    left.extend(names);
    left
}

async fn is_taken_back(app: &App, way: &Reach, namespace: &str, name: &str) -> bool {
    let path = custom_resource::path(namespace, ASKED.1, name);
    match way.call(app, ClusterRequest::delete(path)).await {
        Ok(answer) => answer.status < 300 || answer.status == 404,
        Err(LinkError::Refused) => true,
        Err(_) => false,
    }
}

fn remember(left: &mut Vec<String>, name: String) {
    if left.len() < MOST_LEFT {
        left.push(name);
    }
}

/// Takes out of the cluster what an instance that is not looked at any more has there. What a cluster that cannot be
/// reached keeps is lost sight of.
async fn leave(app: &App, work: &Work, kept: &Kept) -> Result<(), StoreError> {
    let under_way = kept.round.iter().map(|round| round.name.clone());
    let names: Vec<String> = under_way.chain(kept.left.iter().cloned()).collect();
    let (Some(vault), Some(cluster), false) = (work.target.parent(), &kept.asked, names.is_empty()) else {
        return Ok(());
    };
    if let Ok((way, namespace)) = way_to(app, &vault, cluster).await? {
        let left = take_back_all(app, &way, &namespace, names).await;
        if !left.is_empty() {
            tracing::warn!(instance = %work.target, questions = ?left, "questions stay in the cluster");
        }
    }
    Ok(())
}

async fn unanswered(
    app: &App,
    work: &Work,
    instance: &Loaded<InstanceRecord>,
    mut kept: Kept,
    why: String,
) -> Result<Step, StoreError> {
    kept.unasked(why, app.clock.now());
    finish(app, work, instance, kept).await
}

/// The round is over.
async fn finish(
    app: &App,
    work: &Work,
    instance: &Loaded<InstanceRecord>,
    mut kept: Kept,
) -> Result<Step, StoreError> {
    kept.round = None;
    app.prerequisites.give_back(&work.id);
    let changes = tell(app, instance, &mut kept, app.clock.now()).await?;
    let next = kept.next;
    put_off(kept, next, changes)
}

fn put_off(kept: Kept, due_at: Timestamp, changes: Vec<Change>) -> Result<Step, StoreError> {
    Ok(Step::Later { due_at, advanced: true, document: document(&kept)?, changes })
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_thousand_instances_are_looked_at_spread_over_the_five_minutes() {
        let every = SignedDuration::from_mins(5);
        let id = |n: usize| -> ResourceId { format!("/subscriptions/s/resourceGroups/{n}").parse().unwrap() };
        let mut tens = [0_u32; 30];

        for n in 0..5_000 {
            let at = usize::try_from(shift(&id(n), every).as_secs() / 10).unwrap();
            tens[at] += 1;
        }

        assert!(tens.iter().all(|number| (100..250).contains(number)), "looks in ten seconds: {tens:?}");
    }
}
