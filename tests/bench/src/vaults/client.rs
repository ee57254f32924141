//! A client of the vault: signs in, and sends requests as the official libraries do.

use super::server::Place;
use anyhow::{Context, Result, bail};
use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const VERSION: &str = "2024-11-01";
const PATIENCE: Duration = Duration::from_secs(120);

/// What the first start of a vault hands over.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The tenant.
    pub tenant_id: String,
    /// The subscription.
    pub subscription_id: String,
    /// With which it signs in.
    pub client_id: String,
    /// By which roles name it.
    pub object_id: String,
    /// The secret.
    pub client_secret: String,
}

/// Someone who is signed in.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    url: String,
    token: String,
    credential: Credential,
}

/// Whoever asks nothing but whether the vault is there. What it would trust is not there yet either.
pub fn anyone() -> Result<Client> {
    let client = Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
    Ok(client.timeout(Duration::from_secs(2)).build()?)
}

/// A client with connections of its own, HTTP/1.1 as in Python and `az`.
pub fn client(place: &Place) -> Result<Client> {
    let authority = Certificate::from_pem(&std::fs::read(place.ca())?)?;
    let client = Client::builder().tls_certs_only([authority]).no_proxy().http1_only().tcp_nodelay(true);
    // The vault closes connections that nobody uses a little later than that.
    Ok(client.timeout(PATIENCE).pool_idle_timeout(Duration::from_secs(10)).build()?)
}

impl Api {
    /// The administrator of a vault.
    pub async fn sign_in(place: &Place) -> Result<Self> {
        let (http, credential) = (client(place)?, place.administrator()?);
        let scope = format!("{}//.default", place.url());
        let token = token(&http, place, &credential, &scope).await?;
        Ok(Self { http, url: place.url(), token, credential })
    }

    /// A token of the same one for stored data.
    pub async fn storage_token(&self, place: &Place) -> Result<String> {
        token(&self.http, place, &self.credential, "https://storage.azure.com/.default").await
    }

    /// Object id of who is signed in.
    pub fn object_id(&self) -> &str {
        &self.credential.object_id
    }

    /// The path of the subscription.
    pub fn root(&self) -> String {
        format!("/subscriptions/{}", self.credential.subscription_id)
    }

    /// A request through `http`, to be sent.
    pub fn request(&self, http: &Client, method: Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{separator}api-version={VERSION}", self.url);
        let request = http.request(method, url).bearer_auth(&self.token);
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// Sends it, and takes nothing but success.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let answer = self.request(&self.http, method.clone(), path, body.as_ref()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{method} {path}: {status}: {text}");
        }
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Gives a role to who is signed in.
    pub async fn assign(&self, role: &str, scope: &str) -> Result<()> {
        let definitions = format!("{}/providers/Microsoft.Authorization/roleDefinitions", self.root());
        let all = self.call(Method::GET, &definitions, None).await?;
        let all = all.get("value").and_then(Value::as_array).context("no list of roles")?;
        let named = |one: &&Value| one.pointer("/properties/roleName").and_then(Value::as_str) == Some(role);
        let id = all
            .iter()
            .find(named)
            .and_then(|one| one.get("id"))
            .with_context(|| format!("no role {role}"))?;
        let path =
            format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", uuid::Uuid::new_v4());
        let body = json!({"properties": {"roleDefinitionId": id, "principalId": self.object_id(),
            "principalType": "ServicePrincipal"}});
        self.call(Method::PUT, &path, Some(body)).await.map(drop)
    }
}

async fn token(http: &Client, place: &Place, who: &Credential, scope: &str) -> Result<String> {
    let url = format!("{}/{}/oauth2/v2.0/token", place.url(), who.tenant_id);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &who.client_id),
        ("client_secret", &who.client_secret),
        ("scope", scope),
    ];
    // Nothing in these values needs an escape but the scope's colons and slashes, which a form may carry as they are.
    let body = form.map(|(name, value)| format!("{name}={value}")).join("&");
    let request = http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer: Value = serde_json::from_str(&request.send().await?.text().await?)?;
    let token = answer.get("access_token").and_then(Value::as_str);
    token.map(str::to_owned).with_context(|| format!("no token: {answer}"))
}
