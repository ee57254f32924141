//! A vault with a storage account, and identities that hold nothing but roles.

use super::{Answer, Person, World};
use arm::ResourceId;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, RetryConfig,
    azure::{MicrosoftAzure, MicrosoftAzureBuilder},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use storage::{
    Store,
    credential::{CredentialValue, StaticCredential},
    location::{LocationSettings, Provider},
};
use telemetry::{Clock, SystemClock};
use vault::{
    store::{AuditEntry, AuditOutcome, Change, Principal, PrincipalKind},
    tokens::Flavour,
};

pub const ACCOUNT: &str = "acct";
pub const CONTRIBUTOR: &str = "Storage Blob Data Contributor";

/// The world, and an account in it.
pub struct StoredWorld {
    pub world: World,
    pub group: String,
    pub account: String,
}

impl StoredWorld {
    pub async fn start() -> Self {
        Self::over(World::start().await).await
    }

    pub async fn over(world: World) -> Self {
        Self::in_store(world, "default").await
    }

    /// The account lies in a store of this name.
    pub async fn in_store(world: World, store: &str) -> Self {
        let register = format!("{}/providers/Microsoft.Storage/register", world.root());
        assert_eq!(world.call(&world.administrator, Method::POST, &register, None).await.status, 200);
        let group = world.make_group("backup").await;
        let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}");
        let this = Self { world, group, account };
        let made = this.put_account(ACCOUNT, json!({"cofferdamStore": store})).await;
        assert_eq!(made.status, 200, "{made:?}");
        let made = this.call(Method::PUT, &this.container("backups"), Some(json!({"properties": {}}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        this
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.world.call(&self.world.administrator, method, path, body).await
    }

    pub async fn put_account(&self, name: &str, properties: Value) -> Answer {
        let path = format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", self.group);
        let body = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties});
        self.call(Method::PUT, &path, Some(body)).await
    }

    pub async fn rules(&self, acls: Value) {
        let body = json!({"properties": {"networkAcls": acls}});
        let changed = self.call(Method::PATCH, &self.account, Some(body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }

    pub fn container(&self, name: &str) -> String {
        format!("{}/blobServices/default/containers/{name}", self.account)
    }

    /// The managed identity of a resource.
    pub async fn identity(&self, of: &str) -> Principal {
        let id = || uuid::Uuid::new_v4().to_string();
        let principal = Principal {
            object_id: id(),
            client_id: id(),
            name: "an identity".to_owned(),
            kind: PrincipalKind::ManagedIdentity,
            resource: Some(of.parse::<ResourceId>().unwrap()),
            created_at: self.world.clock.now(),
        };
        let audit = AuditEntry {
            at: self.world.clock.now(),
            principal: "test".into(),
            action: "make an identity".into(),
            scope: of.to_owned(),
            outcome: AuditOutcome::Changed,
            correlation: "test".into(),
        };
        self.world.app.store.commit(&[Change::AddPrincipal(principal.clone())], &audit).await.unwrap();
        principal
    }

    /// A token for stored data.
    pub fn token(&self, of: &Principal) -> String {
        self.world.app.issuer.issue(of, "https://storage.azure.com", Flavour::V2).unwrap().token
    }

    /// Assigns a role; the assignment's path.
    pub async fn assign(&self, role: &str, to: &Principal, scope: &str) -> String {
        let path = format!("{scope}{}/{}", super::ROLES, uuid::Uuid::new_v4());
        let person = Person {
            client_id: to.client_id.clone(),
            object_id: to.object_id.clone(),
            secret: String::new(),
            token: String::new(),
        };
        let made = self.call(Method::PUT, &path, Some(self.world.assignment(role, &person))).await;
        assert_eq!(made.status, 201, "{made:?}");
        path
    }

    pub async fn unassign(&self, assignment: &str) {
        assert_eq!(self.call(Method::DELETE, assignment, None).await.status, 200);
    }

    pub fn endpoint(&self) -> String {
        format!("{}/{ACCOUNT}", self.world.url)
    }

    /// The container as the product sees it: with a token and no other secret.
    pub async fn location(&self, container: &str, token: &str) -> Arc<dyn Store> {
        let ca = std::fs::read_to_string(&self.world.ca).unwrap();
        let config = [
            ("storageAccount", ACCOUNT.to_owned()),
            ("storageAccountURI", self.endpoint()),
            ("useAAD", "true".into()),
            ("caCert", ca),
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

    /// The container as `object_store`'s Azure client sees it.
    pub fn object_store(&self, container: &str, token: &str) -> MicrosoftAzure {
        let ca = Certificate::from_pem(&std::fs::read(&self.world.ca).unwrap()).unwrap();
        MicrosoftAzureBuilder::new()
            .with_account(ACCOUNT)
            .with_container_name(container)
            .with_endpoint(self.endpoint())
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

    /// One request for data.
    pub async fn data(&self, method: Method, path: &str, token: &str, body: &'static str) -> (u16, String) {
        let url = format!("{}/{path}", self.endpoint());
        let request =
            self.world.http.request(method, url).bearer_auth(token).header("x-ms-version", "2021-12-02");
        let answer = request.header("x-ms-blob-type", "BlockBlob").body(body).send().await.unwrap();
        let code = answer.headers().get("x-ms-error-code").map(|code| code.to_str().unwrap().to_owned());
        (answer.status().as_u16(), code.unwrap_or_default())
    }

    /// The folders of accounts in the default store.
    pub fn folders(&self) -> Vec<String> {
        let blobs = self.world.ca.parent().unwrap().parent().unwrap().join("blobs");
        let entries = std::fs::read_dir(blobs).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Waits until something holds; 20 s at most.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if holds().await {
            return begun.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within 20 s");
}
