use super::*;
use crate::codes;
use protection::code;
use resources::{ConflictPolicy, PersistentVolumeRestoreMode};

fn database() -> Scene {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.add_claim("shop", "data-db-0", json!([]));
    scene.add(
        "statefulsets",
        "apps/v1",
        "StatefulSet",
        json!({
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"selector": {}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
        }),
    );
    scene
}

const CLAIM: &str = "persistentvolumeclaims/shop/data-db-0";
const SET: &str = "statefulsets.apps/shop/db";

#[tokio::test]
async fn claims_are_filled_before_what_uses_them() {
    let scene = database();

    let (_, rows) = scene.execute().await;

    let claim = scene.cluster.object("persistentvolumeclaims", Some("shop"), "data-db-0").unwrap();
    assert_eq!(claim["metadata"]["annotations"]["data"], "restored");
    assert!(claim["spec"].get("volumeName").is_none());
    assert!(row(&rows, CLAIM).with_data);
    let writes = scene.cluster.writes();
    let at = |what: &str| writes.iter().position(|write| write.ends_with(what)).unwrap();
    assert!(at(CLAIM) < at(SET));
}

#[tokio::test]
async fn nothing_starts_on_an_empty_volume_instead_of_a_lost_one() {
    let mut unreachable = database();
    unreachable.volumes.unreachable.insert("data-db-0".into());
    let mut failing = database();
    failing.volumes.failing.insert("data-db-0".into());

    let plan = unreachable.plan().await;
    let (outcomes, rows) = unreachable.execute().await;
    let (_, late) = failing.execute().await;

    assert_eq!(blocked_by(action(&plan.rows, CLAIM)), code::SNAPSHOT_NOT_REACHABLE);
    assert_eq!(blocked_by(action(&plan.rows, SET)), codes::DEPENDENCY_FAILED);
    assert_eq!(blocked_by(action(&rows, CLAIM)), code::SNAPSHOT_NOT_REACHABLE);
    assert_eq!(blocked_by(action(&rows, SET)), codes::DEPENDENCY_FAILED);
    assert_eq!(blocked_by(action(&late, SET)), codes::DEPENDENCY_FAILED);
    assert_eq!(outcomes.counts.failed, 2);
    assert!(unreachable.cluster.object("statefulsets.apps", Some("shop"), "db").is_none());
}

#[tokio::test]
async fn a_claim_that_a_modifier_cannot_change_keeps_its_workload_from_starting_empty() {
    let mut scene = database();
    let rules = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: persistentvolumeclaims}\n  \
                 patches: [{operation: replace, path: /spec/nothing/here, value: x}]\n";
    scene.modifiers = crate::Modifiers::parse(&[("rules".to_owned(), rules.to_owned())].into()).unwrap();

    let plan = scene.plan().await;
    let (_, rows) = scene.execute().await;

    for rows in [&plan.rows, &rows] {
        assert_eq!(blocked_by(action(rows, CLAIM)), code::MODIFIER_INVALID);
        assert_eq!(blocked_by(action(rows, SET)), codes::DEPENDENCY_FAILED);
    }
    assert!(scene.cluster.object("statefulsets.apps", Some("shop"), "db").is_none());
}

#[tokio::test]
async fn the_owner_of_a_lost_claim_does_not_start_either() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    let owner = |kind: &str, api: &str, name: &str, uid: &str| json!([{"apiVersion": api, "kind": kind, "name": name, "uid": uid}]);
    scene.add(
        "deployments",
        "apps/v1",
        "Deployment",
        json!({
            "metadata": {"name": "operator-made", "namespace": "shop", "uid": "d"}, "spec": {"selector": {}},
        }),
    );
    scene.add_claim("shop", "data", owner("Deployment", "apps/v1", "operator-made", "d"));
    scene.volumes.failing.insert("data".into());

    let (_, rows) = scene.execute().await;

    assert_eq!(blocked_by(action(&rows, "deployments.apps/shop/operator-made")), codes::DEPENDENCY_FAILED);
}

#[tokio::test]
async fn data_onto_an_existing_claim_is_not_restored_and_said_so() {
    for policy in [ConflictPolicy::Skip, ConflictPolicy::Patch, ConflictPolicy::Replace] {
        let mut scene = database();
        scene.spec.conflict_policy = policy;
        scene.put_namespace("shop");
        scene.cluster.put(object(
            "v1",
            "PersistentVolumeClaim",
            json!({
                "metadata": {"name": "data-db-0", "namespace": "shop"}, "spec": {"storageClassName": "fast"},
            }),
        ));

        let plan = scene.plan().await;
        let (outcomes, rows) = scene.execute().await;

        assert_eq!(action(&plan.rows, CLAIM), &Action::DataNotRestored);
        assert_eq!(action(&rows, CLAIM), &Action::DataNotRestored);
        assert_eq!(outcomes.counts.failed, 1);
        assert!(outcomes.problems.iter().any(|problem| problem.code == code::DATA_NOT_RESTORED));
        assert_eq!(action(&rows, SET), &Action::Create);
    }
}

#[tokio::test]
async fn a_claim_that_is_named_is_replaced_unless_a_pod_uses_it_or_its_data_is_out_of_reach() {
    let scene =
        || {
            let mut scene = database();
            scene.spec.conflict_policy = ConflictPolicy::Replace;
            scene.spec.replace_resource_types = vec!["persistentvolumeclaims".into()];
            scene.put_namespace("shop");
            scene.cluster.put(object("v1", "PersistentVolumeClaim", json!({
            "metadata": {"name": "data-db-0", "namespace": "shop"}, "spec": {"storageClassName": "fast"},
        })));
            scene
        };
    let free = scene();
    let used = scene();
    let mut lost = scene();
    lost.volumes.unreachable.insert("data-db-0".into());
    used.cluster.put(object(
        "v1",
        "Pod",
        json!({
            "metadata": {"name": "db-0", "namespace": "shop"},
            "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data-db-0"}}]},
        }),
    ));

    let (_, rows) = free.execute().await;
    let (_, refused) = used.execute().await;
    let planned = lost.plan().await.rows;
    let (_, kept) = lost.execute().await;

    assert_eq!(action(&rows, CLAIM).word(), "replace");
    let claim = free.cluster.object("persistentvolumeclaims", Some("shop"), "data-db-0").unwrap();
    assert_eq!(claim["metadata"]["annotations"]["data"], "restored");
    assert_eq!(blocked_by(action(&refused, CLAIM)), codes::REPLACE_REFUSED);
    for rows in [&planned, &kept] {
        assert_eq!(blocked_by(action(rows, CLAIM)), code::SNAPSHOT_NOT_REACHABLE);
    }
    for scene in [used, lost] {
        assert!(scene.cluster.object("persistentvolumeclaims", Some("shop"), "data-db-0").is_some());
    }
}

#[tokio::test]
async fn a_missing_storage_class_is_named_by_the_plan_and_a_modifier_cures_it() {
    let mut scene = database();
    scene.cluster.remove("storageclasses.storage.k8s.io", None, "fast");
    scene.cluster.put(object("storage.k8s.io/v1", "StorageClass", json!({"metadata": {"name": "other"}})));

    let plan = scene.plan().await;
    let rules = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: persistentvolumeclaims}\n  \
                 patches: [{operation: replace, path: /spec/storageClassName, value: other}]\n";
    scene.modifiers = crate::Modifiers::parse(&[("rules".to_owned(), rules.to_owned())].into()).unwrap();
    let cured = scene.plan().await;

    assert_eq!(blocked_by(action(&plan.rows, CLAIM)), codes::STORAGE_CLASS_MISSING);
    assert_eq!(action(&cured.rows, CLAIM), &Action::Create);
}

#[tokio::test]
async fn without_volume_data_claims_come_back_empty() {
    let mut scene = database();
    scene.spec.persistent_volume_restore_mode = PersistentVolumeRestoreMode::RestoreWithoutVolumeData;

    let (outcomes, rows) = scene.execute().await;

    let claim = scene.cluster.object("persistentvolumeclaims", Some("shop"), "data-db-0").unwrap();
    assert!(claim["metadata"].get("annotations").is_none());
    assert!(!row(&rows, CLAIM).with_data);
    assert_eq!(outcomes.problem_count, 0);
}

#[tokio::test]
async fn a_volume_that_outlives_its_claim_comes_back_as_it_was() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.add(
        "persistentvolumes",
        "v1",
        "PersistentVolume",
        json!({
            "metadata": {"name": "nfs"},
            "spec": {
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": "shop", "name": "files", "uid": "old"},
            },
        }),
    );
    scene.add(
        "persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
        json!({
            "metadata": {"name": "files", "namespace": "shop"},
            "spec": {"storageClassName": "", "volumeName": "nfs"},
        }),
    );
    scene.source.add_volume(VolumeRecord {
        namespace: "shop".into(),
        claim: "files".into(),
        persistent_volume: Some("nfs".into()),
        driver: None,
        storage_class: Some(String::new()),
        block: false,
        capacity: 1,
        protection: VolumeProtection::None { code: "VolumeNotProtected".into(), reason: "NFS.".into() },
    });

    let (_, rows) = scene.execute().await;

    assert_eq!(action(&rows, "persistentvolumes/nfs"), &Action::Create);
    let volume = scene.cluster.object("persistentvolumes", None, "nfs").unwrap();
    assert_eq!(volume["spec"]["claimRef"], json!({"namespace": "shop", "name": "files"}));
    let claim = scene.cluster.object("persistentvolumeclaims", Some("shop"), "files").unwrap();
    assert_eq!(claim["spec"]["volumeName"], "nfs");
}
