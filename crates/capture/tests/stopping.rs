//! A capture can be stopped at any moment, and begun again.

mod common;

use capture::{Budget, CaptureError, Silent, capture, claims};
use common::fake_api::{CONFIG_MAPS, FakeApi, What};
use common::{EXTENSION, Site};
use engine::Job;
use protection::{Selection, SelectionFields};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::SystemClock;
use tokio_util::sync::CancellationToken;

async fn world() -> (FakeApi, Site) {
    let api = FakeApi::start(&["shop"], &[CONFIG_MAPS]).await;
    api.add(&CONFIG_MAPS, "shop", "a", json!({}));
    (api, Site::new().await)
}

#[tokio::test]
async fn a_capture_stops_at_once_whatever_it_waits_for() {
    let waits = [What::Hang, What::Status(429, Some(3600)), What::Status(503, Some(30))];
    for on in ["/api/v1/namespaces", "/version", "/apis", "/api/v1/configmaps"] {
        for what in &waits {
            let (api, site) = world().await;
            api.fault(on, u32::MAX, what.clone());
            let job = Job::new(Arc::new(SystemClock));
            let cancel = job.cancel.clone();
            let writer = site.writer(job).await;
            let selection = Selection::everything(EXTENSION);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                cancel.cancel();
            });

            let begin = Instant::now();
            let result =
                capture(&api.client(), &selection, &writer, &Budget::default(), Arc::new(Silent)).await;

            assert!(begin.elapsed() < Duration::from_secs(5), "{on} {what:?}");
            assert!(matches!(result, Err(CaptureError::Cancelled)), "{on} {what:?}: {result:?}");
        }
    }
}

#[tokio::test]
async fn after_a_stop_the_same_capture_succeeds_from_the_start() {
    let (api, site) = world().await;
    let stopped = Job::new(Arc::new(SystemClock));
    stopped.cancel.cancel();
    let writer = site.writer(stopped).await;
    let selection = Selection::everything(EXTENSION);
    let result = capture(&api.client(), &selection, &writer, &Budget::default(), Arc::new(Silent)).await;
    assert!(matches!(result, Err(CaptureError::Cancelled)));
    writer.abort().await.unwrap();

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert_eq!(taken.names().await, ["configmaps/shop/a", "namespaces/shop"]);
}

#[tokio::test]
async fn reading_the_claims_can_be_stopped_too() {
    let (api, _site) = world().await;
    api.fault("/api/v1/namespaces", 1, What::Hang);
    let cancel = CancellationToken::new();
    cancel.cancel();

    let result = claims(&api.client(), &Selection::everything(EXTENSION), &Budget::default(), &cancel).await;

    assert!(matches!(result, Err(CaptureError::Cancelled)));
}
