//! A cluster's gateway on a real tunnel, with the code that gateways dial, enrol and serve with; before the replicas a relay
//! that stands for a load balancer; and replicas that run as processes of their own.

#![allow(dead_code)]

use super::{
    databases,
    world::fault_cluster::{CONNECTION, FaultCluster},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, service::service_fn};
use parking_lot::Mutex;
use std::{
    convert::Infallible,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::Duration,
};
use telemetry::SystemClock;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, BoxError, Part, Proxy, boxed,
    credential::{Credential, CredentialStore, EnrolmentToken, StoreError},
    dial::{Dialler, Target},
    empty, full,
    link::{Link, TokenSource},
    serve,
    tls::{GATEWAY, Trust},
    wire::{BINDING_HEADER, BINDINGS_PATH, REFUSED_BINDING, REFUSED_HEADER},
};
use vault::{
    cluster_link::{ClusterLink, ClusterRequest},
    seal::KeySource,
    server::{Config, Limits, Vault},
};

/// Of work and of tunnels.
pub const LEASE: Duration = Duration::from_secs(3);

/// Waits for something that comes about by itself.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..900 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: it did not come about within 45 s");
}

pub async fn database() -> String {
    databases::new_database(databases::shared(), "").await
}

/// Passes connections on to the replica that it is told, as long as both ends want.
pub struct Relay {
    pub port: u16,
    target: Arc<AtomicU16>,
}

impl Relay {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Arc::new(AtomicU16::new(port));
        let this = Self { port: listener.local_addr().unwrap().port(), target: target.clone() };
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let port = target.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                });
            }
        });
        this
    }

    pub fn turn(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }
}

/// What a watch is told.
pub type Event = Result<Frame<Bytes>, BoxError>;

/// A gateway: what it is asked goes to the cluster, watches get what the test says, and `/slow` is never answered.
#[derive(Clone)]
pub struct Gateway {
    cluster: Arc<FaultCluster>,
    dialler: Arc<Dialler>,
    kept: Arc<Kept>,
    /// The names of the bindings that it knows; calls in another name are refused.
    pub bindings: Arc<Mutex<Vec<String>>>,
    /// Of each watch, where its events are said.
    pub watches: Arc<Mutex<Vec<UnboundedSender<Event>>>>,
    /// Whether a request without an answer was broken off.
    pub broken_off: Arc<AtomicBool>,
}

#[derive(Default)]
struct Kept(Mutex<Option<Credential>>);

#[async_trait]
impl CredentialStore for Kept {
    async fn load(&self) -> Result<Option<Credential>, StoreError> {
        Ok(self.0.lock().clone())
    }

    async fn save(&self, credential: &Credential) -> Result<(), StoreError> {
        *self.0.lock() = Some(credential.clone());
        Ok(())
    }
}

struct Held(Arc<Kept>);

#[async_trait]
impl CredentialStore for Held {
    async fn load(&self) -> Result<Option<Credential>, StoreError> {
        self.0.load().await
    }

    async fn save(&self, credential: &Credential) -> Result<(), StoreError> {
        self.0.save(credential).await
    }
}

struct Token(String);

impl TokenSource for Token {
    fn token(&self) -> Option<EnrolmentToken> {
        self.0.parse().ok()
    }
}

impl Gateway {
    pub fn new(port: u16, ca: &Path, cluster: Arc<FaultCluster>) -> Self {
        let dialler = Arc::new(dialler(port, ca));
        let (kept, bindings) = (Arc::default(), Arc::default());
        let (watches, broken_off) = (Arc::default(), Arc::default());
        Self { cluster, dialler, kept, bindings, watches, broken_off }
    }

    pub fn credential(&self) -> Credential {
        self.kept.0.lock().clone().unwrap()
    }

    /// Enrols, connects, and connects again, as the gateway in a cluster does.
    pub fn keep(&self, ca: &Path, token: &str, stop: CancellationToken) {
        let Target { port, .. } = self.dialler.target().clone();
        let store = Arc::new(Held(self.kept.clone()));
        let token = Arc::new(Token(token.to_owned()));
        let link = Link::new(dialler(port, ca), store, token, Part::Gateway, Arc::new(SystemClock));
        let this = self.clone();
        tokio::spawn(async move {
            link.keep(GATEWAY, &stop, |standing| {
                let this = this.clone();
                async move { this.serve(standing.stream, standing.stop).await }
            })
            .await;
        });
    }

    /// Connects to another place with the certificate that it has, once.
    pub async fn once(&self, port: u16, ca: &Path, stop: CancellationToken) {
        let stream = dialler(port, ca).dial(GATEWAY, Some(&self.credential())).await.unwrap();
        let this = self.clone();
        tokio::spawn(async move { this.serve(stream, stop).await });
    }

    async fn serve(&self, stream: tunnel::dial::Dialled, stop: CancellationToken) -> String {
        let this = self.clone();
        let service = service_fn(move |request| {
            let this = this.clone();
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        });
        match serve(stream, service, stop).await {
            Ok(()) => "it was put down".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        if head.uri.path() == BINDINGS_PATH {
            let list = body.collect().await.unwrap().to_bytes();
            let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
            let names = list["bindings"].as_array().unwrap().iter();
            *self.bindings.lock() = names.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
            return Response::builder().status(204).body(empty()).unwrap();
        }
        if head.uri.path() == "/slow" {
            let _guard = BrokenOff(self.broken_off.clone());
            return std::future::pending().await;
        }
        if head.uri.query().unwrap_or_default().contains("watch=true") {
            let (say, events): (_, UnboundedReceiver<_>) = unbounded();
            self.watches.lock().push(say);
            return Response::new(boxed(StreamBody::new(events)));
        }
        let binding = head.headers[BINDING_HEADER].to_str().unwrap().to_owned();
        if !self.bindings.lock().contains(&binding) {
            let refused = Response::builder().status(403).header(REFUSED_HEADER, REFUSED_BINDING);
            return refused.body(empty()).unwrap();
        }
        let path = head.uri.path_and_query().unwrap().to_string();
        let body = body.collect().await.unwrap().to_bytes();
        let request = ClusterRequest { method: head.method, path, content_type: "application/json", body };
        match self.cluster.call(CONNECTION, &binding, request).await {
            Ok(answer) => Response::builder().status(answer.status).body(full(answer.body)).unwrap(),
            Err(error) => Response::builder().status(500).body(full(error.to_string())).unwrap(),
        }
    }
}

struct BrokenOff(Arc<AtomicBool>);

impl Drop for BrokenOff {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub fn dialler(port: u16, ca: &Path) -> Dialler {
    let trust = Trust::from_pem(&std::fs::read_to_string(ca).unwrap()).unwrap();
    Dialler::new(Target { host: "localhost".to_owned(), port }, trust, Proxy::none(), Arc::new(SystemClock))
}

pub fn get(path: &str) -> Request<Body> {
    Request::builder().method(Method::GET).uri(path).body(empty()).unwrap()
}

/// A replica that runs as a process of its own.
pub struct Process(Child);

impl Process {
    /// Starts one; the program is this test's, whose test `test` runs the replica.
    pub async fn start(test: &str, data: &Path, database: &str, key: &str, public: &str) -> (Self, u16) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env("REPLICA_DATABASE", database)
            .env("REPLICA_DATA", data)
            .env("REPLICA_KEY", key)
            .env("REPLICA_PUBLIC", public)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let this = Self(child.unwrap());
        let port = until("a replica starts", async || {
            std::fs::read_to_string(data.join("port")).ok()?.strip_suffix('\n')?.parse().ok()
        });
        (this, port.await)
    }

    /// What that test does: nothing unless it is started as a replica.
    pub async fn run() {
        let Ok(database) = std::env::var("REPLICA_DATABASE") else { return };
        let variable = |name: &str| std::env::var(name).unwrap();
        let data = variable("REPLICA_DATA");
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            database: Some(database.parse().unwrap()),
            wrapping_key: KeySource::Given(variable("REPLICA_KEY").into()),
            public: Some(variable("REPLICA_PUBLIC").parse().unwrap()),
            limits: Limits { lease: LEASE, ..Limits::default() },
            spread: Duration::ZERO,
            ..Config::at(data.clone().into())
        };
        let vault = Vault::open(config, Arc::new(SystemClock)).await.unwrap();
        let port = vault.address().unwrap().port();
        std::fs::write(Path::new(&data).join("port"), format!("{port}\n")).unwrap();
        vault.serve(CancellationToken::new()).await.unwrap();
    }
}

/// As `kill -9` does.
impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
