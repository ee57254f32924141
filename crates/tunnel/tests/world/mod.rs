//! A vault's listener and clusters' gateways on loopback, with real TLS.

#![allow(dead_code)] // each test binary uses its part

pub mod proxies;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ResolvesServerCert, ServerConfig},
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use telemetry::{Clock, SystemClock};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, ConnectionId, Part, PeerName, Proxy, ServeError,
    authority::Authority,
    credential::Credential,
    dial::{Dialler, Target},
    empty, full, serve,
    tls::{self, GATEWAY, Trust},
    tunnels::{Cut, Limits, Tunnels},
    wire::{BINDINGS_PATH, Binding},
};
use uuid::Uuid;
use zeroize::Zeroizing;

pub fn id(number: u128) -> ConnectionId {
    ConnectionId(Uuid::from_u128(number))
}

pub fn binding(name: &str) -> Binding {
    Binding {
        name: name.to_owned(),
        source: format!("/vaults/{name}"),
        roles: vec!["backup-operator".to_owned()],
    }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path.to_owned()).body(empty()).unwrap()
}

/// Signs server certificates.
pub struct ServerAuthority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: String,
}

impl ServerAuthority {
    pub fn make() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub fn shown(&self) -> Arc<dyn ResolvesServerCert> {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let signed = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(signed.der().to_vec())];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Arc::new(SingleCertAndKey::from(CertifiedKey::from_der(chain, key, &provider).unwrap()))
    }

    pub fn trust(&self) -> Trust {
        Trust::from_pem(&self.certificate).unwrap()
    }
}

pub fn cluster_authority() -> Authority {
    Authority::load(Authority::make(SystemClock.now()).unwrap()).unwrap()
}

/// What a part gets when it enrols.
pub fn credential(authority: &Authority, connection: ConnectionId, part: Part) -> Credential {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let name = PeerName { connection, part };
    let signed = authority.sign(&request, &name, SystemClock.now()).unwrap();
    Credential::parse(Zeroizing::new(key.serialize_pem()), signed.certificate).unwrap()
}

/// A listener that attaches every gateway that comes.
pub struct Vault {
    pub servers: ServerAuthority,
    pub authority: Authority,
    pub tunnels: Tunnels,
    pub port: u16,
    pub bindings: Arc<Mutex<Vec<Binding>>>,
    /// How connections ended; refused handshakes too.
    pub ended: mpsc::UnboundedReceiver<Result<(ConnectionId, Cut), String>>,
    accepting: AbortHandle,
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Vault {
    pub async fn start() -> Self {
        Self::with(Limits::default(), Arc::new(SystemClock)).await
    }

    pub async fn with(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let servers = ServerAuthority::make();
        let authority = cluster_authority();
        let trust = Trust::from_pem(authority.certificate()).unwrap();
        let config = tls::server(servers.shown(), &trust, GATEWAY, clock).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tunnels = Tunnels::new(limits);
        let bindings = Arc::new(Mutex::new(vec![binding("a"), binding("b")]));
        let (said, ended) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(accept(listener, config, tunnels.clone(), bindings.clone(), said));
        let accepting = accepting.abort_handle();
        Self { servers, authority, tunnels, port, bindings, ended, accepting }
    }

    pub fn dialler(&self) -> Dialler {
        self.dialler_through(Proxy::none(), self.servers.trust(), self.port)
    }

    pub fn dialler_through(&self, proxy: Proxy, trust: Trust, port: u16) -> Dialler {
        let target = Target { host: "localhost".to_owned(), port };
        Dialler::new(target, trust, proxy, Arc::new(SystemClock))
    }

    pub fn gateway_credential(&self, connection: ConnectionId) -> Credential {
        credential(&self.authority, connection, Part::Gateway)
    }

    /// A gateway that answers by `handler`, connected when this returns.
    pub async fn gateway<H, F>(&self, connection: ConnectionId, handler: H) -> Gateway
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send,
    {
        let mut changes = self.tunnels.changes();
        let gateway = Gateway::dial(&self.dialler(), &self.gateway_credential(connection), handler).await;
        while !self.tunnels.is_connected(connection) {
            changes.changed().await.unwrap();
        }
        gateway
    }
}

async fn accept(
    listener: TcpListener,
    config: ServerConfig,
    tunnels: Tunnels,
    bindings: Arc<Mutex<Vec<Binding>>>,
    said: mpsc::UnboundedSender<Result<(ConnectionId, Cut), String>>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (acceptor, tunnels, bindings, said) =
            (acceptor.clone(), tunnels.clone(), bindings.clone(), said.clone());
        connections.spawn(async move {
            let ended = match acceptor.accept(stream).await {
                Err(error) => Err(error.to_string()),
                Ok(stream) => match tls::peer(stream.get_ref().1) {
                    Err(error) => Err(error.to_string()),
                    Ok(peer) => {
                        let first = async move { bindings.lock().unwrap().clone() };
                        Ok((peer.connection, tunnels.attach(peer.connection, stream, first).await))
                    }
                },
            };
            drop(said.send(ended));
        });
    }
}

/// A gateway that was started here.
pub struct Gateway {
    pub stop: CancellationToken,
    pub serving: JoinHandle<Result<(), ServeError>>,
}

impl Gateway {
    pub async fn dial<H, F>(dialler: &Dialler, credential: &Credential, handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send,
    {
        let stream = dialler.dial(GATEWAY, Some(credential)).await.unwrap();
        let stop = CancellationToken::new();
        let service = service_fn(move |request: Request<Incoming>| {
            let handler = handler.clone();
            async move {
                if request.uri().path() == BINDINGS_PATH {
                    return Ok::<_, Infallible>(status(StatusCode::NO_CONTENT));
                }
                Ok(handler(request).await)
            }
        });
        let serving = tokio::spawn(serve(stream, service, stop.clone()));
        Self { stop, serving }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

pub fn text(said: &str) -> Response<Body> {
    Response::new(full(Bytes::copy_from_slice(said.as_bytes())))
}

/// Resident memory of this process in bytes.
pub fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The most memory that was resident until this is stopped.
pub struct Highest(Arc<std::sync::atomic::AtomicU64>, JoinHandle<()>);

impl Highest {
    pub fn watch() -> Self {
        let most = Arc::new(std::sync::atomic::AtomicU64::new(resident()));
        let seen = most.clone();
        let watching = tokio::spawn(async move {
            loop {
                seen.fetch_max(resident(), std::sync::atomic::Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self(most, watching)
    }

    pub fn stop(self) -> u64 {
        self.1.abort();
        self.0.load(std::sync::atomic::Ordering::Relaxed).max(resident())
    }
}

pub async fn within<T>(seconds: u64, what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(seconds), work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} took more than {seconds} s"),
    }
}
