//! Namespace mapping: references follow it, and what the living original shares is left alone.

use crate::definitions::definition;
use crate::scene::Scene;
use replay::Action;
use replay::item::Place;
use resources::ConflictPolicy;
use serde_json::{Value, json};

const SOURCE: &str = "replay-source";
const COPY: &str = "replay-copy";

/// Cluster-scoped objects that the namespace shares with others, as captured.
struct Shared {
    webhook: Place,
    api_service: Place,
    definition: Place,
    role: Place,
    binding: Place,
}

impl Shared {
    fn all(&self) -> [&Place; 5] {
        [&self.webhook, &self.api_service, &self.definition, &self.role, &self.binding]
    }
}

fn webhook() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "replay-shared"},
        "webhooks": [{
            "name": "shared.replay.test", "failurePolicy": "Ignore", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
            "clientConfig": {"service": {"namespace": SOURCE, "name": "hook", "port": 443}},
            "rules": [{
                "apiGroups": ["shared.replay.test"], "apiVersions": ["*"], "operations": ["CREATE"],
                "resources": ["nothing"],
            }],
        }],
    })
}

/// Nothing serves it: while it exists, no namespace goes.
fn api_service() -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.api.shared.replay.test"},
        "spec": {
            "group": "api.shared.replay.test", "version": "v1", "groupPriorityMinimum": 100,
            "versionPriority": 100, "insecureSkipTLSVerify": true,
            "service": {"namespace": SOURCE, "name": "hook", "port": 443},
        },
    })
}

async fn shared(scene: &mut Scene) -> Shared {
    let rbac = "rbac.authorization.k8s.io/v1";
    let found = Shared {
        webhook: scene.place(&webhook()),
        api_service: scene.at("apiregistration.k8s.io/v1", "APIService", "", "v1.api.shared.replay.test"),
        definition: scene.at(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "",
            "things.shared.replay.test",
        ),
        role: scene.at(rbac, "ClusterRole", "", "replay-shared"),
        binding: scene.at(rbac, "ClusterRoleBinding", "", "replay-shared"),
    };
    for place in found.all() {
        scene.delete(place).await;
    }
    remove_copies(scene).await;
    scene.fresh_namespace(SOURCE).await;
    scene.put(webhook()).await;
    scene.put(api_service()).await;
    scene.put(definition("shared.replay.test", json!({"app": "captured"}))).await;
    scene
        .put(json!({
            "apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "replay-shared"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        }))
        .await;
    scene.put(json!({
        "apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": {"name": "replay-shared"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "replay-shared"},
        "subjects": [
            {"kind": "ServiceAccount", "name": "web", "namespace": SOURCE},
            {"kind": "ServiceAccount", "name": "other", "namespace": "default"},
        ],
    })).await;
    for place in found.all() {
        scene.capture(place).await;
    }
    scene.spec.namespace_mappings.insert(SOURCE.to_owned(), COPY.to_owned());
    found
}

async fn change_all(scene: &Scene, shared: &Shared) {
    let label = json!({"metadata": {"labels": {"app": "live"}}});
    scene.change(&shared.webhook, json!({"webhooks": null, "metadata": {"labels": {"app": "live"}}})).await;
    scene.change(&shared.api_service, json!({"spec": {"versionPriority": 50}})).await;
    scene.change(&shared.definition, label).await;
    scene.change(&shared.role, json!({"rules": []})).await;
}

#[tokio::test]
async fn while_the_original_lives_nothing_shared_is_changed_and_the_copy_gets_its_own_binding() {
    let mut scene = Scene::new().await;
    let shared = shared(&mut scene).await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": SOURCE},
        }))
        .await;
    scene
        .put(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "web", "namespace": SOURCE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": SOURCE}],
        }))
        .await;
    scene.capture_namespace(SOURCE).await;
    change_all(&scene, &shared).await;
    let versions = contents(&scene, &shared).await;

    for policy in [ConflictPolicy::Skip, ConflictPolicy::Patch, ConflictPolicy::Replace] {
        scene.spec.conflict_policy = policy;
        let copy = format!("{COPY}-{policy:?}").to_lowercase();
        scene.spec.namespace_mappings.insert(SOURCE.to_owned(), copy.clone());
        let restored = scene.restore().await;

        for place in [&shared.webhook, &shared.api_service, &shared.definition, &shared.role] {
            let row = restored.row(place);
            assert!(matches!(row.action, Action::SharedLeftAlone { .. }), "{policy:?}: {row:?}");
            let told = restored.outcomes.problems.iter().any(|problem| {
                problem.code == "SharedObjectLeftAlone" && problem.target == Some(place.to_string())
            });
            assert!(told, "{place}: {:#?}", restored.outcomes.problems);
        }
        assert_eq!(contents(&scene, &shared).await, versions, "{policy:?}");
        let rbac = "rbac.authorization.k8s.io/v1";
        let bound =
            scene.get(&scene.at(rbac, "ClusterRoleBinding", "", &format!("replay-shared-{copy}"))).await;
        assert_eq!(bound["subjects"], json!([{"kind": "ServiceAccount", "name": "web", "namespace": copy}]));
        let inner = scene.get(&scene.at(rbac, "RoleBinding", &copy, "web")).await;
        assert_eq!(inner["subjects"][0]["namespace"], json!(copy));
    }
    clean(&scene, &shared).await;
}

#[tokio::test]
async fn once_the_original_is_gone_the_policy_decides_and_references_follow_the_mapping() {
    let mut scene = Scene::new().await;
    let shared = shared(&mut scene).await;
    scene.capture_namespace(SOURCE).await;
    scene.delete(&shared.api_service).await;
    scene.no_namespace(SOURCE).await;
    scene.put(api_service()).await;
    scene.delete(&shared.binding).await;
    change_all(&scene, &shared).await;
    scene.spec.conflict_policy = ConflictPolicy::Patch;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&shared.role), "patch");
    assert_eq!(restored.word(&shared.definition), "patch");
    assert_eq!(restored.word(&shared.api_service), "patch");
    assert_eq!(restored.word(&shared.binding), "create");
    assert_eq!(scene.get(&shared.api_service).await["spec"]["service"]["namespace"], COPY);
    assert_eq!(scene.get(&shared.webhook).await["webhooks"][0]["clientConfig"]["service"]["namespace"], COPY);
    let subjects = scene.get(&shared.binding).await["subjects"].clone();
    assert_eq!(subjects[0]["namespace"], COPY);
    assert_eq!(subjects[1]["namespace"], "default", "accounts elsewhere are not touched");
    clean(&scene, &shared).await;
}

#[tokio::test]
async fn a_mapping_to_an_existing_namespace_is_told_and_two_objects_for_one_place_fail_by_name() {
    let mut scene = Scene::new().await;
    for namespace in [SOURCE, COPY] {
        scene.fresh_namespace(namespace).await;
        for name in ["both", namespace] {
            scene
                .put(json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name, "namespace": namespace}, "data": {"from": namespace},
                }))
                .await;
        }
        scene.capture_namespace(namespace).await;
    }
    scene.fresh_namespace("replay-joined").await;
    for namespace in [SOURCE, COPY] {
        scene.spec.namespace_mappings.insert(namespace.to_owned(), "replay-joined".to_owned());
    }

    let request = scene.request().await;
    let plan = scene.plan(&request).await;
    let recorder = crate::recorder::Recorder::new(scene.client.clone());
    let (outcomes, rows) = scene.attempt(&request, &recorder).await;

    for problems in [&plan.problems, &outcomes.problems] {
        assert!(problems.iter().any(|one| one.code == "TargetNamespaceExists"), "{problems:#?}");
    }
    let both = scene.at("v1", "ConfigMap", "replay-joined", "both");
    let words: Vec<_> = rows.iter().filter(|row| row.place == both).map(|row| row.action.word()).collect();
    assert!(words.contains(&"create") && words.contains(&"blocked"), "{words:?}");
    for name in [SOURCE, COPY] {
        scene.get(&scene.at("v1", "ConfigMap", "replay-joined", name)).await;
    }
    for namespace in [SOURCE, COPY, "replay-joined"] {
        scene.no_namespace(namespace).await;
    }
}

async fn contents(scene: &Scene, shared: &Shared) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for place in shared.all() {
        let live = scene.get(place).await;
        // The conditions of an APIService change by themselves.
        found.push((
            place.to_string(),
            json!([
                live["spec"],
                live["webhooks"],
                live["rules"],
                live["metadata"]["labels"],
                live["metadata"]["uid"],
                live["subjects"]
            ]),
        ));
    }
    found
}

async fn clean(scene: &Scene, shared: &Shared) {
    for place in shared.all() {
        scene.delete(place).await;
    }
    remove_copies(scene).await;
    scene.no_namespace(SOURCE).await;
}

async fn remove_copies(scene: &Scene) {
    for copy in [COPY, "replay-copy-skip", "replay-copy-patch", "replay-copy-replace"] {
        let binding = format!("replay-shared-{copy}");
        scene.delete(&scene.at("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", &binding)).await;
        scene.no_namespace(copy).await;
    }
}

#[tokio::test]
async fn the_products_own_roles_stay_as_they_are_under_every_policy() {
    let mut scene = Scene::new().await;
    let rights = |resource: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "replay-own", "labels": {"app.kubernetes.io/managed-by": "cofferdam-install"}},
            "rules": [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]}],
        })
    };
    let role = scene.place(&scene.put(rights("pods")).await);
    scene.capture(&role).await;
    scene.change(&role, json!({"rules": rights("nodes")["rules"]})).await;
    let before = scene.get(&role).await;

    for policy in [ConflictPolicy::Skip, ConflictPolicy::Patch, ConflictPolicy::Replace] {
        scene.spec.conflict_policy = policy;
        let restored = scene.restore().await;

        assert_eq!(restored.word(&role), "leave", "{policy:?}");
        assert_eq!(scene.get(&role).await, before, "{policy:?}");
    }
    scene.delete(&role).await;
}
