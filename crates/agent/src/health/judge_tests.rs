use super::*;
use serde_json::json;

fn rule() -> HealthRule {
    HealthRule { kind: "Deployment".into(), name: "a".into(), within_seconds: 60 }
}

fn deployment(status: Value) -> Value {
    json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status})
}

fn ready(status: Value) -> bool {
    judge(&[(rule(), Workload { object: Some(deployment(status)), ..Workload::default() })]).is_ready()
}

#[test]
fn a_deployment_is_ready_when_only_its_newest_pods_run() {
    let good = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});

    assert!(ready(good.clone()));
    for (field, value) in
        [("observedGeneration", 1), ("updatedReplicas", 0), ("availableReplicas", 0), ("replicas", 2)]
    {
        let mut status = good.clone();
        status[field] = json!(value);
        assert!(!ready(status), "{field}");
    }
}

fn waiting(reason: &str) -> Value {
    json!({"metadata": {"name": "a-1"}, "status": {"containerStatuses": [{
        "name": "main", "image": "registry/a:1",
        "state": {"waiting": {"reason": reason, "message": "Back-off pulling image"}},
    }]}})
}

#[test]
fn what_the_pods_say_becomes_a_code() {
    let crashed = json!({"metadata": {"name": "a-1"}, "status": {"containerStatuses": [{
        "name": "main", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "message": "no config\u{1b}[0m"}},
    }]}});
    let homeless = json!({"metadata": {"name": "a-1"}, "status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: Insufficient cpu"},
    ]}});
    let cases = [
        (waiting("ImagePullBackOff"), "ImagePullFailed", "registry/a:1"),
        (waiting("CreateContainerConfigError"), "ContainerConfigInvalid", "CreateContainerConfigError"),
        (crashed, "PodsCrash", "ended with code 3 (Error), 4 restarts. no config"),
        (homeless, "PodsUnschedulable", "Insufficient cpu"),
    ];

    for (pod, code, text) in cases {
        let seen = Workload {
            object: Some(deployment(json!({}))),
            pods: vec![pod],
            events: vec!["the event".into()],
        };
        let failure = judge(&[(rule(), seen)]).overdue(SignedDuration::from_secs(60)).unwrap();
        assert_eq!(failure.error.code, code);
        assert!(failure.error.message.contains(text), "{}", failure.error.message);
        assert!(failure.error.message.contains("the event"), "{}", failure.error.message);
        assert!(!failure.error.message.contains('\u{1b}'));
        assert_eq!(failure.statuses.first().map(|status| status.code.as_str()), Some(code));
    }
}

#[test]
fn refused_pods_and_silence_have_codes_too() {
    let condition = json!([{"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}]);
    let refused =
        Workload { object: Some(deployment(json!({"conditions": condition}))), ..Workload::default() };
    let late = SignedDuration::from_secs(60);

    let refused = judge(&[(rule(), refused)]).overdue(late).unwrap();
    let silent = judge(&[(rule(), Workload::default())]).overdue(late).unwrap();

    assert_eq!(refused.error.code, "PodsRefused");
    assert_eq!(silent.error.code, "InstallationTimedOut");
    assert!(judge(&[(rule(), Workload::default())]).overdue(SignedDuration::from_secs(59)).is_none());
}
