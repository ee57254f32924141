//! The agent's connection to a vault: real TLS with client certificates, real HTTP/2, a vault's end made of the crate
//! `tunnel`.

use agent::{Tunnelled, VaultLink, tunnelled};
use async_trait::async_trait;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use packages::wire::{ClusterFacts, Report};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use telemetry::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, ConnectionId, Part, PeerName, Proxy,
    authority::Authority,
    credential::{Credential, CredentialStore, EnrolmentToken, StoreError},
    dial::{Dialler, Target},
    empty, full,
    link::{Link, TokenSource},
    serve,
    tls::{self, AGENT, Trust},
};
use uuid::Uuid;
use zeroize::Zeroizing;

struct Kept(Credential);

#[async_trait]
impl CredentialStore for Kept {
    async fn load(&self) -> Result<Option<Credential>, StoreError> {
        Ok(Some(self.0.clone()))
    }

    async fn save(&self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }
}

struct NoToken;

impl TokenSource for NoToken {
    fn token(&self) -> Option<EnrolmentToken> {
        None
    }
}

/// What the vault heard, and a way to cut its connections.
#[derive(Clone, Default)]
struct Heard {
    asked: Arc<Mutex<Vec<String>>>,
    reports: Arc<Mutex<Vec<Value>>>,
    cut: Arc<Mutex<CancellationToken>>,
}

async fn answer(heard: Heard, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    heard.asked.lock().unwrap().push(format!("{} {}", head.method, head.uri.path_and_query().unwrap()));
    let status = |status| Response::builder().status(status).body(empty()).unwrap();
    if head.method == "PUT" {
        let body = body.collect().await.unwrap().to_bytes();
        heard.reports.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        return status(StatusCode::NO_CONTENT);
    }
    if head.uri.query().unwrap_or_default().contains("after=7") {
        return status(StatusCode::NOT_MODIFIED);
    }
    let desired = json!({
        "revision": "7", "vault": {"url": "https://vault.example", "tenantId": "t", "authorities": "PEM"},
        "extensions": [{
            "name": "azure-aks-backup", "type": "microsoft.dataprotection.kubernetes", "generation": 3,
            "wanted": "present", "version": "0.1.0",
            "package": {"reference": "registry.example/cofferdam/backup:0.1.0", "digest": format!("sha256:{}", "0".repeat(64))},
            "namespace": "dataprotection-microsoft", "settings": {"a": "b"}, "protectedSettings": {},
            "identity": {"clientId": "c", "principalId": "p", "audience": "api://AzureADTokenExchange"},
            "aFieldOfTheFuture": true,
        }],
    });
    Response::new(full(desired.to_string()))
}

/// A vault's end, and an agent's that is connected to it.
async fn connected() -> (Heard, Tunnelled, CancellationToken) {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let heard = Heard::default();
    let (issuer, certificate) = server_authority();
    let authority = Authority::load(Authority::make(SystemClock.now()).unwrap()).unwrap();
    let trust = Trust::from_pem(authority.certificate()).unwrap();
    let config = tls::server(shown(&issuer), &trust, AGENT, Arc::new(SystemClock)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let vault = heard.clone();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let (heard, cut) = (vault.clone(), CancellationToken::new());
            *vault.cut.lock().unwrap() = cut.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let heard = heard.clone();
                    async move { Ok::<_, Infallible>(answer(heard, request).await) }
                });
                drop(serve(stream, service, cut).await);
            });
        }
    });
    let target = Target { host: "localhost".to_owned(), port };
    let (link, keeper) = tunnelled(target.authority());
    let trust = Trust::from_pem(&certificate).unwrap();
    let dialler = Dialler::new(target, trust, Proxy::none(), Arc::new(SystemClock));
    let store = Arc::new(Kept(credential(&authority)));
    let kept = Link::new(dialler, store, Arc::new(NoToken), Part::Agent, Arc::new(SystemClock));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move { keeper.keep(&kept, &stopped).await });
    (heard, link, stop)
}

fn server_authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), certificate)
}

fn shown(issuer: &Issuer<'static, KeyPair>) -> Arc<SingleCertAndKey> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let chain = vec![CertificateDer::from(params.signed_by(&key, issuer).unwrap().der().to_vec())];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(SingleCertAndKey::from(CertifiedKey::from_der(chain, key, &provider).unwrap()))
}

fn credential(authority: &Authority) -> Credential {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let name = PeerName { connection: ConnectionId(Uuid::from_u128(7)), part: Part::Agent };
    let signed = authority.sign(&request, &name, SystemClock.now()).unwrap();
    Credential::parse(Zeroizing::new(key.serialize_pem()), signed.certificate).unwrap()
}

fn report() -> Report {
    Report { agent_version: "0.1.0".into(), cluster: ClusterFacts::default(), extensions: Vec::new() }
}

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_agent_hears_what_should_be_there_and_tells_what_is() {
    let (heard, link, _stop) = connected().await;

    let desired = link.desired(None, SOON).await.unwrap().unwrap();
    let unchanged = link.desired(Some(&desired.revision), SOON).await.unwrap();
    link.report(&report()).await.unwrap();

    assert_eq!((desired.revision.as_str(), desired.extensions[0].generation), ("7", 3));
    assert_eq!(unchanged, None);
    assert_eq!(heard.reports.lock().unwrap()[0]["agentVersion"], "0.1.0");
    assert_eq!(
        *heard.asked.lock().unwrap(),
        [
            "GET /cluster/v1/desired?wait=5",
            "GET /cluster/v1/desired?after=7&wait=5",
            "PUT /cluster/v1/report",
        ]
    );
}

#[tokio::test]
async fn a_connection_that_the_vault_cuts_is_made_again() {
    let (heard, link, _stop) = connected().await;
    link.report(&report()).await.unwrap();

    heard.cut.lock().unwrap().cancel();
    let mut told = false;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        told = told || link.report(&report()).await.is_ok() && heard.reports.lock().unwrap().len() >= 2;
        if told {
            break;
        }
    }

    assert!(told, "the agent did not come back");
}
