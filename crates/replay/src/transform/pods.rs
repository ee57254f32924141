//! A pod loses what the scheduler, admission and the token controller of the source wrote into it.

use super::Draft;
use crate::json;
use serde_json::Value;
use std::collections::HashSet;

const ADMITTED_FIELDS: &[&str] = &["nodeName", "priority", "preemptionPolicy", "ephemeralContainers"];
const TOKEN_VOLUME: &str = "kube-api-access-";

pub(super) fn apply(draft: &mut Draft) {
    let pod = &mut draft.object;
    for field in ADMITTED_FIELDS {
        json::take(pod, &["spec", field]);
    }
    drop_token_volumes(pod);
}

/// Admission adds the volume and its mounts again, for the account in the target.
fn drop_token_volumes(pod: &mut Value) {
    let account = json::text(pod, &["spec", "serviceAccountName"]).unwrap_or("default").to_owned();
    let tokens: HashSet<String> = json::items(pod, &["spec", "volumes"])
        .iter()
        .filter_map(|volume| token_volume(volume, &account))
        .map(str::to_owned)
        .collect();
    if tokens.is_empty() {
        return;
    }
    let is_token = |value: &Value| json::text(value, &["name"]).is_some_and(|name| tokens.contains(name));
    json::retain(pod, &["spec", "volumes"], |volume| !is_token(volume));
    for list in ["containers", "initContainers"] {
        for container in json::items_mut(pod, &["spec", list]) {
            json::retain(container, &["volumeMounts"], |mount| !is_token(mount));
        }
    }
}

fn token_volume<'a>(volume: &'a Value, account: &str) -> Option<&'a str> {
    let name = json::text(volume, &["name"])?;
    let projected = name.starts_with(TOKEN_VOLUME) && json::at(volume, &["projected"]).is_some();
    let legacy = json::text(volume, &["secret", "secretName"])
        .is_some_and(|secret| secret == name && crate::never::is_token_name(account, secret));
    (projected || legacy).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_forgets_its_node_and_its_token() {
        let object = json!({"spec": {
            "nodeName": "n1", "priority": 0, "preemptionPolicy": "PreemptLowerPriority",
            "serviceAccountName": "web",
            "volumes": [
                {"name": "kube-api-access-x2c4v", "projected": {}},
                {"name": "web-token-abc12", "secret": {"secretName": "web-token-abc12"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            ],
            "containers": [{"name": "c", "volumeMounts": [
                {"name": "kube-api-access-x2c4v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                {"name": "data", "mountPath": "/data"},
            ]}],
            "initContainers": [{"name": "i", "volumeMounts": [{"name": "web-token-abc12"}]}],
        }});
        let mut draft = Draft { object, notes: Vec::new() };

        apply(&mut draft);

        assert_eq!(
            draft.object,
            json!({"spec": {
                "serviceAccountName": "web",
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                "containers": [{"name": "c", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "initContainers": [{"name": "i"}],
            }})
        );
    }

    #[test]
    fn a_volume_that_a_person_named_like_a_token_stays() {
        let object = json!({"spec": {"volumes": [
            {"name": "kube-api-access-mine", "emptyDir": {}},
            {"name": "keys", "secret": {"secretName": "default-token-abc12"}},
        ]}});
        let mut draft = Draft { object: object.clone(), notes: Vec::new() };

        apply(&mut draft);

        assert_eq!(draft.object, object);
    }
}
