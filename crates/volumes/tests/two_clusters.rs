//! A snapshot of one cluster restored on another one over the same storage. Needs a second testbed cluster:
//! `COFFERDAM_TEST_KUBECONFIG_2`.

mod support;

use std::time::Duration;
use support::{World, backed_up, client_of, filling, immediate, request};
use volumes::restore::{Probe, Reach, fill, observe_target, reach_all};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn another_cluster_over_the_same_storage_restores_the_data() {
    let (world, record) = backed_up("cross", "travelled").await;
    let other = World::on(client_of("COFFERDAM_TEST_KUBECONFIG_2").await, "cross").await;
    let target = observe_target(&other.client).await.unwrap();
    let request = request(&other, &record, "copy", &immediate());
    let probe = Probe::Write { namespace: other.namespace.clone(), timeout: MINUTE };

    let reach = reach_all(&other.client, std::slice::from_ref(&request), &target, &probe).await.unwrap();
    let filled = fill(&other.client, &request, &target, &filling()).await;

    assert_eq!(reach, [Reach::Reachable]);
    filled.unwrap();
    other.holds("copy", "travelled").await.unwrap();
    other.end().await;
    world.end().await;
}
