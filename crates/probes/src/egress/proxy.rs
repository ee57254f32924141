//! A tunnel through the proxy of the environment.

use super::{dial, dial::Dialled, dns, http::head, tls, trouble};
use hyper_util::client::proxy::matcher::Matcher;
use prerequisites::{Endpoint, EndpointKind, Trouble};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// A proxy to go through.
pub(super) struct Via {
    pub host: String,
    pub port: u16,
    secure: bool,
    authorization: Option<String>,
}

/// The proxy for an endpoint, if there is one. The API server is always spoken to directly.
pub(super) fn for_endpoint(matcher: &Matcher, endpoint: &Endpoint) -> Option<Via> {
    if endpoint.kind == EndpointKind::ApiServer {
        return None;
    }
    let scheme = if endpoint.tls { "https" } else { "http" };
    let destination = format!("{scheme}://{}", endpoint.address()).parse().ok()?;
    let proxy = matcher.intercept(&destination)?;
    let secure = proxy.uri().scheme_str() == Some("https");
    Some(Via {
        host: proxy.uri().host()?.trim_matches(['[', ']']).to_owned(),
        port: proxy.uri().port_u16().unwrap_or(if secure { 443 } else { 80 }),
        secure,
        authorization: proxy.basic_auth().and_then(|value| value.to_str().ok()).map(str::to_owned),
    })
}

/// A connection through the proxy.
pub(super) async fn tunnel(
    via: &Via,
    endpoint: &Endpoint,
    authorities: Option<&str>,
    limit: Duration,
) -> Result<Dialled, Trouble> {
    let addresses = dns::look_up(&via.host, via.port, limit).await?;
    let mut stream = Dialled::Plain(dial::first(&addresses, via.port).await?);
    if via.secure {
        stream = tls::over(stream, &via.host, authorities).await?;
    }
    let address = endpoint.address();
    let mut request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
    if let Some(authorization) = &via.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| trouble(&error))?;
    let answer = head(&mut stream).await?;
    match answer.status {
        200..300 => Ok(stream),
        status => Err(Trouble::ProxyRefused(status)),
    }
}
