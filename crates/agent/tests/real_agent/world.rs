//! A registry on the loopback address, a cluster, the agent's own account in it, and a clock that the test moves.

use crate::made::{Published, extra, greeter, publish};
use agent::{Agent, Config, FaultPoints, HttpRegistry, Registries, manifests::ConnectSettings};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    discovery::{Discovery, verbs},
};
use packages::{
    Package, SigningKey, Trust, TrustedKey,
    wire::{Desired, DesiredExtension, ExtensionReport, ExtensionState, PackagePlace, VaultPlace, Wanted},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use telemetry::{Clock, FixedClock, SystemClock};

/// One agent at a time works on the cluster: all share its inventory.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The API server's finalizer of definitions can lose one that is deleted within a second or two of its creation. It comes
/// back to it when its informer is filled again, every five minutes.
pub const SLOWEST_REMOVAL: Duration = Duration::from_secs(6 * 60);
/// Which it is spared where that is not what a test is about.
pub const OLD_ENOUGH: Duration = Duration::from_secs(4);

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The world of one test.
pub struct World {
    /// An administrator.
    pub admin: Client,
    /// The agent's account, with the rights of its manifest.
    pub agent: Client,
    pub key: SigningKey,
    pub clock: Arc<FixedClock>,
    host: String,
    files: Files,
    settings: ConnectSettings,
    config: kube::Config,
    pub desired: Desired,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

impl World {
    /// A world whose agent may install the greeters that are called `names`.
    pub async fn new(names: &[&str]) -> Self {
        let allowed = |name: &&str| {
            let package = greeter(name, "1.0.0", |package| {
                package["objects"].as_array_mut().unwrap().push(extra(name, "extra"));
            });
            (Package::parse(package.to_string().as_bytes()).unwrap(), (*name).to_owned())
        };
        Self::allowing(names.iter().map(allowed).collect()).await
    }

    /// A world whose agent may install these packages, each in its namespace.
    pub async fn allowing(packages: Vec<(Package, String)>) -> Self {
        let path = std::env::var("COFFERDAM_TEST_KUBECONFIG").expect(
            "COFFERDAM_TEST_KUBECONFIG is not set: point it at the kubeconfig of a test cluster, e.g. of \
             `testbed up --control-plane-only`",
        );
        let alone = ALONE.lock().await;
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let config = config(&path).await;
        let admin = Client::try_from(config.clone()).unwrap();
        let (key, _) = SigningKey::generate().unwrap();
        let types = packages.iter().map(|(package, _)| package.kind.clone()).collect();
        let trust = Trust { keys: vec![TrustedKey { public_key: key.public().unwrap(), types }] };
        let settings = ConnectSettings {
            image: "cofferdam:test".into(),
            vault: "https://vault.invalid".into(),
            authorities: String::new(),
            token: None,
            proxy: None,
            trust,
            registries: Vec::new(),
            registry_authorities: None,
            packages,
        };
        for document in agent::manifests::agent_manifests(&settings).unwrap() {
            if document["kind"] != "Deployment" {
                apply(&admin, &document).await;
            }
        }
        let agent = as_account(&admin, config.clone()).await;
        let (host, files) = registry().await;
        Self {
            admin,
            agent,
            key,
            clock: Arc::new(FixedClock::at(SystemClock.now())),
            host,
            files,
            settings,
            config,
            desired: Desired {
                revision: "1".into(),
                vault: VaultPlace {
                    url: "https://vault.invalid/".into(),
                    tenant_id: "t".into(),
                    authorities: "PEM".into(),
                },
                extensions: Vec::new(),
            },
            _alone: alone,
        }
    }

    /// Puts a package into the registry.
    pub fn publish(&self, package: &Value) -> Published {
        let published = publish(package, &self.key);
        self.put(&published);
        published
    }

    /// Puts these very bytes into the registry.
    pub fn put(&self, published: &Published) {
        let mut files = self.files.lock().unwrap();
        files.insert(format!("/v2/greeters/manifests/{}", published.digest), published.manifest.clone());
        let named: Value = serde_json::from_slice(&published.manifest).unwrap();
        let digest = named["layers"][0]["digest"].as_str().unwrap();
        files.insert(format!("/v2/greeters/blobs/{digest}"), published.package.clone());
    }

    /// Wishes for the greeter `name` in this version, with a new generation.
    pub fn wish(&mut self, name: &str, version: &str, published: &Published, settings: Value) {
        let generation = self.desired.extensions.iter().map(|one| one.generation).max().unwrap_or(0) + 1;
        self.desired.extensions.retain(|one| one.name != name);
        self.desired.extensions.push(DesiredExtension {
            name: name.to_owned(),
            kind: format!("example.{name}"),
            generation,
            wanted: Wanted::Present,
            version: version.to_owned(),
            package: PackagePlace {
                reference: format!("{}/greeters:{version}", self.host),
                digest: published.digest.clone(),
            },
            namespace: name.to_owned(),
            settings: serde_json::from_value(settings).unwrap(),
            protected_settings: BTreeMap::new(),
            identity: None,
        });
        self.desired.revision = format!("{generation}-{name}");
    }

    pub fn wished(&mut self, name: &str) -> &mut DesiredExtension {
        self.desired.extensions.iter_mut().find(|one| one.name == name).unwrap()
    }

    /// Wishes that an extension goes whose definitions are not of just now.
    pub async fn unwish(&mut self, name: &str) {
        tokio::time::sleep(OLD_ENOUGH).await;
        self.wants_no_more(name);
    }

    fn wants_no_more(&mut self, name: &str) {
        let one = self.wished(name);
        one.generation += 1;
        one.wanted = Wanted::Absent;
    }

    /// An agent that has just been started.
    pub fn start(&self) -> Agent {
        self.start_as(self.agent.clone())
    }

    /// The same, with this way to the API server.
    pub fn start_as(&self, client: Client) -> Agent {
        let allowed = Registries::parse(&[format!("http://{}", self.host)]).unwrap();
        let registry = Arc::new(HttpRegistry::new(allowed, None).unwrap());
        let config = Config { namespace: "kube-system".into(), trust: self.settings.trust.clone() };
        Agent::new(client, config, registry, self.clock.clone())
    }

    /// Lets an agent work until every extension rests for good, at most `seconds` of the test's clock.
    pub async fn settle(&self, agent: &mut Agent, seconds: i64) {
        let end = self.clock.now() + SignedDuration::from_secs(seconds);
        loop {
            let turn = agent.turn(Some(&self.desired)).await.unwrap();
            let Some(next) = turn.next else { return };
            if next > end {
                return;
            }
            self.pass_until(next).await;
        }
    }

    /// Starts an agent, lets it work, and answers what it reports of `name`.
    pub async fn work(&self, name: &str) -> ExtensionReport {
        let mut agent = self.start();
        let begun = Instant::now();
        loop {
            self.settle(&mut agent, 300).await;
            let report = self.told(&mut agent, name).await;
            if report.state != ExtensionState::Removing || begun.elapsed() > SLOWEST_REMOVAL {
                return report;
            }
        }
    }

    pub async fn told(&self, agent: &mut Agent, name: &str) -> ExtensionReport {
        let report = agent.report(Some(&self.desired)).await;
        report.extensions.into_iter().find(|one| one.name == name).unwrap()
    }

    /// An agent that ends at the first point that is not among these.
    pub fn start_ending_beyond(&self, points: &[String]) -> Agent {
        let points = points.to_vec();
        self.start().with_faults(FaultPoints::ending(move |point| !points.iter().any(|known| known == point)))
    }

    /// Moves the test's clock. The cluster needs real time, the agent's patience is the test's.
    pub async fn pass_until(&self, next: Timestamp) {
        if next > self.clock.now() {
            // A removal, which is looked at most often, waits for the cluster's own controllers.
            let is_removal = next.duration_since(self.clock.now()) <= SignedDuration::from_secs(2);
            let pause = if is_removal { 1_000 } else { 300 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.clock.set(next);
        }
    }

    /// An object as an administrator sees it.
    pub async fn find(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let found = api(&self.admin, kind, namespace).get_opt(name).await.unwrap()?;
        Some(serde_json::to_value(found).unwrap())
    }

    /// Somebody deletes an object, and it is gone.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) {
        api(&self.admin, kind, Some(namespace)).delete(name, &Default::default()).await.unwrap();
        while self.find(kind, Some(namespace), name).await.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the agent has written down.
    pub async fn record(&self, name: &str) -> Option<agent::Record> {
        agent::inventory::Inventory::load(&self.admin, "kube-system").await.unwrap().get(name).cloned()
    }

    /// The greeting that is there.
    pub async fn greeting(&self, name: &str) -> Option<String> {
        let map = self.find("v1/ConfigMap", Some(name), name).await?;
        Some(map["data"]["greeting"].as_str().unwrap().to_owned())
    }

    /// Everything that a person applies to connect the cluster, as it is printed but for the pods: their image is nowhere.
    fn manifest(&self) -> Vec<Value> {
        let mut documents = agent::manifests::connect_manifests(&self.settings).unwrap();
        for document in documents.iter_mut().filter(|document| document["kind"] == "Deployment") {
            document["spec"]["replicas"] = 0.into();
        }
        documents
    }

    /// A person applies the manifest.
    pub async fn connect(&mut self) {
        for document in self.manifest() {
            apply(&self.admin, &document).await;
        }
        self.agent = as_account(&self.admin, self.config.clone()).await;
    }

    /// A person deletes what the manifest made, object by object, as `kubectl delete -f` does it.
    pub async fn disconnect(&self) {
        let documents = self.manifest();
        let place = |document: &Value| {
            let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            let kind = format!("{}/{}", text("/apiVersion").unwrap(), text("/kind").unwrap());
            (kind, text("/metadata/namespace"), text("/metadata/name").unwrap())
        };
        for (kind, namespace, name) in documents.iter().map(place) {
            let deleted = api(&self.admin, &kind, namespace.as_deref())
                .delete(&name, &DeleteParams::background())
                .await;
            match deleted {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => panic!("{kind} {name}: {error}"),
            }
        }
        let begun = Instant::now();
        for (kind, namespace, name) in documents.iter().map(place) {
            while self.find(&kind, namespace.as_deref(), &name).await.is_some() {
                assert!(begun.elapsed() < SLOWEST_REMOVAL, "{kind} {name} is still there");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    /// What of the whole cluster is called after the product or was written by a part of it: kind, namespace and name.
    pub async fn ours(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let groups = Discovery::new(self.admin.clone()).run().await.unwrap();
        for (resource, can) in groups.groups().flat_map(|group| group.recommended_resources()) {
            // Events tell of what was, and go by themselves.
            if resource.kind == "Event" || !can.supports_operation(verbs::LIST) {
                continue;
            }
            let all: Api<DynamicObject> = Api::all_with(self.admin.clone(), &resource);
            let listed = match all.list(&ListParams::default()).await {
                Ok(listed) => listed,
                // A definition that has just been deleted is still announced for a moment.
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                Err(error) => panic!("{}: {error}", resource.kind),
            };
            for object in listed.items {
                let name = object.metadata.name.unwrap_or_default();
                let writers = object.metadata.managed_fields.unwrap_or_default();
                let mut writers = writers.into_iter().filter_map(|one| one.manager);
                if name.contains("cofferdam") || writers.any(|writer| writer.starts_with("cofferdam")) {
                    let namespace = object.metadata.namespace.unwrap_or_default();
                    found.insert(format!("{} {namespace}/{name}", resource.kind));
                }
            }
        }
        found
    }

    /// What is there now and was not there before. The cluster's own controllers take what belonged to what is gone.
    pub async fn left(&self, before: &BTreeSet<String>) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let left: Vec<String> = self.ours().await.difference(before).cloned().collect();
            if left.is_empty() || begun.elapsed() > SLOWEST_REMOVAL {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Takes away what the test has made.
    pub async fn end(mut self) {
        let names: Vec<String> = self.desired.extensions.iter().map(|one| one.name.clone()).collect();
        tokio::time::sleep(OLD_ENOUGH).await;
        for name in &names {
            self.wants_no_more(name);
        }
        for name in &names {
            self.work(name).await;
        }
        for name in names {
            drop(api(&self.admin, "v1/Namespace", None).delete(&name, &Default::default()).await);
            let role = format!("cofferdam-agent:example.{name}");
            for kind in [
                "rbac.authorization.k8s.io/v1/ClusterRole",
                "rbac.authorization.k8s.io/v1/ClusterRoleBinding",
            ] {
                drop(api(&self.admin, kind, None).delete(&role, &Default::default()).await);
            }
        }
    }
}

async fn config(path: &str) -> kube::Config {
    let read = kube::config::Kubeconfig::read_from(path).unwrap();
    kube::Config::from_custom_kubeconfig(read, &Default::default()).await.unwrap()
}

/// The API for `v1/ConfigMap` or `apps/v1/Deployment`.
pub fn api(client: &Client, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let parts: Vec<&str> = kind.split('/').collect();
    let gvk = match parts.as_slice() {
        [group, version, kind] => GroupVersionKind::gvk(group, version, kind),
        [version, kind] => GroupVersionKind::gvk("", version, kind),
        other => panic!("{other:?}"),
    };
    let resource = ApiResource::from_gvk(&gvk);
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub async fn apply(client: &Client, document: &Value) {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let kind = format!("{}/{}", text("/apiVersion").unwrap(), text("/kind").unwrap());
    let params = PatchParams::apply("test").force();
    let name = text("/metadata/name").unwrap();
    api(client, &kind, text("/metadata/namespace"))
        .patch(name, &params, &Patch::Apply(document))
        .await
        .unwrap();
}

/// A client with nothing but a token of the agent's ServiceAccount.
async fn as_account(admin: &Client, mut config: kube::Config) -> Client {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "kube-system");
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(3600), ..Default::default() },
        ..Default::default()
    };
    let answer = accounts.create_token_request(agent::NAME, &PostParams::default(), &request).await.unwrap();
    let token = answer.status.unwrap().token;
    config.auth_info = kube::config::AuthInfo { token: Some(token.into()), ..Default::default() };
    Client::try_from(config).unwrap()
}

/// A web server that serves files by their paths, as any would.
async fn registry() -> (String, Files) {
    let files = Files::default();
    let served = files.clone();
    let app = axum::Router::new().fallback(move |uri: axum::http::Uri| {
        let found = served.lock().unwrap().get(uri.path()).cloned();
        async move { found.ok_or(axum::http::StatusCode::NOT_FOUND) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (host, files)
}
