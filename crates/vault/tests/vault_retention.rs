//! How long recovery points live: until their time is over, and no change of a policy shortens that; for ever while
//! protection is stopped.

mod world;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use vault::api::{Loaded, load, points::PointRecord};
use world::protected::Protected;

fn point(n: usize) -> String {
    format!("{n:064}")
}

async fn record(it: &Protected, n: usize) -> Option<PointRecord> {
    let id = format!("{}/recoveryPoints/{}", it.instance, point(n)).parse().unwrap();
    let found: Option<Loaded<PointRecord>> = load(it.world.app.store.as_ref(), &id).await.unwrap();
    found.map(|point| point.document)
}

async fn points(it: &Protected) -> Vec<String> {
    let listed = it.get(&format!("{}/recoveryPoints", it.instance)).await;
    listed.names().into_iter().map(str::to_owned).collect()
}

/// A recovery point as clients see it.
struct Shown {
    tag: String,
    made: Timestamp,
    ends: Timestamp,
}

impl Shown {
    fn lives(&self) -> SignedDuration {
        self.ends.duration_since(self.made)
    }
}

async fn shown(it: &Protected, n: usize) -> Option<Shown> {
    let answer = it.get(&format!("{}/recoveryPoints/{}", it.instance, point(n))).await;
    let text = |name: &str| answer.body["properties"][name].as_str().unwrap().to_owned();
    (answer.status == 200).then(|| Shown {
        tag: text("retentionTagName"),
        made: text("recoveryPointTime").parse().unwrap(),
        ends: text("expiryTime").parse().unwrap(),
    })
}

/// A backup on demand that ends in this way; the recovery point that it makes, if any. A few minutes go by after it.
async fn backed_up(it: &mut Protected, n: usize, phase: &str, trigger: Value) -> Option<Shown> {
    let (severity, code) = if phase == "Failed" { ("Error", "Broken") } else { ("Warning", "VolumeSkipped") };
    let problems = match phase {
        "Completed" => json!([]),
        _ => json!([{"severity": severity, "code": code, "message": "the volume data-0"}]),
    };
    let mut status = json!({"phase": phase, "problems": problems, "problemCount": 1});
    if phase != "Failed" {
        status["recoveryPoint"] = json!({"id": point(n)});
    }
    it.cluster.says("Backup", status);
    let body = json!({"backupRuleOptions": {"ruleName": "BackupHourly", "triggerOption": trigger}});
    let begun = it.call(Method::POST, &format!("{}/backup", it.instance), Some(body)).await;
    let job = it.job_of(&begun).await;
    let ended = it.ended(&job).await;
    assert_eq!(ended["properties"]["status"], phase, "{ended}");
    it.later(SignedDuration::from_mins(5)).await;
    shown(it, n).await
}

async fn act(it: &Protected, verb: &str) {
    let begun = it.call(Method::POST, &format!("{}/{verb}", it.instance), None).await;
    let ended = it.operation(&begun).await;
    assert_eq!(ended.body["status"], "Succeeded", "{verb}: {ended:?}");
}

/// The vault looks at what has lived long enough, at the time that it is now.
async fn looked(it: &Protected) {
    let (now, id) = (it.world.app.clock.now(), it.instance.parse().unwrap());
    it.within_the_hour(async || {
        let work = it.world.app.store.work(&vault::protect::expire::work_id(&id)).await.unwrap();
        // Only a look puts the next one there.
        (work?.due_at > now).then_some(())
    })
    .await;
}

/// Two recovery points of an instance without further backups, of which the first will have lived long enough.
async fn two_points() -> Protected {
    let mut it = Protected::start().await;
    it.protect().await;
    for n in 0..2 {
        it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": point(n)}}));
        let job = it.job_of(&it.back_up().await).await;
        it.ended(&job).await;
        it.later(SignedDuration::from_mins(10)).await;
    }
    act(&it, "suspendBackups").await;
    it
}

#[tokio::test]
async fn expired_recovery_points_go_and_the_newest_stays() {
    let mut it = two_points().await;
    it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));

    it.later(SignedDuration::from_hours(8 * 24)).await;
    it.until(async || (points(&it).await.len() == 1 && record(&it, 0).await.is_none()).then_some(())).await;

    assert_eq!(points(&it).await, [point(1)], "the newest stays whatever its age");
    let deletion = &it.cluster.made("deletebackups")[0];
    assert_eq!(deletion["recoveryPoint"], json!({"location": "default", "id": point(0)}));
    assert_eq!(it.cluster.object("deletebackups"), None, "what has ended does not stay in the cluster");
}

#[tokio::test]
async fn a_recovery_point_that_the_cluster_does_not_find_any_more_is_forgotten() {
    let mut it = two_points().await;
    let problem =
        json!({"severity": "Error", "code": "UserErrorRecoveryPointNotFound", "message": "it is gone"});
    it.cluster.says("DeleteBackup", json!({"phase": "Failed", "problems": [problem], "problemCount": 1}));

    it.later(SignedDuration::from_hours(8 * 24)).await;
    it.until(async || record(&it, 0).await.is_none().then_some(())).await;

    assert_eq!(points(&it).await, [point(1)]);
    assert_eq!(it.cluster.object("deletebackups"), None);
}

#[tokio::test]
async fn a_recovery_point_in_another_location_than_the_extensions_is_kept_until_that_is_back() {
    let mut it = two_points().await;
    it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    it.bucket("moved").await;

    it.later(SignedDuration::from_hours(8 * 24)).await;
    let kept = it.until(async || record(&it, 0).await?.kept_because).await;
    let asked = it.cluster.made("deletebackups").len();
    it.bucket("backups").await;
    it.later(SignedDuration::from_mins(40)).await;
    it.until(async || record(&it, 0).await.is_none().then_some(())).await;

    assert!(kept.contains("another location"), "{kept}");
    assert_eq!((asked, it.cluster.made("deletebackups").len()), (0, 1));
}

#[tokio::test]
async fn stopped_protection_keeps_every_recovery_point_for_ever_until_it_goes_on() {
    let mut it = two_points().await;
    it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    act(&it, "stopProtection").await;

    it.later(SignedDuration::from_hours(30 * 24)).await;
    looked(&it).await;
    let stopped = (it.state().await, points(&it).await);
    let (old, new) = (record(&it, 0).await.unwrap(), record(&it, 1).await.unwrap());
    let asked = it.cluster.made("deletebackups").len();
    // That its time was over long since shows as soon as protection goes on.
    act(&it, "resumeProtection").await;
    it.later(SignedDuration::from_hours(2)).await;
    it.within_the_hour(async || record(&it, 0).await.is_none().then_some(())).await;

    assert_eq!(stopped.0, "ProtectionStopped");
    assert!(stopped.1.contains(&point(0)) && stopped.1.contains(&point(1)), "{:?}", stopped.1);
    assert!(old.expires_at < it.world.app.clock.now() && new.expires_at < it.world.app.clock.now());
    assert_eq!((old.deleting, new.deleting, asked), (false, false, 0));
}

#[tokio::test]
async fn a_soft_deleted_instance_keeps_its_recovery_points_and_has_them_when_it_is_brought_back() {
    let mut it = two_points().await;
    it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    let begun = it.call(Method::DELETE, &it.instance, None).await;
    it.operation(&begun).await;

    // Longer than the seven days of the policy, shorter than the fourteen in which it can be brought back.
    it.later(SignedDuration::from_hours(10 * 24)).await;
    looked(&it).await;
    let (old, new) = (record(&it, 0).await.unwrap(), record(&it, 1).await.unwrap());
    let undelete = format!("{}/deletedBackupInstances/one-shop/undelete", it.vault);
    let back = it.call(Method::POST, &undelete, None).await;
    it.operation(&back).await;
    it.later(SignedDuration::from_hours(2)).await;
    looked(&it).await;

    assert!(old.expires_at < it.world.app.clock.now());
    assert_eq!((old.deleting, new.deleting), (false, false));
    assert_eq!(it.state().await, "ProtectionStopped");
    let points = points(&it).await;
    assert!(points.contains(&point(0)) && points.contains(&point(1)), "{points:?}");
    assert_eq!(it.cluster.made("deletebackups"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_changed_policy_and_another_policy_count_for_later_recovery_points_alone() {
    let mut it = Protected::start().await;
    it.protect().await;
    let days = |days: i64| SignedDuration::from_hours(days * 24);
    let first = backed_up(&mut it, 1, "Completed", json!({})).await.unwrap();

    it.policy("P3D").await;
    let second = backed_up(&mut it, 2, "Completed", json!({})).await.unwrap();
    let longer = format!("{}/backupPolicies/longer", it.vault);
    let body = world::policy::body("2024-05-05T08:00:00+00:00", "P14D");
    assert_eq!(it.call(Method::PUT, &longer, Some(body)).await.status, 200);
    let mut wanted = it.wanted();
    wanted["policyInfo"]["policyId"] = json!(longer);
    let moved = it.call(Method::PUT, &it.instance, Some(json!({"properties": wanted}))).await;
    assert_eq!(it.operation(&moved).await.body["status"], "Succeeded");
    let third = backed_up(&mut it, 3, "Completed", json!({})).await.unwrap();
    let (first_now, second_now) = (shown(&it, 1).await.unwrap(), shown(&it, 2).await.unwrap());
    // What is shown is what happens.
    it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    act(&it, "suspendBackups").await;
    it.later(days(4)).await;
    it.within_the_hour(async || record(&it, 2).await.is_none().then_some(())).await;

    assert_eq!([first.lives(), second.lives(), third.lives()], [days(7), days(3), days(14)]);
    assert_eq!((first_now.ends, second_now.ends), (first.ends, second.ends));
    assert_eq!(points(&it).await.len(), 2, "the first one stays for its seven days");
    assert!(record(&it, 1).await.is_some_and(|first| !first.deleting));
}

#[tokio::test]
async fn a_backup_with_warnings_is_the_first_of_the_day_and_a_failed_one_is_not() {
    let mut it = Protected::start().await;
    it.daily().await;
    it.protect().await;

    let failed = backed_up(&mut it, 1, "Failed", json!({})).await;
    let partial = backed_up(&mut it, 2, "CompletedWithWarnings", json!({})).await.unwrap();
    let whole = backed_up(&mut it, 3, "Completed", json!({})).await.unwrap();

    assert!(failed.is_none(), "it made nothing");
    assert_eq!((partial.tag.as_str(), whole.tag.as_str()), ("Daily", "Default"));
    assert_eq!(partial.lives(), SignedDuration::from_hours(30 * 24));
    assert_eq!(whole.lives(), SignedDuration::from_hours(7 * 24));
}

#[tokio::test]
async fn a_backup_on_demand_with_a_tag_of_its_own_is_not_the_first_of_the_day() {
    let mut it = Protected::start().await;
    it.daily().await;
    it.protect().await;

    let asked = backed_up(&mut it, 1, "Completed", json!({"retentionTagOverride": "Default"})).await;
    let first = backed_up(&mut it, 2, "Completed", json!({})).await;
    let second = backed_up(&mut it, 3, "Completed", json!({})).await;

    let tags = [asked, first, second].map(|point| point.unwrap().tag);
    assert_eq!(tags, ["Default", "Daily", "Default"]);
}
