//! An answer, before it is bytes.

use arm::ArmError;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// Status, headers and a JSON document.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(HeaderName, String)>,
    /// The document, if there is one.
    pub body: Option<Value>,
    /// Bytes of another kind instead of a document: its media type, and itself.
    pub text: Option<(&'static str, Bytes)>,
}

impl Reply {
    /// A document.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body), text: None }
    }

    /// No document.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, text: None }
    }

    /// A page for people, in HTML.
    pub fn page(status: u16, page: String) -> Self {
        Self { text: Some(("text/html; charset=utf-8", page.into())), ..Self::empty(status) }
    }

    /// A file for programs.
    pub fn file(text: String) -> Self {
        Self { text: Some(("application/octet-stream", text.into())), ..Self::empty(200) }
    }

    /// Bytes of a kind.
    pub fn bytes(status: u16, kind: &'static str, bytes: Bytes) -> Self {
        Self { text: Some((kind, bytes)), ..Self::empty(status) }
    }

    /// With one more header.
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Of an error.
    pub fn error(error: &ArmError) -> Self {
        Self::json(error.status, error.body())
    }

    /// As bytes.
    pub fn into_response(self) -> Response<Body> {
        let (kind, body) = match (self.text, self.body) {
            (Some((kind, text)), _) => (kind, Some(text)),
            (None, body) => {
                ("application/json; charset=utf-8", body.map(|body| Bytes::from(body.to_string())))
            }
        };
        let mut response = Response::new(body.clone().map_or_else(Body::empty, Body::from));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in self.headers {
            // What cannot stand in a header cannot be sent; the names we send hold nothing of the kind.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<ArmError> for Reply {
    fn from(error: ArmError) -> Self {
        Self::error(&error)
    }
}
