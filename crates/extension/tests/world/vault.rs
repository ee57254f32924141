//! A vault in miniature, over real TLS: exchanges tokens, grants what the test says, serves one container.

use super::{PROJECTED, blobs::Blobs};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use jiff::SignedDuration;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};
use telemetry::{Clock, FixedClock};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_rustls::TlsAcceptor;

pub const TENANT: &str = "11111111-1111-4111-8111-111111111111";
pub const CLIENT: &str = "22222222-2222-4222-8222-222222222222";
pub const STORED_DATA: &str = "https://storage.azure.com/.default";
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// What the vault says to the next question for a grant.
#[derive(Debug, Clone)]
pub enum Say {
    /// Grants with this role and these settings.
    Grant(&'static str, BTreeMap<String, String>),
    /// Grants with another password.
    OtherPassword(&'static str),
    /// Grants something that has ended already.
    Ended,
    /// Answers with this status and code.
    Refuse(u16, &'static str),
}

#[derive(Default)]
struct State {
    /// Answers to come; the last one stays.
    answers: VecDeque<Say>,
    /// What was asked for.
    asked: Vec<Value>,
    /// Scopes that tokens were asked for, by number of the token.
    tokens: Vec<String>,
    /// Tokens for the vault up to this one are not taken any more.
    revoked: usize,
    blobs: Blobs,
}

pub struct FakeVault {
    port: u16,
    authority: String,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

impl FakeVault {
    pub async fn start(clock: Arc<FixedClock>) -> Self {
        let (config, authority) = certificate();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let answer = move |request: Request| answer(shared.clone(), clock.clone(), request);
        let service = TowerToHyperService::new(Router::new().fallback(answer));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), service.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let builder = auto::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { port, authority, state, task: task.abort_handle() }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority, as PEM.
    pub fn authority(&self) -> String {
        self.authority.clone()
    }

    /// What is said to the next questions; the last answer stays.
    pub fn say(&self, answers: impl IntoIterator<Item = Say>) {
        self.state.lock().unwrap().answers = answers.into_iter().collect();
    }

    pub fn asked(&self) -> Vec<Value> {
        self.state.lock().unwrap().asked.clone()
    }

    pub fn token_scopes(&self) -> Vec<String> {
        self.state.lock().unwrap().tokens.clone()
    }

    /// Tokens for the vault that were given so far are not taken any more.
    pub fn revoke_tokens(&self) {
        let mut state = self.state.lock().unwrap();
        state.revoked = state.tokens.len();
    }

    /// Takes the identity's role to write from it, or gives it back: only tokens from then on know.
    pub fn role_to_write(&self, given: bool) {
        let mut state = self.state.lock().unwrap();
        let tokens = state.tokens.len();
        state.blobs.writers_from = given.then_some(tokens);
    }

    /// No connection is taken any more.
    pub fn vanish(&self) {
        self.task.abort();
    }

    /// The settings of the container that the vault serves.
    pub fn container(&self) -> BTreeMap<String, String> {
        let uri = format!("{}/acct", self.url());
        let pairs = [
            ("bucket", "backups"),
            ("config.storageAccount", "acct"),
            ("config.storageAccountURI", uri.as_str()),
            ("config.useAAD", "true"),
        ];
        let name = |key: &str| format!("configuration.backupStorageLocation.{key}");
        pairs.into_iter().map(|(key, value)| (name(key), value.to_owned())).collect()
    }
}

impl Drop for FakeVault {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(state: Arc<Mutex<State>>, clock: Arc<FixedClock>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut state = state.lock().unwrap();
    let path = head.uri.path();
    if path == format!("/{TENANT}/oauth2/v2.0/token") {
        return token(&mut state, &body);
    }
    let bearer = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let number = bearer.and_then(|text| text.strip_prefix("Bearer token-")?.parse::<usize>().ok());
    let scope = number.and_then(|number| state.tokens.get(number - 1)).cloned();
    if path == "/cluster/v1/grants" {
        let host = head.headers["host"].to_str().unwrap();
        if scope != Some(format!("https://{host}/.default")) || number <= Some(state.revoked) {
            return refuse(401, "InvalidAuthenticationToken");
        }
        return grant(&mut state, clock.now(), &body);
    }
    match number.filter(|_| scope.as_deref() == Some(STORED_DATA)) {
        Some(number) => state.blobs.answer(&head, &body, number),
        None => refuse(401, "InvalidAuthenticationInfo"),
    }
}

fn token(state: &mut State, body: &[u8]) -> Response {
    let form = String::from_utf8(body.to_vec()).unwrap();
    let form: BTreeMap<String, String> = reqwest::Url::parse(&format!("http://x/?{form}"))
        .unwrap()
        .query_pairs()
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", PROJECTED),
    ];
    if expected.iter().any(|(key, value)| form.get(*key).map(String::as_str) != Some(value)) {
        return json_answer(
            401,
            &json!({"error": "invalid_client", "error_description": "No federated credential matches."}),
        );
    }
    state.tokens.push(form["scope"].clone());
    let token = format!("token-{}", state.tokens.len());
    json_answer(200, &json!({"token_type": "Bearer", "expires_in": 3600, "access_token": token}))
}

fn grant(state: &mut State, now: jiff::Timestamp, body: &[u8]) -> Response {
    state.asked.push(serde_json::from_slice(body).unwrap());
    let say =
        if state.answers.len() > 1 { state.answers.pop_front() } else { state.answers.front().cloned() };
    let granted = |role: &str, settings: BTreeMap<String, String>, password: &str, life: SignedDuration| {
        let grant = json!({"role": role, "settings": settings, "repositoryPassword": password,
            "expiresAt": (now + life).to_string()});
        json_answer(200, &grant)
    };
    match say.unwrap_or_else(|| Say::Grant("own", BTreeMap::new())) {
        Say::Grant(role, settings) => granted(role, settings, "the-repository-password", LIFE),
        Say::OtherPassword(role) => granted(role, BTreeMap::new(), "another-password", LIFE),
        Say::Ended => granted("own", BTreeMap::new(), "the-repository-password", -LIFE),
        Say::Refuse(status, code) => refuse(status, code),
    }
}

fn refuse(status: u16, code: &str) -> Response {
    json_answer(status, &json!({"error": {"code": code, "message": "As the test said."}}))
}

fn json_answer(status: u16, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// A certificate of an authority of its own, and that authority.
pub fn certificate() -> (rustls::ServerConfig, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost", "vault.invalid"].map(str::to_owned))
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], key)
        .unwrap();
    (config, authority)
}
