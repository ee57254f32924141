//! An answer in the making.

use crate::{Body, Found, conditions::http_date, content::full};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// Status, headers, body.
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl Reply {
    /// Without a body.
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: full("") }
    }

    /// With an XML document.
    pub(crate) fn xml(document: String) -> Self {
        Self::new(StatusCode::OK).with("content-type", "application/xml").body(full(document))
    }

    /// With a header; one that cannot be sent is left out.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => drop(self.headers.insert(name, value)),
            _ => tracing::warn!(name, "a header cannot be sent and is left out"),
        }
        self
    }

    /// With what is known of a blob's state.
    pub(crate) fn state(self, found: &Found) -> Self {
        self.with("etag", &format!("\"{}\"", found.etag)).with("last-modified", &http_date(found.modified))
    }

    /// After a write.
    pub(crate) fn written(status: StatusCode, found: &Found) -> Self {
        Self::new(status).state(found).with("x-ms-request-server-encrypted", "false")
    }

    pub(crate) fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
