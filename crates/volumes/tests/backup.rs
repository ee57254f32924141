//! Snapshots on a real cluster: cut all at once, anchored, detached, deleted.

mod support;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use protection::code;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use support::{Faults, World, eventually, immediate, options, record, snapshots};
use tokio_util::sync::CancellationToken;
use volumes::{
    CutOptions, CutOutcome, CutPlan, Patience, RecordedSnapshot, VolumesError, anchor,
    api::{VolumeSnapshotClass, VolumeSnapshotContent},
    await_ready,
    decide::{Policy, plan_groups},
    detach, labels, observe_leftovers, observe_neighbours, observe_storage, remove_point, requests,
};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn after_a_backup_only_the_anchor_stays_and_deleting_through_it_deletes_the_snapshot() {
    let world = World::new("flow").await;
    for name in ["a", "b", "c"] {
        world.claim(name, &immediate(), json!({})).await;
        world.bound(name).await;
    }
    let id = world.tag.recovery_point.clone();

    let report = world.cut(&options()).await;
    let (mut anchored, problems) = anchor(&world.client, &world.tag, report.cut(), 8).await.unwrap();
    let late =
        await_ready(&world.client, &id, &mut anchored, MINUTE, &CancellationToken::new()).await.unwrap();
    let left = detach(&world.client, &id, MINUTE).await.unwrap();

    assert_eq!((problems, late, left), (vec![], vec![], vec![]));
    assert_eq!(anchored.len(), 3);
    assert!(anchored.iter().all(|one| one.ready && one.snapshot.restore_size.is_some()));
    assert_eq!(world.snapshots_here().await, Vec::<String>::new());
    let contents = Api::<VolumeSnapshotContent>::all(world.client.clone());
    for one in &anchored {
        let content = contents.get(&one.content).await.unwrap();
        assert_eq!(content.spec.deletion_policy, "Retain");
        assert_eq!(content.labels()[labels::RECOVERY_POINT], id.as_str());
        assert_eq!(content.handle(), Some(one.snapshot.handle.as_str()));
    }
    let again = detach(&world.client, &id, MINUTE).await.unwrap();
    assert_eq!(again, []);

    let removal = remove_point(&world.client, &id, &[], MINUTE).await.unwrap();

    let handles: BTreeSet<_> = anchored.iter().map(|one| one.snapshot.handle.clone()).collect();
    assert_eq!(removal.deleted.into_iter().collect::<BTreeSet<_>>(), handles);
    assert_eq!(removal.kept, []);
    assert!(observe_leftovers(&world.client, Some(&id)).await.unwrap().is_empty());
    let again = remove_point(&world.client, &id, &[], MINUTE).await.unwrap();
    assert_eq!(again, Default::default());
    world.end().await;
}

#[tokio::test]
async fn our_class_retains_and_is_not_chosen_for_the_next_backup() {
    let world = World::new("class").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;

    let first = world.cut(&options()).await;
    let decisions = world.decisions(&snapshots()).await;

    assert_eq!(first.cut().len(), 1);
    let classes = Api::<VolumeSnapshotClass>::all(world.client.clone());
    let ours = format!("{}={}", labels::INSTANCE, world.tag.instance);
    let ours = classes.list(&ListParams::default().labels(&ours)).await.unwrap();
    assert!(!ours.items.is_empty());
    assert!(ours.iter().all(|class| class.deletion_policy == "Retain"));
    let chosen = requests(&decisions)[0].source_class.name_any();
    assert!(!chosen.starts_with("cofferdam-"), "{chosen}");
    world.end().await;
}

#[tokio::test]
async fn a_cut_repeated_after_a_crash_meets_its_own_snapshots() {
    let world = World::new("again").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;

    let first = world.cut(&options()).await.cut();
    let second = world.cut(&options()).await.cut();

    assert_eq!(first.len(), 1);
    assert_eq!(first, second);
    assert_eq!(world.snapshots_here().await.len(), 1);
    let left = observe_leftovers(&world.client, Some(&world.tag.recovery_point)).await.unwrap();
    assert_eq!((left.snapshots.len(), left.contents.len()), (1, 1));
    world.end().await;
}

#[tokio::test]
async fn a_backup_that_was_given_up_leaves_nothing_even_when_its_namespace_vanished() {
    let world = World::new("vanish").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;
    let cut = world.cut(&options()).await.cut();
    let namespaces = Api::<Namespace>::all(world.client.clone());

    namespaces.delete(&world.namespace, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", || async {
        namespaces.get_opt(&world.namespace).await.ok()?.is_none().then_some(())
    })
    .await;
    let left = observe_leftovers(&world.client, Some(&world.tag.recovery_point)).await.unwrap();
    let removal = remove_point(&world.client, &world.tag.recovery_point, &[], MINUTE).await.unwrap();

    assert_eq!(left.contents.len(), 1, "the retained content is found by name though nothing labelled it");
    assert_eq!(removal.deleted, [cut[0].handle.clone()]);
    assert_eq!(removal.kept, []);
}

#[tokio::test]
async fn what_was_never_anchored_is_dropped_when_the_backup_detaches() {
    let world = World::new("drop").await;
    for name in ["kept", "dropped"] {
        world.claim(name, &immediate(), json!({})).await;
        world.bound(name).await;
    }
    let cut = world.cut(&options()).await.cut();
    let (kept, dropped): (Vec<_>, Vec<_>) = cut.into_iter().partition(|one| one.claim.name == "kept");

    let (anchored, _) = anchor(&world.client, &world.tag, kept, 8).await.unwrap();
    let left = detach(&world.client, &world.tag.recovery_point, MINUTE).await.unwrap();

    assert_eq!(left, []);
    let contents = Api::<VolumeSnapshotContent>::all(world.client.clone());
    eventually("the content of the dropped snapshot is gone", || async {
        contents.get_opt(dropped[0].content.as_deref()?).await.ok()?.is_none().then_some(())
    })
    .await;
    assert!(contents.get_opt(&anchored[0].content).await.unwrap().is_some());
    world.end().await;
}

#[tokio::test]
async fn data_under_a_second_content_survives_the_deletion_of_the_recovery_point() {
    let world = World::new("shared").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;
    let (anchored, _) =
        anchor(&world.client, &world.tag, world.cut(&options()).await.cut(), 8).await.unwrap();
    detach(&world.client, &world.tag.recovery_point, MINUTE).await.unwrap();
    let contents = Api::<VolumeSnapshotContent>::all(world.client.clone());
    let snapshot = &anchored[0].snapshot;
    let second = format!("volumes-second-{}", world.tag.recovery_point);
    let object = |name: &str, policy: &str| -> VolumeSnapshotContent {
        serde_json::from_value(json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
            "metadata": {"name": name},
            "spec": {"deletionPolicy": policy, "driver": snapshot.driver,
                     "source": {"snapshotHandle": snapshot.handle}, "sourceVolumeMode": "Filesystem",
                     "volumeSnapshotRef": {"name": name, "namespace": world.namespace}},
        }))
        .unwrap()
    };
    contents.create(&PostParams::default(), &object(&second, "Retain")).await.unwrap();

    let removal = remove_point(&world.client, &world.tag.recovery_point, &[], MINUTE).await.unwrap();

    assert_eq!(removal.deleted, Vec::<String>::new());
    assert_eq!(removal.kept.len(), 1);
    assert_eq!(removal.kept[0].problem.code, code::SNAPSHOT_ORPHANED);
    assert!(removal.kept[0].problem.message.contains(&second));
    eventually("our anchor is gone", || async {
        contents.get_opt(&anchored[0].content).await.ok()?.is_none().then_some(())
    })
    .await;
    // Seen through a fresh content, the storage system still knows the snapshot.
    eventually("the second content is ready", || async {
        contents.get(&second).await.ok()?.is_ready().then_some(())
    })
    .await;
    contents.delete(&second, &DeleteParams::default()).await.unwrap();
    let claims = world.selected().await;
    let records = [RecordedSnapshot::of(&record(&claims[0], &anchored[0])).unwrap()];
    let removal = remove_point(&world.client, &world.tag.recovery_point, &records, MINUTE).await.unwrap();
    assert_eq!(
        removal.deleted,
        vec![snapshot.handle.clone()],
        "the recorded handle is deleted without an anchor"
    );
    world.end().await;
}

#[tokio::test]
async fn a_cancelled_cut_returns_at_once_and_is_dropped_by_id() {
    let world = World::new("cancel").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let decisions = world.decisions(&snapshots()).await;
    let plan = CutPlan { requests: requests(&decisions), groups: vec![], group_api: None };

    let cut = volumes::cut(&world.client, &world.tag, &plan, &CutOptions { cancel, ..options() }).await;

    assert!(matches!(cut, Err(VolumesError::Cancelled { .. })), "{cut:?}");
    world.end().await;
}

#[tokio::test]
async fn claims_that_share_the_label_are_cut_at_one_instant() {
    let world = World::new("group").await;
    for name in ["data", "log"] {
        world.claim(name, &immediate(), json!({"metadata": {"labels": {"volumes-group": "db"}}})).await;
        world.bound(name).await;
    }
    let storage = observe_storage(&world.client).await.unwrap();
    assert!(storage.groups.is_some(), "the cluster serves group snapshots");
    let policy = Policy { group_label: Some("volumes-group".into()), ..snapshots() };
    let decisions = world.decisions(&policy).await;
    let neighbours = observe_neighbours(&world.client, "volumes-group").await.unwrap();
    let here: Vec<_> = neighbours.into_iter().filter(|one| one.namespace == world.namespace).collect();
    let (groups, fell_back) = plan_groups(&decisions, "volumes-group", &storage, &here);
    assert_eq!((groups.len(), fell_back), (1, vec![]));
    let plan = CutPlan { requests: requests(&decisions), groups, group_api: storage.groups.clone() };
    let id = world.tag.recovery_point.clone();

    let report = volumes::cut(&world.client, &world.tag, &plan, &options()).await.unwrap();
    let (mut anchored, problems) = anchor(&world.client, &world.tag, report.cut(), 8).await.unwrap();
    let late =
        await_ready(&world.client, &id, &mut anchored, MINUTE, &CancellationToken::new()).await.unwrap();
    let left = detach(&world.client, &id, MINUTE).await.unwrap();

    assert_eq!((report.problems, problems, late, left), (vec![], vec![], vec![], vec![]));
    assert_eq!(anchored.len(), 2);
    assert!(anchored[0].snapshot.group.is_some());
    assert_eq!(anchored[0].snapshot.group, anchored[1].snapshot.group);
    assert_eq!(anchored[0].snapshot.cut, anchored[1].snapshot.cut, "one instant");
    assert_eq!(world.snapshots_here().await, Vec::<String>::new());
    let removal = remove_point(&world.client, &id, &[], MINUTE).await.unwrap();
    assert_eq!((removal.deleted.len(), removal.kept), (2, vec![]));
    assert!(observe_leftovers(&world.client, Some(&id)).await.unwrap().is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_failing_snapshot_is_named_and_does_not_hold_up_the_others() {
    let world = World::new("faults").await;
    for name in ["good", "bad"] {
        world.claim(name, &immediate(), json!({})).await;
        world.bound(name).await;
    }
    let claims = world.selected().await;
    let bad = claims.iter().find(|claim| claim.name == "bad").unwrap();
    let volume = match &bad.bound().unwrap().source {
        protection::claims::VolumeSource::Csi(csi) => csi.volume_handle.clone(),
        other => panic!("{other:?}"),
    };
    let patience = Patience { failing: Duration::from_secs(3), ..Patience::default() };

    let faults = Faults::plan(json!({"snapshot": {"fail": "out of luck", "match": volume}})).await;
    let report = world.cut(&CutOptions { patience, ..options() }).await;
    drop(faults);

    let failed: Vec<_> = report
        .outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            CutOutcome::Failed { claim, problem } => Some((claim.name.as_str(), problem)),
            CutOutcome::Cut(_) => None,
        })
        .collect();
    assert_eq!(report.cut().len(), 1);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0, failed[0].1.code.as_str()), ("bad", code::SNAPSHOT_FAILED));
    assert!(failed[0].1.message.contains("out of luck"), "{:?}", failed[0].1);
    let (_, _) = anchor(&world.client, &world.tag, report.cut(), 8).await.unwrap();
    let left = detach(&world.client, &world.tag.recovery_point, MINUTE).await.unwrap();
    assert_eq!(left, [], "the failed one is gone from the namespace, too");
    world.end().await;
}

/// The sidecar takes no notice when its own mark of a snapshot that is being made goes. Here the mark is set by hand on
/// one that is made, which is what is left when a deletion comes while the last answer of the driver does.
#[tokio::test]
async fn a_deletion_that_the_sidecar_missed_is_brought_to_its_mind() {
    let world = World::new("missed").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;
    let cut = world.cut(&options()).await.cut();
    let contents = Api::<VolumeSnapshotContent>::all(world.client.clone());
    let content = cut[0].content.as_deref().unwrap();
    let being_created = "snapshot.storage.kubernetes.io/volumesnapshot-being-created";
    let change = |patch| {
        let (contents, patch) = (contents.clone(), Patch::Merge(patch));
        async move { contents.patch(content, &PatchParams::default(), &patch).await.unwrap() }
    };
    change(json!({"spec": {"deletionPolicy": "Delete"}})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    change(json!({"metadata": {"annotations": {being_created: "yes"}}})).await;

    let left = detach(&world.client, &world.tag.recovery_point, MINUTE).await.unwrap();

    assert_eq!(left, []);
    assert_eq!(world.snapshots_here().await, Vec::<String>::new());
    assert!(contents.get_opt(content).await.unwrap().is_none());
    world.end().await;
}

#[tokio::test]
async fn a_slow_snapshot_times_out_by_itself() {
    let world = World::new("slow").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;
    let claims = world.selected().await;
    let volume = match &claims[0].bound().unwrap().source {
        protection::claims::VolumeSource::Csi(csi) => csi.volume_handle.clone(),
        other => panic!("{other:?}"),
    };
    let patience = Patience { timeout: Duration::from_secs(4), ..Patience::default() };

    let faults = Faults::plan(json!({"snapshot": {"delayMs": 12_000, "match": volume}})).await;
    let report = world.cut(&CutOptions { patience, ..options() }).await;
    drop(faults);

    assert!(
        matches!(&report.outcomes[0], CutOutcome::Failed { problem, .. } if problem.code == code::SNAPSHOT_TIMED_OUT),
        "{report:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_snapshot_that_never_becomes_ready_is_kept_with_a_warning() {
    let world = World::new("unready").await;
    world.claim("a", &immediate(), json!({})).await;
    world.bound("a").await;
    let claims = world.selected().await;
    let volume = match &claims[0].bound().unwrap().source {
        protection::claims::VolumeSource::Csi(csi) => csi.volume_handle.clone(),
        other => panic!("{other:?}"),
    };
    let id = world.tag.recovery_point.clone();

    let faults = Faults::plan(json!({"snapshot": {"neverReady": true, "match": volume}})).await;
    let report = world.cut(&options()).await;
    let (mut anchored, _) = anchor(&world.client, &world.tag, report.cut(), 8).await.unwrap();
    let wait = Duration::from_secs(3);
    let late = await_ready(&world.client, &id, &mut anchored, wait, &CancellationToken::new()).await.unwrap();
    drop(faults);

    assert_eq!(anchored.len(), 1, "the application was free to go on as soon as it was cut");
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].code, code::SNAPSHOT_TIMED_OUT);
    world.end().await;
}

/// A policy that forbids the deletion of one snapshot, and its binding.
fn kept_by_a_policy(world: &World, snapshot: &str) -> [kube::core::DynamicObject; 2] {
    let name = format!("{}-keeps", world.namespace);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["snapshot.storage.k8s.io"], "apiVersions": ["v1"],
                "operations": ["DELETE"], "resources": ["volumesnapshots"],
            }]},
            "validations": [{"expression": format!("request.name != '{snapshot}'"), "message": "it is kept"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    [policy, binding].map(|object| serde_json::from_value(object).unwrap())
}

fn policies(client: &kube::Client, object: &kube::core::DynamicObject) -> Api<kube::core::DynamicObject> {
    let types = object.types.clone().unwrap();
    let kind = kube::core::GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", &types.kind);
    let plural = match types.kind.as_str() {
        "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
        _ => "validatingadmissionpolicybindings",
    };
    Api::all_with(client.clone(), &kube::core::ApiResource::from_gvk_with_plural(&kind, plural))
}

#[tokio::test]
async fn a_snapshot_that_may_not_be_removed_is_named_and_the_others_go() {
    let world = World::new("kept").await;
    for name in ["a", "b", "c"] {
        world.claim(name, &immediate(), json!({})).await;
        world.bound(name).await;
    }
    let id = world.tag.recovery_point.clone();
    let (_, problems) =
        anchor(&world.client, &world.tag, world.cut(&options()).await.cut(), 8).await.unwrap();
    assert_eq!(problems, []);
    let mut here = world.snapshots_here().await;
    here.sort();
    let kept = here[0].clone();
    let rules = kept_by_a_policy(&world, &kept);
    for rule in &rules {
        policies(&world.client, rule).create(&PostParams::default(), rule).await.unwrap();
    }
    let snapshots = Api::<volumes::api::VolumeSnapshot>::namespaced(world.client.clone(), &world.namespace);
    eventually("the policy is in force", || async {
        snapshots.delete(&kept, &DeleteParams::default().dry_run()).await.err()
    })
    .await;

    let left = detach(&world.client, &id, MINUTE).await.unwrap();
    let here = world.snapshots_here().await;
    for rule in rules.iter().rev() {
        let name = rule.name_any();
        policies(&world.client, rule).delete(&name, &DeleteParams::default()).await.unwrap();
    }
    eventually("the policy is gone", || async {
        snapshots.delete(&kept, &DeleteParams::default().dry_run()).await.ok()
    })
    .await;
    let again = detach(&world.client, &id, MINUTE).await.unwrap();

    assert_eq!(here, std::slice::from_ref(&kept), "the others are gone");
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].code, code::SNAPSHOT_ORPHANED);
    assert!(left[0].message.contains(&kept) && left[0].message.contains("it is kept"), "{left:?}");
    assert_eq!(again, []);
    assert_eq!(world.snapshots_here().await, Vec::<String>::new());
    world.end().await;
}
