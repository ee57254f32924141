//! Builds the client of each object store from checked settings, with every choice made explicitly.

use super::{
    CloudStore,
    azure_delete::AzureDelete,
    fresh::{ForAws, ForAzure, ForGcp, Fresh},
};
use crate::{Trust, credential::CredentialSource, trust::BadAuthorities};
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3Builder, S3ConditionalPut, S3CopyIfNotExists},
    azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
};
use std::{sync::Arc, time::Duration};
use telemetry::Clock;

/// Where an object store is and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CloudTarget {
    /// Azure Blob storage.
    Azure {
        /// The storage account.
        account: String,
        /// The container.
        container: String,
        /// The blob endpoint of the account; `None` for the public cloud's.
        endpoint: Option<String>,
        /// Whether only tokens are accepted.
        only_tokens: bool,
    },
    /// S3 and what speaks its protocol.
    Aws {
        /// The bucket.
        bucket: String,
        /// The region; many S3-compatible stores ignore it.
        region: String,
        /// The endpoint; `None` for AWS.
        endpoint: Option<String>,
        /// Bucket in the path instead of in the host name.
        path_style: bool,
    },
    /// Google Cloud Storage.
    Gcp {
        /// The bucket.
        bucket: String,
    },
}

/// The store for `target`, asking `source` for credentials.
pub(crate) fn build(
    target: CloudTarget,
    trust: &Trust,
    source: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    retries: Retries,
) -> Result<CloudStore, object_store::Error> {
    let fresh = Arc::new(Fresh::new(source, clock));
    let endpoint = match &target {
        CloudTarget::Azure { endpoint, .. } | CloudTarget::Aws { endpoint, .. } => endpoint.as_deref(),
        CloudTarget::Gcp { .. } => None,
    };
    let connector = trust.connector(allows_http(endpoint), TIMEOUTS).map_err(bad_authorities)?;
    match target {
        CloudTarget::Azure { account, container, endpoint, only_tokens } => {
            let shown = endpoint.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
            let name = format!("container {container} of storage account {account}{shown}");
            let credentials = Arc::new(ForAzure { fresh: fresh.clone(), only_tokens });
            let azure_delete = AzureDelete {
                http: trust.http_client().map_err(bad_authorities)?,
                endpoint: endpoint
                    .clone()
                    .unwrap_or_else(|| format!("https://{account}.blob.core.windows.net/")),
                account: account.clone(),
                container: container.clone(),
                credentials: credentials.clone(),
            };
            let mut builder = MicrosoftAzureBuilder::new()
                .with_account(account)
                .with_container_name(container)
                .with_credentials(credentials)
                .with_retry(retries.config())
                .with_client_options(client_options(endpoint.as_deref(), trust)?);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
            }
            if let Some(connector) = connector {
                builder = builder.with_http_connector(connector);
            }
            let store = CloudStore::new(builder.build()?, name, fresh);
            Ok(CloudStore { azure_delete: Some(Arc::new(azure_delete)), ..store })
        }
        CloudTarget::Aws { bucket, region, endpoint, path_style } => {
            let shown = endpoint.as_deref().unwrap_or("AWS");
            let name = format!("S3 bucket {bucket} at {shown}");
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(&bucket)
                .with_region(region)
                .with_credentials(Arc::new(ForAws(fresh.clone())))
                .with_conditional_put(S3ConditionalPut::ETagMatch)
                .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
                .with_disable_bulk_delete(true)
                .with_virtual_hosted_style_request(!path_style)
                .with_retry(retries.config())
                .with_client_options(client_options(endpoint.as_deref(), trust)?);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(if path_style {
                    endpoint
                } else {
                    with_bucket(&endpoint, &bucket)
                });
            }
            if let Some(connector) = connector {
                builder = builder.with_http_connector(connector);
            }
            Ok(CloudStore::new(builder.build()?, name, fresh))
        }
        CloudTarget::Gcp { bucket } => {
            let name = format!("Google Cloud Storage bucket {bucket}");
            let mut builder = GoogleCloudStorageBuilder::new()
                .with_bucket_name(bucket)
                .with_credentials(Arc::new(ForGcp::new(fresh.clone())))
                .with_retry(retries.config())
                .with_client_options(client_options(None, trust)?);
            if let Some(connector) = connector {
                builder = builder.with_http_connector(connector);
            }
            Ok(CloudStore::new(builder.build()?, name, fresh))
        }
    }
}

/// With virtual-hosted style the client expects the bucket in the endpoint's host name.
pub(crate) fn with_bucket(endpoint: &str, bucket: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{bucket}.{rest}"),
        None => endpoint.to_owned(),
    }
}

/// Where failed requests are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retries {
    /// In [`crate::Retrying`] alone, because there each attempt has a fresh credential.
    Outside,
    /// In the client, for users that have nothing around it.
    Inside,
}

impl Retries {
    fn config(self) -> RetryConfig {
        let max_retries = match self {
            Self::Outside => 0,
            Self::Inside => 4,
        };
        RetryConfig { backoff: BackoffConfig::default(), max_retries, retry_timeout: Duration::from_secs(60) }
    }
}

fn bad_authorities(error: BadAuthorities) -> object_store::Error {
    object_store::Error::Generic { store: "HTTP", source: Box::new(error) }
}

/// For connecting, for each read, and for everything.
const TIMEOUTS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

fn allows_http(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|at| at.starts_with("http://"))
}

fn client_options(endpoint: Option<&str>, trust: &Trust) -> Result<ClientOptions, object_store::Error> {
    let [connect, read, all] = TIMEOUTS;
    let options = ClientOptions::new()
        .with_allow_http(allows_http(endpoint))
        .with_connect_timeout(connect)
        .with_read_timeout(read)
        .with_timeout(all);
    trust.apply(options).map_err(bad_authorities)
}
