//! What a run removes of what it finds.

use super::*;
use crate::fake::FakeServer;
use serde_json::{Value, json};

const BATCH: &str = "/apis/batch/v1/namespaces";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/cofferdam-preflight/leases";
const CLAIMS: &str = "/api/v1/namespaces/cofferdam-preflight/persistentvolumeclaims";

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
}

fn of(run: Option<&str>, namespace: &str, name: &str) -> Value {
    let mut labels = json!({LABEL: VALUE});
    if let Some(run) = run {
        labels[super::super::RUN] = run.into();
    }
    json!({"metadata": {"name": name, "namespace": namespace, "labels": labels}})
}

fn lease(run: &str, version: &str) -> Value {
    let mut lease = of(Some(run), NAMESPACE, &format!("run-{run}"));
    lease["metadata"]["resourceVersion"] = version.into();
    lease["spec"] = json!({"leaseDurationSeconds": 20});
    lease
}

/// Jobs of five runs in the extension's namespace, claims of two; one of those runs renews its Lease, one does not, one has
/// none any more, one ends with all that it made after the first look, and one Job is of a time when runs had no names.
fn world() -> FakeServer {
    let jobs =
        [("mine", "j-mine"), ("lives", "j-lives"), ("killed", "j-killed"), ("forgotten", "j-forgotten")];
    let mut jobs: Vec<Value> = jobs.iter().map(|(run, name)| of(Some(run), "backups", name)).collect();
    let kept = jobs[..2].to_vec();
    jobs.push(of(None, "backups", "j-old"));
    let first = [&jobs[..], &[of(Some("ends"), "backups", "j-ends")]].concat();
    let claims = [of(Some("lives"), NAMESPACE, "c-lives"), of(Some("killed"), NAMESPACE, "c-killed")];
    let at = |version: &str| list(&[lease("mine", "1"), lease("lives", version), lease("killed", "3")]);
    FakeServer::default()
        .with(&format!("{BATCH}/backups/jobs"), list(&first))
        .then(&format!("{BATCH}/backups/jobs"), list(&jobs))
        .then(&format!("{BATCH}/backups/jobs"), list(&kept))
        .with(&format!("{BATCH}/cofferdam-preflight/jobs"), list(&[]))
        .with(CLAIMS, list(&claims))
        .then(CLAIMS, list(&claims))
        .then(CLAIMS, list(&claims))
        .then(CLAIMS, list(&claims[..1]))
        .with(LEASES, at("1"))
        .then(LEASES, at("2"))
        .with(&format!("{LEASES}/run-killed"), lease("killed", "3"))
        .with(&format!("{LEASES}/run-mine"), lease("mine", "1"))
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_no_living_run_goes_and_the_lease_of_a_dead_one_before_it_as_it_was_seen() {
    let server = world();
    let began = Instant::now();

    let swept = sweep(&server.client(), "backups", &RunId::named("mine")).await;

    let names = ["job/backups/j-killed", "job/backups/j-forgotten", "job/backups/j-old"];
    let mut names: Vec<String> = names.map(str::to_owned).to_vec();
    names.push("persistentvolumeclaim/cofferdam-preflight/c-killed".to_owned());
    assert_eq!(swept, Ok(names));
    let seen = r#"{"preconditions":{"resourceVersion":"3"}}"#;
    let writes = server.writes();
    assert_eq!(writes[0], format!("DELETE {LEASES}/run-killed {seen}"), "{writes:?}");
    assert_eq!(writes.len(), 5, "{writes:?}");
    assert!(!writes.iter().any(|one| one.contains("lives") || one.contains("mine")), "{writes:?}");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(20) && waited < Duration::from_secs(25), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_alone_and_finds_nothing_does_not_wait() {
    let server = FakeServer::default()
        .with(&format!("{BATCH}/backups/jobs"), list(&[]))
        .with(&format!("{BATCH}/cofferdam-preflight/jobs"), list(&[]))
        .with(CLAIMS, list(&[]))
        .with(LEASES, list(&[lease("mine", "1")]));
    let began = Instant::now();

    let swept = sweep(&server.client(), "backups", &RunId::named("mine")).await;

    assert_eq!(swept, Ok(Vec::new()));
    assert_eq!((server.writes(), began.elapsed()), (Vec::new(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn at_its_end_a_run_removes_its_own_and_its_lease_and_nothing_of_others() {
    let mine = of(Some("mine"), "backups", "j-mine");
    let lives = of(Some("lives"), "backups", "j-lives");
    let server = FakeServer::default()
        .with(&format!("{BATCH}/backups/jobs"), list(&[mine, lives.clone()]))
        .then(&format!("{BATCH}/backups/jobs"), list(&[lives]))
        .with(&format!("{BATCH}/cofferdam-preflight/jobs"), list(&[]))
        .with(CLAIMS, list(&[]))
        .with(LEASES, list(&[lease("lives", "1")]))
        .with("/api/v1/namespaces/cofferdam-preflight", of(None, "", NAMESPACE));

    let ended = end(&server.client(), "backups", &RunId::named("mine")).await;

    assert_eq!(ended, Ok(()));
    let gone: Vec<String> =
        server.writes().iter().map(|one| one.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(gone, [format!("{BATCH}/backups/jobs/j-mine"), format!("{LEASES}/run-mine")]);
}
