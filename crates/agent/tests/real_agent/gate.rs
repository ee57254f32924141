//! The gate of the Backup Extension, before a real API server.

use crate::{
    backup,
    made::greeter,
    preparing::{
        FaultServer, POLICY_SAYS, no_policy, no_velero, policy, policy_against, serve_snapshots, until,
        velero,
    },
    world::{World, api, apply},
};
use k8s_openapi::api::{coordination::v1::Lease, rbac::v1::ClusterRole};
use kube::{Api, api::ListParams};
use packages::{
    Package,
    wire::{ErrorInfo, ExtensionReport, ExtensionState, Level, Status},
};
use serde_json::{Value, json};

const BUCKET: &str = "configuration.backupStorageLocation.bucket";
const PREFIX: &str = "configuration.backupStorageLocation.prefix";

/// A greeter that becomes ready on a cluster without nodes, behind the Backup Extension's own gate.
fn gated(name: &str) -> Value {
    let backup = extension::manifests::package("0.1.0", "cofferdam.invalid/none:1").unwrap();
    assert_eq!(backup["gate"]["cluster"], json!(["P11", "P12", "P17", "P20"]));
    greeter(name, "1.0.0", |package| {
        package["gate"] = backup["gate"].clone();
        for key in [BUCKET, PREFIX] {
            package["settings"][key] = json!({"type": "string"});
        }
    })
}

/// A world with these, and with the snapshot API.
async fn world(names: &[&str]) -> World {
    let allowed =
        |name: &&str| (Package::parse(gated(name).to_string().as_bytes()).unwrap(), (*name).to_owned());
    let world = World::allowing(names.iter().map(allowed).collect()).await;
    serve_snapshots(&world, true).await;
    world
}

fn wish(world: &mut World, name: &str, settings: Value) {
    let published = world.publish(&gated(name));
    world.wish(name, "1.0.0", &published, settings);
}

/// What of the greeter is in the cluster, of the objects that it begins with.
async fn written(world: &World, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, object) in [
        ("v1/Namespace", name.to_owned()),
        ("apiextensions.k8s.io/v1/CustomResourceDefinition", format!("{name}s.example.com")),
        ("rbac.authorization.k8s.io/v1/ClusterRole", name.to_owned()),
    ] {
        if world.find(kind, None, &object).await.is_some() {
            found.push(format!("{kind} {object}"));
        }
    }
    found
}

/// The gate's refusal, and the checks that it names.
fn refused(report: &ExtensionReport) -> (ErrorInfo, Vec<String>) {
    assert_eq!(report.state, ExtensionState::Failed, "{report:?}");
    let error = report.error.clone().unwrap();
    assert_eq!(error.code, "PrerequisitesNotMet", "{error:?}");
    let named = error.details.iter().map(|one| one.code.clone()).collect();
    (error, named)
}

/// What the gate says beside.
fn said<'a>(report: &'a ExtensionReport, id: &str) -> Option<&'a Status> {
    let is_it =
        |status: &&Status| status.code.starts_with("Prereq") && status.message.starts_with(&format!("{id} "));
    report.statuses.iter().find(is_it)
}

#[tokio::test]
async fn a_velero_beside_is_let_be_one_in_our_place_stops_the_installation_until_it_has_moved() {
    let mut world = world(&["beside", "inside", "unplaced"]).await;
    velero(&world, "shared").await;
    wish(&mut world, "beside", json!({BUCKET: "ours"}));
    wish(&mut world, "inside", json!({BUCKET: "shared", PREFIX: "cofferdam"}));
    wish(&mut world, "unplaced", json!({}));

    let mut agent = world.start();
    world.settle(&mut agent, 60).await;
    let beside = world.told(&mut agent, "beside").await;
    let inside = world.told(&mut agent, "inside").await;
    let unplaced = world.told(&mut agent, "unplaced").await;
    let nothing = written(&world, "inside").await;
    velero(&world, "theirs").await;
    world.settle(&mut agent, 180).await;
    let healed = world.told(&mut agent, "inside").await;

    assert_eq!((beside.state, said(&beside, "P17")), (ExtensionState::Installed, None), "{beside:?}");
    let (error, named) = refused(&inside);
    assert_eq!(named, ["P17"], "{error:?}");
    for part in ["a Velero storage location uses shared/ too", "prefix outside of Velero's"] {
        assert!(error.message.contains(part), "{part}: {error:?}");
    }
    assert_eq!(nothing, Vec::<String>::new());
    assert_eq!(unplaced.state, ExtensionState::Installed, "{unplaced:?}");
    let warning = said(&unplaced, "P17").unwrap();
    assert_eq!((warning.code.as_str(), warning.level), ("PrerequisiteNotObservable", Level::Warning));
    assert!(warning.message.contains("nothing can be compared"), "{warning:?}");
    assert_eq!((healed.state, healed.error.clone()), (ExtensionState::Installed, None), "{healed:?}");
    no_velero(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_policy_that_refuses_the_pods_of_the_backup_extension_stops_it_before_anything_is_written() {
    let namespace = "backup-policed";
    let world = backup::wished_for(namespace).await;
    serve_snapshots(&world, true).await;
    let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    apply(&world.admin, &own).await;
    policy(&world, namespace).await;

    let mut agent = world.start();
    world.settle(&mut agent, 20).await;
    let stopped = world.told(&mut agent, backup::NAME).await;
    let found = backup::written(&world, namespace).await;

    let (error, named) = refused(&stopped);
    assert_eq!(named, ["P20"], "{error:?}");
    for part in [POLICY_SAYS, "ValidatingAdmissionPolicy (1 rules)", "Exclude the namespace backup-policed"] {
        assert!(error.message.contains(part), "{part}: {error:?}");
    }
    assert_eq!(found, [namespace], "the namespace was there before");
    no_policy(&world).await;
    let admin = world.admin.clone();
    world.end().await;
    api(&admin, "v1/Namespace", None).delete(namespace, &Default::default()).await.unwrap();
}

#[tokio::test]
async fn where_the_namespace_is_only_made_a_policy_stops_the_installation_until_it_is_gone_and_nothing_else_is_written()
 {
    let mut world = world(&["policed"]).await;
    policy(&world, "policed").await;
    wish(&mut world, "policed", json!({BUCKET: "ours"}));
    let mut agent = world.start();

    world.settle(&mut agent, 5 * 60).await;
    let stopped = world.told(&mut agent, "policed").await;
    let left = written(&world, "policed").await;
    world.settle(&mut agent, 15 * 60).await;
    let stopped_again = world.told(&mut agent, "policed").await;
    let left_again = written(&world, "policed").await;
    no_policy(&world).await;
    world.settle(&mut agent, 15 * 60).await;
    let healed = world.told(&mut agent, "policed").await;

    for (report, left) in [(stopped, left), (stopped_again, left_again)] {
        let (error, named) = refused(&report);
        assert_eq!(named, ["P20"], "{error:?}");
        assert!(error.message.contains(POLICY_SAYS), "{error:?}");
        assert_eq!(left, Vec::<String>::new(), "its namespace went again");
    }
    assert_eq!((healed.state, said(&healed, "P20")), (ExtensionState::Installed, None), "{healed:?}");
    assert_eq!(healed.error, None, "nobody asked for it again");
    world.end().await;
}

#[tokio::test]
async fn a_policy_on_the_account_of_the_pods_stops_the_installation_before_that_account_has_any_right() {
    let name = "accounted";
    let mut package = gated(name);
    let objects = package["objects"].as_array_mut().unwrap();
    let deployment = objects.iter_mut().find(|one| one["resource"] == "deployments").unwrap();
    deployment["object"]["spec"]["template"]["spec"]["serviceAccountName"] = json!(name);
    let allowed = (Package::parse(package.to_string().as_bytes()).unwrap(), name.to_owned());
    let mut world = World::allowing(vec![allowed]).await;
    serve_snapshots(&world, true).await;
    let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    apply(&world.admin, &own).await;
    policy_against(&world, name, name).await;
    let published = world.publish(&package);
    world.wish(name, "1.0.0", &published, json!({BUCKET: "ours"}));
    let mut agent = world.start();

    world.settle(&mut agent, 5 * 60).await;
    let stopped = world.told(&mut agent, name).await;
    let left = written(&world, name).await;
    let account = world.find("v1/ServiceAccount", Some(name), name).await;
    no_policy(&world).await;
    world.settle(&mut agent, 15 * 60).await;
    let healed = world.told(&mut agent, name).await;

    let (error, named) = refused(&stopped);
    assert_eq!(named, ["P20"], "{error:?}");
    assert!(error.message.contains(POLICY_SAYS), "{error:?}");
    assert_eq!(
        (left, account),
        (vec![format!("v1/Namespace {name}")], None),
        "the namespace was there before"
    );
    assert_eq!((healed.state, healed.error.clone()), (ExtensionState::Installed, None), "{healed:?}");
    world.end().await;
}

#[tokio::test]
async fn an_old_api_server_stops_the_installation_and_a_driver_that_is_gone_is_warned_of() {
    let mut world = world(&["aged"]).await;
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "orphaned"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "gone.example.com", "volumeHandle": "1"}}});
    apply(&world.admin, &volume).await;
    let server = FaultServer::default();
    let old = json!({"major": "1", "minor": "20", "gitVersion": "v1.20.15", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
    server.answers("/version", 200, &old.to_string());
    wish(&mut world, "aged", json!({BUCKET: "ours"}));

    let mut agent = world.start_as(server.in_front_of(&world.agent));
    world.settle(&mut agent, 20).await;
    let stopped = world.told(&mut agent, "aged").await;
    let nothing = written(&world, "aged").await;
    server.heals();
    world.settle(&mut agent, 150).await;
    let healed = world.told(&mut agent, "aged").await;

    let (error, named) = refused(&stopped);
    assert_eq!(named, ["P11"], "what depends on it is not named: {error:?}");
    assert!(error.message.contains("v1.20.15") && error.message.contains("Upgrade the cluster"), "{error:?}");
    assert_eq!(nothing, Vec::<String>::new());
    assert_eq!(healed.state, ExtensionState::Installed, "{healed:?}");
    let warning = said(&healed, "P11").unwrap();
    assert_eq!((warning.code.as_str(), warning.level), ("PrerequisitesNotMet", Level::Warning));
    assert!(warning.message.contains("gone.example.com"), "{warning:?}");
    let volumes = api(&world.admin, "v1/PersistentVolume", None);
    volumes.delete("orphaned", &Default::default()).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_seen_for_now_is_waited_for_and_never_taken_for_passed() {
    let mut world = world(&["waiting"]).await;
    let server = FaultServer::default();
    server.answers("/apis/snapshot.storage.k8s.io/v1", 503, "etcd is slow");
    wish(&mut world, "waiting", json!({BUCKET: "ours"}));

    let mut agent = world.start_as(server.in_front_of(&world.agent));
    world.settle(&mut agent, 5 * 60).await;
    let waiting = world.told(&mut agent, "waiting").await;
    world.settle(&mut agent, 15 * 60).await;
    let failed = world.told(&mut agent, "waiting").await;
    let nothing = written(&world, "waiting").await;
    server.heals();
    world.settle(&mut agent, 5 * 60).await;
    let healed = world.told(&mut agent, "waiting").await;

    assert_eq!((waiting.state, waiting.error.clone()), (ExtensionState::Installing, None), "{waiting:?}");
    let trouble = waiting.statuses.iter().find(|one| one.code == "PrerequisiteNotObservable").unwrap();
    for part in ["P12 (", "503 to /apis/snapshot.storage.k8s.io/v1", "Nothing is installed before"] {
        assert!(trouble.message.contains(part), "{part}: {trouble:?}");
    }
    assert_eq!(failed.state, ExtensionState::Failed, "{failed:?}");
    assert_eq!(failed.error.unwrap().code, "PrerequisiteNotObservable");
    assert_eq!(nothing, Vec::<String>::new());
    assert_eq!((healed.state, healed.error.clone()), (ExtensionState::Installed, None), "{healed:?}");
    world.end().await;
}

#[tokio::test]
async fn what_the_agent_has_no_right_to_see_is_named_on_the_extension_for_as_long_as_it_is_installed() {
    let mut world = world(&["unseeing"]).await;
    let roles: Api<ClusterRole> = Api::all(world.admin.clone());
    for (name, taken) in [("cofferdam-agent", "leases"), ("cofferdam-agent:example.unseeing", "pods")] {
        let mut role = roles.get(name).await.unwrap();
        role.rules.as_mut().unwrap().retain(|rule| !rule.resources.iter().flatten().any(|one| one == taken));
        roles.replace(name, &Default::default(), &role).await.unwrap();
    }
    let leases: Api<Lease> = Api::all(world.agent.clone());
    until("the right is taken", async || leases.list(&ListParams::default()).await.is_err()).await;
    wish(&mut world, "unseeing", json!({BUCKET: "ours"}));

    let installed = world.work("unseeing").await;
    let later = world.work("unseeing").await;

    for report in [installed, later] {
        assert_eq!(report.state, ExtensionState::Installed, "{report:?}");
        for (id, why) in [("P12", "leases"), ("P20", "cofferdam cluster connect")] {
            let warning = said(&report, id).unwrap();
            assert_eq!((warning.code.as_str(), warning.level), ("PrerequisiteNotObservable", Level::Warning));
            assert!(warning.message.contains("may not hold") && warning.message.contains(why), "{warning:?}");
        }
        assert_eq!((said(&report, "P11"), said(&report, "P17")), (None, None), "{report:?}");
    }
    world.end().await;
}
