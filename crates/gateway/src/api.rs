//! The way to the API server for what the vault asks: without a credential of the gateway's own.

use http::{
    HeaderMap, HeaderValue, Request, Response, Uri,
    header::{self, HeaderName},
};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::client::ConfigExt;
use std::time::Duration;
use tunnel::{Body, boxed, wire::PASSED_HEADERS};

const CONNECT: Duration = Duration::from_secs(10);
/// A watch that brings nothing for an hour is no reason to believe in a connection that is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_RETRIES: u32 = 3;

/// The API server, as it is reached with the tokens of bindings. Clones share its connections.
#[derive(Clone)]
pub struct ApiServer {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    base: Uri,
}

/// Why a request did not get an answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request itself.
    #[error("the request cannot be passed on: {0}")]
    Request(#[from] http::Error),
    /// The token has a form that no header can hold.
    #[error("the API server gave a token that is none")]
    Token,
    /// The way there.
    #[error("{}", with_causes(.0))]
    Unreachable(#[from] hyper_util::client::legacy::Error),
}

impl ApiServer {
    /// Of `config` only the address and the authorities count. A client certificate in it would be shown in each
    /// handshake and outweigh the tokens, so there must be none.
    pub fn new(config: &kube::Config) -> Result<Self, kube::Error> {
        let mut config = config.clone();
        config.auth_info = kube::config::AuthInfo::default();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE));
        tcp.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
        let connector = config.rustls_https_connector_with_connector(tcp)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(8)
            .build(connector);
        Ok(Self { client, base: config.cluster_url })
    }

    /// Passes `request` on with `token` and the three headers of the contract.
    pub(crate) async fn send(
        &self,
        request: Request<Incoming>,
        token: &str,
    ) -> Result<Response<Incoming>, ApiError> {
        let (given, body) = request.into_parts();
        let path = given.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder()
            .scheme(self.base.scheme_str().unwrap_or("https"))
            .authority(self.base.authority().map_or("", |authority| authority.as_str()))
            .path_and_query(format!("{}{path}", self.base.path().trim_end_matches('/')))
            .build()?;
        let mut headers = HeaderMap::with_capacity(PASSED_HEADERS.len() + 1);
        for name in PASSED_HEADERS {
            if let Some(value) = given.headers.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ApiError::Token)?;
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
        let mut onward = Request::builder().method(given.method).uri(uri).body(boxed(body))?;
        *onward.headers_mut() = headers;
        Ok(self.client.request(onward).await?)
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
