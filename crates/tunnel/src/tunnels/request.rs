//! What of a request and of an answer goes through.

use super::{error::TunnelError, queue::Kind};
use crate::{
    body::Body,
    wire::{BINDING_HEADER, OWN_PATHS, PASSED_HEADERS},
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, uri::Scheme};

/// Stands in requests where HTTP/2 wants a host; the gateway does not look at it.
const AUTHORITY: &str = "cluster.cofferdam";

/// `request` as it is sent, in the name of `binding`.
pub(super) fn carried(binding: &str, request: Request<Body>) -> Result<Request<Body>, TunnelError> {
    let (given, body) = request.into_parts();
    let path = given.uri.path_and_query().map_or("/", |path| path.as_str());
    if path.starts_with(OWN_PATHS) || !path.starts_with('/') {
        return Err(TunnelError::Request(format!("{path} is no path of an API server")));
    }
    if given.method == Method::CONNECT {
        return Err(TunnelError::Request("CONNECT is not carried".to_owned()));
    }
    let binding = HeaderValue::try_from(binding)
        .map_err(|_| TunnelError::Request(format!("{binding:?} cannot be the name of a binding")))?;
    let mut headers = HeaderMap::with_capacity(PASSED_HEADERS.len() + 1);
    for name in PASSED_HEADERS {
        if let Some(value) = given.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(BINDING_HEADER, binding);
    own(given.method, path, headers, body)
}

/// A request as HTTP/2 wants it.
pub(super) fn own(
    method: Method,
    path: &str,
    headers: HeaderMap,
    body: Body,
) -> Result<Request<Body>, TunnelError> {
    let wrong = |error: http::Error| TunnelError::Request(error.to_string());
    let uri = Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(AUTHORITY)
        .path_and_query(path)
        .build()
        .map_err(wrong)?;
    let mut request =
        Request::builder().method(method).uri(uri).version(Version::HTTP_2).body(body).map_err(wrong)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// A watch is a read with the parameter `watch`, by the API server's rule for booleans.
pub(super) fn kind_of<B>(request: &Request<B>) -> Kind {
    let parameters = request.uri().query().unwrap_or_default().split('&');
    let is_watch = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .any(|(name, value)| name == "watch" && matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"));
    if is_watch && request.method() == Method::GET { Kind::Watch } else { Kind::Call }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::empty;

    fn request(method: Method, uri: &str) -> Request<Body> {
        Request::builder().method(method).uri(uri).body(empty()).unwrap()
    }

    #[test]
    fn of_the_headers_only_three_go_and_the_binding_is_the_senders() {
        let mut given = request(Method::GET, "/apis?limit=5");
        for name in ["accept", "authorization", "impersonate-user", BINDING_HEADER, "cookie"] {
            given.headers_mut().insert(name, HeaderValue::from_static("x"));
        }

        let sent = carried("backuprb", given).unwrap();

        let names: Vec<_> = sent.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["accept", BINDING_HEADER]);
        assert_eq!(sent.headers()[BINDING_HEADER], "backuprb");
        assert_eq!(sent.uri(), "https://cluster.cofferdam/apis?limit=5");
    }

    #[test]
    fn the_gateways_own_paths_and_other_protocols_are_not_carried() {
        for (method, uri) in
            [(Method::PUT, "/_cofferdam/bindings"), (Method::CONNECT, "host:443"), (Method::OPTIONS, "*")]
        {
            let refused = carried("backuprb", request(method, uri)).unwrap_err();
            assert!(matches!(refused, TunnelError::Request(_)), "{uri}");
        }
        assert!(carried("a\nb", request(Method::GET, "/api")).is_err());
    }

    #[test]
    fn a_watch_is_told_from_a_call_as_the_api_server_does() {
        for (method, uri, kind) in [
            (Method::GET, "/apis/x/backups?watch=true", Kind::Watch),
            (Method::GET, "/apis/x/backups?limit=1&watch=1", Kind::Watch),
            (Method::GET, "/apis/x/backups?watch=false", Kind::Call),
            (Method::GET, "/apis/x/backups?unwatch=true", Kind::Call),
            (Method::GET, "/apis/x/watch", Kind::Call),
            (Method::POST, "/apis/x/backups?watch=true", Kind::Call),
        ] {
            assert_eq!(kind_of(&request(method, uri)), kind, "{uri}");
        }
    }
}
