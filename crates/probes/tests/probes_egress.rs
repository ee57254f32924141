//! Endpoints that break in each way that a network breaks them, on loopback: the probe tells them apart.

use prerequisites::{Endpoint, EndpointKind, Sight, Stage, Trouble};
use probes::egress::{WayOut, reach};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// Long enough for a slow machine's loopback, short enough for a test.
const STEP: Duration = Duration::from_millis(1_500);
/// What a proxy says that carries a tunnel.
const CARRIES: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn endpoint(address: SocketAddr, tls: Option<&str>) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Vault,
        host: address.ip().to_string(),
        port: address.port(),
        tls: tls.is_some(),
        path: "/".to_owned(),
        authorities: tls.filter(|pem| !pem.is_empty()).map(str::to_owned),
        needed: true,
    }
}

async fn seen(endpoint: Endpoint, way: WayOut) -> Sight {
    reach(&[endpoint], &way.within(STEP)).await.remove(0)
}

async fn direct(endpoint: Endpoint) -> Sight {
    seen(endpoint, WayOut::of("", "")).await
}

fn failed(sight: &Sight) -> (Stage, Trouble) {
    sight.failed.clone().unwrap_or_else(|| panic!("nothing failed: {sight:?}"))
}

/// Serves every connection so.
async fn serve<F>(with: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(with(stream));
        }
    });
    address
}

/// Reads a request's head and answers it; the head.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, with: &str) -> String {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {}
    stream.get_mut().write_all(with.as_bytes()).await.ok();
    stream.get_mut().flush().await.ok();
    head
}

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server of TLS for this name, that answers every request well.
    async fn server(&self, name: &str, expired: bool) -> SocketAddr {
        let acceptor = self.acceptor(name, expired);
        serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
                }
            }
        })
        .await
    }

    /// A proxy that is reached over TLS and carries every tunnel.
    async fn proxy(&self, name: &str) -> SocketAddr {
        let acceptor = self.acceptor(name, false);
        serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    carry(stream, CARRIES).await;
                }
            }
        })
        .await
    }

    fn acceptor(&self, name: &str, expired: bool) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn an_endpoint_that_is_as_it_must_be_passes_every_step() {
    let authority = Authority::new("ours");
    let address = authority.server("127.0.0.1", false).await;

    let sight = direct(endpoint(address, Some(&authority.pem))).await;

    assert_eq!(sight.failed, None);
    let stages: Vec<Stage> = sight.passed.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(stages, [Stage::Dns, Stage::Tcp, Stage::Tls, Stage::Http]);
    assert_eq!(sight.addresses, [address.ip()]);
}

#[tokio::test]
async fn a_port_that_refuses_one_that_resets_and_one_that_is_silent_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let resets = serve(|stream| async move {
        // Closed with what was received unread: the kernel tears the connection down.
        stream.readable().await.ok();
        drop(stream);
    })
    .await;
    let silent = serve(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;

    let refused = direct(endpoint(closed, Some(""))).await;
    let reset = direct(endpoint(resets, Some(""))).await;
    let dropped = direct(endpoint(silent, Some(""))).await;

    assert_eq!(failed(&refused), (Stage::Tcp, Trouble::Refused));
    assert_eq!(failed(&reset), (Stage::Tls, Trouble::Reset));
    assert_eq!(failed(&dropped), (Stage::Tls, Trouble::TimedOut));
}

#[tokio::test]
async fn an_intercepting_certificate_is_told_with_its_issuer_and_another_hosts_with_its_names() {
    let (ours, inspector) = (Authority::new("ours"), Authority::new("Corporate Inspection"));
    let intercepted = inspector.server("127.0.0.1", false).await;
    let others = ours.server("other.example", false).await;
    let old = ours.server("127.0.0.1", true).await;

    let intercepted = failed(&direct(endpoint(intercepted, Some(&ours.pem))).await);
    let others = failed(&direct(endpoint(others, Some(&ours.pem))).await);
    let old = failed(&direct(endpoint(old, Some(&ours.pem))).await);

    let (Stage::Tls, Trouble::Intercepted { issuer }) = intercepted else { panic!("{intercepted:?}") };
    assert!(issuer.contains("Corporate Inspection"), "{issuer}");
    assert_eq!(others, (Stage::Tls, Trouble::OtherName { names: "other.example".into() }));
    assert_eq!(old, (Stage::Tls, Trouble::NotValidNow));
}

#[tokio::test]
async fn a_portal_a_broken_service_and_what_is_no_http_are_told_apart() {
    let says = async |text: &'static str| {
        let address = serve(move |stream| async move {
            answer(stream, text).await;
        })
        .await;
        failed(&direct(endpoint(address, None)).await)
    };

    let portal = says("HTTP/1.1 302 Found\r\nLocation: http://login.hotel/\r\n\r\n").await;
    let broken = says("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    let demands = says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let other = says("SSH-2.0-OpenSSH_9.0\r\n\r\n").await;

    assert_eq!(portal, (Stage::Http, Trouble::Portal("302 to http://login.hotel/".into())));
    assert_eq!(broken, (Stage::Http, Trouble::Http(503)));
    assert_eq!(demands, (Stage::Http, Trouble::ProxyRefused(407)));
    assert!(matches!(other, (Stage::Http, Trouble::Other(_))), "{other:?}");
}

/// A proxy that gives this answer to every tunnel, and carries it where the answer is yes.
async fn proxy(says: &'static str) -> SocketAddr {
    serve(move |stream| carry(stream, says)).await
}

async fn carry(mut stream: impl AsyncRead + AsyncWrite + Unpin, says: &str) {
    let head = answer(&mut stream, says).await;
    let to = head.split(' ').nth(1).unwrap_or_default().to_owned();
    if says.starts_with("HTTP/1.1 200")
        && let Ok(mut on) = TcpStream::connect(to).await
    {
        tokio::io::copy_bidirectional(&mut stream, &mut on).await.ok();
    }
}

#[tokio::test]
async fn a_proxy_over_tls_is_trusted_by_its_own_authorities_which_count_for_nobody_behind_it() {
    let (corporate, ours) = (Authority::new("corporate"), Authority::new("ours"));
    let proxy = corporate.proxy("127.0.0.1").await;
    let server = ours.server("127.0.0.1", false).await;
    let of_corporation = corporate.server("127.0.0.1", false).await;
    let way = || WayOut::of(&format!("https://{proxy}"), "");

    let untrusted = seen(endpoint(server, Some(&ours.pem)), way()).await;
    let trusted = seen(endpoint(server, Some(&ours.pem)), way().trusting(&corporate.pem)).await;
    let behind = seen(endpoint(of_corporation, Some(&ours.pem)), way().trusting(&corporate.pem)).await;

    assert!(matches!(failed(&untrusted), (Stage::Proxy, Trouble::Intercepted { .. })), "{untrusted:?}");
    assert_eq!((&trusted.failed, trusted.via.clone()), (&None, Some(proxy.to_string())));
    assert!(matches!(failed(&behind), (Stage::Tls, Trouble::Intercepted { .. })), "{behind:?}");
}

#[tokio::test]
async fn a_proxy_in_between_is_gone_through_and_named_when_it_refuses() {
    let authority = Authority::new("ours");
    let server = authority.server("127.0.0.1", false).await;
    let open = proxy(CARRIES).await;
    let shut = proxy("HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let demands = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let through = async |proxy: SocketAddr, except: &str| {
        let way = WayOut::of(&format!("http://someone:secret@{proxy}"), except);
        seen(endpoint(server, Some(&authority.pem)), way).await
    };

    let carried = through(open, "").await;
    let refused = through(shut, "").await;
    let unknown = through(demands, "").await;
    let nobody = through(gone, "").await;
    let spared = through(shut, "127.0.0.1").await;

    assert_eq!((&carried.failed, carried.via.clone()), (&None, Some(open.to_string())));
    assert_eq!(failed(&refused), (Stage::Proxy, Trouble::ProxyRefused(403)));
    assert_eq!(failed(&unknown), (Stage::Proxy, Trouble::ProxyRefused(407)));
    assert_eq!(failed(&nobody), (Stage::Proxy, Trouble::Refused));
    assert_eq!((spared.failed, spared.via), (None, None));
    assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
}

#[tokio::test]
async fn endpoints_are_looked_at_at_the_same_time_and_fit_into_a_termination_message() {
    let silent = serve(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let all = vec![endpoint(silent, Some("")); 12];
    let began = std::time::Instant::now();

    let sights = reach(&all, &WayOut::of("", "").within(STEP)).await;

    assert_eq!(sights.len(), all.len());
    assert!(began.elapsed() < STEP * 6, "one after the other they take {:?}", STEP * 12);
    assert!(serde_json::to_string(&sights).unwrap().len() < 4096);
}
