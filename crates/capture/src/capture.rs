//! Discover, select, list, stream: the objects of a cluster into a recovery point.

use crate::api::Api;
use crate::discovery::{discover, fatal};
use crate::facts::Facts;
use crate::fetch::{Fetched, Task, fetch};
use crate::plan::{Plan, Wave};
use crate::record::{Desk, Recorded};
use crate::survey::Namespaces;
use crate::tree::{self, Objects};
use crate::{Budget, CaptureError, Progress, problems};
use engine::{TreeId, Writer};
use jiff::Timestamp;
use protection::claims::SelectedClaim;
use protection::point::{ClusterIdentity, ListRecord};
use protection::{Problem, Selection};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What [`capture`] put into the repository; [`crate::assemble`] makes a recovery point of it.
#[derive(Debug, Clone)]
pub struct Captured {
    /// The directory `resources`.
    pub resources: TreeId,
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// When the capture began: the time of all files.
    pub started: Timestamp,
    /// When the last object was there.
    pub completed: Timestamp,
    /// How each resource was listed.
    pub lists: Vec<ListRecord>,
    /// Objects per `<resource>[.<group>]`.
    pub counts: BTreeMap<String, u64>,
    /// Bytes of all objects.
    pub bytes: u64,
    /// The captured claims with their volumes, sorted by namespace and name.
    pub claims: Vec<SelectedClaim>,
    /// What was not captured, and what is worth knowing.
    pub problems: Vec<Problem>,
}

impl Captured {
    /// Objects of all resources.
    pub fn objects(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Captures the objects that `selection` chooses into the recovery point that `writer` writes. Time and
/// cancellation are those of the writer's job.
///
/// Nothing is visible before the writer's commit, so a capture that fails is simply begun again. The client
/// should be built without retries of its own: this module obeys `Retry-After`.
pub async fn capture(
    client: &kube::Client,
    selection: &Selection,
    writer: &Writer,
    budget: &Budget,
    progress: Arc<dyn Progress>,
) -> Result<Captured, CaptureError> {
    let job = writer.job();
    let (clock, started) = (job.clock.clone(), job.clock.now());
    let api = Api::new(client.clone(), job.cancel.clone(), budget.connections());
    let desk = Desk { writer: writer.clone(), budget: *budget, progress };
    let namespaces = Namespaces::read(&api, budget).await?;
    let cluster = identify(&api, &namespaces).await?;
    let discovered = discover(&api).await?;
    let plan = Plan::new(discovered.kinds, selection, &namespaces);

    let mut gathered = Gathered::default();
    for wave in [Wave::Selected, Wave::Related, Wave::RelatedToRelated] {
        let tasks = plan.tasks(wave, &gathered.facts);
        desk.progress.planned(tasks.len());
        run(&api, &desk, tasks, &mut gathered).await?;
    }
    let completed = clock.now();
    let vanished = namespaces.vanished(&Namespaces::read(&api, budget).await?, &selection.namespaces);

    let Gathered { facts, mut lists, objects, problems: missed } = gathered;
    lists.sort_by_cached_key(|list| (list.group.clone(), list.resource.clone(), list.namespace.clone()));
    let mut problems = namespaces.problems(&selection.namespaces);
    problems.extend(plan.problems);
    problems.extend(discovered.problems);
    problems.extend(missed);
    problems.extend(vanished);
    problems.extend(problems::left_out(&facts));
    problems.extend(problems::velero_keys(&facts));
    Ok(Captured {
        counts: objects.counts(),
        bytes: lists.iter().map(|list| list.bytes).sum(),
        resources: tree::resources(writer, objects, started).await?,
        cluster,
        started,
        completed,
        claims: facts.resolved_claims(&facts.volumes),
        lists,
        problems,
    })
}

/// What the lists brought so far.
#[derive(Debug, Default)]
struct Gathered {
    facts: Facts,
    lists: Vec<ListRecord>,
    objects: Objects,
    problems: Vec<Problem>,
}

/// Fetches all tasks, as many at once as there are connections.
async fn run(api: &Api, desk: &Desk, tasks: Vec<Task>, gathered: &mut Gathered) -> Result<(), CaptureError> {
    let mut waiting = tasks.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < desk.budget.connections()
            && let Some(task) = waiting.next()
        {
            let (api, desk) = (api.clone(), desk.clone());
            running.spawn(async move { fetch(&api, &desk, &task).await });
        }
        match running.join_next().await {
            None => return Ok(()),
            Some(fetched) => gathered.add(fetched??),
        }
    }
}

impl Gathered {
    fn add(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::NotListed(problem) => self.problems.push(problem),
            Fetched::Captured(record, recorded) => {
                let Recorded { files, index, objects, facts, .. } = *recorded;
                let folder = protection::point::resource_folder(&record.resource, &record.group);
                if objects > 0 {
                    self.facts.resources.insert(folder.clone());
                }
                self.facts.merge(facts);
                self.objects.add(folder, record.namespace.clone(), objects, files, index);
                self.lists.push(*record);
            }
        }
    }
}

async fn identify(api: &Api, namespaces: &Namespaces) -> Result<ClusterIdentity, CaptureError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }

    let Some(uid) = namespaces.cluster() else {
        return Err(CaptureError::Api {
            tried: "identify the cluster".to_owned(),
            cause: "it has no namespace kube-system".to_owned(),
            temporary: false,
            remedy: "check that this is a Kubernetes API server",
        });
    };
    let version: Version = api
        .document("/version", "application/json")
        .await
        .map_err(|failure| fatal("ask the API server for its version", failure))?;
    Ok(ClusterIdentity { uid, kubernetes_version: version.git_version })
}
