//! Calls that come at once, at one vault on each database and at two replicas: no limit is passed, no cluster is protected
//! twice by one policy, and no vault goes while an instance is made in it.

mod databases;
mod world;

use databases::{new_database, shared};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use vault::{
    api::{
        instances::{InstanceRecord, ProtectionState},
        load,
    },
    protect::quotas::Quotas,
    seal::make_key,
    store::{Change, Expected},
};
use world::{
    Answer, Choices, World,
    fault_cluster::FaultCluster,
    protected::{POINT, Protected, audit},
};

const LEASE: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 12;

/// A vault, and perhaps another replica of it.
struct Scene {
    it: Protected,
    other: Option<World>,
}

impl Scene {
    async fn on_sqlite(quotas: Quotas) -> Self {
        let choices = Choices { on_sqlite: true, quotas, ..Choices::default() };
        Self { it: Protected::choosing(choices).await, other: None }
    }

    async fn on_postgres(quotas: Quotas) -> Self {
        let database = Some(new_database(shared(), "").await.parse().unwrap());
        Self {
            it: Protected::choosing(Choices { database, quotas, ..Choices::default() }).await,
            other: None,
        }
    }

    async fn of_replicas(quotas: Quotas) -> Self {
        let (database, key) = (new_database(shared(), "").await, make_key());
        let choices = || Choices { quotas, ..Choices::default() };
        let one = World::replica_choosing(&database, &key, LEASE, None, choices()).await;
        let other = World::replica_choosing(&database, &key, LEASE, Some(&one), choices()).await;
        Self { it: Protected::over(one, Arc::new(FaultCluster::default())).await, other: Some(other) }
    }

    /// Calls that come at once, turn by turn at each replica.
    async fn at_once(&self, calls: Vec<(Method, String, Option<Value>)>) -> Vec<Answer> {
        let who = &self.it.world.administrator;
        let one = |(number, (method, path, body)): (usize, (Method, String, Option<Value>))| {
            let at = self.other.as_ref().filter(|_| number % 2 == 1).unwrap_or(&self.it.world);
            async move { at.call(who, method, &path, body).await }
        };
        join_all(calls.into_iter().enumerate().map(one)).await
    }

    /// The instance is there and protected, whether or not its cluster is reached and looked at.
    async fn protected(&self) {
        let wanted = json!({"properties": self.it.wanted()});
        assert_eq!(self.it.call(Method::PUT, &self.it.instance, Some(wanted)).await.status, 201);
        let (store, id) = (&self.it.world.app.store, self.it.instance.parse().unwrap());
        self.it
            .until(async || {
                let mut kept = load::<InstanceRecord>(store.as_ref(), &id).await.unwrap().unwrap();
                kept.document.state = ProtectionState::ProtectionConfigured;
                store.commit(&[kept.write().unwrap()], &audit()).await.ok()
            })
            .await;
    }

    /// What makes an instance for another cluster, or for the same.
    fn instance(&self, name: &str, cluster: &str) -> (Method, String, Option<Value>) {
        let mut wanted = self.it.wanted();
        let id = self.it.managed.as_str().replace("/one", &format!("/{cluster}"));
        for field in ["dataSourceInfo", "dataSourceSetInfo"] {
            wanted[field]["resourceID"] = json!(id);
            wanted[field]["resourceUri"] = json!(id);
        }
        let path = format!("{}/backupInstances/{name}", self.it.vault);
        (Method::PUT, path, Some(json!({"properties": wanted})))
    }
}

/// How often each status came.
fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut all = BTreeMap::new();
    for answer in answers {
        *all.entry(answer.status).or_default() += 1;
    }
    all
}

fn tally(pairs: [(u16, usize); 2]) -> BTreeMap<u16, usize> {
    pairs.into()
}

async fn instances_that_are_made_at_once_do_not_pass_the_limit(scene: Scene) {
    let calls = (0..AT_ONCE).map(|number| scene.instance(&format!("many-{number}"), &format!("c{number}")));

    let answers = scene.at_once(calls.collect()).await;

    assert_eq!(statuses(&answers), tally([(201, 3), (400, AT_ONCE - 3)]), "{answers:?}");
    let refused = answers.iter().filter(|answer| answer.status == 400);
    assert!(
        refused.map(Answer::code).all(|code| code == "UserErrorMaxBackupInstancesReached"),
        "{answers:?}"
    );
    let listed = scene.it.get(&format!("{}/backupInstances", scene.it.vault)).await;
    assert_eq!(listed.names().len(), 3);
}

async fn policies_that_are_made_at_once_do_not_pass_the_limit(scene: Scene) {
    let policy = scene.it.get(&format!("{}/backupPolicies/policy1", scene.it.vault)).await.body;
    let path = |number: usize| format!("{}/backupPolicies/more{number}", scene.it.vault);
    let calls = (0..AT_ONCE).map(|number| (Method::PUT, path(number), Some(policy.clone())));

    let answers = scene.at_once(calls.collect()).await;

    // One was there before.
    assert_eq!(statuses(&answers), tally([(200, 3), (400, AT_ONCE - 3)]), "{answers:?}");
    let refused = answers.iter().filter(|answer| answer.status == 400);
    assert!(refused.map(Answer::code).all(|code| code == "UserErrorMaxBackupPoliciesReached"), "{answers:?}");
}

async fn bindings_that_are_made_at_once_do_not_pass_the_limit(scene: Scene) {
    let body = json!({"properties": {"sourceResourceId": scene.it.vault,
        "roles": ["Microsoft.DataProtection/backupVaults/backup-operator"]}});
    let path = |number: usize| format!("{}/trustedAccessRoleBindings/more{number}", scene.it.managed);
    let calls = (0..AT_ONCE).map(|number| (Method::PUT, path(number), Some(body.clone())));

    let answers = scene.at_once(calls.collect()).await;

    // One was there before.
    assert_eq!(statuses(&answers), tally([(201, 7), (409, AT_ONCE - 7)]), "{answers:?}");
    let refused = answers.iter().filter(|answer| answer.status == 409);
    assert!(
        refused.map(Answer::code).all(|code| code == "TrustedAccessRoleBindingLimitExceeded"),
        "{answers:?}"
    );
}

async fn backups_that_are_asked_for_at_once_do_not_pass_the_limit_of_a_day(scene: Scene) {
    scene.protected().await;
    let body = json!({"backupRuleOptions": {"ruleName": "BackupHourly"}});
    let path = format!("{}/backup", scene.it.instance);

    let answers = scene.at_once(vec![(Method::POST, path, Some(body)); AT_ONCE]).await;

    assert_eq!(statuses(&answers), tally([(202, 3), (429, AT_ONCE - 3)]), "{answers:?}");
    let jobs = scene.it.get(&format!("{}/backupJobs", scene.it.vault)).await;
    let asked_for = jobs.body["value"].as_array().unwrap().iter();
    let asked_for = asked_for.filter(|job| {
        job["properties"]["isUserTriggered"] == true && job["properties"]["operation"] == "Backup"
    });
    let asked_for = asked_for.count();
    assert_eq!(asked_for, 3, "{jobs:?}");
}

async fn a_cluster_is_protected_once_by_a_policy_however_many_ask_at_once(scene: Scene) {
    let calls = (0..AT_ONCE).map(|number| scene.instance(&format!("twin-{number}"), "one"));

    let answers = scene.at_once(calls.collect()).await;

    assert_eq!(statuses(&answers), tally([(201, 1), (409, AT_ONCE - 1)]), "{answers:?}");
    let refused = answers.iter().filter(|answer| answer.status == 409);
    assert!(
        refused.map(Answer::code).all(|code| code == "UserErrorBackupInstanceAlreadyExists"),
        "{answers:?}"
    );
}

async fn a_vault_does_not_go_while_an_instance_is_made_in_it(scene: Scene) {
    let source = scene.it.get(&scene.it.vault).await.body;
    let body = json!({"location": source["location"], "properties": {
        "storageSettings": source["properties"]["storageSettings"],
        "securitySettings": {"softDeleteSettings": {"state": "Off"}}}});
    let policy = scene.it.get(&format!("{}/backupPolicies/policy1", scene.it.vault)).await.body;
    let (mut made, mut gone) = (0, 0);

    for number in 0..20 {
        let vault = format!("{}{number}", scene.it.vault);
        assert_eq!(scene.it.call(Method::PUT, &vault, Some(body.clone())).await.status, 201);
        let of_vault = format!("{vault}/backupPolicies/policy1");
        assert_eq!(scene.it.call(Method::PUT, &of_vault, Some(policy.clone())).await.status, 200);
        let (method, path, mut wanted) = scene.instance("one-shop", "one");
        let path = path.replace(&scene.it.vault, &vault);
        wanted.as_mut().unwrap()["properties"]["policyInfo"]["policyId"] = json!(of_vault);
        let answers =
            scene.at_once(vec![(method, path.clone(), wanted), (Method::DELETE, vault.clone(), None)]).await;
        let (put, delete) = (&answers[0], &answers[1]);
        let there = (scene.it.get(&vault).await.status, scene.it.get(&path).await.status);
        match put.status {
            201 => {
                assert_eq!(
                    (delete.status, delete.code()),
                    (409, "UserErrorBackupVaultContainsBackupInstances"),
                    "{put:?}"
                );
                assert_eq!(there, (200, 200), "{delete:?}");
                made += 1;
            }
            _ => {
                assert_eq!(there, (404, 404), "{put:?} {delete:?}");
                gone += 1;
            }
        }
    }

    assert_eq!(made + gone, 20);
}

async fn a_policy_does_not_go_while_an_instance_begins_to_use_it(scene: Scene) {
    let policy = scene.it.get(&format!("{}/backupPolicies/policy1", scene.it.vault)).await.body;

    for number in 0..15 {
        let used = format!("{}/backupPolicies/used", scene.it.vault);
        assert_eq!(scene.it.call(Method::PUT, &used, Some(policy.clone())).await.status, 200);
        let (method, path, mut wanted) = scene.instance("user", &format!("c{number}"));
        wanted.as_mut().unwrap()["properties"]["policyInfo"]["policyId"] = json!(used);
        let answers =
            scene.at_once(vec![(method, path.clone(), wanted), (Method::DELETE, used.clone(), None)]).await;
        let there = (scene.it.get(&used).await.status, scene.it.get(&path).await.status);
        assert!([(200, 200), (404, 404)].contains(&there), "{there:?}: {answers:?}");
        if there == (200, 200) {
            let (store, id) = (&scene.it.world.app.store, path.parse().unwrap());
            // It is being looked at, and written meanwhile.
            scene
                .it
                .until(async || {
                    let version = store.resource(&id).await.unwrap().unwrap().version;
                    let gone = Change::Remove(path.parse().unwrap(), Expected::Version(version));
                    store.commit(&[gone], &audit()).await.ok()
                })
                .await;
        }
    }
}

macro_rules! everywhere {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::Scene::on_sqlite(super::quotas()).await).await; })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::Scene::on_postgres(super::quotas()).await).await; })*
        }
        mod of_replicas {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::Scene::of_replicas(super::quotas()).await).await; })*
        }
    };
}

fn quotas() -> Quotas {
    Quotas { instances: 3, policies: 4, backups_a_day: 3, restores_a_day: 3, ..Quotas::default() }
}

everywhere! {
    instances_that_are_made_at_once_do_not_pass_the_limit,
    policies_that_are_made_at_once_do_not_pass_the_limit,
    bindings_that_are_made_at_once_do_not_pass_the_limit,
    backups_that_are_asked_for_at_once_do_not_pass_the_limit_of_a_day,
    a_cluster_is_protected_once_by_a_policy_however_many_ask_at_once,
    a_vault_does_not_go_while_an_instance_is_made_in_it,
    a_policy_does_not_go_while_an_instance_begins_to_use_it,
}

fn restore_of(it: &Protected) -> Value {
    let datasource = json!({"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters",
        "resourceID": it.managed, "resourceUri": it.managed, "resourceName": "one",
        "resourceType": "Microsoft.ContainerService/managedClusters", "resourceLocation": "local"});
    json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
        "sourceDataStoreType": "OperationalStore",
        "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
            "restoreLocation": "local", "datasourceInfo": datasource, "datasourceSetInfo": datasource,
            "restoreCriteria": [{"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
                "persistentVolumeRestoreMode": "RestoreWithVolumeData", "conflictPolicy": "Skip"}]}})
}

/// The cluster must be reached for a restore to begin, which the replicas of these tests do not.
async fn restores_do_not_pass_the_limit_of_a_day_and_the_next_day_there_are_new_ones(mut scene: Scene) {
    let it = &scene.it;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    it.cluster.says("Restore", json!({"phase": "Completed", "problems": [], "problemCount": 0}));
    let job = it.job_of(&it.back_up().await).await;
    assert_eq!(it.ended(&job).await["properties"]["status"], "Completed");
    let (path, body) = (format!("{}/restore", it.instance), restore_of(it));
    let ask = (Method::POST, path.clone(), Some(body.clone()));

    let answers = scene.at_once(vec![ask; AT_ONCE]).await;
    for answer in answers.iter().filter(|answer| answer.status == 202) {
        scene.it.ended(&scene.it.job_of(answer).await).await;
    }
    // To look costs nobody a restore, and is limited for itself.
    let plan =
        scene.it.call(Method::POST, &format!("{}/planRestore", scene.it.instance), Some(body.clone())).await;
    let before = scene.it.call(Method::POST, &path, Some(body.clone())).await;
    scene.it.later(jiff::SignedDuration::from_hours(24)).await;
    let next_day = scene.it.call(Method::POST, &path, Some(body)).await;

    assert_eq!(statuses(&answers), tally([(202, 3), (429, AT_ONCE - 3)]), "{answers:?}");
    assert_eq!((before.status, before.code()), (429, "UserErrorMaxOnDemandOperationsReached"), "{before:?}");
    assert_eq!((plan.status, next_day.status), (202, 202), "{plan:?} {next_day:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_do_not_pass_the_limit_of_a_day_on_sqlite() {
    restores_do_not_pass_the_limit_of_a_day_and_the_next_day_there_are_new_ones(
        Scene::on_sqlite(quotas()).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_do_not_pass_the_limit_of_a_day_on_postgres() {
    restores_do_not_pass_the_limit_of_a_day_and_the_next_day_there_are_new_ones(
        Scene::on_postgres(quotas()).await,
    )
    .await;
}
