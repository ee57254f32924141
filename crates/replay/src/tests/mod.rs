//! Stories on a cluster in memory. The same rules meet a real API server in `tests/`.

mod conflicts;
mod definitions;
mod mapping;
mod modifiers;
mod owners;
mod plan_equals_execution;
mod resume;
mod trouble;
mod volumes;

use crate::{
    Action, FakeCluster, FakeVolumes, MemorySource, Outcomes, Patience, Plan, Progress, RestoreOptions, Row,
    Target,
};
use parking_lot::Mutex;
use protection::point::{VolumeProtection, VolumeRecord};
use resources::{RecoveryPointRef, RestoreSpec};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A recovery point, a target, and what is asked.
pub(super) struct Scene {
    pub(super) source: MemorySource,
    pub(super) cluster: Arc<FakeCluster>,
    pub(super) volumes: FakeVolumes,
    pub(super) spec: RestoreSpec,
    pub(super) modifiers: crate::Modifiers,
    pub(super) cancel: CancellationToken,
    pub(super) resumed: bool,
}

#[derive(Default)]
struct Seen(Mutex<Vec<Row>>);

impl Progress for Seen {
    fn object(&self, row: &Row) {
        self.0.lock().push(row.clone());
    }
}

impl Default for Scene {
    fn default() -> Self {
        let cluster = Arc::new(FakeCluster::default());
        Self {
            source: MemorySource::default(),
            volumes: FakeVolumes::new(cluster.clone()),
            cluster,
            spec: RestoreSpec::of(RecoveryPointRef { location: "default".into(), id: "point-1".into() }),
            modifiers: crate::Modifiers::default(),
            cancel: CancellationToken::new(),
            resumed: false,
        }
    }
}

impl Scene {
    pub(super) fn options(&self) -> RestoreOptions {
        let requested = "2026-11-22T10:00:00Z".parse().unwrap();
        let mut options = RestoreOptions::new("r1", requested, &self.spec, "extension").unwrap();
        options.modifiers = self.modifiers.clone();
        options.resumed = self.resumed;
        options.patience = Patience {
            established: Duration::from_secs(5),
            deletion: Duration::from_secs(5),
            account: Duration::from_secs(1),
            backend: Duration::from_secs(3),
        };
        options
    }

    pub(super) fn target(&self) -> Target {
        Target::new(self.cluster.clone())
    }

    pub(super) async fn plan(&self) -> Plan {
        let before = self.cluster.writes().len();
        let plan = crate::plan(
            &self.target(),
            &self.source,
            &self.options(),
            &self.volumes,
            &CancellationToken::new(),
        )
        .await
        .unwrap();
        assert_eq!(self.cluster.writes().len(), before, "a plan writes nothing");
        plan
    }

    pub(super) async fn execute(&self) -> (Outcomes, Vec<Row>) {
        let seen = Seen::default();
        let outcomes =
            crate::execute(&self.target(), &self.source, &self.options(), &self.volumes, &seen, &self.cancel)
                .await
                .unwrap();
        let mut rows = seen.0.into_inner();
        rows.sort_by(|a, b| (a.stage, &a.place).cmp(&(b.stage, &b.place)));
        (outcomes, rows)
    }

    /// Adds an object of the core group or of apps, rbac and the like.
    pub(super) fn add(&mut self, resource: &str, api_version: &str, kind: &str, rest: Value) {
        self.source.add(resource, object(api_version, kind, rest));
    }

    pub(super) fn add_namespace(&mut self, name: &str) {
        self.add("namespaces", "v1", "Namespace", json!({"metadata": {"name": name}}));
    }

    pub(super) fn add_config_map(&mut self, namespace: &str, name: &str, value: &str) {
        self.add(
            "configmaps",
            "v1",
            "ConfigMap",
            json!({
                "metadata": {"name": name, "namespace": namespace}, "data": {"key": value},
            }),
        );
    }

    pub(super) fn put_namespace(&self, name: &str) {
        self.cluster.put(object("v1", "Namespace", json!({"metadata": {"name": name}})));
    }

    pub(super) fn add_claim(&mut self, namespace: &str, name: &str, owners: Value) {
        self.add(
            "persistentvolumeclaims",
            "v1",
            "PersistentVolumeClaim",
            json!({
                "metadata": {"name": name, "namespace": namespace, "ownerReferences": owners},
                "spec": {"storageClassName": "fast", "volumeName": format!("pv-{name}")},
            }),
        );
        self.source.add_volume(VolumeRecord {
            namespace: namespace.into(),
            claim: name.into(),
            persistent_volume: Some(format!("pv-{name}")),
            driver: Some("csi.example.com".into()),
            storage_class: Some("fast".into()),
            block: false,
            capacity: 1,
            protection: VolumeProtection::Files {
                path: format!("volumes/{namespace}/{name}"),
                files: 1,
                bytes: 1,
            },
        });
    }
}

pub(super) fn object(api_version: &str, kind: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind});
    for (key, value) in rest.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// What happens to one object, by `<resource>[.<group>]/[<namespace>/]<name>` in the target.
pub(super) fn action<'a>(rows: &'a [Row], target: &str) -> &'a Action {
    &row(rows, target).action
}

pub(super) fn row<'a>(rows: &'a [Row], target: &str) -> &'a Row {
    let found = rows.iter().find(|row| row.place.to_string() == target);
    found.unwrap_or_else(|| {
        let all: Vec<String> = rows.iter().map(|row| row.place.to_string()).collect();
        panic!("{target} is not among {all:?}")
    })
}

/// The code of what blocks an object.
pub(super) fn blocked_by(action: &Action) -> &str {
    match action {
        Action::Blocked(problem) => &problem.code,
        other => panic!("not blocked: {other:?}"),
    }
}
