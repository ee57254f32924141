//! A cluster that is simulated: it dials the vault as a gateway does, with a certificate of its own, answers the signs of life
//! of the protocol, takes bindings, and says of each custom resource at once that it is done.

use anyhow::Result;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use telemetry::SystemClock;
use tokio::net::TcpSocket;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body,
    credential::Credential,
    full,
    tls::{GATEWAY, Trust, client},
    wire::BINDINGS_PATH,
};
use zeroize::Zeroizing;

/// The name in the vault's certificate.
const HOST: &str = "localhost";

/// What all simulated clusters of a process have seen.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections that stand and have their bindings.
    pub ready: AtomicU64,
    /// Connections that ended.
    pub ended: AtomicU64,
    /// Connections that could not be made, and those that broke.
    pub failed: AtomicU64,
    /// Requests for custom resources.
    pub asked: AtomicU64,
    /// Backups that were made.
    pub made: AtomicU64,
}

/// Who it is, as it is handed from process to process.
#[derive(Serialize, Deserialize)]
pub struct Identity {
    /// PEM.
    pub key: String,
    /// PEM.
    pub certificate: String,
}

/// One cluster.
pub struct SimulatedCluster {
    credential: Credential,
    made: Mutex<HashSet<String>>,
    counts: Arc<Counts>,
}

impl SimulatedCluster {
    /// One that nothing was asked of yet.
    pub fn new(identity: Identity, counts: Arc<Counts>) -> Result<Self> {
        let credential = Credential::parse(Zeroizing::new(identity.key), identity.certificate)?;
        Ok(Self { credential, made: Mutex::default(), counts })
    }

    /// Connects once, and answers until the connection ends.
    pub async fn connect(
        self: Arc<Self>,
        vault: SocketAddr,
        from: Ipv4Addr,
        trust: &Trust,
        connected: impl FnOnce(),
    ) -> Result<()> {
        let stream = self.dial(vault, from, trust).await?;
        connected();
        let ready = Arc::new(AtomicBool::new(false));
        let (this, seen) = (self.clone(), ready.clone());
        let service = service_fn(move |request| {
            let (this, seen) = (this.clone(), seen.clone());
            async move { Ok::<_, Infallible>(this.answer(request, &seen).await) }
        });
        let ended = tunnel::serve(stream, service, CancellationToken::new()).await;
        if ready.load(Ordering::Relaxed) {
            self.counts.ready.fetch_sub(1, Ordering::Relaxed);
        }
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
        Ok(ended?)
    }

    async fn dial(
        &self,
        vault: SocketAddr,
        from: Ipv4Addr,
        trust: &Trust,
    ) -> Result<TlsStream<tokio::net::TcpStream>> {
        let config = client(trust, Some(&self.credential), GATEWAY, Arc::new(SystemClock))?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let stream = socket.connect(vault).await?;
        stream.set_nodelay(true)?;
        Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(HOST)?, stream).await?)
    }

    async fn answer(&self, request: Request<Incoming>, ready: &AtomicBool) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if path == BINDINGS_PATH {
            if !ready.swap(true, Ordering::Relaxed) {
                self.counts.ready.fetch_add(1, Ordering::Relaxed);
            }
            return reply(StatusCode::NO_CONTENT, None);
        }
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
        match head.method {
            Method::GET => {
                let name = path.rsplit('/').next().unwrap_or_default();
                match self.has(name) {
                    true => reply(StatusCode::OK, Some(done(name))),
                    false => reply(StatusCode::NOT_FOUND, Some(missing(name))),
                }
            }
            Method::POST => {
                let object: Value = serde_json::from_slice(&body).unwrap_or_default();
                let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                match self.make(name) {
                    true => reply(StatusCode::CREATED, Some(done(name))),
                    false => reply(
                        StatusCode::CONFLICT,
                        Some(json!({"kind": "Status", "reason": "AlreadyExists"})),
                    ),
                }
            }
            _ => reply(StatusCode::METHOD_NOT_ALLOWED, None),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(name)
    }

    fn make(&self, name: &str) -> bool {
        let is_new =
            self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name.to_owned());
        self.counts.made.fetch_add(u64::from(is_new), Ordering::Relaxed);
        is_new
    }
}

/// A backup that is complete, with a recovery point of its own: as long as a real one's id, made of the job's.
fn done(name: &str) -> Value {
    let hex = name.replace('-', "");
    json!({"metadata": {"name": name}, "spec": {}, "status": {
        "phase": "Completed", "recoveryPoint": {"location": "default", "id": format!("{hex}{hex}")},
        "objects": 1_234, "bytesAdded": 56_789}})
}

fn missing(name: &str) -> Value {
    json!({"kind": "Status", "reason": "NotFound", "details": {"name": name}})
}

fn reply(status: StatusCode, body: Option<Value>) -> Response<Body> {
    let body = body.map_or_else(tunnel::empty, |body| full(body.to_string()));
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply
}
