//! A vault that really runs: on a port of its own, over TLS, with a clock that tests move. Its database is SQLite, or
//! PostgreSQL where `COFFERDAM_TEST_DATABASE=postgres` says so.

#![allow(dead_code)]

pub mod fault_cluster;
pub mod policy;
pub mod postgres;
pub mod protected;
pub mod receiver;
pub mod stored;

use postgres::OwnDatabase;
use reqwest::{Certificate, Method, Response, header::HeaderMap};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc, time::Duration};
use telemetry::{Clock, FixedClock, SystemClock};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vault::{
    api::extensions::{BACKUP_TYPE, Catalogue, Offer, PackageSource},
    app::App,
    bootstrap::{Credential, add_principal},
    cluster_link::{ClusterLink, NoClusters},
    manifests::{ConnectManifests, ConnectSettings, NoManifests},
    protect::{prerequisites::Looks, quotas::Quotas},
    seal::{CustomerKeys, KeySource},
    self_backup::Settings,
    server::{Config, Limits, People, ServeError, Vault},
    store::postgres::DatabaseUrl,
    stores::StoreSpec,
    webhooks::ReceiverSettings,
};

pub const VERSION: &str = "2024-11-01";
pub const ROLES: &str = "/providers/Microsoft.Authorization/roleAssignments";

/// A running vault and its administrator.
pub struct World {
    pub url: String,
    pub app: Arc<App>,
    pub clock: Arc<FixedClock>,
    pub administrator: Person,
    pub tenant: String,
    pub subscription: String,
    pub ca: PathBuf,
    pub http: reqwest::Client,
    folder: Arc<TempDir>,
    clusters: Arc<dyn ClusterLink>,
    choices: Choices,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
}

/// What a test chooses of how a vault is kept.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// A file in the data directory when absent, unless the environment asks for the other one.
    pub database: Option<DatabaseUrl>,
    /// SQLite whatever the environment asks for: the test is about what only SQLite does.
    pub on_sqlite: bool,
    /// What a world was given for itself, and drops.
    pub own: Option<Arc<OwnDatabase>>,
    /// None when absent.
    pub self_backup: Option<Settings>,
    /// The usual ones unless said.
    pub quotas: Quotas,
    /// Who is told of alerts.
    pub webhooks: Vec<ReceiverSettings>,
    /// None unless said.
    pub customer_keys: CustomerKeys,
    /// Stores besides the one in the data directory.
    pub stores: Vec<StoreSpec>,
    /// Packages that change while the vault runs, and within which time they are taken; one package when absent.
    pub packages: Option<(Arc<dyn PackageSource>, Duration)>,
    /// The operator offers no packages: the vault has no manifests.
    pub no_manifests: bool,
    /// How often prerequisites are looked at again; never unless said, so that no look meets a fault of another test.
    pub looks: Option<Looks>,
}

impl Choices {
    /// SQLite, whatever the environment asks for.
    pub fn on_sqlite() -> Self {
        Self { on_sqlite: true, ..Self::default() }
    }

    /// Takes a database of its own where the environment asks for that and the test chose none.
    fn take_database(&mut self) {
        if self.database.is_some() || self.on_sqlite {
            return;
        }
        self.own = OwnDatabase::asked_for().map(Arc::new);
        self.database = self.own.as_ref().map(|own| own.url.clone());
    }
}

/// A vault that was ended, and what it left behind.
pub struct Halted {
    folder: Arc<TempDir>,
    clock: Arc<FixedClock>,
    administrator: Person,
    tenant: String,
    subscription: String,
    clusters: Arc<dyn ClusterLink>,
    choices: Choices,
}

impl Halted {
    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    /// Starts it again on what is there.
    pub async fn start(self) -> World {
        let Self { folder, clock, administrator, tenant, subscription, clusters, choices } = self;
        let vault = open(&folder, &clock, Limits::default(), People::default(), &choices).await;
        let mut vault = vault.with_clusters(clusters.clone());
        assert!(vault.take_first().is_none(), "only the first start makes an administrator");
        World::over(vault, folder, clock, administrator, tenant, subscription, clusters, choices)
    }
}

/// Someone with a token.
#[derive(Debug, Clone)]
pub struct Person {
    pub client_id: String,
    pub object_id: String,
    pub secret: String,
    pub token: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Self { status, headers, body }
    }

    /// The code of an error.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The names in a list.
    pub fn names(&self) -> Vec<&str> {
        self.body["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        Self::over_all(limits, People::default(), Arc::new(NoClusters), Choices::default()).await
    }

    /// With a way to clusters.
    pub async fn reaching(limits: Limits, clusters: Arc<dyn ClusterLink>) -> Self {
        Self::over_all(limits, People::default(), clusters, Choices::default()).await
    }

    /// Kept as the test chooses.
    pub async fn choosing(choices: Choices, clusters: Arc<dyn ClusterLink>) -> Self {
        Self::over_all(Limits::default(), People::default(), clusters, choices).await
    }

    /// With other ways to sign in.
    pub async fn with_people(limits: Limits, people: People) -> Self {
        Self::over_all(limits, people, Arc::new(NoClusters), Choices::default()).await
    }

    /// One whose operator chose other limits, that reaches clusters by this way.
    pub async fn limited(quotas: Quotas, clusters: Arc<dyn ClusterLink>) -> Self {
        Self::choosing(Choices { quotas, ..Choices::default() }, clusters).await
    }

    async fn over_all(
        limits: Limits,
        people: People,
        clusters: Arc<dyn ClusterLink>,
        mut choices: Choices,
    ) -> Self {
        choices.take_database();
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(FixedClock::at(a_minute_past_eight()));
        let mut vault = open(&folder, &clock, limits, people, &choices).await.with_clusters(clusters.clone());
        let first = vault.take_first().unwrap();
        let (tenant, subscription) = (first.tenant.clone(), first.subscription.clone());
        let mut world =
            Self::over(vault, folder, clock, person(&first), tenant, subscription, clusters, choices);
        world.administrator.token = world.sign_in(&world.administrator).await;
        world
    }

    /// One of several replicas on a database, whose clock goes with the machine's. The first one makes the administrator.
    pub async fn replica(database: &str, key: &str, lease: Duration, first: Option<&Self>) -> Self {
        Self::replica_choosing(database, key, lease, first, Choices::default()).await
    }

    /// The same, kept as the test chooses.
    pub async fn replica_choosing(
        database: &str,
        key: &str,
        lease: Duration,
        first: Option<&Self>,
        choices: Choices,
    ) -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(FixedClock::at(SystemClock.now()));
        let ticking = clock.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                ticking.set(SystemClock.now());
            }
        });
        let choices = Choices { database: Some(database.parse().unwrap()), ..choices };
        let config = Config {
            wrapping_key: KeySource::Given(key.to_owned().into()),
            public: first.map(|first| first.url.parse().unwrap()),
            ..config(&folder, Limits { lease, ..Limits::default() }, People::default(), &choices)
        };
        let mut vault = Vault::open(config, clock.clone()).await.unwrap();
        let port = vault.address().unwrap().port();
        let clusters = Arc::new(NoClusters);
        match first {
            None => {
                let made = vault.take_first().unwrap();
                let (tenant, subscription) = (made.tenant.clone(), made.subscription.clone());
                let mut world =
                    Self::over(vault, folder, clock, person(&made), tenant, subscription, clusters, choices);
                world.administrator.token = world.sign_in(&world.administrator).await;
                world
            }
            Some(first) => {
                let (tenant, subscription) = (first.tenant.clone(), first.subscription.clone());
                let administrator = first.administrator.clone();
                let mut world =
                    Self::over(vault, folder, clock, administrator, tenant, subscription, clusters, choices);
                world.url = format!("https://localhost:{port}");
                world
            }
        }
    }

    /// The port where it listens.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap()
    }

    #[allow(clippy::too_many_arguments, reason = "all that a world is made of")]
    fn over(
        vault: Vault,
        folder: Arc<TempDir>,
        clock: Arc<FixedClock>,
        administrator: Person,
        tenant: String,
        subscription: String,
        clusters: Arc<dyn ClusterLink>,
        choices: Choices,
    ) -> Self {
        let (url, app, ca) = (vault.public().to_string(), vault.app(), vault.ca().clone());
        let authority = Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(vault.serve(stop.clone()));
        Self {
            url,
            app,
            clock,
            administrator,
            tenant,
            subscription,
            ca,
            http,
            folder,
            stop,
            task,
            clusters,
            choices,
        }
    }

    /// Ends the vault and starts it again on the same data.
    pub async fn restart(self) -> Self {
        self.halt().await.start().await
    }

    /// Ends the vault, and keeps what it leaves behind.
    pub async fn halt(self) -> Halted {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        drop(self.app);
        let Self { folder, clock, administrator, tenant, subscription, clusters, choices, .. } = self;
        Halted { folder, clock, administrator, tenant, subscription, clusters, choices }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    /// Ends the vault; what is under way may finish.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub fn stop_signal(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Sends a form to the token endpoint.
    pub async fn ask_token(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(format!("{}/{path}", self.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Signs in for a scope.
    pub async fn ask_with(&self, client: &str, secret: &str, scope: &str) -> Answer {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", scope),
            ("client_info", "1"),
        ];
        self.ask_token(&format!("{}/oauth2/v2.0/token", self.tenant), &fields).await
    }

    pub async fn sign_in(&self, person: &Person) -> String {
        let scope = format!("{}//.default", self.url);
        let answer = self.ask_with(&person.client_id, &person.secret, &scope).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// Someone new, with a role at a scope.
    pub async fn person(&self, role: Option<&str>, scope: &str) -> Person {
        let now = self.clock.now();
        let made = add_principal(self.app.store.as_ref(), "someone", None, now).await.unwrap();
        let mut person = person(&made);
        person.token = self.sign_in(&person).await;
        if let Some(role) = role {
            let answer = self.assign(&self.administrator, role, &person, scope).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        person
    }

    /// The GUID of a built-in role.
    pub fn role(&self, name: &str) -> String {
        let found = self.app.roles.iter().find(|role| role.name == name);
        found.unwrap_or_else(|| panic!("{name}")).id.as_str().to_owned()
    }

    pub async fn assign(&self, by: &Person, role: &str, to: &Person, scope: &str) -> Answer {
        let name = uuid::Uuid::new_v4();
        let body = self.assignment(role, to);
        self.call(by, Method::PUT, &format!("{scope}{ROLES}/{name}"), Some(body)).await
    }

    pub fn assignment(&self, role: &str, to: &Person) -> Value {
        let role =
            format!("{}/providers/Microsoft.Authorization/roleDefinitions/{}", self.root(), self.role(role));
        json!({"properties": {"roleDefinitionId": role, "principalId": to.object_id, "principalType": "ServicePrincipal"}})
    }

    /// The path of the subscription.
    pub fn root(&self) -> String {
        format!("/subscriptions/{}", self.subscription)
    }

    /// The path of a resource group.
    pub fn group(&self, name: &str) -> String {
        format!("{}/resourceGroups/{name}", self.root())
    }

    pub async fn make_group(&self, name: &str) -> String {
        let path = self.group(name);
        let answer =
            self.call(&self.administrator, Method::PUT, &path, Some(json!({"location": "local"}))).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        path
    }

    /// A call with the usual api-version.
    pub async fn call(&self, who: &Person, method: Method, path: &str, body: Option<Value>) -> Answer {
        let separator = if path.contains('?') { '&' } else { '?' };
        let request =
            self.http.request(method, format!("{}{path}{separator}api-version={VERSION}", self.url));
        let request = request.bearer_auth(&who.token);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        Answer::of(request.send().await.unwrap()).await
    }

    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.call(who, Method::GET, path, None).await
    }

    pub async fn get_url(&self, who: &Person, url: &str) -> Answer {
        Answer::of(self.http.get(url).bearer_auth(&who.token).send().await.unwrap()).await
    }
}

/// One document that tells with what it was written.
#[derive(Debug)]
struct FakeManifests;

impl ConnectManifests for FakeManifests {
    fn documents(&self, settings: &ConnectSettings) -> Result<Vec<Value>, String> {
        Ok(vec![json!({"vault": settings.vault, "authorities": settings.authorities,
            "token": settings.token.as_str(), "image": settings.image,
            "proxy": settings.proxy.as_ref().map(|proxy| [proxy.url(), proxy.except()])})])
    }
}

async fn open(
    folder: &TempDir,
    clock: &Arc<FixedClock>,
    limits: Limits,
    people: People,
    choices: &Choices,
) -> Vault {
    Vault::open(config(folder, limits, people, choices), clock.clone()).await.unwrap()
}

fn config(folder: &TempDir, limits: Limits, people: People, choices: &Choices) -> Config {
    let (source, upgrade_within) = match &choices.packages {
        Some((source, within)) => (Some(source.clone()), *within),
        None => (None, Duration::from_secs(60 * 60)),
    };
    let catalogue = source.as_ref().map(|source| source.read().unwrap());
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        spread: Duration::ZERO,
        limits,
        people,
        quotas: choices.quotas,
        customer_keys: choices.customer_keys.clone(),
        stores: choices.stores.clone(),
        manifests: if choices.no_manifests { Arc::new(NoManifests) } else { Arc::new(FakeManifests) },
        database: choices.database.clone(),
        self_backup: choices.self_backup.clone(),
        webhooks: choices.webhooks.clone(),
        prerequisites: choices.looks.unwrap_or(Looks { every: None, at_once: 1 }),
        agent_image: Some("registry.example/cofferdam:test".to_owned()),
        trusted_proxies: vec!["127.0.0.9/32".parse().unwrap()],
        packages: catalogue.unwrap_or_else(|| Catalogue { packages: vec![offer()] }),
        package_source: source,
        upgrade_within,
        ..Config::at(folder.path().join("vault"))
    }
}

/// The Backup Extension, as an operator offers it.
pub fn offer() -> Offer {
    Offer {
        kind: BACKUP_TYPE.to_owned(),
        version: "0.1.0".to_owned(),
        release_train: "stable".to_owned(),
        reference: "registry.example/backup:0.1.0".to_owned(),
        digest: format!("sha256:{}", "0".repeat(64)),
    }
}

fn person(credential: &Credential) -> Person {
    Person {
        client_id: credential.client_id.clone(),
        object_id: credential.object_id.clone(),
        secret: credential.secret.to_string(),
        token: String::new(),
    }
}

/// Slots come and days end for a test that lets time go by at the same moments, whatever the hour of its run is.
fn a_minute_past_eight() -> jiff::Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    let now = SystemClock.now().as_second();
    jiff::Timestamp::from_second(now - now % DAY + 8 * 60 * 60 + 60).unwrap()
}
