//! A server that really runs: on a port of its own, over TLS, with containers in a folder and tokens that tests govern.

#![allow(dead_code)]

pub mod faults;
pub mod serve;

use blobs::{Accounts, Asked, BlobError, DataAction, Gate, Limits, Service, Settings, Who, folders::Folders};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, RetryConfig,
    azure::{MicrosoftAzure, MicrosoftAzureBuilder},
};
use reqwest::{Method, RequestBuilder, Response};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use storage::{
    Store,
    credential::{CredentialValue, StaticCredential},
    location::{LocationSettings, Provider},
};
use telemetry::SystemClock;
use tempfile::TempDir;

pub const ACCOUNT: &str = "acct";
/// May do everything.
pub const TOKEN: &str = "all";

/// Who may do what, by token. A vault has roles instead.
#[derive(Debug, Default)]
pub struct FakeGate {
    rights: Mutex<BTreeMap<String, BTreeSet<&'static str>>>,
    closed: Mutex<bool>,
}

impl FakeGate {
    pub fn grant(&self, token: &str, actions: &[DataAction]) {
        let actions = actions.iter().map(|action| action.as_str()).collect();
        self.rights.lock().unwrap().insert(token.to_owned(), actions);
    }

    /// Lets the network rules refuse everybody.
    pub fn close(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
    }
}

#[async_trait::async_trait]
impl Gate for FakeGate {
    async fn authorize(&self, asked: &Asked<'_>) -> Result<Who, BlobError> {
        if *self.closed.lock().unwrap() {
            return Err(BlobError::network_rules());
        }
        let rights = self.rights.lock().unwrap();
        let Some(rights) = rights.get(asked.bearer) else {
            return Err(BlobError::invalid_authentication("nobody issued this token"));
        };
        let may = asked.any_of.iter().any(|action| rights.contains(action.as_str()));
        if may { Ok(Who(asked.bearer.to_owned())) } else { Err(BlobError::permission_mismatch()) }
    }
}

pub struct World {
    pub folder: TempDir,
    pub gate: Arc<FakeGate>,
    pub service: Arc<Service>,
    pub server: serve::Server,
    pub http: reqwest::Client,
}

impl World {
    pub async fn start() -> Self {
        Self::with(Limits::default(), |folders| Arc::new(folders)).await
    }

    /// With limits of one's own, and with something between the server and its folders.
    pub async fn with(limits: Limits, between: impl FnOnce(Folders) -> Arc<dyn Accounts>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(ACCOUNT)).unwrap();
        let gate = Arc::new(FakeGate::default());
        gate.grant(TOKEN, &DataAction::ALL);
        let listener = serve::Listener::bind().await;
        let settings = Settings {
            endpoint: listener.url(),
            authority: format!("{}/tenant/oauth2/authorize", listener.url()),
            limits,
        };
        let accounts = between(Folders::new(folder.path()));
        let service = Arc::new(Service::new(accounts, gate.clone(), Arc::new(SystemClock), settings));
        let server = listener.serve(service.clone());
        let ca = reqwest::Certificate::from_pem(server.ca.as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
        Self { folder, gate, service, server, http }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{ACCOUNT}/{path}", self.server.url)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(TOKEN)
    }

    pub async fn create_container(&self, name: &str) {
        let made = self
            .request(Method::PUT, &format!("{name}?restype=container"))
            .header("content-length", "0")
            .send()
            .await
            .unwrap();
        assert_eq!(made.status(), 201);
    }

    pub async fn put(&self, path: &str, data: impl Into<reqwest::Body>) -> Response {
        let put = self.request(Method::PUT, path).header("x-ms-blob-type", "BlockBlob").body(data);
        put.send().await.unwrap()
    }

    /// Where a container's blobs are.
    pub fn files(&self, container: &str) -> PathBuf {
        self.folder.path().join(ACCOUNT).join(container)
    }

    /// The store as `object_store` sees it.
    pub fn object_store(&self, container: &str, token: &str) -> MicrosoftAzure {
        let ca = Certificate::from_pem(self.server.ca.as_bytes()).unwrap();
        MicrosoftAzureBuilder::new()
            .with_account(ACCOUNT)
            .with_container_name(container)
            .with_endpoint(format!("{}/{ACCOUNT}", self.server.url))
            .with_bearer_token_authorization(token)
            .with_client_options(ClientOptions::new().with_root_certificate(ca))
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 0,
                retry_timeout: Duration::from_secs(60),
            })
            .build()
            .unwrap()
    }

    /// The store as the product sees it.
    pub async fn location(&self, container: &str, token: &str) -> Arc<dyn Store> {
        let config = [
            ("storageAccount", ACCOUNT.to_owned()),
            ("storageAccountURI", format!("{}/{ACCOUNT}", self.server.url)),
            ("useAAD", "true".into()),
            ("caCert", self.server.ca.clone()),
        ];
        let settings = LocationSettings {
            provider: Provider::Azure,
            bucket: container.into(),
            prefix: storage::StorePath::root(),
            config: config.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        let source = StaticCredential::new(CredentialValue::Bearer(token.to_owned().into()));
        settings.open(Arc::new(source), Arc::new(SystemClock)).await.unwrap().root
    }
}

/// Azure's code in a refusal, which must stand in the header and in the document alike.
pub async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let told = response.headers().get("x-ms-error-code").map(|code| code.to_str().unwrap().to_owned());
    assert!(response.headers().contains_key("x-ms-request-id"), "{response:?}");
    let text = response.text().await.unwrap();
    let told = told.unwrap_or_else(|| panic!("{status} without a code: {text}"));
    assert!(text.is_empty() || text.contains(&format!("<Code>{told}</Code>")), "{told} {text}");
    (status, told)
}
