use super::*;
use crate::object::Object;
use protection::claims::{AccessMode, ClaimPhase, VolumeMode, VolumeSource};

fn kind(group: &str, resource: &str) -> Kind {
    Kind { group: group.to_owned(), resource: resource.to_owned(), ..Kind::core("K", "", true) }
}

fn learn(facts: &mut Facts, kind: &Kind, json: &str) {
    let object = Object::read(json.as_bytes()).unwrap();
    facts.learn(kind, &object.metadata, json.as_bytes()).unwrap();
}

const CLAIM: &str = r#"{"metadata":{"name":"data","namespace":"shop","uid":"u","labels":{"app":"db"}},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeName":"pv-1","storageClassName":"fast","volumeMode":"Block"},"status":{"phase":"Bound","capacity":{"storage":"2Gi"}}}"#;

#[test]
fn a_claim_finds_the_csi_volume_that_it_names() {
    let mut facts = Facts::default();
    let volume = r#"{"metadata":{"name":"pv-1","uid":"v"},"spec":{"capacity":{"storage":"2Gi"},"csi":{"driver":"csi.example.com","volumeHandle":"h","fsType":"ext4","volumeAttributes":{"a":"b"},"nodeStageSecretRef":{"name":"s","namespace":"n"}},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Delete","storageClassName":"fast","mountOptions":["noatime"],"nodeAffinity":{"required":{}}}}"#;

    learn(&mut facts, &kind("", "persistentvolumeclaims"), CLAIM);
    learn(&mut facts, &kind("", "persistentvolumes"), volume);

    let claim = facts.resolved_claims(&facts.volumes).remove(0);
    assert_eq!(claim.target(), "persistentvolumeclaims/shop/data");
    assert_eq!((claim.phase, claim.volume_mode), (ClaimPhase::Bound, VolumeMode::Block));
    assert_eq!((claim.requested, claim.capacity), (1 << 30, Some(2 << 30)));
    assert_eq!(claim.access_modes, [AccessMode::ReadWriteOnce]);
    let bound = claim.bound().unwrap();
    let VolumeSource::Csi(csi) = &bound.source else { panic!("{:?}", bound.source) };
    assert_eq!((csi.driver.as_str(), csi.volume_handle.as_str()), ("csi.example.com", "h"));
    assert_eq!(csi.node_stage_secret_ref.as_ref().unwrap().name, "s");
    assert!(bound.node_affinity.is_some());
    assert_eq!(facts.storage_classes(), BTreeSet::from(["fast".to_owned()]));
}

#[test]
fn claims_without_a_volume_say_which_kind_of_without() {
    let mut facts = Facts::default();
    let pending = r#"{"metadata":{"name":"a","namespace":"shop"},"spec":{"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Pending"}}"#;

    learn(&mut facts, &kind("", "persistentvolumeclaims"), CLAIM);
    learn(&mut facts, &kind("", "persistentvolumeclaims"), pending);

    let claims = facts.resolved_claims(&BTreeMap::new());
    assert_eq!(claims[0].volume, ClaimVolume::Unbound);
    assert_eq!(claims[1].volume, ClaimVolume::Missing { name: "pv-1".to_owned() });
    assert_eq!(facts.volume_names(), BTreeSet::from(["pv-1".to_owned()]));
}

#[test]
fn volumes_without_csi_are_named_by_their_plugin() {
    let mut facts = Facts::default();
    let sources = [
        (r#""nfs":{"server":"s","path":"/"}"#, "nfs"),
        (r#""hostPath":{"path":"/x"}"#, "hostPath"),
        (r#""volumeMode":"Filesystem""#, "unknown"),
    ];

    for (source, expected) in sources {
        let json = format!(
            r#"{{"metadata":{{"name":"v","annotations":{{"pv.kubernetes.io/migrated-to":"new.csi"}}}},"spec":{{"accessModes":[],"capacity":{{"storage":"1Gi"}},{source}}}}}"#
        );
        learn(&mut facts, &kind("", "persistentvolumes"), &json);
        let expected =
            VolumeSource::InTree { kind: expected.to_owned(), migrated_to: Some("new.csi".to_owned()) };
        assert_eq!(facts.volumes["v"].source, expected);
    }
}

#[test]
fn priority_classes_are_found_wherever_pods_come_from() {
    let mut facts = Facts::default();
    let pod = |class: &str| format!(r#"{{"priorityClassName":"{class}"}}"#);
    let template = |class: &str| format!(r#"{{"template":{{"spec":{}}}}}"#, pod(class));
    let cases = [
        ("", "pods", format!(r#""spec":{}"#, pod("a"))),
        ("apps", "deployments", format!(r#""spec":{}"#, template("b"))),
        ("batch", "cronjobs", format!(r#""spec":{{"jobTemplate":{{"spec":{}}}}}"#, template("c"))),
        ("", "podtemplates", format!(r#""template":{{"spec":{}}}"#, pod("d"))),
        ("apps", "statefulsets", r#""spec":{"template":{"spec":{}}}"#.to_owned()),
        ("", "configmaps", r#""spec":{"priorityClassName":"no"}"#.to_owned()),
    ];

    for (group, resource, fields) in cases {
        learn(
            &mut facts,
            &kind(group, resource),
            &format!(r#"{{"metadata":{{"name":"x","namespace":"n"}},{fields}}}"#),
        );
    }

    let names: Vec<&str> = facts.priority_classes.iter().map(String::as_str).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[test]
fn cluster_role_bindings_belong_to_captured_service_accounts() {
    let mut facts = Facts::default();
    learn(&mut facts, &kind("", "serviceaccounts"), r#"{"metadata":{"name":"web","namespace":"shop"}}"#);
    let binding = |subject: &str| format!(r#"{{"subjects":[{{"kind":"User","name":"web"}},{subject}]}}"#);

    let table = [
        (r#"{"kind":"ServiceAccount","name":"web","namespace":"shop"}"#, true),
        (r#"{"kind":"ServiceAccount","name":"web","namespace":"bank"}"#, false),
        (r#"{"kind":"Group","name":"system:serviceaccounts:shop"}"#, true),
        (r#"{"kind":"Group","name":"system:serviceaccounts"}"#, false),
    ];

    for (subject, expected) in table {
        assert_eq!(facts.accounts.bound_by(binding(subject).as_bytes()).unwrap(), expected, "{subject}");
    }
    assert!(!facts.accounts.bound_by(b"{}").unwrap());
}

#[test]
fn a_role_binding_brings_its_cluster_role() {
    let mut facts = Facts::default();
    let binding = |role: &str| {
        format!(
            r#"{{"metadata":{{"name":"b","namespace":"n"}},"roleRef":{{"kind":"{role}","name":"edit"}}}}"#
        )
    };
    let bindings = kind("rbac.authorization.k8s.io", "rolebindings");

    learn(&mut facts, &bindings, &binding("Role"));
    assert!(facts.cluster_roles.is_empty());

    learn(&mut facts, &bindings, &binding("ClusterRole"));
    assert!(facts.cluster_roles.contains("edit"));
}

#[test]
fn objects_left_out_are_counted_and_the_first_ones_named() {
    let mut facts = Facts::default();
    for number in 0..30 {
        let json = format!(r#"{{"metadata":{{"name":"n{number}","namespace":"shop"}}}}"#);
        let object = Object::read(json.as_bytes()).unwrap();
        let mut one = Facts::default();
        one.leave_out(LeftOut::OptedOut, &kind("apps", "deployments"), &object.metadata);
        facts.merge(one);
    }

    let names = &facts.left_out[&LeftOut::OptedOut];
    assert_eq!((names.count, names.first.len()), (30, NAMES));
    assert_eq!(names.first[0], "deployments.apps/shop/n0");
}
