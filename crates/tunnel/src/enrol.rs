//! Trades the one-time token, and later the certificate, for a certificate.

use crate::{
    ConnectionId, Part,
    body::{Body, full},
    credential::{Credential, CredentialError, EnrolmentToken},
    dial::{DialError, Dialled, Dialler},
    tls::AGENT,
    wire::{ENROL_PATH, EnrolAnswer, EnrolRequest, RENEW_PATH, RenewRequest},
};
use bytes::Bytes;
use http::{Request, StatusCode, Version, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::{CertificateParams, KeyPair};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::timeout;
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(30);
const LONGEST_ANSWER: usize = 64 * 1024;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The vault said no.
    #[error("the vault refused the {what}: {code}: {message}; {}", remedy(.code))]
    Refused {
        /// Enrolment or renewal.
        what: &'static str,
        /// Its code.
        code: String,
        /// Its words.
        message: String,
    },
    /// The vault cannot, at the moment.
    #[error("the vault could not answer ({status}); it is tried again")]
    Unwell {
        /// What it said.
        status: StatusCode,
    },
    /// The connection broke.
    #[error("the vault's answer did not arrive: {0}; it is tried again")]
    Broken(String),
    /// Not an answer of a vault.
    #[error(
        "the vault's answer cannot be used: {0}; check that vault and cluster run versions that go together"
    )]
    Answer(String),
    /// Key or request.
    #[error("could not make a key and a certificate request: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate that came.
    #[error("the certificate that the vault gave cannot be used: {0}")]
    Credential(#[from] CredentialError),
}

impl EnrolError {
    /// Whether the vault will say the same each time.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    code: String,
    message: String,
}

/// Enrols `part` with the token.
pub async fn enrol(dialler: &Dialler, token: &EnrolmentToken, part: Part) -> Result<Credential, EnrolError> {
    let (key, request) = key_and_request()?;
    let body = EnrolRequest { token: token.text().to_owned(), part, request };
    let stream = dialler.dial(b"http/1.1", None).await?;
    let answer = in_time(post(dialler, stream, ENROL_PATH, &body, "enrolment")).await?;
    usable(key, answer, token.connection(), part)
}

/// A new certificate, with a new key, for the bearer of `held`.
pub async fn renew(dialler: &Dialler, held: &Credential) -> Result<Credential, EnrolError> {
    let (key, request) = key_and_request()?;
    let stream = dialler.dial(AGENT, Some(held)).await?;
    let answer = in_time(post(dialler, stream, RENEW_PATH, &RenewRequest { request }, "renewal")).await?;
    usable(key, answer, held.name().connection, held.name().part)
}

fn key_and_request() -> Result<(Zeroizing<String>, String), EnrolError> {
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?.pem()?;
    Ok((Zeroizing::new(key.serialize_pem()), request))
}

fn usable(
    key: Zeroizing<String>,
    answer: EnrolAnswer,
    connection: ConnectionId,
    part: Part,
) -> Result<Credential, EnrolError> {
    let credential = Credential::parse(key, answer.certificate)?;
    let name = credential.name();
    if name.connection != connection || name.part != part {
        return Err(EnrolError::Answer(format!("the certificate names {name}")));
    }
    Ok(credential)
}

async fn in_time<T>(work: impl Future<Output = Result<T, EnrolError>>) -> Result<T, EnrolError> {
    let late = || EnrolError::Broken(format!("nothing came within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(late()))
}

async fn post(
    dialler: &Dialler,
    stream: Dialled,
    path: &str,
    document: &impl Serialize,
    what: &'static str,
) -> Result<EnrolAnswer, EnrolError> {
    let body = serde_json::to_vec(document).map_err(|error| EnrolError::Answer(error.to_string()))?;
    let (status, answer) = exchange(dialler, stream, path, body).await?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&answer).map_err(|error| EnrolError::Answer(error.to_string()));
    }
    match serde_json::from_slice::<Refusal>(&answer) {
        Ok(refusal) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            Err(EnrolError::Refused { what, code: refusal.error.code, message: refusal.error.message })
        }
        _ => Err(EnrolError::Unwell { status }),
    }
}

/// One request on a connection of its own, in the version of HTTP that its protocol means.
async fn exchange(
    dialler: &Dialler,
    stream: Dialled,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), EnrolError> {
    let broken = |error: &dyn std::fmt::Display| EnrolError::Broken(error.to_string());
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(AGENT);
    let authority = dialler.target().authority();
    let request =
        Request::post(if is_http2 { format!("https://{authority}{path}") } else { path.to_owned() })
            .version(if is_http2 { Version::HTTP_2 } else { Version::HTTP_11 })
            .header(header::HOST, &authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body::<Body>(full(body))
            .map_err(|error| broken(&error))?;
    let io = TokioIo::new(stream);
    // Each connection is driven beside its one request and ends with it.
    let response = if is_http2 {
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .handshake(io)
            .await
            .map_err(|error| broken(&error))?;
        read(sender.send_request(request), connection).await
    } else {
        let (mut sender, connection) = http1::handshake(io).await.map_err(|error| broken(&error))?;
        read(sender.send_request(request), connection).await
    };
    response.map_err(|error| broken(&error))
}

async fn read(
    response: impl Future<Output = hyper::Result<http::Response<hyper::body::Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<(StatusCode, Bytes), crate::BoxError> {
    let reading = async {
        let (head, body) = response.await?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
        Ok((head.status, body))
    };
    tokio::pin!(reading);
    let ended = tokio::select! {
        read = &mut reading => return read,
        ended = connection => ended,
    };
    // The whole answer may be there although the connection is over.
    match (timeout(Duration::from_secs(1), reading).await, ended) {
        (Ok(Ok(read)), _) => Ok(read),
        (_, Err(error)) => Err(error.into()),
        (Ok(Err(error)), Ok(())) => Err(error),
        (Err(_), Ok(())) => Err("the connection was closed".into()),
    }
}

fn remedy(code: &str) -> &'static str {
    match code {
        "EnrolmentTokenUsed" | "EnrolmentTokenExpired" | "EnrolmentTokenInvalid" => {
            "connect the cluster again (`cofferdam cluster connect`) and apply the manifest that it prints"
        }
        _ => "see the vault's log for the reason",
    }
}
