//! Errors as every client of the management API reads them: `{"error": {"code", "message", "target", "details"}}`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a message: what a client sent comes back in it, and that may be long.
const LONGEST_MESSAGE: usize = 8_192;

/// One refusal, with the HTTP status that carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
#[serde(rename_all = "camelCase")]
pub struct ArmError {
    /// HTTP status; 0 inside `details`.
    #[serde(skip)]
    pub status: u16,
    /// For programs.
    pub code: String,
    /// For people; with the next step.
    pub message: String,
    /// The field or resource in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Several errors at once.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub details: Vec<ArmError>,
    /// What else is known.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub additional_info: Vec<AdditionalInfo>,
}

/// A further piece of an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdditionalInfo {
    /// What kind of piece.
    #[serde(rename = "type")]
    pub kind: String,
    /// The piece.
    pub info: Value,
}

impl ArmError {
    /// An error of this status and code.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: cut(message.into()),
            target: None,
            details: Vec::new(),
            additional_info: Vec::new(),
        }
    }

    /// Names the field or resource.
    pub fn about(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// A request without `api-version`.
    pub fn missing_api_version() -> Self {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        Self::new(400, "MissingApiVersionParameter", message)
    }

    /// A body or parameter that cannot be taken, by the path of the field.
    pub fn invalid_field(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(400, "InvalidRequestContent", format!("{field}: {reason}")).about(field)
    }

    /// Several fields at once: the first is the error, all are in its details.
    pub fn invalid_fields(mut fields: Vec<Self>) -> Self {
        match fields.len() {
            1 => fields.remove(0),
            number => {
                let message = format!("{number} fields of the request cannot be taken; see details.");
                Self { details: fields, ..Self::new(400, "InvalidRequestContent", message) }
            }
        }
    }

    /// A resource that is not there.
    pub fn not_found(id: &crate::ResourceId) -> Self {
        let group = id.resource_group().unwrap_or_default();
        let message = format!(
            "The Resource '{}/{}' under resource group '{group}' was not found.",
            id.kind(),
            id.name()
        );
        Self::new(404, "ResourceNotFound", message).about(id.as_str())
    }

    /// What the caller may not do.
    pub fn not_authorized(principal: &str, object_id: &str, action: &str, scope: &str) -> Self {
        let message = format!(
            "The client '{principal}' with object id '{object_id}' does not have authorization to perform action \
             '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh \
             your credentials."
        );
        Self::new(403, "AuthorizationFailed", message)
    }

    /// What the caller may do, but not with a resource that it links to: each pair is action and scope.
    pub fn not_authorized_linked(
        (principal, object_id): (&str, &str),
        (action, scope): (&str, &str),
        (linked_action, linked): (&str, &str),
    ) -> Self {
        let message = format!(
            "The client '{principal}' with object id '{object_id}' has permission to perform action '{action}' on scope \
             '{scope}'; however, it does not have permission to perform action(s) '{linked_action}' on the linked scope(s) \
             '{linked}' (respectively) or the linked scope(s) are invalid."
        );
        Self::new(403, "LinkedAuthorizationFailed", message).about(linked)
    }

    /// The document to send.
    pub fn body(&self) -> Value {
        serde_json::json!({ "error": self })
    }
}

/// The beginning of a text that is too long to be told.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST_MESSAGE {
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_does_not_give_back_all_that_a_client_sent() {
        let error = ArmError::invalid_field("name", format!("is '{}'", "ß".repeat(1_000_000)));

        assert!(error.message.len() < 9_000 && error.message.ends_with('…'), "{}", error.message.len());
    }

    #[test]
    fn an_error_has_the_documented_shape() {
        let error = ArmError::invalid_field("properties.policyRules", "is required");

        assert_eq!(
            error.body(),
            serde_json::json!({"error": {
                "code": "InvalidRequestContent",
                "message": "properties.policyRules: is required",
                "target": "properties.policyRules",
            }})
        );
    }

    #[test]
    fn a_linked_refusal_names_both_scopes_and_both_actions() {
        let error = ArmError::not_authorized_linked(("c", "o"), ("x/restore/action", "/a"), ("y/read", "/b"));

        assert_eq!((error.status, error.code.as_str()), (403, "LinkedAuthorizationFailed"));
        for part in ["'c'", "'o'", "'x/restore/action'", "'/a'", "'y/read'", "'/b'"] {
            assert!(error.message.contains(part), "{part}: {}", error.message);
        }
    }

    #[test]
    fn several_wrong_fields_are_told_at_once() {
        let wrong = ["a", "b"].map(|field| ArmError::invalid_field(field, "is required"));

        let error = ArmError::invalid_fields(wrong.to_vec());

        let targets: Vec<_> = error.details.iter().filter_map(|one| one.target.as_deref()).collect();
        assert_eq!((error.status, targets), (400, vec!["a", "b"]));
    }

    #[test]
    fn a_missing_resource_is_named_by_type_and_name() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
            .parse()
            .unwrap();

        let error = ArmError::not_found(&id);

        assert_eq!((error.status, error.code.as_str()), (404, "ResourceNotFound"));
        assert!(error.message.contains("'Microsoft.DataProtection/backupVaults/v' under resource group 'g'"));
    }
}
