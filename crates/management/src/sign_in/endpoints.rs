//! Where an authority issues tokens: its discovery document.

use crate::{Cloud, Error, Transport};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Addresses of an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// Where tokens come from.
    pub token: String,
    /// Where a sign-in by a person begins.
    pub device: Option<String>,
}

impl Endpoints {
    /// Asks the authority of a cloud for a tenant's addresses.
    pub async fn discover(transport: &Transport, cloud: &Cloud, tenant: &str) -> Result<Self, Error> {
        let url = format!("{}/{tenant}/v2.0/.well-known/openid-configuration", cloud.login);
        let answer = transport.get(&url).await?;
        if answer.status != 200 {
            let told = answer.body.get("error_description").and_then(Value::as_str);
            let told = told.and_then(|told| told.split(" Trace ID:").next());
            let description = format!(
                "there is no tenant {tenant} at {}{}",
                cloud.login,
                told.map(|told| format!(" ({told})")).unwrap_or_default()
            );
            return Err(Error::SignIn { code: "invalid_tenant".to_owned(), description });
        }
        let text = |name: &str| answer.body.get(name).and_then(Value::as_str).map(str::to_owned);
        let token =
            text("token_endpoint").filter(|token| token.starts_with("https://")).ok_or_else(|| {
                Error::Answer { url, reason: "it names no token_endpoint with https://".to_owned() }
            })?;
        let device = text("device_authorization_endpoint").filter(|device| device.starts_with("https://"));
        Ok(Self { token, device })
    }
}
