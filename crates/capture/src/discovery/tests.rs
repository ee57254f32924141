use super::choose::choose;
use super::documents::{Group, Root};
use super::*;

const AGGREGATED: &str = r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[
 {"metadata":{"creationTimestamp":null},"versions":[{"version":"v1","freshness":"Current","resources":[
   {"resource":"pods","responseKind":{"group":"","version":"v1","kind":"Pod"},"scope":"Namespaced","singularResource":"pod","verbs":["get","list"],"subresources":[{"subresource":"status","responseKind":{"group":"","version":"v1","kind":"Pod"},"verbs":["get"]}]},
   {"resource":"nodes","responseKind":{"group":"","version":"v1","kind":"Node"},"scope":"Cluster","verbs":["list"]},
   {"resource":"bindings","responseKind":{"group":"","version":"v1","kind":"Binding"},"scope":"Namespaced","verbs":["create"]}]}]},
 {"metadata":{"name":"batch"},"versions":[
   {"version":"v1","freshness":"Current","resources":[{"resource":"jobs","responseKind":{"group":"batch","version":"v1","kind":"Job"},"scope":"Namespaced","verbs":["list"]}]},
   {"version":"v1beta1","freshness":"Current","resources":[
     {"resource":"jobs","responseKind":{"group":"batch","version":"v1beta1","kind":"Job"},"scope":"Namespaced","verbs":["list"]},
     {"resource":"cronjobs","responseKind":{"group":"batch","version":"v1beta1","kind":"CronJob"},"scope":"Namespaced","verbs":["list"]}]}]},
 {"metadata":{"name":"gone.example.com"},"versions":[{"version":"v1","freshness":"Stale"}]},
 {"metadata":{"name":"velero.io"},"versions":[{"version":"v1","freshness":"Current","resources":[{"resource":"backups","responseKind":{"group":"velero.io","version":"v1","kind":"Backup"},"scope":"Namespaced","verbs":["list"]}]}]}
]}"#;

fn groups(document: &str) -> Vec<Group> {
    match serde_json::from_str(document).unwrap() {
        Root::Aggregated(list) => list.groups(),
        Root::Legacy(_) => panic!("not aggregated"),
    }
}

fn chosen(groups: &[Group]) -> Vec<String> {
    choose(groups).iter().map(|kind| format!("{} {}", kind.name(), kind.api_version())).collect()
}

#[test]
fn each_resource_is_captured_in_the_first_version_that_serves_it() {
    assert_eq!(
        chosen(&groups(AGGREGATED)),
        ["cronjobs.batch batch/v1beta1", "jobs.batch batch/v1", "pods v1"]
    );
}

#[test]
fn a_group_that_nobody_answers_for_is_named() {
    let problems: Vec<Problem> = groups(AGGREGATED).iter().flat_map(silent_versions).collect();

    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, code::RESOURCE_NOT_LISTED);
    assert!(problems[0].message.contains("gone.example.com/v1"), "{}", problems[0].message);
}

#[test]
fn the_older_form_puts_the_preferred_version_first() {
    let core: Root =
        serde_json::from_str(r#"{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[]}"#)
            .unwrap();
    let apis: Root = serde_json::from_str(
        r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"autoscaling","versions":[{"groupVersion":"autoscaling/v1","version":"v1"},{"groupVersion":"autoscaling/v2","version":"v2"}],"preferredVersion":{"groupVersion":"autoscaling/v2","version":"v2"}}]}"#,
    )
    .unwrap();

    let lists = [core, apis].into_iter().flat_map(|root| match root {
        Root::Legacy(legacy) => legacy.groups(),
        Root::Aggregated(_) => panic!("aggregated"),
    });

    let lists: Vec<(String, Vec<String>)> = lists.map(|list| (list.name, list.versions)).collect();
    assert_eq!(
        lists,
        [
            (String::new(), vec!["v1".to_owned()]),
            ("autoscaling".to_owned(), vec!["v2".to_owned(), "v1".to_owned()])
        ]
    );
}

#[test]
fn resources_that_moved_to_another_group_are_captured_once() {
    let group = |name: &str, resource: &str| {
        let resource = documents::Resource {
            name: resource.to_owned(),
            kind: "K".to_owned(),
            namespaced: true,
            verbs: vec!["list".to_owned()],
        };
        Group {
            name: name.to_owned(),
            versions: vec![Version { name: "v1".to_owned(), resources: vec![resource], stale: false }],
        }
    };

    let both = chosen(&[group("extensions", "deployments"), group("apps", "deployments")]);
    let old = chosen(&[group("extensions", "deployments")]);

    assert_eq!(both, ["deployments.apps apps/v1"]);
    assert_eq!(old, ["deployments.extensions extensions/v1"]);
}

#[test]
fn what_is_measured_derived_or_held_by_processes_is_never_captured() {
    let out = [
        ("", "nodes"),
        ("", "events"),
        ("events.k8s.io", "events"),
        ("storage.k8s.io", "csinodes"),
        ("coordination.k8s.io", "leases"),
        ("snapshot.storage.k8s.io", "volumesnapshots"),
        ("clusterbackup.dataprotection.microsoft.com", "backups"),
        ("metrics.k8s.io", "pods"),
        ("velero.io", "restores"),
    ];
    let kept = [
        ("", "endpoints"),
        ("", "pods"),
        ("discovery.k8s.io", "endpointslices"),
        ("snapshot.storage.k8s.io", "volumesnapshotclasses"),
        ("clusterbackup.dataprotection.microsoft.com", "backuphooks"),
        ("storage.k8s.io", "storageclasses"),
        ("example.com", "events"),
    ];

    for (group, resource) in out {
        assert!(never::never(group, resource), "{resource}.{group}");
    }
    for (group, resource) in kept {
        assert!(!never::never(group, resource), "{resource}.{group}");
    }
}

#[test]
fn paths_are_those_of_the_api_server() {
    let deployments = choose(&[Group {
        name: "apps".to_owned(),
        versions: vec![Version {
            name: "v1".to_owned(),
            resources: vec![documents::Resource {
                name: "deployments".to_owned(),
                kind: "Deployment".to_owned(),
                namespaced: true,
                verbs: vec!["list".to_owned()],
            }],
            stale: false,
        }],
    }]);

    assert_eq!(deployments[0].path(None), "/apis/apps/v1/deployments");
    assert_eq!(deployments[0].path(Some("a")), "/apis/apps/v1/namespaces/a/deployments");
    assert_eq!(Kind::core("Secret", "secrets", true).path(Some("a")), "/api/v1/namespaces/a/secrets");
}
