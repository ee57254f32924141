use super::*;
use crate::outcome::End;

fn many() -> Scene {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    for number in 0..10 {
        scene.add_config_map("shop", &format!("c{number}"), "captured");
    }
    scene.add_claim(
        "shop",
        "data",
        json!([{
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "old-web",
        }]),
    );
    scene.add(
        "deployments",
        "apps/v1",
        "Deployment",
        json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "old-web"}, "spec": {"selector": {}},
        }),
    );
    scene
}

/// Interrupts a restore after every possible number of writes, resumes it, and compares with one that was
/// never interrupted.
#[tokio::test]
async fn a_restore_that_is_interrupted_anywhere_ends_like_one_that_was_not() {
    let whole = many();
    let (expected, _) = whole.execute().await;
    let writes = whole.cluster.writes().len() as u32;

    for stop_after in 1..=writes {
        let mut scene = many();
        scene.cluster.cancel_after(stop_after, scene.cancel.clone());
        let (first, _) = scene.execute().await;
        scene.cancel = CancellationToken::new();
        let (second, _) = scene.execute().await;

        assert!(first.end == End::Cancelled || stop_after == writes, "after {stop_after}");
        assert_eq!(second.end, End::Complete);
        assert_eq!(second.counts, expected.counts, "after {stop_after}");
        assert_eq!(shape(&scene), shape(&whole), "after {stop_after}");
    }
}

/// Objects without the UIDs that differ from run to run.
fn shape(scene: &Scene) -> Vec<(String, Value)> {
    let linked = |mut object: Value| {
        if let Some(owners) = object.pointer_mut("/metadata/ownerReferences") {
            for owner in owners.as_array_mut().unwrap() {
                owner["uid"] = json!("some");
            }
        }
        object
    };
    scene.cluster.objects().into_iter().map(|(name, object)| (name, linked(object))).collect()
}

#[tokio::test]
async fn what_others_made_before_is_not_taken_for_our_own() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.add_config_map("shop", "a", "captured");
    scene.cluster.put(object(
        "v1",
        "ConfigMap",
        json!({
            "metadata": {"name": "a", "namespace": "shop"}, "data": {"key": "live"},
        }),
    ));

    let (_, first) = scene.execute().await;
    let (_, second) = scene.execute().await;

    assert_eq!(action(&first, "configmaps/shop/a").word(), "skip");
    assert_eq!(action(&second, "configmaps/shop/a").word(), "skip");
}

#[tokio::test]
async fn a_resumed_patch_still_counts_as_one() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.spec.conflict_policy = resources::ConflictPolicy::Patch;
    scene.add_config_map("shop", "a", "captured");
    scene.cluster.set_time("2026-11-22T09:00:00Z");
    scene.cluster.put(object(
        "v1",
        "ConfigMap",
        json!({
            "metadata": {"name": "a", "namespace": "shop"}, "data": {"key": "live"},
        }),
    ));

    let (first, _) = scene.execute().await;
    let (second, _) = scene.execute().await;

    assert_eq!((first.counts.updated, second.counts.updated), (1, 1));
    assert_eq!(scene.cluster.writes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_wait() {
    let mut scene = Scene::default();
    scene.add_config_map("default", "a", "captured");
    scene.cluster.put(object(
        "v1",
        "ConfigMap",
        json!({
            "metadata": {
                "name": "a", "namespace": "default", "deletionTimestamp": "2026-11-22T09:00:00Z",
                "finalizers": ["example.com/never"],
            },
        }),
    ));
    let mut options = scene.options();
    options.patience.deletion = Duration::from_secs(3600);
    options.deadline = Some(tokio::time::Instant::now() + Duration::from_secs(30));

    let outcomes = crate::execute(
        &scene.target(),
        &scene.source,
        &options,
        &scene.volumes,
        &crate::Unwatched,
        &scene.cancel,
    )
    .await
    .unwrap();

    assert_eq!(outcomes.end, End::DeadlineExceeded);
}

#[tokio::test]
async fn the_result_file_has_one_line_per_object() {
    let scene = many();
    let lines = crate::JsonLines::new(Vec::new());

    let outcomes = crate::execute(
        &scene.target(),
        &scene.source,
        &scene.options(),
        &scene.volumes,
        &lines,
        &scene.cancel,
    )
    .await
    .unwrap();

    let text = String::from_utf8(lines.finish().unwrap()).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len() as u64, outcomes.counts.total());
    assert!(rows.iter().all(|row| row["ending"].is_string() && row["name"].is_string()));
}

#[tokio::test]
async fn what_was_replaced_before_an_interruption_does_not_pass_for_created() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.spec.conflict_policy = resources::ConflictPolicy::Replace;
    for name in ["done", "half"] {
        scene.add_config_map("shop", name, "captured");
        scene.cluster.put(object(
            "v1",
            "ConfigMap",
            json!({"metadata": {"name": name, "namespace": "shop"}, "data": {"key": "live"}}),
        ));
    }

    let (_, first) = scene.execute().await;
    // Killed between the deletion and the creation of this one.
    scene.cluster.remove("configmaps", Some("shop"), "half");
    scene.resumed = true;
    let (_, second) = scene.execute().await;

    assert_eq!(action(&first, "configmaps/shop/done").word(), "replace");
    assert_eq!(action(&second, "configmaps/shop/done").word(), "replace");
    let half = row(&second, "configmaps/shop/half");
    assert_eq!(half.action.word(), "create");
    assert_eq!(half.notes[0].code, crate::codes::MAY_HAVE_BEEN_REPLACED);
    assert!(row(&first, "configmaps/shop/half").notes.is_empty());
}

#[tokio::test]
async fn a_namespace_without_a_captured_object_counts_the_same_in_every_attempt() {
    let mut scene = Scene::default();
    scene.add_config_map("shop", "a", "captured");

    let (first, _) = scene.execute().await;
    let (second, rows) = scene.execute().await;

    assert_eq!(first.counts, second.counts);
    assert_eq!(action(&rows, "namespaces/shop").word(), "create");
}
