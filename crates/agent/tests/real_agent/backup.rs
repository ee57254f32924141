//! The Backup Extension's own package, with the gate that it has.

use crate::{
    preparing::{serve_snapshots, withdraw_snapshots},
    world::World,
};
use agent::{Record, Work};
use packages::{
    Package,
    wire::{ExtensionIdentity, ExtensionState, Level},
};
use serde_json::json;

pub const NAME: &str = "azure-aks-backup";
const NAMESPACE: &str = "backup-packaged";

/// A world in which the Backup Extension may be installed, and is wished for.
pub async fn wished_for(namespace: &str) -> World {
    let document = extension::manifests::package("0.1.0", "cofferdam.invalid/none:1").unwrap();
    let package = Package::parse(document.to_string().as_bytes()).unwrap();
    let mut world = World::allowing(vec![(package, namespace.to_owned())]).await;
    let published = world.publish(&document);
    world.wish(
        NAME,
        "0.1.0",
        &published,
        json!({"blobContainer": "b", "storageAccount": "a", "cpuLimit": "2"}),
    );
    let one = world.wished(NAME);
    one.kind = extension::manifests::TYPE.to_owned();
    one.namespace = namespace.to_owned();
    one.identity = Some(ExtensionIdentity {
        client_id: "c".into(),
        principal_id: "p".into(),
        audience: "api://AzureADTokenExchange".into(),
    });
    world
}

/// What of the extension is in the cluster, of a few objects that it begins with.
pub async fn written(world: &World, namespace: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, name) in [
        ("v1/Namespace", namespace),
        ("v1/Namespace", "cofferdam-movers"),
        ("rbac.authorization.k8s.io/v1/ClusterRole", "cofferdam-extension-backup"),
        (
            "apiextensions.k8s.io/v1/CustomResourceDefinition",
            "backups.clusterbackup.dataprotection.microsoft.com",
        ),
    ] {
        if world.find(kind, None, name).await.is_some() {
            found.push(name.to_owned());
        }
    }
    found
}

#[tokio::test]
async fn without_the_snapshot_api_nothing_is_written_and_once_it_is_served_the_same_agent_goes_on() {
    let world = wished_for(NAMESPACE).await;
    withdraw_snapshots(&world).await;

    let mut agent = world.start();
    world.settle(&mut agent, 20).await;
    let stopped = world.told(&mut agent, NAME).await;
    let early = written(&world, NAMESPACE).await;
    serve_snapshots(&world, false).await;
    world.settle(&mut agent, 150).await;
    let goes_on = world.told(&mut agent, NAME).await;
    let later = written(&world, NAMESPACE).await;

    assert_eq!((stopped.state, early), (ExtensionState::Failed, Vec::<String>::new()), "{stopped:?}");
    let error = stopped.error.unwrap();
    assert_eq!(error.code, "PrerequisitesNotMet");
    let details: Vec<_> = error.details.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(details, ["P12"], "{error:?}");
    for part in ["P12", "does not serve volumesnapshots", "Install the snapshot CRDs"] {
        assert!(error.message.contains(part) && error.details[0].message.contains(part), "{part}: {error:?}");
    }
    assert_eq!((goes_on.state, goes_on.error.clone()), (ExtensionState::Installing, None), "{goes_on:?}");
    assert_eq!(later.len(), 4, "{later:?}");
    let warning = goes_on.statuses.iter().find(|status| status.message.starts_with("P12 ")).unwrap();
    assert_eq!((warning.code.as_str(), warning.level), ("PrerequisiteNotObservable", Level::Warning));
    assert!(warning.message.contains("no snapshot controller was seen"), "{warning:?}");
    world.end().await;
}

#[tokio::test]
async fn the_backup_extension_is_applied_and_removed_with_rights_by_name() {
    let mut world = wished_for(NAMESPACE).await;
    serve_snapshots(&world, true).await;

    let mut agent = world.start();
    world.settle(&mut agent, 20).await;
    let waiting = world.told(&mut agent, NAME).await;
    let record = world.record(NAME).await;

    assert_eq!((waiting.state, waiting.error.clone()), (ExtensionState::Installing, None), "{waiting:?}");
    assert!(!waiting.statuses.iter().any(|status| status.code.starts_with("Prereq")), "{waiting:?}");
    let Some(Record { work: Some(Work::Wait { release, .. }), .. }) = record else { panic!("{record:?}") };
    assert!(release.objects.len() > 15, "{:?}", release.objects);
    let deployment = world.find("apps/v1/Deployment", Some(NAMESPACE), "cofferdam-extension").await.unwrap();
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"], "2");
    let location = world.find("v1/ConfigMap", Some(NAMESPACE), "location-default").await.unwrap();
    assert_eq!(location["data"]["repositoryKey"], "vault");

    world.unwish(NAME).await;
    let removed = world.work(NAME).await;

    assert_eq!(removed.state, ExtensionState::Removed, "{removed:?}");
    assert_eq!(written(&world, NAMESPACE).await, Vec::<String>::new());
    world.end().await;
}
