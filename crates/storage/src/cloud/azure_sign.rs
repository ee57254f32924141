//! Signs single requests to Azure Blob storage with an account key (*Shared Key*).

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{Timestamp, tz::TimeZone};

/// The version of the REST API that is asked for.
pub(crate) const API_VERSION: &str = "2021-12-02";

/// A time as the header `x-ms-date` wants it.
pub(crate) fn date(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The header `Authorization` of a request without body. `path` is the encoded path of the address, `query` its
/// parameters in the canonical form (`\nname:value`, sorted). `None` when the key is not base64.
pub(crate) fn authorization(
    method: &str,
    path: &str,
    query: &str,
    date: &str,
    account: &str,
    key: &str,
) -> Option<String> {
    // The eleven standard headers between the method and ours are all empty.
    let headers = format!("{}x-ms-date:{date}\nx-ms-version:{API_VERSION}\n", "\n".repeat(11));
    let text = format!("{method}\n{headers}/{account}{path}{query}");
    Some(format!("SharedKey {account}:{}", sign(key, &text)?))
}

/// The base64 of the HMAC-SHA256 of `text`; `None` when the key is not base64.
pub(crate) fn sign(key: &str, text: &str) -> Option<String> {
    let key = STANDARD.decode(key).ok()?;
    Some(STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes())))
}
