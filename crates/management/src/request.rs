//! One call, as a value.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;

/// What stays as it is in a query.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'$');

/// A call: method, path, api-version and body.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, which begins with a slash.
    pub path: String,
    /// Names and values of the query, `api-version` first.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Option<Value>,
    /// Headers beside the usual ones.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// A call without a body.
    pub fn new(method: Method, path: impl Into<String>, version: &str) -> Self {
        let query = vec![("api-version".to_owned(), version.to_owned())];
        Self { method, path: path.into(), query, body: None, headers: Vec::new() }
    }

    /// Reads.
    pub fn get(path: impl Into<String>, version: &str) -> Self {
        Self::new(Method::GET, path, version)
    }

    /// Makes or changes a whole resource.
    pub fn put(path: impl Into<String>, version: &str, body: Value) -> Self {
        Self::new(Method::PUT, path, version).with(body)
    }

    /// Changes a part of a resource.
    pub fn patch(path: impl Into<String>, version: &str, body: Value) -> Self {
        Self::new(Method::PATCH, path, version).with(body)
    }

    /// Starts an action.
    pub fn post(path: impl Into<String>, version: &str) -> Self {
        Self::new(Method::POST, path, version)
    }

    /// Deletes.
    pub fn delete(path: impl Into<String>, version: &str) -> Self {
        Self::new(Method::DELETE, path, version)
    }

    /// With a body.
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With one more parameter.
    pub fn ask(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Path and query as they are sent. Blanks are written `%20`: not every server reads `+`.
    pub fn target(&self) -> String {
        let pairs = self.query.iter().map(|(name, value)| {
            format!("{}={}", utf8_percent_encode(name, &PLAIN), utf8_percent_encode(value, &PLAIN))
        });
        format!("{}?{}", self.path, pairs.collect::<Vec<_>>().join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_written_as_the_official_clients_write_them() {
        let request = Request::get("/x", "2024-01-01").ask("$filter", "roleName eq 'Reader'");

        assert_eq!(request.target(), "/x?api-version=2024-01-01&$filter=roleName%20eq%20%27Reader%27");
    }
}
