//! Fetches a small JSON document over TLS.

use serde_json::Value;
use std::{path::Path, time::Duration};

const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST: usize = 256 * 1024;

/// Why a document is not there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The connection.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// The answer.
    #[error("{0} answered {1}")]
    Status(String, u16),
    /// The size.
    #[error("{0} is larger than {LARGEST} bytes")]
    TooLarge(String),
    /// The content.
    #[error("{0} is no JSON document")]
    Content(String),
    /// The document names another issuer.
    #[error("its configuration names the issuer '{0}'")]
    OtherIssuer(String),
    /// No keys.
    #[error("it offers no keys over https")]
    NoKeys,
}

/// A client that trusts these authorities alone, or those of the system.
pub fn client(ca: Option<&Path>) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT);
    if let Some(path) = ca {
        let pem = std::fs::read(path).map_err(|error| error.to_string())?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())?;
        if authorities.is_empty() {
            return Err("it holds no certificate".to_owned());
        }
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|error| error.to_string())
}

/// A document, if it is small enough and comes soon enough.
pub async fn document(http: &reqwest::Client, url: &str) -> Result<Value, FetchError> {
    let mut response = http.get(url).send().await?;
    if !response.status().is_success() {
        return Err(FetchError::Status(url.to_owned(), response.status().as_u16()));
    }
    let mut whole = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if whole.len() + chunk.len() > LARGEST {
            return Err(FetchError::TooLarge(url.to_owned()));
        }
        whole.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&whole).map_err(|_| FetchError::Content(url.to_owned()))
}
