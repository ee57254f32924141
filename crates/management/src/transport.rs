//! HTTP over TLS: one connection pool, the trusted authorities, retries of what was certainly not done.

use crate::{Error, Request, ServiceError};
use reqwest::{Certificate, Method, Response, header::HeaderMap};
use serde_json::Value;
use std::{error::Error as _, time::Duration};
use url::Url;

const CONNECT: Duration = Duration::from_secs(15);
const WHOLE: Duration = Duration::from_secs(120);
/// How often a call is tried again.
const RETRIES: u32 = 4;
/// No server makes us wait longer than this between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Sends requests.
#[derive(Debug, Clone)]
pub struct Transport {
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, `null` when it is empty or no JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
    }
}

impl Transport {
    /// Trusts the authorities in `pem` and no others; without it those of the system.
    pub fn new(pem: Option<&str>) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .https_only(true)
            // A token never follows a redirection.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = pem {
            let invalid =
                |error: reqwest::Error| Error::Invalid(format!("the certificates are not PEM: {error}"));
            let authorities = Certificate::from_pem_bundle(pem.as_bytes()).map_err(invalid)?;
            if authorities.is_empty() {
                return Err(Error::Invalid("the file holds no certificate in PEM".to_owned()));
            }
            builder = builder.tls_certs_only(authorities);
        }
        let http = builder
            .build()
            .map_err(|error| Error::Invalid(format!("could not set up TLS: {}", causes(&error))))?;
        Ok(Self { http })
    }

    /// Reads an absolute URL without a token.
    pub async fn get(&self, url: &str) -> Result<Answer, Error> {
        self.again(&Method::GET, || self.http.get(url)).await
    }

    /// Reads a file at an absolute URL without a token; an error status is an error.
    pub async fn download(&self, url: &str) -> Result<Vec<u8>, Error> {
        let response = self.http.get(url).send().await.map_err(|error| unreachable(&error))?;
        if !response.status().is_success() {
            let answer = read(response).await.map_err(|error| unreachable(&error))?;
            return Err(Error::Service(ServiceError::read(answer.status, &answer.body, &answer.text)));
        }
        let bytes = response.bytes().await.map_err(|error| unreachable(&error))?;
        Ok(bytes.to_vec())
    }

    /// Sends a form.
    pub async fn form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Answer, Error> {
        self.again(&Method::POST, || self.http.post(url).form(fields)).await
    }

    /// Sends a request with a token.
    pub async fn send_to(&self, url: &Url, request: &Request, token: &str) -> Result<Answer, Error> {
        let id = uuid::Uuid::new_v4().to_string();
        tracing::debug!(method = %request.method, %url, id, "calling");
        let answer = self
            .again(&request.method, || {
                let mut call = self.http.request(request.method.clone(), url.clone());
                call = call.bearer_auth(token).header("x-ms-client-request-id", &id);
                for (name, value) in &request.headers {
                    call = call.header(name, value);
                }
                match &request.body {
                    Some(body) => call.json(body),
                    // Servers want to know that nothing follows.
                    None if request.method == Method::POST => call.header("content-length", "0"),
                    None => call,
                }
            })
            .await?;
        tracing::debug!(status = answer.status, id, "answered");
        Ok(answer)
    }

    async fn again(
        &self,
        method: &Method,
        call: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<Answer, Error> {
        let mut wait = Duration::from_millis(500);
        let mut tries = 0;
        loop {
            let outcome = match call().send().await {
                Ok(response) => read(response).await,
                Err(error) => Err(error),
            };
            let may_try = tries < RETRIES;
            match &outcome {
                Ok(answer) if may_try && again_after(method, answer.status) => {
                    wait = answer.retry_after().unwrap_or(wait);
                }
                // A connection that never came about has changed nothing; one that broke may have.
                Err(error) if may_try && !is_certificate(error) && (error.is_connect() && tries < 2) => {}
                Err(error) => return Err(unreachable(error)),
                Ok(_) => return outcome.map_err(|error| unreachable(&error)),
            }
            tracing::debug!(?wait, "trying again");
            tokio::time::sleep(wait).await;
            (tries, wait) = (tries + 1, (wait * 2).min(LONGEST_WAIT));
        }
    }
}

/// Whether an answer says that the call was not taken up, or that it can do no harm twice.
fn again_after(method: &Method, status: u16) -> bool {
    status == 429 || (*method == Method::GET && matches!(status, 502..=504))
}

async fn read(response: Response) -> Result<Answer, reqwest::Error> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status, headers, body, text })
}

fn unreachable(error: &reqwest::Error) -> Error {
    Error::Unreachable {
        url: error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default(),
        reason: causes(error),
        certificate: is_certificate(error),
    }
}

fn is_certificate(error: &reqwest::Error) -> bool {
    let text = causes(error).to_lowercase();
    text.contains("certificate") || text.contains("unknownissuer")
}

/// The innermost causes; the outer ones repeat the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut at = error.source();
    while let Some(cause) = at {
        let text = cause.to_string();
        if !texts.iter().any(|seen| seen.contains(&text)) {
            texts.push(text);
        }
        at = cause.source();
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_taken_up_is_sent_twice() {
        assert!(again_after(&Method::POST, 429) && again_after(&Method::GET, 503));
        assert!(!again_after(&Method::POST, 503) && !again_after(&Method::PUT, 502));
        assert!(!again_after(&Method::GET, 500) && !again_after(&Method::GET, 404));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert!(matches!(Transport::new(Some("nothing")), Err(Error::Invalid(_))));
    }
}
