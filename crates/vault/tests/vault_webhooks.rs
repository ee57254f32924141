//! Alerts that are told to a receiver: signed, at least once, and never lost.

mod databases;
mod dataprotection;
mod world;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use databases::Database;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use vault::{
    seal::make_key,
    store::{Change, Work},
};
use world::{
    Choices, World,
    protected::{POINT, Protected},
    receiver::{Received, Receiver, SECRET, settings},
};

const ALERTS: &str = "/providers/Microsoft.AlertsManagement/alerts";

fn done() -> Value {
    json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}})
}

/// A vault without clusters on a database that replicas share.
async fn replica(url: &str, key: &str, first: Option<&World>, port: u16, folder: &Path) -> World {
    let choices = Choices { webhooks: vec![settings(folder, port, &[])], ..Choices::default() };
    World::replica_choosing(url, key, Duration::from_secs(3), first, choices).await
}

/// A vault that tells a receiver at a port of this machine.
async fn telling(port: u16, severities: &[&str]) -> (Protected, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let webhooks = vec![settings(folder.path(), port, severities)];
    (Protected::choosing(Choices { webhooks, ..Choices::default() }).await, folder)
}

async fn soft_delete_off(it: &Protected) {
    let off = json!({"properties": {"securitySettings": {"softDeleteSettings": {"state": "Off"}}}});
    let patched = it.call(Method::PATCH, &it.vault, Some(off)).await;
    assert_eq!(patched.status, 200, "{patched:?}");
}

async fn fail(it: &Protected) {
    it.cluster.says("Backup", json!({"phase": "Failed", "problems": [], "problemCount": 0}));
    let job = it.job_of(&it.back_up().await).await;
    it.ended(&job).await;
}

async fn at_least(it: &Protected, receiver: &Receiver, number: usize) -> Vec<Received> {
    it.until(async || Some(receiver.received()).filter(|received| received.len() >= number)).await
}

/// Things are left alone for a while, so that what should not happen could.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

/// A port at which nobody listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_signed(message: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!("{}.{}.{}", message.id, message.timestamp, message.body);
    let signature = message.signature.strip_prefix("v1,").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).is_ok()
}

#[tokio::test]
async fn a_receiver_gets_what_fired_and_what_ended_signed_in_the_common_schema() {
    let receiver = Receiver::start().await;
    let (it, _folder) = telling(receiver.port, &[]).await;
    it.protect().await;

    fail(&it).await;
    let fired = at_least(&it, &receiver, 1).await.remove(0);
    let at = it.world.app.clock.now().as_second();
    it.cluster.says("Backup", done());
    let job = it.job_of(&it.back_up().await).await;
    it.ended(&job).await;
    let all = at_least(&it, &receiver, 2).await;
    a_while().await;

    assert_eq!((fired.method.as_str(), fired.path.as_str()), ("POST", "/hook"));
    assert!(is_signed(&fired, SECRET), "{fired:?}");
    let altered = Received { body: fired.body.replace("Sev1", "Sev4"), ..fired.clone() };
    let replayed = Received { timestamp: (at + 1_000).to_string(), ..fired.clone() };
    assert!(!is_signed(&altered, SECRET) && !is_signed(&replayed, SECRET));
    assert!((at - fired.timestamp.parse::<i64>().unwrap()).abs() < 60, "{}", fired.timestamp);
    let (document, essentials) = (fired.json(), fired.json()["data"]["essentials"].clone());
    assert_eq!(document["schemaId"], "azureMonitorCommonAlertSchema");
    assert_eq!(
        (&essentials["severity"], &essentials["alertTargetIDs"][0], &essentials["configurationItems"][0]),
        (&json!("Sev1"), &json!(it.vault), &json!("one-shop"))
    );
    let alert = it.get(essentials["alertId"].as_str().unwrap()).await;
    assert_eq!(alert.body["name"], essentials["originAlertId"], "the id leads to the alert");
    assert_eq!(receiver.told(), ["Backup Failure Fired", "Backup Failure Resolved"]);
    assert_ne!(all[0].id, all[1].id);
}

#[tokio::test]
async fn a_receiver_that_fails_or_redirects_gets_the_same_message_again() {
    let receiver = Receiver::start().await;
    receiver.answers(&[500, 307, 404]);
    let (it, _folder) = telling(receiver.port, &[]).await;

    soft_delete_off(&it).await;
    let mut all = Vec::new();
    for number in 1..=4 {
        all = at_least(&it, &receiver, number).await;
        it.world.clock.advance(SignedDuration::from_mins(2));
    }
    a_while().await;

    assert_eq!(receiver.received().len(), 4, "what was taken is not sent again");
    assert!(all.iter().all(|one| one.path == "/hook"), "no redirect was followed: {all:?}");
    assert!(all.iter().all(|one| one.id == all[0].id && one.body == all[0].body));
    assert!(all.iter().all(|one| is_signed(one, SECRET)), "each attempt is signed with its own time");
    let metrics = it.world.app.metrics.text();
    for line in [r#"receiver="ops",outcome="failed"} 3"#, r#"receiver="ops",outcome="delivered"} 1"#] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn what_fired_before_a_restart_is_delivered_after_it() {
    let port = free_port();
    let (it, _folder) = telling(port, &[]).await;
    soft_delete_off(&it).await;
    it.until(async || it.world.app.metrics.text().contains(r#"outcome="failed"}"#).then_some(())).await;

    let it = it.restart().await;
    let receiver = Receiver::at(port).await;
    it.world.clock.advance(SignedDuration::from_mins(2));
    at_least(&it, &receiver, 1).await;

    assert_eq!(receiver.told(), ["Soft Delete Disabled for Vault Fired"]);
}

#[tokio::test]
async fn what_nobody_takes_for_a_day_is_named_in_the_alert_and_tried_no_more() {
    let port = free_port();
    let (mut it, _folder) = telling(port, &[]).await;
    soft_delete_off(&it).await;
    it.until(async || it.world.app.metrics.text().contains(r#"outcome="failed"}"#).then_some(())).await;

    it.later(SignedDuration::from_hours(25)).await;
    let list = format!("{}{ALERTS}", it.vault);
    let undelivered = it
        .until(async || {
            let alert = it.get(&list).await.body["value"][0].clone();
            alert["properties"]["cofferdam"]["undelivered"].get(0).cloned()
        })
        .await;
    let receiver = Receiver::at(port).await;
    it.later(SignedDuration::from_hours(25)).await;
    a_while().await;

    assert_eq!(undelivered["receiver"], "ops");
    let error = undelivered["error"].as_str().unwrap();
    assert!(error.contains("onnect") && !error.contains("/hook") && !error.contains("whsec"), "{error}");
    assert_eq!(receiver.told(), Vec::<String>::new());
}

#[tokio::test]
async fn a_receiver_of_critical_alerts_hears_of_no_failed_job() {
    let receiver = Receiver::start().await;
    let (it, _folder) = telling(receiver.port, &["Sev0"]).await;
    it.protect().await;

    fail(&it).await;
    soft_delete_off(&it).await;
    at_least(&it, &receiver, 1).await;
    a_while().await;

    assert_eq!(receiver.told(), ["Soft Delete Disabled for Vault Fired"]);
}

#[tokio::test]
async fn who_deletes_again_and_again_is_told_of_once_an_hour_and_counted() {
    let receiver = Receiver::start().await;
    let (mut it, _folder) = telling(receiver.port, &[]).await;
    let on = json!({"properties": {"securitySettings": {"softDeleteSettings": {"state": "On"}}}});

    for _ in 0..5 {
        soft_delete_off(&it).await;
        it.call(Method::PATCH, &it.vault, Some(on.clone())).await;
    }
    a_while().await;
    let within = receiver.received().len();
    it.later(SignedDuration::from_mins(61)).await;
    soft_delete_off(&it).await;
    let all = at_least(&it, &receiver, 2).await;

    assert_eq!(within, 1);
    assert_eq!(all[1].json()["data"]["customProperties"]["occurrences"], "6");
    assert_eq!(it.get(&format!("{}{ALERTS}", it.vault)).await.names().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_job() {
    let receiver = Receiver::start().await;
    receiver.answers(&[0; 200]);
    let (it, _folder) = telling(receiver.port, &[]).await;
    it.protect().await;
    let now = it.world.app.clock.now();
    let waiting: Vec<Change> = (0..150)
        .map(|number| {
            let message = json!({"id": format!("msg_{number}"), "receiver": "ops", "body": {}, "since": now, "failed": 0});
            let target = it.vault.parse().unwrap();
            Change::AddWork(Work::new(format!("webhook {number}"), "webhook", target, now, message))
        })
        .collect();
    it.world.app.store.commit_unaudited(&waiting).await.unwrap();
    at_least(&it, &receiver, 1).await;

    it.cluster.says("Backup", done());
    let job = it.job_of(&it.back_up().await).await;
    let ended = it.ended(&job).await;

    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
    let under_way = receiver.received().len();
    assert!(
        under_way < 40,
        "as many steps as a replica does at once are 64; {under_way} were of this receiver"
    );
}

#[tokio::test]
async fn while_the_secret_is_exchanged_both_the_old_and_the_new_one_verify() {
    let receiver = Receiver::start().await;
    let (it, folder) = telling(receiver.port, &[]).await;
    let new = format!("whsec_{}", STANDARD.encode([7; 32]));

    std::fs::write(folder.path().join("webhook-secret"), format!("{new}\n{SECRET}\n")).unwrap();
    soft_delete_off(&it).await;
    let message = at_least(&it, &receiver, 1).await.remove(0);

    let signatures: Vec<&str> = message.signature.split(' ').collect();
    assert_eq!(signatures.len(), 2, "{message:?}");
    for (secret, signature) in [(new.as_str(), signatures[0]), (SECRET, signatures[1])] {
        let one = Received { signature: signature.to_owned(), ..message.clone() };
        assert!(is_signed(&one, secret));
    }
}

#[tokio::test]
async fn of_several_replicas_one_tells_each_alert_and_takes_over_when_another_has_ended() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let Database::Postgres(url) = databases::World::postgres().await.database else {
        panic!("a PostgreSQL was asked for")
    };
    let key = make_key();
    let first = replica(&url, &key, None, receiver.port, folder.path()).await;
    let second = replica(&url, &key, Some(&first), receiver.port, folder.path()).await;
    let register = format!("{}/providers/Microsoft.DataProtection/register", first.root());
    first.call(&first.administrator, Method::POST, &register, None).await;
    first.make_group("g").await;

    receiver.answers(&[503]);
    for number in 0..6 {
        let vault = dataprotection::make_vault(&first, &format!("vault{number}")).await;
        let off = json!({"properties": {"securitySettings": {"softDeleteSettings": {"state": "Off"}}}});
        first.call(&first.administrator, Method::PATCH, &vault, Some(off)).await;
    }
    first.stop().await;
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if receiver.received().len() >= 7 {
            break;
        }
    }
    a_while().await;

    let received = receiver.received();
    let ids: std::collections::BTreeSet<&str> = received.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(
        (ids.len(), received.len()),
        (6, 7),
        "each once, and the one that was refused twice: {received:?}"
    );
    second.stop().await;
}
