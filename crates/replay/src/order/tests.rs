use super::*;
use crate::item::OwnerRef;
use proptest::prelude::*;

fn kind(group: &str, resource: &str) -> Arc<ResourceType> {
    Arc::new(ResourceType {
        group: group.into(),
        version: "v1".into(),
        kind: resource.into(),
        resource: resource.into(),
        namespaced: true,
    })
}

fn item(group: &str, resource: &str, uid: &str, owners: &[&str]) -> Item {
    Item {
        kind: kind(group, resource),
        namespace: Some("shop".into()),
        name: uid.into(),
        uid: uid.into(),
        offset: 0,
        length: 1,
        owners: owners
            .iter()
            .map(|owner| OwnerRef {
                group: "".into(),
                kind: "Any".into(),
                name: (*owner).into(),
                uid: (*owner).into(),
                controller: true,
            })
            .collect(),
        only_if_absent: false,
    }
}

fn position(waves: &Waves, index: usize) -> usize {
    waves.waves.iter().position(|wave| wave.items.contains(&index)).unwrap()
}

#[test]
fn an_operators_set_comes_after_its_custom_resource_and_its_claim_before() {
    let items = [
        item("apps", "statefulsets", "set", &["cluster"]),
        item("", "persistentvolumeclaims", "claim", &["cluster"]),
        item("postgresql.example.com", "clusters", "cluster", &[]),
        item("apps", "deployments", "web", &[]),
    ];

    let waves = waves(&items);

    assert!(position(&waves, 1) < position(&waves, 2), "claim before its owner");
    assert!(position(&waves, 2) < position(&waves, 0), "set after its owner");
    assert!(position(&waves, 3) < position(&waves, 2), "others are not held up");
    assert!(waves.circular.is_empty());
}

#[test]
fn webhooks_come_last_and_definitions_first() {
    let items = [
        item("admissionregistration.k8s.io", "validatingwebhookconfigurations", "hook", &[]),
        item("example.com", "widgets", "widget", &[]),
        item("", "pods", "pod", &[]),
        item("apiextensions.k8s.io", "customresourcedefinitions", "crd", &[]),
    ];

    let order: Vec<_> = waves(&items).waves.into_iter().map(|wave| wave.items).collect();

    assert_eq!(order, [vec![3], vec![2], vec![1], vec![0]]);
}

#[test]
fn owners_that_own_each_other_are_named_and_still_ordered() {
    let items = [
        item("example.com", "widgets", "a", &["b"]),
        item("example.com", "widgets", "b", &["a"]),
        item("example.com", "widgets", "self", &["self"]),
    ];

    let waves = waves(&items);

    assert_eq!(waves.waves.iter().map(|wave| wave.items.len()).sum::<usize>(), 3);
    assert!(waves.circular.contains(&2));
    assert!(waves.circular.contains(&0) || waves.circular.contains(&1));
}

const KINDS: &[(&str, &str)] = &[
    ("", "namespaces"),
    ("", "secrets"),
    ("", "services"),
    ("apps", "deployments"),
    ("example.com", "widgets"),
    ("rbac.authorization.k8s.io", "roles"),
];

proptest! {
    #[test]
    fn every_object_is_in_one_wave_and_after_its_owners(
        spec in prop::collection::vec((0..KINDS.len(), prop::collection::vec(0usize..30, 0..3)), 1..30)
    ) {
        let items: Vec<Item> = spec
            .iter()
            .enumerate()
            .map(|(index, (kind, owners))| {
                let owners: Vec<String> = owners.iter().map(|owner| format!("u{owner}")).collect();
                let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
                item(KINDS[*kind].0, KINDS[*kind].1, &format!("u{index}"), &owners)
            })
            .collect();

        let waves = waves(&items);

        let mut seen: Vec<usize> = waves.waves.iter().flat_map(|wave| wave.items.clone()).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..items.len()).collect::<Vec<_>>());
        for (index, item) in items.iter().enumerate() {
            if is_linked_late(&item.kind) || waves.circular.contains(&index) {
                continue;
            }
            for owner in &item.owners {
                if let Some(owner) = items.iter().position(|candidate| candidate.uid == owner.uid) {
                    prop_assert!(position(&waves, owner) < position(&waves, index));
                }
            }
        }
    }
}
