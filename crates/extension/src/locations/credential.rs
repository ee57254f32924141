//! The store's credential, read from its Secret again and again: a changed or deleted Secret takes effect
//! within a minute, also in the middle of a backup.

use async_trait::async_trait;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use std::{collections::BTreeMap, sync::Arc};
use storage::{
    credential::{
        AwsWebIdentity, AzureWorkloadIdentity, Credential, CredentialError, CredentialSource, NoCredential,
        from_secret,
    },
    location::Provider,
};
use telemetry::Clock;

use super::{CredentialKind, GRANTED, LocationError, LocationRecord};
use crate::grants::Vault;

const READ_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// The source that a location names.
pub async fn source(
    record: &LocationRecord,
    secrets: &Api<Secret>,
    vault: Option<&Vault>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn CredentialSource>, LocationError> {
    let settings = &record.settings;
    let variable = |name: &str| std::env::var(name).ok();
    let http = || -> Result<reqwest::Client, CredentialError> {
        settings.trust().http_client().map_err(|error| CredentialError {
            source_name: "workload identity".to_owned(),
            cause: error.to_string(),
            temporary: false,
            remedy: "Paste the certificate authority as PEM into config.caCert.".to_owned(),
        })
    };
    Ok(match (&record.credential, settings.provider) {
        (CredentialKind::None, _) => Arc::new(NoCredential),
        (CredentialKind::Secret(name), provider) => Arc::new(KubeSecret {
            secrets: secrets.clone(),
            name: name.clone(),
            provider,
            account: settings.storage_account().map(str::to_owned),
            clock: clock.clone(),
        }),
        // Where a granted location is, another cluster's settings may have said: the identity's token goes to nobody but
        // the vault and the accounts under the provider's own names.
        (CredentialKind::WorkloadIdentity, Provider::Azure)
            if record.name.starts_with(GRANTED)
                && settings.names_an_endpoint()
                && !vault.is_some_and(|vault| settings.is_at(vault.url())) =>
        {
            return Err(CredentialError {
                source_name: "workload identity".to_owned(),
                cause: "the location is at an address that is not the vault's".to_owned(),
                temporary: false,
                remedy: "Keep it in a storage account of the vault, or describe it to this extension as a source with a \
                         credential of its own."
                    .to_owned(),
            }
            .into());
        }
        (CredentialKind::WorkloadIdentity, Provider::Azure) => match vault {
            Some(vault) => Arc::new(vault.identity(&settings.trust()).await?),
            None => Arc::new(AzureWorkloadIdentity::from_env(variable, http()?, clock.clone())?),
        },
        (CredentialKind::WorkloadIdentity, Provider::Aws) => {
            Arc::new(AwsWebIdentity::from_env(variable, http()?, clock.clone())?)
        }
        (CredentialKind::WorkloadIdentity, provider) => {
            return Err(CredentialError {
                source_name: "workload identity".to_owned(),
                cause: format!("it is not available for provider {provider}"),
                temporary: false,
                remedy: "Name a Secret with the setting credentialSecret.".to_owned(),
            }
            .into());
        }
    })
}

#[derive(Debug)]
struct KubeSecret {
    secrets: Api<Secret>,
    name: String,
    provider: Provider,
    account: Option<String>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl CredentialSource for KubeSecret {
    fn describe(&self) -> String {
        format!("Secret {}", self.name)
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        let fail = |cause: String, temporary: bool, remedy: String| CredentialError {
            source_name: self.describe(),
            cause,
            temporary,
            remedy,
        };
        let secret = match self.secrets.get_opt(&self.name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => {
                return Err(fail(
                    "it does not exist".to_owned(),
                    false,
                    format!("Create Secret {}.", self.name),
                ));
            }
            Err(error) => {
                return Err(fail(
                    error.to_string(),
                    true,
                    "Check that the API server is reachable.".to_owned(),
                ));
            }
        };
        let data = bytes_of(&secret);
        let value = from_secret(self.provider, self.account.as_deref(), &data)
            .map_err(|error| CredentialError { source_name: self.describe(), ..error })?;
        let expires = self.clock.now().checked_add(READ_AGAIN).ok();
        Ok(Credential { value, expires })
    }
}

/// The data of a Secret.
pub fn bytes_of(secret: &Secret) -> BTreeMap<String, Vec<u8>> {
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}
