//! Dialling out: through proxies, with certificates that count and such that do not, enrolment, and again and again.

mod world;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::SignedDuration;
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use telemetry::{Clock, FixedClock, SystemClock};
use tokio::net::TcpListener;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, Part, PeerName, Proxy,
    authority::Authority,
    credential::{Credential, CredentialStore, EnrolmentToken, StoreError},
    dial::{DialError, Dialler, Target},
    link::{Link, TokenSource},
    serve,
    tls::{self, AGENT, GATEWAY, Trust},
    tunnels::Limits,
    wire::{EnrolAnswer, EnrolRequest, RenewRequest},
};
use world::{
    Gateway, ServerAuthority, Vault, cluster_authority, credential, get, id, proxies::ConnectProxy, text,
    within,
};

async fn reaches(vault: &Vault, dialler: &Dialler) -> Result<(), DialError> {
    let stream = dialler.dial(GATEWAY, Some(&vault.gateway_credential(id(1)))).await?;
    let service = service_fn(async |_: Request<Incoming>| {
        let mut response = text("through");
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok::<_, Infallible>(response)
    });
    let serving = tokio::spawn(serve(stream, service, CancellationToken::new()));
    let mut changes = vault.tunnels.changes();
    while !vault.tunnels.is_connected(id(1)) {
        within(10, "the connection", changes.changed()).await.unwrap();
    }
    assert!(vault.tunnels.send(id(1), "a", get("/x")).await.is_ok());
    serving.abort();
    Ok(())
}

#[tokio::test]
async fn the_way_leads_through_a_proxy_that_asks_for_a_password() {
    let vault = Vault::start().await;
    let proxy = ConnectProxy::start("me:p@ss", None).await;
    let through = |credentials: &str, except: &str| {
        let proxy = Proxy::of(&format!("http://{credentials}127.0.0.1:{}", proxy.port), except);
        vault.dialler_through(proxy, vault.servers.trust(), vault.port)
    };

    reaches(&vault, &through("me:p%40ss@", "")).await.unwrap();
    assert_eq!(proxy.tunnels.load(Ordering::Relaxed), 1);
    let refused = reaches(&vault, &through("", "")).await.unwrap_err().to_string();
    assert!(refused.contains("407") && refused.contains("HTTPS_PROXY"), "{refused}");
    let nobody = Proxy::of("http://me:p%40ss@127.0.0.1:1", "");
    let nobody = vault.dialler_through(nobody, vault.servers.trust(), vault.port);
    let absent = reaches(&vault, &nobody).await.unwrap_err().to_string();
    assert!(absent.contains("the proxy 127.0.0.1:1") && !absent.contains("ss@"), "{absent}");
    reaches(&vault, &through("", "localhost")).await.unwrap();
    assert_eq!(proxy.tunnels.load(Ordering::Relaxed), 1, "NO_PROXY names the vault");
}

#[tokio::test]
async fn a_proxy_over_tls_needs_its_authority_in_the_file() {
    let vault = Vault::start().await;
    let private = ServerAuthority::make();
    let proxy = ConnectProxy::start("me:x", Some(&private)).await;
    let through = |pem: &str| {
        let proxy = Proxy::of(&format!("https://me:x@localhost:{}", proxy.port), "");
        vault.dialler_through(proxy, Trust::from_pem(pem).unwrap(), vault.port)
    };

    let refused = reaches(&vault, &through(&vault.servers.certificate)).await.unwrap_err();
    let both = format!("{}{}", vault.servers.certificate, private.certificate);
    reaches(&vault, &through(&both)).await.unwrap();

    assert!(matches!(refused, DialError::Handshake { .. }), "{refused}");
    assert!(refused.to_string().contains("file of the vault's authorities"), "{refused}");
    assert!(refused.to_string().contains("the proxy localhost:"), "{refused}");
    assert_eq!(proxy.tunnels.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_proxys_own_authority_counts_for_the_proxy_and_not_for_the_vault() {
    let vault = Vault::start().await;
    let private = ServerAuthority::make();
    let proxy = ConnectProxy::start("me:x", Some(&private)).await;
    let through = |of_vault: &str| {
        let proxy = Proxy::of(&format!("https://me:x@localhost:{}", proxy.port), "");
        let of_proxy = format!("{}{}", vault.servers.certificate, private.certificate);
        vault
            .dialler_through(proxy, Trust::from_pem(of_vault).unwrap(), vault.port)
            .trusting_proxies_of(Trust::from_pem(&of_proxy).unwrap())
    };

    reaches(&vault, &through(&vault.servers.certificate)).await.unwrap();
    let not_the_vault = reaches(&vault, &through(&private.certificate)).await.unwrap_err();

    assert!(matches!(not_the_vault, DialError::Handshake { .. }), "{not_the_vault}");
    assert_eq!(proxy.tunnels.load(Ordering::Relaxed), 2, "both came through the proxy");
}

#[tokio::test]
async fn a_server_that_another_authority_signed_is_no_vault() {
    let vault = Vault::start().await;
    let other = ServerAuthority::make();
    let dialler = vault.dialler_through(Proxy::none(), other.trust(), vault.port);

    let refused = reaches(&vault, &dialler).await.unwrap_err();

    assert!(matches!(refused, DialError::Handshake { .. }), "{refused}");
    assert!(Trust::from_pem("").is_err(), "no authority at all is no trust");
}

/// What the listener says about a gateway that shows `shown`.
async fn judged(vault: &mut Vault, shown: Option<&Credential>) -> String {
    let handler = async |_| text("in");
    let Ok(stream) = vault.dialler().dial(GATEWAY, shown).await else {
        return vault.ended.recv().await.unwrap().unwrap_err();
    };
    let service =
        service_fn(move |_: Request<Incoming>| async move { Ok::<_, Infallible>(handler(()).await) });
    let serving = tokio::spawn(serve(stream, service, CancellationToken::new()));
    let ended = within(5, "a refusal", vault.ended.recv()).await.unwrap();
    serving.abort();
    ended.unwrap_err()
}

#[tokio::test]
async fn forged_foreign_expired_and_misused_certificates_are_refused() {
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let mut vault = Vault::with(Limits::default(), clock.clone()).await;
    let good = vault.gateway_credential(id(1));
    let foreign = credential(&cluster_authority(), id(1), Part::Gateway);
    let agents = credential(&vault.authority, id(1), Part::Agent);
    // Another's certificate with a key of one's own.
    let stolen = Credential::parse(foreign.key().to_owned().into(), good.certificate().to_owned()).unwrap();

    let refused = judged(&mut vault, Some(&foreign)).await;
    assert!(refused.contains("UnknownIssuer") || refused.contains("BadSignature"), "{refused}");
    let refused = judged(&mut vault, None).await;
    assert!(refused.contains("no certificate"), "{refused}");
    let refused = judged(&mut vault, Some(&agents)).await;
    assert!(refused.contains("agent"), "{refused}");
    assert!(matches!(vault.dialler().dial(GATEWAY, Some(&stolen)).await, Err(DialError::Tls(_))));

    clock.set(SystemClock.now() + SignedDuration::from_hours(7 * 24 + 1));
    let refused = judged(&mut vault, Some(&good)).await;
    assert!(refused.contains("expired"), "{refused}");

    clock.set(SystemClock.now());
    let gateway = Gateway::dial(&vault.dialler(), &good, async |_| text("in")).await;
    let mut changes = vault.tunnels.changes();
    while !vault.tunnels.is_connected(id(1)) {
        within(5, "the good one", changes.changed()).await.unwrap();
    }
    drop(gateway);
}

/// A vault's three protocols on one port: enrolment, renewal, and the gateway's.
struct Enrolling {
    port: u16,
    servers: ServerAuthority,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    /// Cuts the gateway's connections.
    cut: Arc<tokio::sync::Notify>,
}

const TOKEN: &str = "00000000-0000-0000-0000-000000000007.secret";

impl Enrolling {
    async fn start(clock: Arc<dyn Clock>) -> Self {
        let servers = ServerAuthority::make();
        let authority = Arc::new(cluster_authority());
        let trust = Trust::from_pem(authority.certificate()).unwrap();
        let shown = servers.shown();
        let configs: Vec<_> = [AGENT, GATEWAY]
            .into_iter()
            .map(|protocol| Arc::new(tls::server(shown.clone(), &trust, protocol, clock.clone()).unwrap()))
            .collect();
        let plain = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ));
        let plain = plain.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut plain = plain.with_cert_resolver(shown);
        plain.alpn_protocols = vec![b"http/1.1".to_vec()];
        let plain = Arc::new(plain);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, connections): (Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) = Default::default();
        let cut = Arc::new(tokio::sync::Notify::new());
        let (log, count, cuts) = (requests.clone(), connections.clone(), cut.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let hello = LazyConfigAcceptor::new(Default::default(), stream).await.unwrap();
                let named: Vec<Vec<u8>> = hello.client_hello().alpn().unwrap().map(<[u8]>::to_vec).collect();
                let config = match named[0].as_slice() {
                    AGENT => configs[0].clone(),
                    GATEWAY => configs[1].clone(),
                    _ => plain.clone(),
                };
                let Ok(stream) = hello.into_stream(config).await else { continue };
                let peer = tls::peer(stream.get_ref().1).ok();
                let (authority, log, clock) = (authority.clone(), log.clone(), clock.clone());
                let answer = service_fn(move |request: Request<Incoming>| {
                    let (authority, log, clock) = (authority.clone(), log.clone(), clock.clone());
                    async move { Ok::<_, Infallible>(enrolment(&authority, peer, request, &log, &*clock).await) }
                });
                if named[0] == GATEWAY {
                    count.fetch_add(1, Ordering::Relaxed);
                    let cuts = cuts.clone();
                    tokio::spawn(async move {
                        let _stream = stream;
                        cuts.notified().await;
                    });
                } else if named[0] == AGENT {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    tokio::spawn(builder.serve_connection(TokioIo::new(stream), answer));
                } else {
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
                }
            }
        });
        Self { port, servers, requests, connections, cut }
    }

    fn link(&self, store: Arc<Kept>, token: &'static str, clock: Arc<dyn Clock>) -> Link {
        let target = Target { host: "localhost".to_owned(), port: self.port };
        let dialler = Dialler::new(target, self.servers.trust(), Proxy::none(), clock.clone());
        Link::new(dialler, store, Arc::new(Mounted(token)), Part::Gateway, clock)
    }
}

async fn enrolment(
    authority: &Authority,
    peer: Option<PeerName>,
    request: Request<Incoming>,
    log: &Mutex<Vec<String>>,
    clock: &dyn Clock,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    log.lock().unwrap().push(path.clone());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (request, name) = match peer {
        Some(peer) => (serde_json::from_slice::<RenewRequest>(&body).unwrap().request, peer),
        None => {
            let asked: EnrolRequest = serde_json::from_slice(&body).unwrap();
            if asked.token != TOKEN {
                let error = r#"{"error": {"code": "EnrolmentTokenUsed", "message": "The token was used."}}"#;
                let mut response = text(error);
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                return response;
            }
            (asked.request, PeerName { connection: id(7), part: asked.part })
        }
    };
    let signed = authority.sign(&request, &name, clock.now()).unwrap();
    let answer = EnrolAnswer {
        certificate: signed.certificate,
        not_after: signed.not_after,
        cluster: "/subscriptions/x".to_owned(),
        tenant_id: Default::default(),
        connection: name.connection.0,
    };
    text(&serde_json::to_string(&answer).unwrap())
}

#[derive(Default)]
struct Kept(Mutex<Option<Credential>>);

#[async_trait::async_trait]
impl CredentialStore for Kept {
    async fn load(&self) -> Result<Option<Credential>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn save(&self, credential: &Credential) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = Some(credential.clone());
        Ok(())
    }
}

struct Mounted(&'static str);

impl TokenSource for Mounted {
    fn token(&self) -> Option<EnrolmentToken> {
        self.0.parse().ok()
    }
}

#[tokio::test]
async fn a_part_enrols_once_renews_in_time_and_dials_again_whenever_it_is_cut_off() {
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let vault = Enrolling::start(clock.clone()).await;
    let store = Arc::new(Kept::default());
    let link = vault.link(store.clone(), TOKEN, clock.clone());
    let stop = CancellationToken::new();
    let ended = stop.clone();
    let keeping = tokio::spawn(async move {
        link.keep(GATEWAY, &ended, |standing| async move {
            let answer = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(text("ok")));
            serve(standing.stream, answer, standing.stop)
                .await
                .err()
                .map_or_else(String::new, |e| e.to_string())
        })
        .await;
    });
    let connections = async |wanted: usize| {
        within(20, "a connection", async {
            while vault.connections.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
    };

    connections(1).await;
    let first = store.0.lock().unwrap().clone().unwrap();
    assert_eq!(first.name(), PeerName { connection: id(7), part: Part::Gateway });
    vault.cut.notify_waiters();
    connections(2).await;
    assert_eq!(*vault.requests.lock().unwrap(), ["/cluster/v1/enrol"]);
    clock.set(clock.now() + SignedDuration::from_hours(5 * 24));
    vault.cut.notify_waiters();
    connections(3).await;

    assert_eq!(*vault.requests.lock().unwrap(), ["/cluster/v1/enrol", "/cluster/v1/renew"]);
    let second = store.0.lock().unwrap().clone().unwrap();
    assert!(second.validity().until > first.validity().until && second.key() != first.key());
    stop.cancel();
    within(5, "the end", keeping).await.unwrap();
}

#[tokio::test]
async fn a_token_that_was_used_is_refused_with_what_to_do() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let vault = Enrolling::start(clock.clone()).await;
    let used = "00000000-0000-0000-0000-000000000007.other";

    let refused = vault.link(Arc::default(), used, clock.clone()).credential().await.unwrap_err().to_string();
    let stuck = vault.link(Arc::default(), "", clock.clone()).credential().await.unwrap_err().to_string();

    assert!(refused.contains("EnrolmentTokenUsed") && refused.contains("cluster connect"), "{refused}");
    assert!(stuck.contains("neither") && stuck.contains("cluster connect"), "{stuck}");
}
