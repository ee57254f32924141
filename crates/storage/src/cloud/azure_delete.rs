//! Deletes one Azure blob with one request.
//!
//! object_store deletes through *Blob Batch*, whose parts carry no error code, so that a blob kept by a retention
//! policy looks like any other conflict; and a signature may allow deletes but not batches.

use super::{
    azure_sign::{API_VERSION, authorization, date},
    classify::{classify_answer, no_answer, no_credential},
    fresh::ForAzure,
};
use crate::{StoreError, StoreErrorKind, StorePath, credential::CredentialValue};
use secrecy::ExposeSecret;
use std::sync::Arc;

/// What a delete needs besides the path.
#[derive(Debug)]
pub(super) struct AzureDelete {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: String,
    pub(super) account: String,
    pub(super) container: String,
    pub(super) credentials: Arc<ForAzure>,
}

impl AzureDelete {
    /// Deletes a blob; one that is absent is reported as not found. `target` names it in errors.
    pub(super) async fn delete(&self, path: &StorePath, target: String) -> Result<(), StoreError> {
        const TRIED: &str = "delete";
        let value = match self.credentials.current().await {
            Ok(value) => value,
            Err(error) => return Err(no_credential(TRIED, target, &error)),
        };
        let mut url = match self.url(path) {
            Some(url) => url,
            None => {
                return Err(StoreError::new(
                    TRIED,
                    target,
                    StoreErrorKind::Other,
                    "the endpoint is no address",
                ));
            }
        };
        let date = date(self.credentials.now());
        let signed = match &value {
            CredentialValue::Bearer(token) => Some(format!("Bearer {}", token.expose_secret())),
            CredentialValue::AzureSas(sas) => {
                url.set_query(Some(sas.expose_secret()));
                None
            }
            CredentialValue::AzureAccountKey(key) => {
                match authorization("DELETE", url.path(), "", &date, &self.account, key.expose_secret()) {
                    Some(signed) => Some(signed),
                    None => return Err(no_credential(TRIED, target, &self.credentials.unsuitable(&value))),
                }
            }
            other => return Err(no_credential(TRIED, target, &self.credentials.unsuitable(other))),
        };
        let mut request = self.http.delete(url).header("x-ms-date", date).header("x-ms-version", API_VERSION);
        if let Some(signed) = signed {
            request = request.header("authorization", signed);
        }
        // The address of the request may hold a signature, so it must not get into the error.
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(no_answer(TRIED, target, &error.without_url())),
        };
        if response.status().is_success() {
            return Ok(());
        }
        let status = response.status().as_u16();
        let code =
            response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let body = response.text().await.unwrap_or_default();
        Err(classify_answer(TRIED, target, status, code.as_deref(), &body))
    }

    fn url(&self, path: &StorePath) -> Option<url::Url> {
        let mut url = url::Url::parse(&self.endpoint).ok()?;
        url.path_segments_mut().ok()?.pop_if_empty().push(&self.container).extend(path.components());
        Some(url)
    }
}
