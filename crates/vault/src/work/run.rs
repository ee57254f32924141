//! Claims due work and runs its steps, several at a time.

use super::{Step, audit, needs::noting, step_of};
use crate::{
    app::App,
    store::{Change, Claim, StoreError, Work},
};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Steps under way at a time.
const STEPS: usize = 64;
/// Those of them that may queue for the audit log, where changes come one after the other: a call that changes something is not
/// behind all of them. A database that takes several at once gets that many at once.
const CHANGES: usize = 24;
/// A claim is renewed three times before it ends.
const RENEWALS: u32 = 3;
/// How often is looked when nobody pokes.
const LOOK: Duration = Duration::from_millis(500);
const LONGEST_REST: i64 = 60;
/// A clock that goes back by this much was wrong before.
const TURNED_BACK: SignedDuration = SignedDuration::from_secs(60);
/// For so long work is left to the replica that holds the tunnel of its cluster; then any replica may do it, and its calls
/// are forwarded.
const HOLDER_FIRST: SignedDuration = SignedDuration::from_secs(5);

/// How much goes on at a time.
#[derive(Debug)]
struct Places {
    steps: Arc<Semaphore>,
    changes: Semaphore,
}

/// Works until it is told to stop; what is under way is then left to end.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let places =
        Arc::new(Places { steps: Arc::new(Semaphore::new(STEPS)), changes: Semaphore::new(CHANGES) });
    let tasks = TaskTracker::new();
    let mut seen: Option<Timestamp> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = app.poke_work.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = app.clock.now();
        if seen.is_none_or(|seen| now < seen.checked_sub(TURNED_BACK).unwrap_or(seen)) {
            // A clock that ran ahead has put work off until a time that is long in coming. Steps look at their own times.
            match app.store.hurry(now).await {
                Ok(()) => seen = Some(now),
                Err(error) => tracing::error!(%error, "could not look at all work again; trying again"),
            }
        } else {
            seen = seen.max(Some(now));
        }
        if let Err(error) = claim(&app, &places, &tasks, &stop).await {
            tracing::error!(%error, "could not look for work; trying again");
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn claim(
    app: &Arc<App>,
    places: &Arc<Places>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    while !stop.is_cancelled() {
        let free = places.steps.available_permits();
        let now = app.clock.now();
        if free == 0 || app.store.next_due().await?.is_none_or(|due| due > now) {
            return Ok(());
        }
        let owner = format!("{}/{}", app.replica, Uuid::new_v4().simple());
        let claim = Claim {
            owner: owner.clone(),
            now,
            until: now.checked_add(app.lease).unwrap_or(now),
            replica: app.replica.clone(),
            overdue: now.checked_sub(HOLDER_FIRST).unwrap_or(now),
            most: u32::try_from(free).unwrap_or(1),
        };
        let found = app.store.claim(&claim).await?;
        if found.is_empty() {
            return Ok(());
        }
        for work in found {
            app.metrics.claimed(&work.kind);
            let Ok(place) = places.steps.clone().acquire_owned().await else { return Ok(()) };
            let (app, places, owner) = (app.clone(), places.clone(), owner.clone());
            tasks.spawn(async move {
                one(&app, &places.changes, &work, &owner).await;
                drop(place);
            });
        }
    }
    Ok(())
}

/// One step, whose claim is renewed for as long as it takes.
async fn one(app: &Arc<App>, places: &Semaphore, work: &Work, owner: &str) {
    let Some(step) = step_of(app, &work.kind) else {
        tracing::error!(
            kind = work.kind,
            id = work.id,
            "no such kind of work; a newer version left it, or it is a defect"
        );
        return put_down(app, work, owner).await;
    };
    let mut running = std::pin::pin!(async {
        let (ended, needed) = noting(step(app, work)).await;
        // Its claim is renewed while it queues, too: those before it may wait for the database.
        let place = match &ended {
            Ok(step) if is_audited(step) => Some(places.acquire().await),
            _ => None,
        };
        (ended, needed, place)
    });
    let (ended, needed, place) = loop {
        tokio::select! {
            ended = &mut running => break ended,
            () = tokio::time::sleep(app.lease / RENEWALS) => {
                let now = app.clock.now();
                let until = now.checked_add(app.lease).unwrap_or(now);
                match app.store.renew(&work.id, owner, until).await {
                    Ok(true) => {}
                    Ok(false) => return tracing::warn!(id = work.id, "another replica took this work over"),
                    Err(error) => tracing::warn!(%error, id = work.id, "could not renew a claim"),
                }
            }
        }
    };
    let connection = needed.or_else(|| work.connection.clone());
    let (id, owner_text) = (work.id.clone(), owner.to_owned());
    let (ended, told) = match ended {
        Ok(Step::Told(told, step)) => (Ok(*step), Some(told)),
        ended => (ended, None),
    };
    let committed = match ended {
        Ok(Step::Done(mut changes)) => {
            changes.push(Change::Done(id, owner_text));
            commit(app, place.is_some(), work, told, &changes).await
        }
        Ok(Step::Later { due_at, advanced, document, mut changes }) => {
            changes.push(Change::PutDown { id, owner: owner_text, due_at, advanced, document, connection });
            commit(app, place.is_some(), work, told, &changes).await
        }
        Ok(Step::Told(..)) => Err(StoreError::Damaged("a step was told twice".to_owned())),
        Err(error) => Err(error),
    };
    match committed {
        Ok(()) => app.poke_work.notify_one(),
        Err(error) => {
            app.metrics.failed(&work.kind);
            tracing::info!(%error, kind = work.kind, id = work.id, attempts = work.attempts, "a step is tried again");
            put_down(app, work, owner).await;
        }
    }
}

/// Steps that change something, or have something to tell, are audited; a step that only waits is not.
fn is_audited(step: &Step) -> bool {
    let own = |change: &Change| matches!(change, Change::PutDown { .. } | Change::Done(..));
    match step {
        Step::Told(..) => true,
        Step::Done(changes) | Step::Later { changes, .. } => !changes.iter().all(own),
    }
}

async fn commit(
    app: &App,
    audited: bool,
    work: &Work,
    told: Option<String>,
    changes: &[Change],
) -> Result<(), StoreError> {
    if !audited {
        return app.store.commit_unaudited(changes).await;
    }
    let action = told.map_or_else(|| work.kind.clone(), |told| format!("{}: {told}", work.kind));
    app.store.commit(changes, &audit(&action, work, app.clock.now())).await
}

/// Leaves it for later, longer with each attempt.
async fn put_down(app: &App, work: &Work, owner: &str) {
    let now = app.clock.now();
    let change = Change::PutDown {
        id: work.id.clone(),
        owner: owner.to_owned(),
        due_at: rested(now, work.attempts),
        advanced: false,
        document: work.document.clone(),
        connection: work.connection.clone(),
    };
    if let Err(error) = app.store.commit_unaudited(&[change]).await {
        tracing::warn!(%error, id = work.id, "could not put work down; its claim ends by itself");
    }
}

fn rested(now: Timestamp, attempts: u32) -> Timestamp {
    let seconds = 1_i64.checked_shl(attempts.min(6)).unwrap_or(LONGEST_REST).min(LONGEST_REST);
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}
