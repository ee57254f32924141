//! A gateway in this process with the rights of its manifest, and a vault's end of its connection.

use gateway::{
    ACCESS_NAMESPACE, ApiServer, CLUSTER_ROLE_BINDING, Gateway, NAME, NAMESPACE,
    manifests::{GatewaySettings, render},
    role::ROLE,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use k8s_openapi::{
    api::{
        core::v1::{Namespace, Secret, ServiceAccount},
        rbac::v1::{ClusterRoleBinding, Subject},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    config::{AuthInfo, Kubeconfig},
};
use serde_json::{Value, json};
use std::{convert::Infallible, sync::Arc, time::Duration};
use telemetry::SystemClock;
use tokio::{
    sync::{Mutex, MutexGuard},
    task::AbortHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, ConnectionId, empty, serve,
    tunnels::{Limits, TunnelError, Tunnels},
    wire::Binding,
};
use uuid::Uuid;

/// Namespace of the custom resources.
pub const BACKUPS: &str = "gateway-test";

/// The names in the cluster are fixed: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

pub struct World {
    pub admin: Client,
    /// With the gateway's own rights.
    pub own: Client,
    pub gateway: Gateway,
    pub tunnels: Tunnels,
    pub id: ConnectionId,
    config: kube::Config,
    working: [AbortHandle; 2],
    _alone: MutexGuard<'static, ()>,
}

impl Drop for World {
    fn drop(&mut self) {
        for working in &self.working {
            working.abort();
        }
    }
}

pub fn binding(name: &str) -> Binding {
    Binding { name: name.to_owned(), source: format!("/vaults/{name}"), roles: vec![ROLE.to_owned()] }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path.to_owned()).body(empty()).unwrap()
}

pub async fn json_body(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// Reads the answer to its end, so that its place is free again.
pub async fn status_of(response: Response<Body>) -> StatusCode {
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

pub fn key_and_request() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    (key.serialize_pem(), request.pem().unwrap())
}

impl World {
    pub async fn new() -> Self {
        Self::build(None).await
    }

    /// What is forwarded goes to `server`.
    pub async fn with_server_at(server: &str) -> Self {
        Self::build(Some(server)).await
    }

    async fn build(server: Option<&str>) -> Self {
        let alone = ALONE.lock().await;
        // Fails when another test of this process was first, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let path = std::env::var("COFFERDAM_TEST_KUBECONFIG").expect(
            "COFFERDAM_TEST_KUBECONFIG is not set: point it at the kubeconfig of a test cluster, e.g. of \
             `testbed up --control-plane-only`",
        );
        let kubeconfig = Kubeconfig::read_from(path).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
        let admin = Client::try_from(config.clone()).unwrap();
        prepare(&admin).await;
        apply(&admin).await;
        let own = own_client(&admin, &config).await;
        let mut forwarded = config.clone();
        if let Some(server) = server {
            forwarded.cluster_url = server.parse().unwrap();
        }
        // The administrator's certificate is in there; it must not matter.
        let api = ApiServer::new(&forwarded).unwrap();
        let gateway = Gateway::new(own.clone(), api, Arc::new(SystemClock));
        let tunnels = Tunnels::new(Limits::default());
        let id = ConnectionId(Uuid::from_u128(1));
        let (vaults, gateways) = tokio::io::duplex(64 * 1024);
        let answering = gateway.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let gateway = answering.clone();
            async move { Ok::<_, Infallible>(gateway.answer(request).await) }
        });
        let serving = tokio::spawn(serve(gateways, service, CancellationToken::new())).abort_handle();
        let attached = tunnels.clone();
        let attaching = tokio::spawn(async move { attached.attach(id, vaults, async { Vec::new() }).await });
        let working = [serving, attaching.abort_handle()];
        let mut changes = tunnels.changes();
        while !tunnels.is_connected(id) {
            changes.changed().await.unwrap();
        }
        Self { admin, own, gateway, tunnels, id, config, working, _alone: alone }
    }

    pub async fn apply_manifests(&self) {
        apply(&self.admin).await;
    }

    pub async fn push(&self, names: &[&str]) -> Result<(), TunnelError> {
        self.tunnels.push_bindings(self.id, names.iter().map(|name| binding(name)).collect()).await
    }

    pub async fn send(&self, binding: &str, request: Request<Body>) -> Result<Response<Body>, TunnelError> {
        self.tunnels.send(self.id, binding, request).await
    }

    /// ServiceAccounts of bindings; `default` is Kubernetes' own.
    pub async fn accounts(&self) -> Vec<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), ACCESS_NAMESPACE);
        let all = accounts.list(&Default::default()).await.unwrap();
        all.iter().map(ResourceExt::name_any).filter(|name| name != "default").collect()
    }

    pub fn rights(&self) -> Api<ClusterRoleBinding> {
        Api::all(self.admin.clone())
    }

    pub fn subject(&self, name: &str) -> Option<Vec<Subject>> {
        Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            namespace: Some(ACCESS_NAMESPACE.to_owned()),
            name: name.to_owned(),
            ..Subject::default()
        }])
    }

    pub async fn token_of(&self, account: &str) -> String {
        token(&self.admin, ACCESS_NAMESPACE, account).await
    }

    /// What the API server says to the bearer of `token`.
    pub async fn with_token(&self, token: &str, path: &str) -> StatusCode {
        let client = Client::try_from(bearer(&self.config, token)).unwrap();
        let request = Request::get(path).body(kube::client::Body::empty()).unwrap();
        client.send(request).await.unwrap().status()
    }
}

fn bearer(config: &kube::Config, token: &str) -> kube::Config {
    let token = token.to_owned().into();
    let mut config = config.clone();
    config.auth_info = AuthInfo::default();
    config.auth_info.token = Some(token);
    config.default_retry = false;
    config
}

async fn token(admin: &Client, namespace: &str, account: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    let request =
        serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 3600}})).unwrap();
    let made = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    made.status.unwrap().token
}

async fn own_client(admin: &Client, config: &kube::Config) -> Client {
    let token = token(admin, NAMESPACE, NAME).await;
    Client::try_from(bearer(config, &token)).unwrap()
}

/// Custom resources are defined, and what an earlier test left is gone.
async fn prepare(admin: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(admin.clone());
    let apply = PatchParams::apply("gateway-test").force();
    for definition in resources::all_crds() {
        let name = definition.name_any();
        let mut document = serde_json::to_value(&definition).unwrap();
        document["apiVersion"] = "apiextensions.k8s.io/v1".into();
        document["kind"] = "CustomResourceDefinition".into();
        definitions.patch(&name, &apply, &Patch::Apply(&document)).await.unwrap();
    }
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BACKUPS}});
    namespaces.patch(BACKUPS, &apply, &Patch::Apply(&namespace)).await.unwrap();
    let backups = ApiResource::erase::<resources::Backup>(&());
    let backups: Api<DynamicObject> = Api::namespaced_with(admin.clone(), BACKUPS, &backups);
    let hooks = ApiResource::erase::<resources::BackupHook>(&());
    let hooks: Api<DynamicObject> = Api::namespaced_with(admin.clone(), BACKUPS, &hooks);
    for served in [&backups, &hooks] {
        for attempt in 0.. {
            // A new definition takes a moment to be served.
            match served.list(&Default::default()).await {
                Ok(_) => break,
                Err(error) => assert!(attempt < 100, "{error}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    for old in backups.list(&Default::default()).await.unwrap() {
        backups.delete(&old.name_any(), &DeleteParams::default()).await.unwrap();
    }
    let rights: Api<ClusterRoleBinding> = Api::all(admin.clone());
    if rights.get_opt(CLUSTER_ROLE_BINDING).await.unwrap().is_some() {
        rights.delete(CLUSTER_ROLE_BINDING, &DeleteParams::default()).await.unwrap();
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), ACCESS_NAMESPACE);
    for account in accounts.list(&Default::default()).await.unwrap() {
        drop(accounts.delete(&account.name_any(), &DeleteParams::default()).await);
    }
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), NAMESPACE);
    if secrets.get_opt(NAME).await.unwrap().is_some() {
        secrets.delete(NAME, &DeleteParams::default()).await.unwrap();
    }
}

/// The manifest as a person applies it; the Deployment too, though nothing runs it here.
async fn apply(admin: &Client) {
    let apply = PatchParams::apply("gateway-test-person").force();
    for document in render(&GatewaySettings::new("cofferdam:test", "https://vault.example")).unwrap() {
        let text = |field: &str| document[field].as_str().unwrap().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let metadata = &document["metadata"];
        let name = metadata["name"].as_str().unwrap();
        let api: Api<DynamicObject> = match metadata["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(admin.clone(), namespace, &kind),
            None => Api::all_with(admin.clone(), &kind),
        };
        api.patch(name, &apply, &Patch::Apply(&document)).await.unwrap();
    }
}
