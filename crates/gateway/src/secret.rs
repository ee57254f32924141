//! A part's credential in its Secret, which the manifest makes empty.

use async_trait::async_trait;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tunnel::credential::{Credential, CredentialStore, StoreError};
use zeroize::Zeroizing;

const KEY: &str = "tls.key";
const CERTIFICATE: &str = "tls.crt";

/// The Secret `name`. The part needs the rights `get` and `patch` on this one alone.
pub struct SecretStore {
    secrets: Api<Secret>,
    namespace: String,
    name: String,
}

impl SecretStore {
    /// The Secret `name` of `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            secrets: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    fn failed(&self, what: &str, error: &dyn std::fmt::Display) -> StoreError {
        StoreError(format!(
            "could not {what} the Secret {}/{}: {error}; apply the manifest of the connection again if it is not there",
            self.namespace, self.name
        ))
    }
}

#[async_trait]
impl CredentialStore for SecretStore {
    async fn load(&self) -> Result<Option<Credential>, StoreError> {
        let secret = self.secrets.get(&self.name).await.map_err(|error| self.failed("read", &error))?;
        let data = secret.data.unwrap_or_default();
        let text = |key| data.get(key).and_then(|value| String::from_utf8(value.0.clone()).ok());
        let (Some(key), Some(certificate)) = (text(KEY), text(CERTIFICATE)) else { return Ok(None) };
        if certificate.trim().is_empty() {
            return Ok(None);
        }
        match Credential::parse(Zeroizing::new(key), certificate) {
            Ok(credential) => Ok(Some(credential)),
            // As if there were none: with a token the part enrols again, and without one it says what to do.
            Err(error) => {
                tracing::warn!(%error, secret = %self.name, "what is kept as a credential is none");
                Ok(None)
            }
        }
    }

    async fn save(&self, credential: &Credential) -> Result<(), StoreError> {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let patch =
            json!({"data": {KEY: bytes(credential.key()), CERTIFICATE: bytes(credential.certificate())}});
        let parameters = PatchParams { field_manager: Some(self.name.clone()), ..PatchParams::default() };
        let patched = self.secrets.patch(&self.name, &parameters, &Patch::Merge(&patch)).await;
        patched.map(drop).map_err(|error| self.failed("write", &error))
    }
}
