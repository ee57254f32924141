//! Workload identity: a projected ServiceAccount token is exchanged for a short-lived store credential.

use super::{Credential, CredentialError, CredentialSource, CredentialValue};
use crate::{ProxyTrouble, behind_proxy, error::AZURE_IDENTITY};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;
use std::{path::PathBuf, sync::Arc, time::Duration};
use telemetry::Clock;

/// How long a token service may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read at most; one with a token has a few thousand.
const LONGEST: usize = 1 << 20;

/// Exchanges the federated token in a file for a token of a Microsoft Entra application, for Azure Blob storage.
///
/// Source of the exchange: OAuth 2.0 client credentials with a federated credential (Microsoft identity platform).
#[derive(Debug, Clone)]
pub struct AzureWorkloadIdentity {
    /// The tenant of the identity.
    pub tenant_id: String,
    /// The client id of the identity.
    pub client_id: String,
    /// Where the projected ServiceAccount token is mounted.
    pub token_file: PathBuf,
    /// The authority, for example `https://login.microsoftonline.com/`.
    pub authority: String,
    /// The HTTP client, with the private CA where one is needed.
    pub http: reqwest::Client,
    /// For the expiry.
    pub clock: Arc<dyn Clock>,
}

/// Exchanges the web identity token in a file for temporary S3 keys (`AssumeRoleWithWebIdentity`).
#[derive(Debug, Clone)]
pub struct AwsWebIdentity {
    /// The role to assume.
    pub role_arn: String,
    /// Where the projected ServiceAccount token is mounted.
    pub token_file: PathBuf,
    /// The token service, for example `https://sts.eu-west-1.amazonaws.com/`.
    pub sts_url: String,
    /// The HTTP client, with the private CA where one is needed.
    pub http: reqwest::Client,
    /// For the expiry.
    pub clock: Arc<dyn Clock>,
}

impl AzureWorkloadIdentity {
    /// The identity that the variables of Azure's workload identity webhook describe.
    pub fn from_env(
        variable: impl Fn(&str) -> Option<String>,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        let need = |name: &str| required(&variable, name, AZURE_IDENTITY, AZURE_REMEDY);
        Ok(Self {
            tenant_id: need("AZURE_TENANT_ID")?,
            client_id: need("AZURE_CLIENT_ID")?,
            token_file: need("AZURE_FEDERATED_TOKEN_FILE")?.into(),
            authority: variable("AZURE_AUTHORITY_HOST")
                .unwrap_or_else(|| "https://login.microsoftonline.com/".to_owned()),
            http,
            clock,
        })
    }

    /// A token of the identity for `scope`, for example `https://storage.azure.com/.default`.
    pub async fn token_for(&self, scope: &str) -> Result<Credential, CredentialError> {
        let asked = self.clock.now();
        let assertion = token(&self.token_file).await.map_err(|failure| self.fail(failure))?;
        let url = format!("{}/{}/oauth2/v2.0/token", self.authority.trim_end_matches('/'), self.tenant_id);
        let form = [
            ("client_id", self.client_id.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
            ("scope", scope),
            ("grant_type", "client_credentials"),
        ];
        let answer = exchange(&self.http, &url, &form).await.map_err(|failure| self.fail(failure))?;
        let token: AzureToken = serde_json::from_str(&answer)
            .map_err(|_| self.fail(Failure::permanent("the token endpoint's answer is not understood")))?;
        Ok(Credential {
            value: CredentialValue::Bearer(SecretString::from(token.access_token)),
            expires: asked.checked_add(SignedDuration::from_secs(token.expires_in.into())).ok(),
        })
    }

    fn fail(&self, failure: Failure) -> CredentialError {
        failure.into_error(self.describe(), AZURE_REMEDY)
    }
}

impl AwsWebIdentity {
    /// The identity that the variables of the web identity webhook describe.
    pub fn from_env(
        variable: impl Fn(&str) -> Option<String>,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        let need = |name: &str| required(&variable, name, "AWS web identity", AWS_REMEDY);
        let sts_url = match (variable("AWS_ENDPOINT_URL_STS"), variable("AWS_REGION")) {
            (Some(url), _) => url,
            (None, Some(region)) => format!("https://sts.{region}.amazonaws.com/"),
            (None, None) => "https://sts.amazonaws.com/".to_owned(),
        };
        Ok(Self {
            role_arn: need("AWS_ROLE_ARN")?,
            token_file: need("AWS_WEB_IDENTITY_TOKEN_FILE")?.into(),
            sts_url,
            http,
            clock,
        })
    }

    fn fail(&self, failure: Failure) -> CredentialError {
        failure.into_error(self.describe(), AWS_REMEDY)
    }
}

/// The scope of tokens for Azure Blob storage.
const STORED_DATA: &str = "https://storage.azure.com/.default";

const AUTHORITY_REMEDY: &str = "Put the certificate authority of the token service into the file that COFFERDAM_VAULT_CA \
     names, or into config.caCert; verification cannot be switched off.";
const AZURE_REMEDY: &str = "Check that the ServiceAccount is annotated with the client id, that the federated \
     credential of the identity names this cluster's issuer and ServiceAccount, or use a Secret.";
const AWS_REMEDY: &str =
    "Check that the role trusts this cluster's issuer and ServiceAccount, or use a Secret.";

#[derive(Deserialize)]
struct AzureToken {
    access_token: String,
    expires_in: u32,
}

#[async_trait]
impl CredentialSource for AzureWorkloadIdentity {
    fn describe(&self) -> String {
        format!("{AZURE_IDENTITY} {}", self.client_id)
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        self.token_for(STORED_DATA).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleResponse {
    assume_role_with_web_identity_result: AssumeRoleResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleResult {
    credentials: AssumedKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedKeys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

#[async_trait]
impl CredentialSource for AwsWebIdentity {
    fn describe(&self) -> String {
        format!("AWS web identity for role {}", self.role_arn)
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        let assertion = token(&self.token_file).await.map_err(|failure| self.fail(failure))?;
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", self.role_arn.as_str()),
            ("RoleSessionName", "cofferdam"),
            ("DurationSeconds", "3600"),
            ("WebIdentityToken", assertion.as_str()),
        ];
        let answer =
            exchange(&self.http, &self.sts_url, &form).await.map_err(|failure| self.fail(failure))?;
        let parsed: AssumeRoleResponse = quick_xml::de::from_str(&answer)
            .map_err(|_| self.fail(Failure::permanent("the token service's answer is not understood")))?;
        let keys = parsed.assume_role_with_web_identity_result.credentials;
        Ok(Credential {
            value: CredentialValue::AwsKeys {
                key_id: keys.access_key_id,
                secret: SecretString::from(keys.secret_access_key),
                session: Some(SecretString::from(keys.session_token)),
            },
            // An expiry that cannot be read means: ask again every time.
            expires: Some(keys.expiration.parse().unwrap_or(Timestamp::UNIX_EPOCH)),
        })
    }
}

/// Why an exchange failed, before the source is named.
struct Failure {
    cause: String,
    temporary: bool,
    /// What helps, where it is not what helps with any other failure.
    remedy: Option<&'static str>,
}

impl Failure {
    fn permanent(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), temporary: false, remedy: None }
    }

    fn into_error(self, source_name: String, remedy: &str) -> CredentialError {
        let usual = if crate::cloud::is_untrusted(&self.cause) { AUTHORITY_REMEDY } else { remedy };
        let remedy = self.remedy.unwrap_or(usual);
        CredentialError {
            source_name,
            cause: self.cause,
            temporary: self.temporary,
            remedy: remedy.to_owned(),
        }
    }
}

fn required(
    variable: &impl Fn(&str) -> Option<String>,
    name: &str,
    source_name: &str,
    remedy: &str,
) -> Result<String, CredentialError> {
    variable(name).filter(|value| !value.is_empty()).ok_or_else(|| CredentialError {
        source_name: source_name.to_owned(),
        cause: format!("the variable {name} is not set in this pod"),
        temporary: false,
        remedy: remedy.to_owned(),
    })
}

async fn token(path: &PathBuf) -> Result<String, Failure> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Ok(_) => Err(Failure::permanent(format!("{} is empty", path.display()))),
        Err(error) => Err(Failure::permanent(format!("{}: {error}", path.display()))),
    }
}

async fn exchange(http: &reqwest::Client, url: &str, form: &[(&str, &str)]) -> Result<String, Failure> {
    let send = http
        .post(url)
        .timeout(PATIENCE)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
        .send();
    let unreachable = |error: reqwest::Error| {
        if let Some(proxy) = ProxyTrouble::of(&error) {
            let cause = format!("{url} was not reached: {}", proxy.cause);
            return Failure { cause, temporary: proxy.temporary, remedy: Some(proxy.remedy) };
        }
        let cause = crate::cloud::innermost(&error);
        let temporary = !crate::cloud::is_untrusted(&cause);
        Failure {
            cause: format!("{url} did not answer: {}", behind_proxy(url, cause)),
            temporary,
            remedy: None,
        }
    };
    let mut response = send.await.map_err(unreachable)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > LONGEST {
            return Err(Failure::permanent(format!("{url} answered with more than {LONGEST} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    Err(Failure {
        cause: format!("{url} answered {status}: {}", crate::cloud::service_words(&text)),
        temporary: status.is_server_error() || status.as_u16() == 429,
        remedy: None,
    })
}
