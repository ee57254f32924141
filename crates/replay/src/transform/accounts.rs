//! A service account loses the names of tokens that the source cluster made for it.

use super::Draft;
use crate::json;
use serde_json::Value;

pub(super) fn apply(draft: &mut Draft) {
    let account = json::text(&draft.object, &["metadata", "name"]).unwrap_or("").to_owned();
    let keep =
        |reference: &Value| json::text(reference, &["name"]).is_none_or(|name| !is_automatic(&account, name));
    json::retain(&mut draft.object, &["secrets"], keep);
    json::retain(&mut draft.object, &["imagePullSecrets"], keep);
}

fn is_automatic(account: &str, name: &str) -> bool {
    crate::never::is_token_name(account, name)
        || name.strip_prefix(account).is_some_and(|rest| rest.starts_with("-dockercfg-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_secrets_that_a_person_named_are_kept() {
        let object = json!({
            "metadata": {"name": "web"},
            "secrets": [{"name": "web-token-4k2lp"}, {"name": "ci"}],
            "imagePullSecrets": [{"name": "web-dockercfg-9x8y7"}],
        });
        let mut draft = Draft { object, notes: Vec::new() };

        apply(&mut draft);

        assert_eq!(draft.object, json!({"metadata": {"name": "web"}, "secrets": [{"name": "ci"}]}));
    }
}
