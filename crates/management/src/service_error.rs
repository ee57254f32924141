//! Errors as the API writes them: ARM's shape, and the shape of jobs and protection, which carry recommended actions.

use serde_json::Value;
use std::fmt;

/// How deep errors may lie within each other before the rest is left out.
const DEPTH: usize = 8;

/// One refusal of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// HTTP status; 0 inside details and operations.
    pub status: u16,
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// The field or resource in question.
    pub target: Option<String>,
    /// What the API says to do.
    pub recommended: Vec<String>,
    /// Several errors at once.
    pub details: Vec<ServiceError>,
    /// Names the call in the server's log.
    pub correlation: Option<String>,
}

impl ServiceError {
    /// Reads the body of an answer with an error status.
    pub fn read(status: u16, body: &Value, text: &str) -> Self {
        let document = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
        let mut error = Self::of(document);
        error.status = status;
        if error.code.is_empty() {
            error.code = format!("HTTP {status}");
        }
        if error.message.is_empty() {
            error.message = text.chars().filter(|c| !c.is_control()).take(300).collect();
        }
        error
    }

    /// Reads an error object.
    pub fn of(document: &Value) -> Self {
        Self::within(document, DEPTH)
    }

    fn within(document: &Value, depth: usize) -> Self {
        let text = |name: &str| field(document, name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut recommended = actions(document);
        for further in array(document, "additionalInfo") {
            recommended.extend(field(further, "info").map(actions).unwrap_or_default());
        }
        let details = match depth {
            0 => Vec::new(),
            depth => {
                array(document, "details").iter().map(|detail| Self::within(detail, depth - 1)).collect()
            }
        };
        Self {
            status: 0,
            code: text("code"),
            message: text("message"),
            target: Some(text("target")).filter(|target| !target.is_empty()),
            recommended,
            details,
            correlation: None,
        }
    }

    /// Its own actions and those of its details, each once.
    pub fn all_recommended(&self) -> Vec<String> {
        let mut all = self.recommended.clone();
        for action in self.details.iter().flat_map(Self::all_recommended) {
            if !all.contains(&action) {
                all.push(action);
            }
        }
        all
    }

    /// The codes in it.
    pub fn codes(&self) -> Vec<&str> {
        let own = Some(self.code.as_str());
        own.into_iter().chain(self.details.iter().flat_map(Self::codes)).collect()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        for detail in self.details.iter().filter(|detail| !detail.same_as(self)) {
            write!(f, "\n{:indent$}", "")?;
            if let Some(target) = detail.target.as_deref().filter(|target| !detail.message.contains(target)) {
                write!(f, "{target}: ")?;
            }
            detail.write(f, indent + 2)?;
        }
        Ok(())
    }

    /// Whether it says nothing that the other does not say.
    fn same_as(&self, other: &Self) -> bool {
        self.code == other.code && self.message == other.message && self.details.is_empty()
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 2)
    }
}

/// `recommendedAction` is a list, or one text.
fn actions(document: &Value) -> Vec<String> {
    let found = field(document, "recommendedAction").or_else(|| field(document, "recommendedActions"));
    match found {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

fn array<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    field(document, name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A member by its name in any case.
fn field<'v>(document: &'v Value, name: &str) -> Option<&'v Value> {
    document.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn details_are_shown_once_each_with_their_targets() {
        let body = json!({"error": {"code": "InvalidRequestContent", "message": "two fields", "details": [
            {"code": "Bad", "message": "is empty", "target": "properties.a", "recommendedAction": ["fill it"]},
            {"code": "InvalidRequestContent", "message": "two fields"}]}});

        let error = ServiceError::read(400, &body, "");

        assert_eq!(error.to_string(), "InvalidRequestContent: two fields\n  properties.a: Bad: is empty");
        assert_eq!(error.all_recommended(), ["fill it"]);
        assert_eq!(error.codes(), ["InvalidRequestContent", "Bad", "InvalidRequestContent"]);
    }

    #[test]
    fn what_is_no_error_document_still_says_something() {
        let error = ServiceError::read(502, &Value::Null, "bad\u{7} gateway");

        assert_eq!(error.to_string(), "HTTP 502: bad gateway");
    }

    #[test]
    fn endless_nesting_ends() {
        let mut body = json!({"code": "A", "message": "m"});
        for _ in 0..50 {
            body = json!({"code": "A", "message": "m", "details": [body]});
        }

        assert_eq!(ServiceError::of(&body).codes().len(), DEPTH + 1);
    }
}
