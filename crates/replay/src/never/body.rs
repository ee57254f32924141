//! The rules that need an object's body.

use crate::json::{annotation, at, items, label, text};
use serde_json::Value;

pub(super) fn is_mirror_pod(pod: &Value) -> bool {
    annotation(pod, "kubernetes.io/config.mirror").is_some()
}

pub(super) fn is_finished_pod(pod: &Value) -> bool {
    matches!(text(pod, &["status", "phase"]), Some("Succeeded" | "Failed"))
}

pub(super) fn is_finished_job(job: &Value) -> bool {
    let ended = items(job, &["status", "conditions"]).iter().any(|condition| {
        matches!(text(condition, &["type"]), Some("Complete" | "Failed"))
            && text(condition, &["status"]) == Some("True")
    });
    ended || text(job, &["status", "completionTime"]).is_some()
}

/// Older controllers leave no label, so the addresses themselves tell: only a controller writes references to
/// pods and nodes. Endpoints without any address have nothing to restore.
pub(super) fn is_controller_endpoints(endpoints: &Value) -> bool {
    let addresses = items(endpoints, &["subsets"])
        .iter()
        .flat_map(|subset| items(subset, &["addresses"]).iter().chain(items(subset, &["notReadyAddresses"])));
    let mut empty = true;
    let mut derived = false;
    for address in addresses {
        empty = false;
        derived |= matches!(text(address, &["targetRef", "kind"]), Some("Pod" | "Node"));
    }
    empty
        || derived
        || label(endpoints, "endpoints.kubernetes.io/managed-by").is_some()
        || annotation(endpoints, "endpoints.kubernetes.io/last-change-trigger-time").is_some()
        || annotation(endpoints, "control-plane.alpha.kubernetes.io/leader").is_some()
}

pub(super) fn is_controller_slice(slice: &Value) -> bool {
    matches!(
        label(slice, "endpointslice.kubernetes.io/managed-by"),
        Some(
            "endpointslice-controller.k8s.io" | "endpointslicemirroring-controller.k8s.io" | "control-plane"
        )
    ) || (text(slice, &["metadata", "namespace"]) == Some("default")
        && text(slice, &["metadata", "name"]) == Some("kubernetes"))
}

/// Tokens that a person asked for keep their name; those that the cluster made end in five random letters.
pub(super) fn is_automatic_token(secret: &Value) -> bool {
    if text(secret, &["type"]) != Some("kubernetes.io/service-account-token") {
        return false;
    }
    let account = annotation(secret, "kubernetes.io/service-account.name").unwrap_or("");
    let name = text(secret, &["metadata", "name"]).unwrap_or("");
    is_token_name(account, name)
}

/// Whether a Secret's name is one that the cluster gives to tokens of this account.
pub(crate) fn is_token_name(account: &str, name: &str) -> bool {
    let suffix = name.strip_prefix(account).and_then(|rest| rest.strip_prefix("-token-"));
    suffix.is_some_and(|suffix| {
        suffix.len() == 5 && suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

pub(super) fn is_automanaged(service: &Value) -> bool {
    label(service, "kube-aggregator.kubernetes.io/automanaged").is_some()
        || at(service, &["spec", "service"]).is_none_or(Value::is_null)
}

pub(super) fn is_rbac_default(object: &Value) -> bool {
    label(object, "kubernetes.io/bootstrapping") == Some("rbac-defaults")
}

pub(super) fn is_of_this_product(object: &Value) -> bool {
    label(object, "app.kubernetes.io/managed-by") == Some("cofferdam-install")
}

pub(super) fn is_flow_default(object: &Value) -> bool {
    let name = text(object, &["metadata", "name"]).unwrap_or("");
    annotation(object, "apf.kubernetes.io/autoupdate-spec") == Some("true")
        || matches!(name, "exempt" | "catch-all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_running_job_is_restored_and_an_ended_one_is_not() {
        let running =
            json!({"status": {"active": 1, "conditions": [{"type": "Suspended", "status": "True"}]}});
        let done = json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}});
        let failed = json!({"status": {"conditions": [{"type": "Failed", "status": "True"}]}});

        assert!(!is_finished_job(&running));
        assert!(is_finished_job(&done));
        assert!(is_finished_job(&failed));
    }

    #[test]
    fn endpoints_that_a_person_wrote_are_restored() {
        let by_hand = json!({"subsets": [{"addresses": [{"ip": "10.0.0.9"}]}]});
        let by_controller =
            json!({"subsets": [{"addresses": [{"ip": "10.0.0.9", "targetRef": {"kind": "Pod"}}]}]});
        let empty = json!({"metadata": {"name": "web"}});

        assert!(!is_controller_endpoints(&by_hand));
        assert!(is_controller_endpoints(&by_controller));
        assert!(is_controller_endpoints(&empty));
    }

    #[test]
    fn a_token_that_a_person_asked_for_is_restored() {
        let token = |name: &str| {
            json!({
                "type": "kubernetes.io/service-account-token",
                "metadata": {
                    "name": name,
                    "annotations": {"kubernetes.io/service-account.name": "robot"},
                },
            })
        };

        assert!(is_automatic_token(&token("robot-token-x7k2p")));
        assert!(!is_automatic_token(&token("robot-token-for-ci")));
        assert!(!is_automatic_token(&token("ci")));
        assert!(!is_automatic_token(&json!({"type": "Opaque", "metadata": {"name": "robot-token-x7k2p"}})));
    }
}
