use super::*;
use crate::codes;
use protection::code;

fn mapped(scene: &mut Scene, from: &str, to: &str) {
    scene.spec.namespace_mappings.insert(from.into(), to.into());
}

fn hook() -> Value {
    json!({
        "metadata": {"name": "hook"},
        "webhooks": [{
            "name": "a.b.c", "failurePolicy": "Fail", "matchPolicy": "Exact",
            "clientConfig": {"service": {"namespace": "shop", "name": "hook"}},
        }],
    })
}

#[tokio::test]
async fn a_namespace_is_restored_under_another_name() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.add_config_map("shop", "a", "captured");
    mapped(&mut scene, "shop", "copy");

    let (_, rows) = scene.execute().await;

    let copy = scene.cluster.object("configmaps", Some("copy"), "a").unwrap();
    assert_eq!(copy["metadata"]["namespace"], "copy");
    assert_eq!(row(&rows, "configmaps/copy/a").original_namespace.as_deref(), Some("shop"));
    assert!(scene.cluster.object("namespaces", None, "shop").is_none());
}

#[tokio::test]
async fn shared_things_are_left_alone_while_the_source_namespace_lives() {
    let mut scene = Scene::default();
    scene.spec.conflict_policy = resources::ConflictPolicy::Patch;
    scene.add_namespace("shop");
    scene.put_namespace("shop");
    mapped(&mut scene, "shop", "copy");
    scene.add(
        "clusterroles",
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        json!({
            "metadata": {"name": "reader"}, "rules": [{"verbs": ["get"]}],
        }),
    );
    scene.cluster.put(object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        json!({
            "metadata": {"name": "reader"}, "rules": [],
        }),
    ));
    let api = "admissionregistration.k8s.io/v1";
    let kind = "ValidatingWebhookConfiguration";
    scene.add("validatingwebhookconfigurations", api, kind, hook());
    let mut live = hook();
    live["webhooks"][0]["matchPolicy"] = json!("Equivalent");
    scene.cluster.put(object(api, kind, live));
    let before = scene.cluster.objects();

    let (outcomes, rows) = scene.execute().await;

    assert_eq!(action(&rows, "clusterroles.rbac.authorization.k8s.io/reader").word(), "sharedLeftAlone");
    let webhook = "validatingwebhookconfigurations.admissionregistration.k8s.io/hook";
    assert_eq!(action(&rows, webhook).word(), "sharedLeftAlone");
    assert!(outcomes.problems.iter().any(|problem| problem.code == code::SHARED_LEFT_ALONE));
    let after = scene.cluster.objects();
    assert!(before.iter().all(|(name, object)| after.get(name) == Some(object)));
}

#[tokio::test]
async fn a_cluster_role_binding_gets_a_copy_for_the_copy() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.put_namespace("shop");
    mapped(&mut scene, "shop", "copy");
    let api = "rbac.authorization.k8s.io/v1";
    scene.cluster.put(object(api, "ClusterRole", json!({"metadata": {"name": "view"}})));
    let binding = json!({
        "metadata": {"name": "readers"},
        "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
    });
    scene.add("clusterrolebindings", api, "ClusterRoleBinding", binding.clone());
    scene.cluster.put(object(api, "ClusterRoleBinding", binding));

    let (_, rows) = scene.execute().await;

    let resource = "clusterrolebindings.rbac.authorization.k8s.io";
    assert_eq!(action(&rows, &format!("{resource}/readers-copy")), &Action::Create);
    let copy = scene.cluster.object(resource, None, "readers-copy").unwrap();
    assert_eq!(copy["subjects"], json!([{"kind": "ServiceAccount", "name": "web", "namespace": "copy"}]));
    let original = scene.cluster.object(resource, None, "readers").unwrap();
    assert_eq!(original["subjects"][0]["namespace"], "shop");
}

#[tokio::test]
async fn a_mapping_into_an_existing_namespace_is_named() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.add_config_map("shop", "a", "captured");
    scene.put_namespace("test");
    mapped(&mut scene, "shop", "test");

    let plan = scene.plan().await;

    let problem = plan.problems.iter().find(|problem| problem.code == codes::TARGET_NAMESPACE_EXISTS);
    assert!(problem.unwrap().message.contains("test"));
    assert_eq!(action(&plan.rows, "configmaps/test/a"), &Action::Create);
}

#[tokio::test]
async fn two_objects_that_would_land_in_one_place_do_not_overwrite_each_other() {
    let mut scene = Scene::default();
    for namespace in ["one", "two"] {
        scene.add_namespace(namespace);
        scene.add_config_map(namespace, "a", namespace);
        mapped(&mut scene, namespace, "both");
    }

    let (outcomes, rows) = scene.execute().await;

    let here: Vec<&Action> = rows
        .iter()
        .filter(|row| row.place.to_string() == "configmaps/both/a")
        .map(|row| &row.action)
        .collect();
    assert_eq!(here.len(), 2);
    assert_eq!(here.iter().filter(|action| ***action == Action::Create).count(), 1);
    assert_eq!(outcomes.counts.failed, 1);
}

#[tokio::test]
async fn a_network_policy_that_names_the_old_namespace_is_reported() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    mapped(&mut scene, "shop", "copy");
    scene.add(
        "networkpolicies",
        "networking.k8s.io/v1",
        "NetworkPolicy",
        json!({
            "metadata": {"name": "in", "namespace": "shop"},
            "spec": {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {
                "kubernetes.io/metadata.name": "shop",
            }}}]}]},
        }),
    );

    let (outcomes, _) = scene.execute().await;

    assert!(outcomes.problems.iter().any(|problem| problem.code == codes::REFERENCE_NOT_MAPPED));
}
