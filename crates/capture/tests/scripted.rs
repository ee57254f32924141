//! Captures from a scripted API server: what it holds, and every way in which it fails.

mod common;

use capture::{Budget, CaptureError};
use common::Site;
use common::fake_api::{CONFIG_MAPS, FakeApi, SECRETS, WIDGETS, What};
use protection::{SelectionFields, Severity, code};
use serde_json::json;
use std::time::{Duration, Instant};

/// Pages of ten objects.
fn small_pages() -> Budget {
    Budget { first_page: 10, largest_page: 10, ..Budget::default() }
}

async fn with_config_maps(count: usize) -> FakeApi {
    let api = FakeApi::start(&["shop"], &[CONFIG_MAPS, SECRETS, WIDGETS]).await;
    for number in 0..count {
        api.add(&CONFIG_MAPS, "shop", &format!("map-{number:04}"), json!({"data": {"n": number}}));
    }
    api
}

#[tokio::test]
async fn objects_are_stored_byte_for_byte_and_found_by_the_index() {
    let (api, site) = (FakeApi::start(&["shop", "bank"], &[CONFIG_MAPS, WIDGETS]).await, Site::new().await);
    api.add(
        &CONFIG_MAPS,
        "bank",
        "settings",
        json!({"data": {"a": "ü \" ] }"}, "metadata": {"labels": {"app": "x"}}}),
    );
    api.add(&CONFIG_MAPS, "shop", "settings", json!({"data": {"b": "c"}}));
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "uid": "u", "controller": true}]);
    api.add(&WIDGETS, "shop", "w", json!({"kind": "Widget", "metadata": {"ownerReferences": owner}}));

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert_eq!(
        taken.names().await,
        [
            "configmaps/bank/settings",
            "configmaps/shop/settings",
            "namespaces/bank",
            "namespaces/shop",
            "widgets.example.com/shop/w"
        ]
    );
    let index = taken.index().await;
    assert_eq!(index[0].labels["app"], "x");
    let widget = index.iter().find(|entry| entry.kind == "Widget").unwrap();
    assert_eq!((widget.owners[0].name.as_str(), widget.owners[0].controller), ("settings", true));
    assert_eq!(widget.api_version(), "example.com/v1");
    let bytes = String::from_utf8(taken.bytes(&index[0]).await).unwrap();
    assert!(bytes.contains(r#""data":{"a":"ü \" ] }"}"#), "{bytes}");
    let list = taken.file("resources/configmaps/namespaces/shop.json").await.unwrap();
    assert!(list.starts_with(b"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMapList\",\"items\":[\n{\"data\""));
    let manifest = taken.manifest().await;
    assert_eq!(manifest.cluster.kubernetes_version, "v1.35.4-fake");
    assert_eq!(manifest.cluster.uid.as_str(), "uid-namespaces--kube-system");
    assert!(manifest.lists.iter().all(|list| list.resource_version == "100"));
    assert_eq!(taken.captured.problems, []);
}

#[tokio::test]
async fn a_cluster_without_selected_objects_yields_an_empty_recovery_point() {
    let (api, site) = (FakeApi::start(&[], &[CONFIG_MAPS]).await, Site::new().await);

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert_eq!(taken.names().await, [""; 0]);
    assert_eq!(taken.file("resources/index.json").await.unwrap(), b"[\n]\n");
}

#[tokio::test]
async fn servers_without_aggregated_discovery_are_captured_the_same() {
    let (api, site) = (with_config_maps(3).await, Site::new().await);
    api.add(&WIDGETS, "shop", "w", json!({}));
    let new = site.take(&api.client(), &SelectionFields::default()).await.names().await;

    api.without_aggregated_discovery();
    let old = site.take(&api.client(), &SelectionFields::default()).await.names().await;

    assert_eq!(old, new);
    assert!(old.contains(&"widgets.example.com/shop/w".to_owned()));
}

#[tokio::test]
async fn an_expired_list_begins_again_without_duplicates() {
    let (api, site) = (with_config_maps(95).await, Site::new().await);
    api.fault("continue=100-30", 1, What::Rewrite);
    api.fault("continue=100-40", 1, What::Status(410, None));

    let taken = site.try_take(&api.client(), &SelectionFields::default(), &small_pages()).await.unwrap();

    assert_eq!(taken.captured.counts["configmaps"], 95);
    let maps = taken.captured.lists.iter().find(|list| list.resource == "configmaps").unwrap();
    assert_eq!(maps.resource_version, "101");
    for entry in taken.index().await.iter().filter(|entry| entry.resource == "configmaps") {
        let object: serde_json::Value = serde_json::from_slice(&taken.bytes(entry).await).unwrap();
        assert_eq!(object["metadata"]["resourceVersion"], "101", "{} is of the list's instant", entry.name);
    }
    assert_eq!(taken.captured.problems, []);
}

#[tokio::test]
async fn a_list_that_keeps_expiring_is_read_in_one_piece() {
    let (api, site) = (with_config_maps(25).await, Site::new().await);
    api.fault("configmaps?limit=10&continue", u32::MAX, What::Status(410, None));

    let taken = site.try_take(&api.client(), &SelectionFields::default(), &small_pages()).await.unwrap();

    assert_eq!(taken.captured.counts["configmaps"], 25);
    assert_eq!(api.requests("configmaps").last().unwrap(), "/api/v1/configmaps");
}

#[tokio::test]
async fn a_page_that_is_cut_off_is_read_again_without_duplicates() {
    for bytes in [0, 1, 500, 1500, 2400] {
        let (api, site) = (with_config_maps(47).await, Site::new().await);
        api.fault("continue=100-20", 2, What::Cut(bytes));
        api.fault("continue=100-25", 1, What::Cut(300));

        let taken = site.try_take(&api.client(), &SelectionFields::default(), &small_pages()).await.unwrap();

        assert_eq!(taken.captured.counts["configmaps"], 47, "cut after {bytes}");
        assert_eq!(taken.captured.problems, []);
    }
}

#[tokio::test]
async fn a_first_page_that_is_cut_off_begins_the_list_again() {
    let (api, site) = (with_config_maps(30).await, Site::new().await);
    api.fault("configmaps", 2, What::Cut(1500));

    let taken = site.try_take(&api.client(), &SelectionFields::default(), &small_pages()).await.unwrap();

    assert_eq!(taken.captured.counts["configmaps"], 30);
}

#[tokio::test]
async fn everybody_waits_as_long_as_the_server_says() {
    let (api, site) = (with_config_maps(5).await, Site::new().await);
    api.fault("secrets", 2, What::Status(429, Some(1)));

    let begin = Instant::now();
    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert!(begin.elapsed() >= Duration::from_secs(2));
    let times: Vec<Instant> = api.timed_requests("secrets").iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(990)), "{times:?}");
    assert_eq!(taken.captured.problems, []);
}

#[tokio::test]
async fn an_aggregated_api_that_is_down_is_a_named_warning() {
    let (api, site) = (with_config_maps(3).await, Site::new().await);
    api.add(&WIDGETS, "shop", "w", json!({}));
    api.fault("/apis/example.com/v1/widgets", u32::MAX, What::Status(503, None));

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert_eq!(taken.captured.counts.get("widgets.example.com"), None);
    assert_eq!(taken.captured.counts["configmaps"], 3);
    let problems = taken.problems(code::RESOURCE_NOT_LISTED);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Warning);
    assert_eq!(problems[0].target.as_deref(), Some("widgets.example.com"));
    assert!(problems[0].message.contains("503"), "{}", problems[0].message);
    assert!(!problems[0].recommended_action.is_empty());
}

#[tokio::test]
async fn a_group_that_cannot_be_discovered_is_a_named_warning() {
    for aggregated in [true, false] {
        let (api, site) = (with_config_maps(3).await, Site::new().await);
        api.without_answer_of("example.com");
        if !aggregated {
            api.without_aggregated_discovery();
        }

        let taken = site.take(&api.client(), &SelectionFields::default()).await;

        assert_eq!(taken.captured.counts["configmaps"], 3);
        let problems = taken.problems(code::RESOURCE_NOT_LISTED);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("example.com/v1"), "{}", problems[0].message);
    }
}

#[tokio::test]
async fn a_definition_that_is_deleted_meanwhile_is_a_named_warning() {
    let (api, site) = (with_config_maps(3).await, Site::new().await);
    for number in 0..15 {
        api.add(&WIDGETS, "shop", &format!("w{number:02}"), json!({}));
    }
    api.fault("widgets?limit=10&continue", 1, What::DeleteResource("widgets"));

    let taken = site.try_take(&api.client(), &SelectionFields::default(), &small_pages()).await.unwrap();

    assert_eq!(taken.captured.counts.get("widgets.example.com"), None);
    let problems = taken.problems(code::RESOURCE_NOT_LISTED);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("404"), "{}", problems[0].message);
    assert!(problems[0].recommended_action[0].contains("CustomResourceDefinition"));
}

#[tokio::test]
async fn a_namespace_that_vanishes_meanwhile_is_a_named_warning() {
    let (api, site) = (FakeApi::start(&["bank", "shop"], &[CONFIG_MAPS, SECRETS]).await, Site::new().await);
    api.add(&CONFIG_MAPS, "bank", "a", json!({}));
    api.add(&CONFIG_MAPS, "shop", "a", json!({}));
    api.fault("/api/v1/configmaps", 1, What::DeleteNamespace("bank"));

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert_eq!(taken.names().await, ["configmaps/shop/a", "namespaces/shop"]);
    let problems = taken.problems(code::OBJECT_NOT_CAPTURED);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].target.as_deref(), Some("namespaces/bank"));
}

#[tokio::test]
async fn the_api_servers_own_failure_fails_the_capture_and_commits_nothing() {
    let (api, site) = (with_config_maps(3).await, Site::new().await);
    api.fault("secrets", u32::MAX, What::Status(500, None));

    let error =
        site.try_take(&api.client(), &SelectionFields::default(), &Budget::default()).await.err().unwrap();

    assert!(matches!(&error, CaptureError::Api { tried, .. } if tried == "list secrets"), "{error}");
    assert!(error.is_temporary());
    assert_eq!(site.repo.snapshots().await.unwrap(), []);
}

#[tokio::test]
async fn what_the_extension_may_not_read_is_a_named_warning() {
    let (api, site) = (with_config_maps(3).await, Site::new().await);
    api.fault("secrets", u32::MAX, What::Status(403, None));

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    let problems = taken.problems(code::RESOURCE_NOT_LISTED);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].recommended_action[0].contains("ServiceAccount"));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_a_named_warning() {
    let bodies = [
        "hello",
        r#"{"kind":"Status"}"#,
        r#"{"apiVersion":"v2","kind":"WidgetList","items":[]}"#,
        r#"{"apiVersion":"example.com/v1","kind":"WidgetList","items":[{"spec":{}}]}"#,
        r#"{"apiVersion":"example.com/v1","kind":"WidgetList","items":[{"metadata":{"name":"x","namespace":"../../x"}}]}"#,
        r#"{"apiVersion":"example.com/v1","kind":"WidgetList","items":[{"metadata":{"name":"x"}}]}"#,
        r#"{"apiVersion":"example.com/v1","kind":"WidgetList","items":[{"metadata":{"name":"x","namespace":"a"}},{"a":tru}]}"#,
    ];
    for body in bodies {
        let (api, site) = (with_config_maps(1).await, Site::new().await);
        api.fault("widgets", 1, What::Body(body));

        let taken = site.take(&api.client(), &SelectionFields::default()).await;

        assert_eq!(taken.captured.counts.get("widgets.example.com"), None, "{body}");
        assert_eq!(
            taken.problems(code::RESOURCE_NOT_LISTED).len(),
            1,
            "{body}: {:?}",
            taken.captured.problems
        );
    }
}

#[tokio::test]
async fn a_list_whose_namespaces_are_mixed_is_captured_whole() {
    let (api, site) = (FakeApi::start(&["a", "b"], &[WIDGETS]).await, Site::new().await);
    for number in 0..12 {
        api.add(&WIDGETS, ["a", "b"][number % 2], &format!("w{number:02}"), json!({}));
    }

    let taken = site.try_take(&api.client(), &SelectionFields::default(), &small_pages()).await.unwrap();

    assert_eq!(taken.captured.counts["widgets.example.com"], 12);
    assert_eq!(taken.captured.problems, []);
}

#[tokio::test]
async fn large_objects_make_pages_short() {
    let (api, site) = (FakeApi::start(&["shop"], &[SECRETS]).await, Site::new().await);
    let mebibyte = "x".repeat(1024 * 1024);
    for number in 0..30 {
        api.add(&SECRETS, "shop", &format!("s{number:02}"), json!({"data": {"v": mebibyte}}));
    }
    let budget = Budget { first_page: 10, ..Budget::default() };

    let taken = site.try_take(&api.client(), &SelectionFields::default(), &budget).await.unwrap();

    assert_eq!(taken.captured.counts["secrets"], 30);
    assert_eq!(
        api.requests("secrets"),
        [
            "/api/v1/secrets?limit=10",
            "/api/v1/secrets?limit=7&continue=100-10",
            "/api/v1/secrets?limit=7&continue=100-17",
            "/api/v1/secrets?limit=7&continue=100-24"
        ]
    );
}

#[tokio::test]
async fn an_object_beyond_the_budget_is_a_named_warning() {
    let (api, site) = (with_config_maps(1).await, Site::new().await);
    api.add(&WIDGETS, "shop", "huge", json!({"spec": "x".repeat(3 * 1024 * 1024)}));
    let budget = Budget { connections: 8, memory: 16 * 1024 * 1024, ..Budget::default() };

    let taken = site.try_take(&api.client(), &SelectionFields::default(), &budget).await.unwrap();

    let problems = taken.problems(code::RESOURCE_NOT_LISTED);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("more than 2097152 bytes"), "{}", problems[0].message);
}
