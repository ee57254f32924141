//! Claims filled from snapshots on a real cluster: same data, temporary objects gone, honest when it cannot.

mod support;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use protection::{code, point::VolumeProtection};
use serde_json::{Value, json};
use std::time::Duration;
use support::{World, backed_up, eventually, filling, immediate, options, record, request};
use volumes::{
    anchor,
    api::{VolumeSnapshot, VolumeSnapshotContent},
    labels, remove_point,
    restore::{FillRequest, Filled, Probe, Reach, abort, fill, observe_target, reach_all},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Temporary objects of one restore that are still there.
async fn temporary(world: &World, request: &FillRequest) -> Vec<String> {
    let ours = ListParams::default().labels(&format!("{}={}", labels::RESTORE, request.restore_uid));
    let snapshots = Api::<VolumeSnapshot>::all(world.client.clone()).list(&ours).await.unwrap();
    let contents = Api::<VolumeSnapshotContent>::all(world.client.clone()).list(&ours).await.unwrap();
    snapshots.iter().map(ResourceExt::name_any).chain(contents.iter().map(ResourceExt::name_any)).collect()
}

/// A class of the driver that waits for the first consumer.
async fn waiting_class(world: &World, driver: &str) -> String {
    let classes = support::classes(&world.client).await;
    let found = classes.iter().find(|(_, class)| {
        class.provisioner == driver && class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
    });
    found.expect("the testbed has a class that waits for the first consumer").0.clone()
}

#[tokio::test]
async fn a_claim_gets_the_data_of_its_snapshot_and_nothing_of_ours_stays() {
    let (world, record) = backed_up("fill", "precious").await;
    world.write("data", "changed since").await;
    let target = observe_target(&world.client).await.unwrap();
    let request = request(&world, &record, "copy", &immediate());

    let filled = fill(&world.client, &request, &target, &filling()).await.unwrap();

    assert!(matches!(filled, Filled::Bound { .. }), "{filled:?}");
    world.holds("copy", "precious").await.unwrap();
    world.holds("data", "changed since").await.unwrap();
    let copy = world.claims().get("copy").await.unwrap();
    assert_eq!(copy.labels()["kept"], "yes");
    eventually("temporary objects are gone", || async {
        temporary(&world, &request).await.is_empty().then_some(())
    })
    .await;
    let again = fill(&world.client, &request, &target, &filling()).await.unwrap();
    assert_eq!(again.uid(), filled.uid(), "repeated after a crash, it meets its own claim");
    world.end().await;
}

#[tokio::test]
async fn a_class_that_waits_for_its_consumer_gets_the_data_with_the_first_pod() {
    let (world, record) = backed_up("wffc", "patient").await;
    let target = observe_target(&world.client).await.unwrap();
    let class = waiting_class(&world, record.driver.as_deref().unwrap()).await;
    let request = request(&world, &record, "copy", &class);

    let filled = fill(&world.client, &request, &target, &filling()).await.unwrap();
    let early = abort(&world.client, &request.restore_uid).await.unwrap();
    let another = abort(&world.client, "another-restore").await.unwrap();
    let held = world.holds("copy", "patient").await;
    let late = abort(&world.client, &request.restore_uid).await.unwrap();

    assert!(matches!(filled, Filled::WaitsForConsumer { .. }), "{filled:?}");
    assert_eq!(early.waiting, [format!("{}/copy", world.namespace)], "a claim that waits keeps its snapshot");
    assert_eq!(
        (another.removed, another.waiting),
        (0, vec![]),
        "what is another's is neither removed nor told"
    );
    held.unwrap();
    assert!(late.removed >= 1, "{late:?}");
    eventually("temporary objects are gone", || async {
        temporary(&world, &request).await.is_empty().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_snapshot_that_the_storage_does_not_know_is_not_reachable_and_leaves_no_claim() {
    let (world, mut record) = backed_up("lost", "gone").await;
    let removal = remove_point(&world.client, &world.tag.recovery_point, &[], MINUTE).await.unwrap();
    assert_eq!(removal.deleted.len(), 1);
    if let VolumeProtection::Snapshot { content, .. } = &mut record.protection {
        content.clear();
    }
    let target = observe_target(&world.client).await.unwrap();
    let request = request(&world, &record, "copy", &immediate());
    let probe = Probe::Write { namespace: world.namespace.clone(), timeout: MINUTE };

    let asked = std::slice::from_ref(&request);
    let without = reach_all(&world.client, asked, &target, &Probe::Never).await.unwrap();
    let with = reach_all(&world.client, asked, &target, &probe).await.unwrap();
    let filled = fill(&world.client, &request, &target, &filling()).await;

    assert!(matches!(&without[0], Reach::NotCheckable { .. }), "{without:?}");
    assert!(
        matches!(&with[0], Reach::NotReachable(problem) if problem.code == code::SNAPSHOT_NOT_REACHABLE),
        "{with:?}"
    );
    assert_eq!(filled.unwrap_err().code, code::SNAPSHOT_NOT_REACHABLE);
    assert!(world.claims().get_opt("copy").await.unwrap().is_none(), "no empty claim passes for restored");
    eventually("temporary objects are gone", || async {
        temporary(&world, &request).await.is_empty().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_reachable_snapshot_is_probed_without_leaving_anything() {
    let (world, record) = backed_up("probe", "here").await;
    let target = observe_target(&world.client).await.unwrap();
    let request = request(&world, &record, "copy", &immediate());
    let probe = Probe::Write { namespace: world.namespace.clone(), timeout: MINUTE };

    let asked = std::slice::from_ref(&request);
    let reach = reach_all(&world.client, asked, &target, &probe).await.unwrap();

    assert_eq!(reach, [Reach::Reachable]);
    assert_eq!(temporary(&world, &request).await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test]
async fn data_is_never_written_onto_an_existing_claim() {
    let (world, record) = backed_up("exists", "old").await;
    let target = observe_target(&world.client).await.unwrap();
    let request = request(&world, &record, "data", &immediate());

    let filled = fill(&world.client, &request, &target, &filling()).await;

    assert_eq!(filled.unwrap_err().code, code::DATA_NOT_RESTORED);
    assert!(world.claims().get_opt("data").await.unwrap().is_some(), "the existing claim stays");
    world.end().await;
}

#[tokio::test]
async fn a_recovery_point_is_not_deleted_under_a_claim_that_waits_for_it() {
    let (world, record) = backed_up("inuse", "wanted").await;
    let target = observe_target(&world.client).await.unwrap();
    let class = waiting_class(&world, record.driver.as_deref().unwrap()).await;
    let request = request(&world, &record, "copy", &class);
    fill(&world.client, &request, &target, &filling()).await.unwrap();

    let removal = remove_point(&world.client, &world.tag.recovery_point, &[], MINUTE).await.unwrap();

    assert_eq!(removal.deleted, Vec::<String>::new());
    assert!(removal.kept[0].retry);
    world.holds("copy", "wanted").await.unwrap();
    abort(&world.client, &request.restore_uid).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn an_orphaned_temporary_snapshot_is_swept_when_its_claim_is_gone() {
    let (world, record) = backed_up("sweep", "x").await;
    let target = observe_target(&world.client).await.unwrap();
    let class = waiting_class(&world, record.driver.as_deref().unwrap()).await;
    let request = request(&world, &record, "copy", &class);
    fill(&world.client, &request, &target, &filling()).await.unwrap();
    world.claims().delete("copy", &DeleteParams::default()).await.unwrap();
    eventually("the claim is gone", || async {
        world.claims().get_opt("copy").await.ok()?.is_none().then_some(())
    })
    .await;

    let before = temporary(&world, &request).await.len();
    let swept = abort(&world.client, &request.restore_uid).await.unwrap();

    assert_eq!(before, 2, "a snapshot and its content");
    assert_eq!((swept.removed, swept.waiting.len()), (1, 0));
    eventually("temporary objects are gone", || async {
        temporary(&world, &request).await.is_empty().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_raw_block_volume_comes_back_block_for_block() {
    let world = World::new("block").await;
    let block = json!({"spec": {"volumeMode": "Block"}});
    world.claim("data", &immediate(), block.clone()).await;
    device_pod(&world, "writer", "data").await;
    world
        .run("writer", "echo precious | /busybox dd of=/dev/data bs=512 seek=7 conv=notrunc && /busybox sync")
        .await
        .unwrap();
    world.delete_pod("writer").await;
    let claims = world.selected().await;
    let (anchored, _) =
        anchor(&world.client, &world.tag, world.cut(&options()).await.cut(), 8).await.unwrap();
    let target = observe_target(&world.client).await.unwrap();
    let mut request = request(&world, &record(&claims[0], &anchored[0]), "copy", &immediate());
    let as_files = fill(&world.client, &request, &target, &filling()).await;
    merge_spec(&mut request.claim, "volumeMode", "Block");

    let filled = fill(&world.client, &request, &target, &filling()).await;

    assert_eq!(as_files.unwrap_err().code, code::DATA_NOT_RESTORED, "another volume mode is refused before");
    filled.unwrap();
    device_pod(&world, "reader", "copy").await;
    let same = "test \"$(/busybox dd if=/dev/data bs=512 skip=7 count=1 2>/dev/null | /busybox head -c 8)\" = precious";
    world.run("reader", same).await.unwrap();
    world.end().await;
}

async fn device_pod(world: &World, name: &str, claim: &str) {
    let pods = Api::<Pod>::namespaced(world.client.clone(), &world.namespace);
    let object = json!({
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "shell", "image": support::shell_image(), "imagePullPolicy": "IfNotPresent",
                "command": ["/busybox", "sh", "-c", "while true; do /busybox sleep 1; done"],
                "securityContext": {"runAsUser": 0},
                "volumeDevices": [{"name": "data", "devicePath": "/dev/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    });
    pods.create(&Default::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    eventually("the pod runs", || async {
        let pod = pods.get(name).await.ok()?;
        (pod.status?.phase.as_deref() == Some("Running")).then_some(())
    })
    .await;
}

fn merge_spec(claim: &mut Value, field: &str, value: &str) {
    let parsed: Result<PersistentVolumeClaim, _> = serde_json::from_value(claim.clone());
    assert!(parsed.is_ok());
    claim["spec"][field] = value.into();
}
