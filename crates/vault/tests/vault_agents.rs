//! What agents are told and tell over a connection, while the connection ends, and what of it the audit log has.

mod world;

use serde_json::{Value, json};
use std::time::Duration;
use tunnel::ConnectionId;
use vault::{
    api::{
        Failure, Loaded,
        clusters::ClusterRecord,
        extensions::{ExtensionRecord, ExtensionState, desired, report},
        load,
    },
    reply::Reply,
    request::Address,
    store::AuditEntry,
};
use world::protected::Protected;

async fn say(
    it: &Protected,
    connection: ConnectionId,
    state: &str,
    version: &str,
    word: &str,
) -> Result<Reply, Failure> {
    let body = json!({"agentVersion": "0.1.0", "cluster": {"kubernetesVersion": "v1.35.4"}, "extensions": [{
        "name": "backup", "generation": 1, "state": state, "version": version,
        "statuses": [{"code": "Pods", "message": word}]}]});
    report(&it.world.app, &it.managed, connection, body.to_string().as_bytes()).await
}

async fn extension(it: &Protected) -> ExtensionRecord {
    let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let found: Loaded<ExtensionRecord> = load(it.world.app.store.as_ref(), &id).await.unwrap().unwrap();
    found.document
}

async fn audited(it: &Protected) -> Vec<String> {
    let rows = it.world.app.store.audit(0, 10_000).await.unwrap();
    let entries = rows.iter().map(|row| serde_json::from_str::<AuditEntry>(&row.record).unwrap());
    entries.map(|entry| entry.action).filter(|action| action.starts_with("report")).collect()
}

fn code(answered: &Result<Reply, Failure>) -> Option<&str> {
    match answered {
        Err(Failure::Arm(error)) => Some(error.code.as_str()),
        _ => None,
    }
}

#[tokio::test]
async fn a_report_is_audited_when_state_version_or_error_changed_and_kept_in_any_case() {
    let it = Protected::start().await;
    let connection = it.joined().await;

    for (state, version, word) in [
        ("Installed", "0.1.0", "one pod of two"),
        ("Installed", "0.1.0", "two pods of two"),
        ("Installed", "0.2.0", "two pods of two"),
        ("Failed", "0.2.0", "no pod"),
        ("Failed", "0.2.0", "still no pod"),
    ] {
        assert_eq!(say(&it, connection, state, version, word).await.unwrap().status, 204);
    }

    assert_eq!(
        audited(&it).await,
        ["report Installed", "report Failed"],
        "the second version, and the failure"
    );
    let kept = extension(&it).await;
    assert_eq!((kept.state, &kept.statuses[0]["message"]), (ExtensionState::Failed, &json!("still no pod")));
}

#[tokio::test]
async fn an_agent_of_a_former_connection_changes_nothing_and_is_told_nothing_more() {
    let it = Protected::start().await;
    let former = it.joined().await;
    let store = it.world.app.store.clone();
    let first = Address::read("/cluster/v1/desired", None).unwrap();
    let told = desired(&it.world.app, &it.managed, former, &first).await.unwrap();
    let told: Value = told.body.unwrap();
    let query = format!("after={}&wait=50", told["revision"].as_str().unwrap());
    let waiting = Address::read("/cluster/v1/desired", Some(&query)).unwrap();
    let (app, managed) = (it.world.app.clone(), it.managed.clone());
    let waits = tokio::spawn(async move { desired(&app, &managed, former, &waiting).await });
    tokio::time::sleep(Duration::from_millis(300)).await;

    // Its cluster is connected anew while it waits, and while its report is on the way.
    let now = it.joined().await;
    it.world.app.links.look_again();
    let waited = tokio::time::timeout(Duration::from_secs(20), waits).await.unwrap().unwrap();
    let late = say(&it, former, "Failed", "6.6.6", "a lie").await;
    let kept = extension(&it).await;
    let cluster: Loaded<ClusterRecord> = load(store.as_ref(), &it.managed).await.unwrap().unwrap();
    let fine = say(&it, now, "Installed", "0.1.0", "all is well").await;

    assert_eq!(code(&waited), Some("ClusterDisconnected"));
    assert_eq!(code(&late), Some("ClusterDisconnected"));
    assert_eq!((kept.state, cluster.document.observed), (ExtensionState::Succeeded, None));
    assert_eq!(fine.unwrap().status, 204);
}
