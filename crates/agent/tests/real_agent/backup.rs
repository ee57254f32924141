//! The Backup Extension's own package.

use crate::world::World;
use agent::{Record, Work};
use packages::{
    Package,
    wire::{ExtensionIdentity, ExtensionState},
};
use serde_json::json;

const NAME: &str = "azure-aks-backup";
const NAMESPACE: &str = "backup-packaged";

#[tokio::test]
async fn the_backup_extension_is_applied_and_removed_with_rights_by_name() {
    let document = extension::manifests::package("0.1.0", "cofferdam.invalid/none:1").unwrap();
    let package = Package::parse(document.to_string().as_bytes()).unwrap();
    let Some(mut world) = World::allowing(vec![(package, NAMESPACE.to_owned())]).await else { return };
    let mut document = document;
    // Whether this cluster passes the gate does not matter here: what comes after it is shown.
    document["gate"] = json!({});
    let published = world.publish(&document);
    world.wish(
        NAME,
        "0.1.0",
        &published,
        json!({"blobContainer": "b", "storageAccount": "a", "cpuLimit": "2"}),
    );
    let one = world.wished(NAME);
    one.kind = extension::manifests::TYPE.to_owned();
    one.namespace = NAMESPACE.to_owned();
    one.identity = Some(ExtensionIdentity {
        client_id: "c".into(),
        principal_id: "p".into(),
        audience: "api://AzureADTokenExchange".into(),
    });

    let mut agent = world.start();
    world.settle(&mut agent, 20).await;
    let waiting = world.told(&mut agent, NAME).await;
    let record = world.record(NAME).await;

    assert_eq!((waiting.state, waiting.error.clone()), (ExtensionState::Installing, None), "{waiting:?}");
    let Some(Record { work: Some(Work::Wait { release, .. }), .. }) = record else { panic!("{record:?}") };
    assert!(release.objects.len() > 15, "{:?}", release.objects);
    let deployment = world.find("apps/v1/Deployment", Some(NAMESPACE), "cofferdam-extension").await.unwrap();
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"], "2");
    let location = world.find("v1/ConfigMap", Some(NAMESPACE), "location-default").await.unwrap();
    assert_eq!(location["data"]["repositoryKey"], "vault");

    world.unwish(NAME);
    let removed = world.work(NAME).await;

    assert_eq!(removed.state, ExtensionState::Removed, "{removed:?}");
    for namespace in [NAMESPACE, "cofferdam-movers"] {
        assert!(world.find("v1/Namespace", None, namespace).await.is_none(), "{namespace}");
    }
    let definition = "apiextensions.k8s.io/v1/CustomResourceDefinition";
    let name = "backups.clusterbackup.dataprotection.microsoft.com";
    assert!(world.find(definition, None, name).await.is_none());
    world.end().await;
}
