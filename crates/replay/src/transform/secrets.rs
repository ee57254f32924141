//! A service account token that a person asked for is asked for again: the token controller of the target
//! fills it for the account there.

use super::{Draft, metadata};
use crate::json;

const TOKEN: &str = "kubernetes.io/service-account-token";

pub(super) fn apply(draft: &mut Draft) {
    let secret = &mut draft.object;
    if json::text(secret, &["type"]) != Some(TOKEN) {
        return;
    }
    for key in ["token", "ca.crt", "namespace"] {
        json::take(secret, &["data", key]);
    }
    json::drop_if_empty(secret, &["data"]);
    metadata::drop_annotations(secret, &["kubernetes.io/service-account.uid"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_requested_token_is_restored_empty_and_other_secrets_whole() {
        let mut token = Draft {
            object: json!({
                "type": TOKEN,
                "metadata": {"annotations": {
                    "kubernetes.io/service-account.name": "robot",
                    "kubernetes.io/service-account.uid": "1",
                }},
                "data": {"token": "eA==", "ca.crt": "eA==", "namespace": "eA=="},
            }),
            notes: Vec::new(),
        };
        let opaque = json!({"type": "Opaque", "data": {"token": "eA=="}});
        let mut other = Draft { object: opaque.clone(), notes: Vec::new() };

        apply(&mut token);
        apply(&mut other);

        assert_eq!(
            token.object,
            json!({
                "type": TOKEN,
                "metadata": {"annotations": {"kubernetes.io/service-account.name": "robot"}},
            })
        );
        assert_eq!(other.object, opaque);
    }
}
