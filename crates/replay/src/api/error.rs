//! What an API server refused, in the terms that a restore decides by.

use serde_json::Value;
use std::time::Duration;

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tried}: {message}")]
pub struct ApiError {
    /// What was asked, such as `create deployments.apps/shop/web`.
    pub tried: String,
    /// What kind of refusal it is.
    pub refusal: Refusal,
    /// What the server, or the connection, said. May quote the object: see [`ApiError::explain`].
    pub message: String,
    /// Fields that the server named.
    pub fields: Vec<String>,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 404: the object, its namespace or its type does not exist.
    NotFound,
    /// 409: an object of this name exists.
    AlreadyExists,
    /// 409: the object changed meanwhile, or is another one than expected.
    Conflict,
    /// 422: the object, or a change of it, is not allowed.
    Invalid,
    /// 403 or 401: the extension, or an admission rule, does not allow it.
    Forbidden,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// An admission webhook with side effects does not take part in dry runs.
    DryRunNotSupported,
    /// An admission webhook could not be called.
    WebhookUnreachable,
    /// 429: too many requests; try again after this time.
    Busy(Option<Duration>),
    /// No answer, or an answer that may be different next time.
    Unavailable(Option<Duration>),
    /// Anything else, with its HTTP status.
    Other(u16),
}

impl ApiError {
    /// A failure to reach the server at all.
    pub fn unreachable(tried: &str, cause: &dyn std::fmt::Display) -> Self {
        Self {
            tried: tried.to_owned(),
            refusal: Refusal::Unavailable(None),
            message: cause.to_string(),
            fields: Vec::new(),
        }
    }

    /// Reads the `Status` object that came with an HTTP status that is not a success.
    pub fn from_status(tried: &str, code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let reason = status.get("reason").and_then(Value::as_str).unwrap_or("");
        let message = match status.get("message").and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => format!("HTTP status {code}"),
        };
        let causes = status.pointer("/details/causes").and_then(Value::as_array);
        let causes = causes.map_or(&[][..], Vec::as_slice);
        let fields = causes.iter().filter_map(|cause| cause.get("field")?.as_str().map(str::to_owned));
        Self {
            tried: tried.to_owned(),
            refusal: refusal(code, reason, &message, causes, retry_after),
            fields: fields.collect(),
            message,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.refusal, Refusal::Busy(_) | Refusal::Unavailable(_))
    }

    /// A sentence for people. With `quiet`, nothing that could quote the object: Secrets and ConfigMaps are
    /// never echoed.
    pub fn explain(&self, quiet: bool) -> String {
        let what = match &self.refusal {
            _ if !quiet => self.message.clone(),
            Refusal::NotFound => "it, its namespace or its type does not exist".to_owned(),
            Refusal::AlreadyExists => "an object of this name exists".to_owned(),
            Refusal::Conflict => "it changed meanwhile".to_owned(),
            Refusal::Invalid => "the API server does not accept it".to_owned(),
            Refusal::Forbidden => "it is not allowed".to_owned(),
            Refusal::NamespaceTerminating => "its namespace is being deleted".to_owned(),
            Refusal::DryRunNotSupported => "an admission webhook has side effects".to_owned(),
            Refusal::WebhookUnreachable => "an admission webhook could not be called".to_owned(),
            Refusal::Busy(_) => "the API server is busy".to_owned(),
            Refusal::Unavailable(_) => "the API server did not answer".to_owned(),
            Refusal::Other(code) => format!("the API server answered with status {code}"),
        };
        if !quiet {
            return what;
        }
        let by = refuser(&self.message).map(|by| format!(", by {by}")).unwrap_or_default();
        match self.fields.as_slice() {
            [] => format!("{what}{by}"),
            fields => format!("{what}{by} (fields {})", fields.join(", ")),
        }
    }
}

/// Which rule of the target refused the object, as the API server names it before it quotes the rule's own words.
fn refuser(message: &str) -> Option<String> {
    const RULES: [(&str, &str, char); 4] = [
        ("admission webhook \"", "admission webhook", '"'),
        ("failed calling webhook \"", "admission webhook", '"'),
        ("ValidatingAdmissionPolicy '", "admission policy", '\''),
        ("exceeded quota: ", "quota", ','),
    ];
    let named = |(before, what, end): &(&str, &str, char)| {
        let (_, rest) = message.split_once(before)?;
        let (name, _) = rest.split_once(*end)?;
        is_object_name(name).then(|| format!("{what} {name}"))
    };
    RULES.iter().find_map(named)
}

/// Nothing else may pass into a quiet explanation.
fn is_object_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(fits)
}

fn refusal(
    code: u16,
    reason: &str,
    message: &str,
    causes: &[Value],
    retry_after: Option<Duration>,
) -> Refusal {
    let terminating = causes
        .iter()
        .any(|cause| cause.get("reason").and_then(Value::as_str) == Some("NamespaceTerminating"));
    match code {
        _ if terminating => Refusal::NamespaceTerminating,
        _ if message.contains("does not support dry run") => Refusal::DryRunNotSupported,
        _ if message.contains("failed calling webhook") => Refusal::WebhookUnreachable,
        404 => Refusal::NotFound,
        409 if reason == "AlreadyExists" => Refusal::AlreadyExists,
        409 => Refusal::Conflict,
        422 => Refusal::Invalid,
        401 | 403 => Refusal::Forbidden,
        429 => Refusal::Busy(retry_after),
        502..=504 => Refusal::Unavailable(retry_after),
        500 if retry_after.is_some() || reason == "ServerTimeout" || message.contains("etcdserver") => {
            Refusal::Unavailable(retry_after)
        }
        other => Refusal::Other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(code: u16, body: &Value) -> ApiError {
        ApiError::from_status("create x", code, None, &serde_json::to_vec(body).unwrap())
    }

    #[test]
    fn a_refusal_is_told_apart_by_what_the_restore_does_next() {
        let exists = json!({"reason": "AlreadyExists", "message": "already exists"});
        let changed = json!({"reason": "Conflict", "message": "changed"});
        let terminating =
            json!({"reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}});
        let hook = json!({"reason": "InternalError", "message": "failed calling webhook \"a.b\": refused"});
        let effects = json!({"message": "admission webhook \"a.b\" does not support dry run"});

        assert_eq!(status(409, &exists).refusal, Refusal::AlreadyExists);
        assert_eq!(status(409, &changed).refusal, Refusal::Conflict);
        assert_eq!(status(403, &terminating).refusal, Refusal::NamespaceTerminating);
        assert_eq!(status(500, &hook).refusal, Refusal::WebhookUnreachable);
        assert_eq!(status(400, &effects).refusal, Refusal::DryRunNotSupported);
        assert!(status(429, &Value::Null).is_temporary());
        assert!(!status(422, &Value::Null).is_temporary());
    }

    #[test]
    fn a_quiet_explanation_names_the_rule_that_refused_and_nothing_that_it_said() {
        let cases = [
            (
                r#"admission webhook "guard.example.com" denied the request: hunter2"#,
                "webhook guard.example.com",
            ),
            (
                r#"secrets "s" is forbidden: ValidatingAdmissionPolicy 'no-keys' with binding 'b' denied request: hunter2"#,
                "policy no-keys",
            ),
            (r#"failed calling webhook "guard.example.com": hunter2"#, "webhook guard.example.com"),
            (r#"secrets "s" is forbidden: exceeded quota: small, requested: secrets=1"#, "quota small"),
            (r#"admission webhook "hunter2 HUNTER2" denied the request"#, "not allowed"),
        ];

        for (message, named) in cases {
            let said = status(403, &json!({"message": message, "reason": "Forbidden"})).explain(true);

            assert!(said.contains(named), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_quiet_explanation_names_fields_and_never_quotes() {
        let body = json!({
            "message": "Secret \"s\" is invalid: data[k]: Invalid value: \"hunter2\"",
            "details": {"causes": [{"field": "data[k]", "message": "Invalid value: hunter2"}]},
        });

        let error = status(422, &body);

        assert!(error.explain(false).contains("hunter2"));
        assert!(!error.explain(true).contains("hunter2"));
        assert!(error.explain(true).contains("data[k]"));
    }
}
