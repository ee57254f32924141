//! The official JavaScript clients against a running vault.

mod official;
mod world;

use official::{both, direct, folder, ticking};
use serde_json::json;
use world::protected::Protected;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_javascript_clients_go_the_whole_way() {
    let it = Protected::start().await;
    let ticking = ticking(&it.world);
    let files = tempfile::tempdir().unwrap();
    let given = json!({"url": it.world.url, "tenant": it.world.tenant, "subscription": it.world.subscription,
        "client": it.world.administrator.client_id, "secret": it.world.administrator.secret, "vault": it.vault,
        "cluster": it.managed, "instance": it.instance, "wanted": it.wanted()});
    std::fs::write(files.path().join("given.json"), given.to_string()).unwrap();

    let node = direct("timeout")
        .arg("900")
        .arg(folder().join("node"))
        .args([folder().join("javascript/journey.cjs"), files.path().join("given.json")])
        .env("NODE_EXTRA_CA_CERTS", &it.world.ca)
        .output()
        .unwrap();

    let told = both(&node);
    assert!(node.status.success() && told.contains("all of it worked"), "{told}");
    assert_eq!(it.state().await, "ProtectionConfigured");
    ticking.abort();
}
