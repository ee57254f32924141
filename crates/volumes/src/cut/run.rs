//! The loop behind [`super::cut`]: requests go out, news and lists come in, verdicts are drawn.

use super::{
    CutOptions, CutOutcome, CutPlan, CutReport, CutSnapshot, SnapshotRequest,
    group::{self, GroupVerdict, SeenGroup},
    judge::{Patience, Seen, Verdict, failed, judge},
    request::{self, Requested},
    watch,
};
use crate::{
    api::{GroupApi, VolumeSnapshot, VolumeSnapshotContent},
    classes,
    decide::{GroupPlan, fell_back},
    error::{Tried, VolumesError},
    labels::{self, BackupTag},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use kube::{Api, Client, ResourceExt, api::ListParams, core::DynamicObject};
use protection::{Problem, code};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// How often our own objects are listed.
const LIST_EVERY: Duration = Duration::from_secs(2);
/// The same while a group is under way, which no watch covers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

struct Item {
    request: SnapshotRequest,
    snapshot: VolumeSnapshot,
    uid: Option<String>,
    requested: Option<Instant>,
    first_failure: Option<Instant>,
    missed: u8,
    seen: Seen,
    in_group: bool,
    outcome: Option<CutOutcome>,
}

struct Group {
    plan: GroupPlan,
    object: DynamicObject,
    requested: Instant,
    first_failure: Option<Instant>,
    open: bool,
}

struct Run<'a> {
    client: &'a Client,
    tag: &'a BackupTag,
    patience: Patience,
    items: Vec<Item>,
    groups: Vec<Group>,
    group_api: Option<&'a GroupApi>,
    queue: VecDeque<usize>,
    problems: Vec<Problem>,
}

pub(super) async fn run(
    client: &Client,
    tag: &BackupTag,
    plan: &CutPlan,
    options: &CutOptions,
) -> Result<CutReport, VolumesError> {
    let mut run = prepare(client, tag, plan, options).await?;
    let mut news = watch::start(client).await;
    run.request_groups().await;
    let mut flying: FuturesUnordered<BoxFuture<'_, (usize, Requested)>> = FuturesUnordered::new();
    let mut listed = Instant::now();
    while run.items.iter().any(|item| item.outcome.is_none()) {
        while flying.len() < options.parallel.max(1) {
            let Some(index) = run.queue.pop_front() else { break };
            let Some(item) = run.items.get_mut(index) else { continue };
            item.requested.get_or_insert_with(Instant::now);
            let snapshot = item.snapshot.clone();
            flying.push(Box::pin(async move { (index, request::create_snapshot(client, &snapshot).await) }));
        }
        let pause = if run.groups.iter().any(|group| group.open) { LOOK_EVERY } else { LIST_EVERY };
        tokio::select! {
            Some((index, requested)) = flying.next(), if !flying.is_empty() => run.requested(index, requested),
            Some(content) = news.contents.recv() => run.learn(content),
            () = tokio::time::sleep_until(listed + pause) => {
                run.look().await;
                listed = Instant::now();
            }
        }
        run.judge_all();
    }
    let outcomes = run.items.into_iter().filter_map(|item| item.outcome).collect();
    Ok(CutReport { outcomes, problems: run.problems })
}

/// Makes our classes and the objects to request.
async fn prepare<'a>(
    client: &'a Client,
    tag: &'a BackupTag,
    plan: &'a CutPlan,
    options: &CutOptions,
) -> Result<Run<'a>, VolumesError> {
    let mut ensured = BTreeSet::new();
    let mut items = Vec::new();
    let grouped: BTreeSet<&String> = match plan.group_api {
        Some(_) => plan.groups.iter().flat_map(|group| &group.members).collect(),
        None => BTreeSet::new(),
    };
    for request in &plan.requests {
        let class = classes::own_class(&request.source_class, tag);
        let name = class.name_any();
        if ensured.insert(name.clone()) {
            classes::ensure_class(client, &class).await?;
        }
        items.push(Item {
            snapshot: request::snapshot(request, &name, tag),
            uid: None,
            requested: None,
            first_failure: None,
            missed: 0,
            seen: Seen::default(),
            in_group: grouped.contains(&request.claim.uid),
            outcome: None,
            request: request.clone(),
        });
    }
    let mut groups = Vec::new();
    for group in plan.group_api.iter().flat_map(|_| &plan.groups) {
        let Some(api) = &plan.group_api else { continue };
        let class = classes::own_group_class(&group.source_class, tag, api);
        classes::ensure_group_class(client, &class, api).await?;
        groups.push(Group {
            object: request::group(group, &class.name_any(), tag, api),
            plan: group.clone(),
            requested: Instant::now(),
            first_failure: None,
            open: true,
        });
    }
    let queue = items.iter().enumerate().filter(|(_, item)| !item.in_group).map(|(index, _)| index).collect();
    Ok(Run {
        client,
        tag,
        patience: options.patience,
        items,
        groups,
        group_api: plan.group_api.as_ref(),
        queue,
        problems: Vec::new(),
    })
}

impl Run<'_> {
    async fn request_groups(&mut self) {
        let Some(api) = self.group_api else { return };
        let requests = self.groups.iter().map(|group| request::create_group(self.client, api, &group.object));
        let results = futures::future::join_all(requests).await;
        for (index, result) in results.into_iter().enumerate() {
            if let Err(error) = result {
                self.fall_back(index, &error.to_string());
            }
        }
    }

    fn requested(&mut self, index: usize, requested: Requested) {
        let Some(item) = self.items.get_mut(index) else { return };
        match requested {
            Requested::Stands { uid } => {
                let foreign = |content: &VolumeSnapshotContent| {
                    content.spec.volume_snapshot_ref.uid.as_ref() != Some(&uid)
                };
                if item.seen.content.as_ref().is_some_and(foreign) {
                    item.seen.content = None;
                }
                item.uid = Some(uid);
            }
            Requested::OldOneGoing => {}
            Requested::Refused(problem) => {
                let claim = item.request.claim.clone();
                item.outcome = Some(CutOutcome::Failed { problem: problem.about(claim.target()), claim });
            }
        }
    }

    /// Takes in one content, if it belongs to one of our requests.
    fn learn(&mut self, content: VolumeSnapshotContent) {
        let reference = &content.spec.volume_snapshot_ref;
        let (Some(namespace), Some(name)) = (&reference.namespace, &reference.name) else { return };
        if content.metadata.deletion_timestamp.is_some() {
            return;
        }
        let ours = self.items.iter_mut().find(|item| {
            item.snapshot.metadata.name.as_ref() == Some(name)
                && item.snapshot.metadata.namespace.as_ref() == Some(namespace)
                && (item.uid.is_none() || item.uid == reference.uid)
        });
        if let Some(item) = ours {
            item.seen.content = Some(content);
        }
    }

    /// Lists our snapshots and reads the contents that are not known to be cut.
    async fn look(&mut self) {
        let snapshots = Api::<VolumeSnapshot>::all(self.client.clone());
        let ours = ListParams::default().labels(&labels::of_recovery_point(&self.tag.recovery_point));
        match snapshots.list(&ours).await.tried(|| "list the snapshots of this backup".into()) {
            Ok(list) => self.match_snapshots(list.items),
            Err(error) => tracing::warn!(%error, "will list again"),
        }
        let contents = Api::<VolumeSnapshotContent>::all(self.client.clone());
        let open: Vec<String> = self
            .items
            .iter()
            .filter(|item| item.outcome.is_none())
            .filter_map(|item| item.seen.snapshot.as_ref()?.content().map(str::to_owned))
            .collect();
        let mut reads = futures::stream::iter(open)
            .map(|name| {
                let contents = contents.clone();
                async move { contents.get_opt(&name).await }
            })
            .buffer_unordered(8);
        let mut found = Vec::new();
        while let Some(read) = reads.next().await {
            match read {
                Ok(content) => found.extend(content),
                Err(error) => tracing::warn!(%error, "will read the snapshot content again"),
            }
        }
        drop(reads);
        found.into_iter().for_each(|content| self.learn(content));
        self.look_at_groups().await;
    }

    fn match_snapshots(&mut self, listed: Vec<VolumeSnapshot>) {
        let mut listed: BTreeMap<(Option<String>, Option<String>), VolumeSnapshot> = listed
            .into_iter()
            .map(|one| ((one.metadata.namespace.clone(), one.metadata.name.clone()), one))
            .collect();
        for (index, item) in self.items.iter_mut().enumerate().filter(|(_, item)| item.outcome.is_none()) {
            let key = (item.snapshot.metadata.namespace.clone(), item.snapshot.metadata.name.clone());
            match listed.remove(&key) {
                Some(found) if item.uid.is_some() && item.uid != found.metadata.uid => {}
                Some(found) => {
                    item.missed = 0;
                    item.seen.snapshot = Some(found);
                }
                None if item.uid.is_some() => item.missed = item.missed.saturating_add(1),
                None if item.requested.is_some() && !self.queue.contains(&index) => {
                    self.queue.push_back(index)
                }
                None => {}
            }
        }
    }

    async fn look_at_groups(&mut self) {
        let Some(api) = self.group_api else { return };
        for index in 0..self.groups.len() {
            let Some(group) = self.groups.get_mut(index).filter(|group| group.open) else { continue };
            let name = group.object.name_any();
            let (status, content) = match group::look(self.client, api, &group.plan.namespace, &name).await {
                Ok(seen) => seen,
                Err(error) => {
                    tracing::warn!(%error, "will look at the group snapshot again");
                    continue;
                }
            };
            let mut seen =
                SeenGroup { status, content, waited: group.requested.elapsed(), failing_for: None };
            seen.failing_for = since(seen.failure().is_some(), &mut group.first_failure);
            let members: Vec<&SnapshotRequest> = self
                .items
                .iter()
                .map(|item| &item.request)
                .filter(|request| group.plan.members.contains(&request.claim.uid))
                .collect();
            match group::judge(&seen, &members, &self.patience) {
                GroupVerdict::Waiting => {}
                GroupVerdict::Cut(members) => {
                    group.open = false;
                    self.close(members);
                }
                GroupVerdict::FallBack(why) => self.abandon(index, api, &why).await,
            }
        }
    }

    fn close(&mut self, members: Vec<CutSnapshot>) {
        let mut outcomes: BTreeMap<String, CutOutcome> = group::outcomes(members).collect();
        for item in &mut self.items {
            if let Some(outcome) = outcomes.remove(&item.request.claim.uid) {
                item.outcome = Some(outcome);
            }
        }
    }

    async fn abandon(&mut self, index: usize, api: &GroupApi, why: &str) {
        if let Some(group) = self.groups.get(index) {
            let groups = Api::<DynamicObject>::namespaced_with(
                self.client.clone(),
                &group.plan.namespace,
                &api.snapshots(),
            );
            // What is left of it carries our label: the sweep after the backup removes it.
            match groups.get_opt(&group.object.name_any()).await {
                Ok(Some(object)) => match group::abandon(self.client, api, &object).await {
                    Ok(()) => {}
                    Err(error) => tracing::warn!(%error, "the group snapshot is removed after the backup"),
                },
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the group snapshot is removed after the backup"),
            }
        }
        self.fall_back(index, why);
    }

    fn fall_back(&mut self, index: usize, why: &str) {
        let Some(group) = self.groups.get_mut(index) else { return };
        group.open = false;
        let plan = &group.plan;
        self.problems.push(fell_back(&plan.namespace, &plan.label, &plan.value, why));
        for (index, item) in self.items.iter_mut().enumerate() {
            if plan.members.contains(&item.request.claim.uid) {
                item.in_group = false;
                self.queue.push_back(index);
            }
        }
    }

    fn judge_all(&mut self) {
        for item in self.items.iter_mut().filter(|item| item.outcome.is_none() && !item.in_group) {
            let Some(requested) = item.requested else { continue };
            item.seen.waited = requested.elapsed();
            item.seen.failing_for = since(item.seen.failure().is_some(), &mut item.first_failure);
            let verdict = match judge(&item.seen, &self.patience) {
                Verdict::Waiting if item.missed >= 2 || is_going(item) => Verdict::Failed(vanished()),
                verdict => verdict,
            };
            item.outcome = outcome(item, verdict);
        }
    }
}

fn outcome(item: &Item, verdict: Verdict) -> Option<CutOutcome> {
    let request = &item.request;
    match verdict {
        Verdict::Waiting => None,
        Verdict::Failed(problem) => Some(CutOutcome::Failed {
            claim: request.claim.clone(),
            problem: problem.about(request.claim.target()),
        }),
        Verdict::Cut { handle, cut, restore_size, content } => Some(CutOutcome::Cut(CutSnapshot {
            claim: request.claim.clone(),
            driver: request.driver.clone(),
            volume_handle: request.volume_handle.clone(),
            handle,
            cut,
            restore_size,
            content: Some(content),
            group: None,
        })),
    }
}

fn is_going(item: &Item) -> bool {
    item.uid.is_some() && item.seen.snapshot.as_ref().is_some_and(VolumeSnapshot::is_going)
}

fn vanished() -> Problem {
    failed(
        code::SNAPSHOT_FAILED,
        "the VolumeSnapshot was deleted by someone else, perhaps with its namespace",
    )
}

/// How long something lasts: starts the clock when it begins, stops it when it ends.
fn since(lasts: bool, start: &mut Option<Instant>) -> Option<Duration> {
    if !lasts {
        *start = None;
        return None;
    }
    Some(start.get_or_insert_with(Instant::now).elapsed())
}
