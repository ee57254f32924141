//! People sign in to a running vault: by a code on another device, by a browser, by another issuer; and what they hold
//! ends when it should.

mod world;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telemetry::Clock;
use vault::{
    people::{PeopleError, add_external, add_user, remove, set_password},
    server::{Limits, People},
    tokens::SigningKey,
    trust::TrustedIssuer,
};
use world::{Answer, Person, World};

const AZ: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const PASSWORD: &str = "gravel lamp orbit tin";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const BACK: &str = "http://localhost:8400/back";

async fn anna(world: &World) -> String {
    let now = world.clock.now();
    add_user(world.app.store.as_ref(), "Anna@example.org", PASSWORD, Some("Owner"), now).await.unwrap()
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn wait(world: &World, seconds: i64) {
    world.clock.set(world.clock.now() + SignedDuration::from_secs(seconds));
}

/// A browser: no redirect is followed, and cookies are kept by hand.
struct Browser<'w> {
    world: &'w World,
    http: reqwest::Client,
    cookie: String,
    mark: String,
}

struct Page {
    status: StatusCode,
    location: String,
    text: String,
}

impl<'w> Browser<'w> {
    async fn at(world: &'w World, path: &str) -> Self {
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&world.ca).unwrap()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let answer = http.get(format!("{}{path}", world.url)).send().await.unwrap();
        let headers = answer.headers().clone();
        let cookie = headers.get("set-cookie").map_or("", |value| value.to_str().unwrap());
        let text = answer.text().await.unwrap();
        let policy = headers.get("content-security-policy").unwrap().to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!text.contains("<script"), "{text}");
        let mark = text.split("name=\"mark\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let mark = mark.unwrap_or_default().to_owned();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { world, http, cookie, mark }
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mark = ("mark", self.mark.as_str());
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.iter().chain(std::iter::once(&mark)))
            .finish();
        let request = self.http.post(format!("{}{path}", self.world.url)).header("cookie", &self.cookie);
        let request = request.header("origin", &self.world.url);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await.unwrap();
        let location =
            answer.headers().get("location").map_or("", |value| value.to_str().unwrap()).to_owned();
        Page { status: answer.status(), location, text: answer.text().await.unwrap() }
    }
}

async fn token(world: &World, fields: &[(&str, &str)]) -> Answer {
    world.ask_token(&format!("{}/oauth2/v2.0/token", world.tenant), fields).await
}

fn error(answer: &Answer) -> &str {
    answer.body["error"].as_str().unwrap_or_default()
}

async fn device(world: &World) -> (String, String) {
    let scope = format!("{}//.default offline_access openid profile", world.url);
    let path = format!("{}/oauth2/v2.0/devicecode", world.tenant);
    let made = world.ask_token(&path, &[("client_id", AZ), ("scope", &scope)]).await;
    assert_eq!((made.status, made.body["interval"].as_i64()), (200, Some(5)), "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    assert_eq!(text("verification_uri"), format!("{}/devicelogin", world.url));
    (text("device_code"), text("user_code"))
}

async fn poll(world: &World, device: &str) -> Answer {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    token(world, &[("grant_type", grant), ("client_id", AZ), ("device_code", device)]).await
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn bearer(answer: &Answer) -> Person {
    Person {
        client_id: String::new(),
        object_id: String::new(),
        secret: String::new(),
        token: answer.body["access_token"].as_str().unwrap_or_default().to_owned(),
    }
}

#[tokio::test]
async fn a_person_signs_in_with_a_code_on_another_device() {
    let world = World::start().await;
    let anna = anna(&world).await;
    let (device_code, user_code) = device(&world).await;

    let pending = poll(&world, &device_code).await;
    let too_soon = poll(&world, &device_code).await;
    let browser = Browser::at(&world, "/devicelogin").await;
    let typed = user_code.to_lowercase().replace('-', " ");
    let fields = [("code", typed.as_str()), ("name", "anna@EXAMPLE.org"), ("password", PASSWORD)];
    let done = browser.send("/devicelogin", &fields).await;
    let twice = browser.send("/devicelogin", &fields).await;
    let signed_in = poll(&world, &device_code).await;
    let again = poll(&world, &device_code).await;
    let person = bearer(&signed_in);

    assert_eq!((error(&pending), error(&too_soon)), ("authorization_pending", "slow_down"));
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(twice.text.contains("no such code"), "{}", twice.text);
    assert_eq!((signed_in.status, error(&again)), (200, "invalid_grant"), "{signed_in:?}");
    let (access, id) = (claims(&person.token), claims(signed_in.body["id_token"].as_str().unwrap()));
    assert_eq!((&access["oid"], &access["idtyp"]), (&json!(anna), &json!("user")));
    assert_eq!((&access["appid"], &access["preferred_username"]), (&json!(AZ), &json!("Anna@example.org")));
    assert_eq!((&id["aud"], &id["oid"], &id["tid"]), (&json!(AZ), &json!(anna), &json!(world.tenant)));
    assert_eq!(world.get(&person, "/subscriptions").await.body["value"].as_array().unwrap().len(), 1);
    let me = world.get(&person, "/v1.0/me").await;
    assert_eq!((&me.body["id"], &me.body["userPrincipalName"]), (&json!(anna), &json!("Anna@example.org")));
    let mut with_id = person.clone();
    with_id.token = signed_in.body["id_token"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&with_id, "/subscriptions").await.status, 401, "an id token opens nothing");
}

#[tokio::test]
async fn a_code_that_was_declined_ended_or_is_another_clients_gives_nothing() {
    let world = World::start().await;
    anna(&world).await;
    let (declined, user_code) = device(&world).await;
    let (ended, _) = device(&world).await;

    let browser = Browser::at(&world, "/devicelogin").await;
    let fields = [
        ("code", user_code.as_str()),
        ("name", "anna@example.org"),
        ("password", PASSWORD),
        ("do", "decline"),
    ];
    browser.send("/devicelogin", &fields).await;
    let refused = poll(&world, &declined).await;
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let other = [
        ("grant_type", grant),
        ("client_id", "1950a258-227b-4e31-a9cf-717495945fc2"),
        ("device_code", &ended),
    ];
    let others = token(&world, &other).await;
    wait(&world, 15 * 60 + 1);
    let late = poll(&world, &ended).await;
    let made_up = poll(&world, "made-up").await;
    let stranger = world
        .ask_token(
            &format!("{}/oauth2/v2.0/devicecode", world.tenant),
            &[("client_id", "x"), ("scope", "openid")],
        )
        .await;

    let errors = [&refused, &others, &late, &made_up, &stranger].map(error);
    assert_eq!(
        errors,
        ["access_denied", "invalid_grant", "expired_token", "expired_token", "unauthorized_client"]
    );
}

#[tokio::test]
async fn nobody_learns_which_names_there_are_and_no_other_page_can_send_the_form() {
    let world = World::start().await;
    anna(&world).await;
    let (_, code) = device(&world).await;
    let browser = Browser::at(&world, "/devicelogin").await;
    let try_as = async |name: &str, password: &str| {
        browser.send("/devicelogin", &[("code", &code), ("name", name), ("password", password)]).await
    };

    let wrong = try_as("anna@example.org", "wrong").await;
    let unknown = try_as("nobody", "wrong").await;
    let strip = |page: &Page| page.text.replace("anna@example.org", "").replace("nobody", "");
    for _ in 0..10 {
        try_as("anna@example.org", "wrong").await;
    }
    let locked = try_as("anna@example.org", PASSWORD).await;
    wait(&world, 15 * 60);
    let (_, code) = device(&world).await;
    let good = [("code", code.as_str()), ("name", "anna@example.org"), ("password", PASSWORD)];
    let mut stranger = Browser::at(&world, "/devicelogin").await;
    stranger.cookie = format!("__Host-cofferdam-form={}", "x".repeat(43));
    let forged = stranger.send("/devicelogin", &good).await;
    let open = browser.send("/devicelogin", &good).await;

    assert_eq!((wrong.status, unknown.status, locked.status), (wrong.status, wrong.status, wrong.status));
    assert_eq!(strip(&wrong), strip(&unknown));
    assert_eq!(strip(&wrong), strip(&locked));
    assert_eq!((forged.status.as_u16(), open.status.as_u16()), (400, 200), "{}", open.text);
}

#[tokio::test]
async fn a_name_and_a_password_are_no_client_and_secret() {
    let world = World::start().await;
    anna(&world).await;

    let scope = format!("{}/.default", world.url);
    let answer = world.ask_with("user:anna@example.org", PASSWORD, &scope).await;
    let password = [
        ("grant_type", "password"),
        ("client_id", AZ),
        ("username", "anna@example.org"),
        ("password", PASSWORD),
    ];
    let grant = token(&world, &password).await;

    assert_eq!((error(&answer), error(&grant)), ("unauthorized_client", "unsupported_grant_type"));
}

fn asked<'a>(challenge: &'a str, scope: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("client_id", AZ),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", scope),
        ("state", "s<1>"),
        ("nonce", "n"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]
}

fn authorize_path(world: &World, fields: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("/{}/oauth2/v2.0/authorize?{query}", world.tenant)
}

/// Signs in with a browser; the code that came back.
async fn code(world: &World) -> String {
    let (challenge, scope) = (challenge(), format!("{}/.default offline_access openid", world.url));
    let fields = asked(&challenge, &scope);
    let browser = Browser::at(world, &authorize_path(world, &fields)).await;
    let signed = [&fields[..], &[("name", "anna@example.org"), ("password", PASSWORD)]].concat();
    let page = browser.send(&format!("/{}/oauth2/v2.0/authorize", world.tenant), &signed).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let to: url::Url = page.location.parse().unwrap();
    let get = |name: &str| to.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert!(page.location.starts_with(BACK) && get("state") == "s<1>", "{}", page.location);
    get("code")
}

async fn redeem(world: &World, code: &str, verifier: &str, back: &str) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", AZ),
        ("code", code),
        ("redirect_uri", back),
        ("code_verifier", verifier),
        ("client_info", "1"),
    ];
    token(world, &fields).await
}

async fn refresh(world: &World, token_: &str, scope: &str) -> Answer {
    let fields =
        [("grant_type", "refresh_token"), ("client_id", AZ), ("refresh_token", token_), ("scope", scope)];
    token(world, &fields).await
}

fn refresh_token(answer: &Answer) -> String {
    answer.body["refresh_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test]
async fn a_person_signs_in_with_a_browser() {
    let world = World::start().await;
    let anna = anna(&world).await;

    let code = code(&world).await;
    let answer = redeem(&world, &code, VERIFIER, BACK).await;
    let storage = refresh(&world, &refresh_token(&answer), "https://storage.azure.com/.default openid").await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(claims(answer.body["id_token"].as_str().unwrap())["nonce"], "n");
    let info = URL_SAFE_NO_PAD.decode(answer.body["client_info"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&info).unwrap(), json!({"uid": anna, "utid": world.tenant}));
    assert_eq!(world.get(&bearer(&answer), "/subscriptions").await.status, 200);
    assert_eq!(claims(&bearer(&storage).token)["aud"], "https://storage.azure.com");
}

#[tokio::test]
async fn the_azure_cli_gets_its_code_by_a_form_without_a_script() {
    let world = World::start().await;
    anna(&world).await;
    let (challenge, scope) = (challenge(), format!("{}/.default", world.url));
    let fields = [&asked(&challenge, &scope)[..], &[("response_mode", "form_post")]].concat();
    let browser = Browser::at(&world, &authorize_path(&world, &fields)).await;

    let signed = [&fields[..], &[("name", "anna@example.org"), ("password", PASSWORD)]].concat();
    let page = browser.send(&format!("/{}/oauth2/v2.0/authorize", world.tenant), &signed).await;

    assert_eq!(page.status, 200);
    assert!(
        page.text.contains(&format!("action=\"{BACK}\"")) && page.text.contains("name=\"code\""),
        "{}",
        page.text
    );
    assert!(page.text.contains("value=\"s&lt;1&gt;\""), "what came from outside stays text: {}", page.text);
}

#[tokio::test]
async fn a_code_serves_once_and_only_whoever_began() {
    let world = World::start().await;
    anna(&world).await;

    let stolen = redeem(&world, &code(&world).await, "another verifier", BACK).await;
    let elsewhere = redeem(&world, &code(&world).await, VERIFIER, "http://localhost:1/").await;
    let late = {
        let code = code(&world).await;
        wait(&world, 301);
        redeem(&world, &code, VERIFIER, BACK).await
    };
    let code = code(&world).await;
    let first = redeem(&world, &code, VERIFIER, BACK).await;
    let replayed = redeem(&world, &code, VERIFIER, BACK).await;
    let revoked = refresh(&world, &refresh_token(&first), "openid").await;
    let as_refresh = refresh(&world, &code, "openid").await;

    assert_eq!(first.status, 200);
    let errors = [&stolen, &elsewhere, &late, &replayed, &revoked, &as_refresh].map(error);
    assert_eq!(errors, ["invalid_grant"; 6]);
}

#[tokio::test]
async fn requests_that_could_send_a_code_elsewhere_are_answered_on_the_page() {
    let world = World::start().await;
    let (challenge, scope) = (challenge(), format!("{}/.default", world.url));
    let good = asked(&challenge, &scope);
    let changed = |name: &str, value: &'static str| {
        let mut fields = good.clone();
        fields.iter_mut().find(|(key, _)| *key == name).unwrap().1 = value;
        fields
    };
    let table = [
        changed("redirect_uri", "https://evil.example"),
        changed("redirect_uri", "http://localhost.evil.example/"),
        changed("client_id", "33333333-3333-4333-8333-333333333333"),
        changed("response_type", "token"),
        changed("code_challenge_method", "plain"),
        changed("code_challenge", "short"),
        changed("scope", "https://evil.example/.default"),
        [&good[..], &[("response_mode", "fragment")]].concat(),
        [&good[..], &[("prompt", "none")]].concat(),
    ];

    for fields in table {
        let url = format!("{}{}", world.url, authorize_path(&world, &fields));
        let answer = world.http.get(url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().get("location")), (400, None), "{fields:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_a_stolen_one_ends_everything() {
    let world = World::start().await;
    anna(&world).await;
    let answer = redeem(&world, &code(&world).await, VERIFIER, BACK).await;
    let first = refresh_token(&answer);

    let second = refresh(&world, &first, "openid").await;
    let beside = refresh(&world, &first, "openid").await;
    wait(&world, 61);
    let stolen = refresh(&world, &first, "openid").await;
    let after = refresh(&world, &refresh_token(&second), "openid").await;

    assert_eq!((second.status, beside.status), (200, 200), "two processes may refresh at once: {beside:?}");
    assert_ne!(refresh_token(&second), first);
    assert_eq!((error(&stolen), error(&after)), ("invalid_grant", "invalid_grant"));
}

#[tokio::test]
async fn a_new_password_and_a_removal_end_what_was_held() {
    let world = World::start().await;
    anna(&world).await;
    let store = world.app.store.as_ref();
    let answer = redeem(&world, &code(&world).await, VERIFIER, BACK).await;
    let person = bearer(&answer);

    set_password(store, "ANNA@example.org", "another phrase entirely", world.clock.now()).await.unwrap();
    let refreshed = refresh(&world, &refresh_token(&answer), "openid").await;
    let before = world.get(&person, "/subscriptions").await;
    remove(store, "anna@example.org", world.clock.now()).await.unwrap();
    let removed = world.get(&person, "/subscriptions").await;

    assert_eq!(error(&refreshed), "invalid_grant");
    assert_eq!((before.status, removed.status, removed.code()), (200, 401, "InvalidAuthenticationToken"));
}

#[tokio::test]
async fn accounts_are_made_with_care() {
    let world = World::start().await;
    let (store, now) = (world.app.store.as_ref(), world.clock.now());
    let add = async |name: &str, password: &str, role: Option<&str>| {
        add_user(store, name, password, role, now).await.map_err(|error| error.to_string())
    };

    let weak = add("anna", "short", None).await.unwrap_err();
    let named = add("a b", PASSWORD, None).await.unwrap_err();
    let role = add("anna", PASSWORD, Some("Emperor")).await.unwrap_err();
    add("anna", PASSWORD, None).await.unwrap();
    let twice = add("ANNA", PASSWORD, None).await.unwrap_err();
    let last = remove(store, &world.administrator.object_id, now).await;

    assert!(
        weak.contains("too short") && named.contains("no name") && role.contains("Owner"),
        "{weak} {named} {role}"
    );
    assert!(twice.contains("exists already"), "{twice}");
    assert!(matches!(last, Err(PeopleError::LastAdministrator(..))), "{last:?}");
}

/// Another issuer: discovery and keys over TLS of its own, on a port of its own.
async fn issuer() -> (String, tempfile::TempDir, EncodingKey, String) {
    let pem = SigningKey::make().unwrap();
    let key = SigningKey::from_pem(pem.as_bytes(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
    let keys = json!({"keys": [key.public()]}).to_string();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), made.cert.pem()).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], private)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4_096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let body = if head[..read].starts_with(b"GET /keys") { &keys } else { &discovery };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()).await);
            drop(stream.shutdown().await);
        }
    });
    (url, folder, EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), key.id)
}

#[tokio::test]
async fn someone_of_a_trusted_issuer_signs_in_once_registered() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (issuer, folder, signs, kid) = issuer().await;
    let trusted = TrustedIssuer {
        issuer: issuer.clone(),
        audiences: vec!["cofferdam".to_owned()],
        ca: Some(folder.path().join("ca.crt")),
    };
    let people = People { trusted: vec![trusted], ..People::default() };
    let world = World::with_people(Limits::default(), people).await;
    let store = world.app.store.as_ref();
    let now = world.clock.now();
    let token = |change: (&str, Value), signs: &EncodingKey, kid: &str| {
        let mut claims =
            json!({"iss": issuer, "sub": "Berta", "aud": "cofferdam", "exp": now.as_second() + 600});
        claims[change.0] = change.1;
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, signs).unwrap()
    };
    let with = async |token: String| {
        let mut person = world.administrator.clone();
        person.token = token;
        world.get(&person, "/subscriptions").await
    };

    let early = with(token(("x", json!(1)), &signs, &kid)).await;
    add_external(store, "berta", (&issuer, "Berta"), Some("Reader"), now).await.unwrap();
    let good = with(token(("x", json!(1)), &signs, &kid)).await;
    let stranger_key = EncodingKey::from_rsa_pem(SigningKey::make().unwrap().as_bytes()).unwrap();
    let table = [
        token(("aud", json!("elsewhere")), &signs, &kid),
        token(("exp", json!(now.as_second() - 61)), &signs, &kid),
        token(("sub", json!("berta")), &signs, &kid),
        token(("iss", json!("https://other.example")), &signs, &kid),
        token(("x", json!(1)), &stranger_key, &kid),
        token(("x", json!(1)), &signs, "unknown"),
    ];

    assert!(early.body["error"]["message"].as_str().unwrap().contains("add-external"), "{early:?}");
    assert_eq!((good.status, good.body["value"].as_array().map(Vec::len)), (200, Some(1)), "{good:?}");
    for wrong in table {
        let answer = with(wrong.clone()).await;
        assert_eq!(answer.status, 401, "{wrong} {answer:?}");
    }
    assert_eq!(
        world.get(&world.administrator, "/subscriptions").await.status,
        200,
        "its own people still can"
    );
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_is_exchanged_for_one_of_an_identity() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (issuer, folder, signs, kid) = issuer().await;
    let ca = Some(folder.path().join("ca.crt"));
    let trusted = vec![TrustedIssuer { issuer: issuer.clone(), audiences: vec![], ca }];
    let world = World::with_people(Limits::default(), People { trusted, ..People::default() }).await;
    let admin = &world.administrator;
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", world.root());
    world.call(admin, Method::POST, &register, None).await;
    let group = world.make_group("g").await;
    let identity = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one");
    let made = world.call(admin, Method::PUT, &identity, Some(json!({"location": "local"}))).await;
    let client = made.body["properties"]["clientId"].as_str().unwrap();
    for (name, issuer) in [("trusted", issuer.as_str()), ("stranger", "https://stranger.example")] {
        let body = json!({"properties": {"issuer": issuer, "subject": "job", "audiences": ["exchange"]}});
        let path = format!("{identity}/federatedIdentityCredentials/{name}");
        assert_eq!(world.call(admin, Method::PUT, &path, Some(body)).await.status, 201);
    }
    let exchange = async |issuer: &str| {
        let exp = world.clock.now().as_second() + 600;
        let claims = json!({"iss": issuer, "sub": "job", "aud": "exchange", "exp": exp});
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::RS256) };
        let assertion = jsonwebtoken::encode(&header, &claims, &signs).unwrap();
        let scope = format!("{}/.default", world.url);
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
            ("scope", scope.as_str()),
        ];
        let exchanged = token(&world, &fields).await;
        (exchanged, assertion)
    };

    let (good, assertion) = exchange(&issuer).await;
    let (untrusted, _) = exchange("https://stranger.example").await;
    let mut direct = admin.clone();
    direct.token = assertion;

    assert_eq!(good.status, 200, "{good:?}");
    assert_eq!(untrusted.body["error_codes"][0], 700_211, "a credential alone is no trust");
    assert_eq!(world.get(&direct, "/subscriptions").await.status, 401, "without an audience nobody signs in");
}

#[tokio::test]
async fn guesses_from_many_addresses_do_not_lock_a_person_out_at_home() {
    use vault::accounts::{SignIn, Source};
    let world = World::start().await;
    anna(&world).await;
    let accounts = &world.app.accounts;
    let source = |n: u8| Source::of(Some([198, 51, 100, n].into()));
    let try_from = async |n: u8, password: &str| {
        accounts.sign_in_person("anna@example.org", password, &source(n)).await.unwrap()
    };
    assert!(matches!(try_from(200, PASSWORD).await, SignIn::Accepted(_)));

    for n in 0..100 {
        assert!(matches!(try_from(n, "wrong").await, SignIn::Wrong(_)), "{n}");
    }
    let guess = try_from(101, PASSWORD).await;
    let home = try_from(200, PASSWORD).await;

    assert!(matches!(guess, SignIn::Locked(..)), "{guess:?}");
    assert!(matches!(home, SignIn::Accepted(_)), "{home:?}");
}

/// The proxy of the tests' vaults is 127.0.0.9.
#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_braked_by_itself() {
    let world = World::start().await;
    let url = format!("{}/{}/oauth2/v2.0/devicecode", world.url, world.tenant);
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&world.ca).unwrap()).unwrap();
    let client = |from: [u8; 4]| {
        let client = reqwest::Client::builder().tls_certs_only([authority.clone()]).no_proxy();
        client.local_address(std::net::IpAddr::from(from)).build().unwrap()
    };
    let (proxy, stranger) = (client([127, 0, 0, 9]), client([127, 0, 0, 10]));
    let ask = async |through: &reqwest::Client, says: &str| {
        let request = through.post(&url).header("x-forwarded-for", says);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(format!("client_id={AZ}&scope=openid")).send().await.unwrap().status().as_u16()
    };

    let mut greedy = Vec::new();
    for _ in 0..31 {
        greedy.push(ask(&proxy, "192.0.2.1").await);
    }
    let other = ask(&proxy, "192.0.2.2").await;
    let mut lying = Vec::new();
    for n in 0..31 {
        lying.push(ask(&stranger, &format!("192.0.2.{n}")).await);
    }

    assert_eq!((greedy.iter().filter(|status| **status == 200).count(), greedy[30]), (30, 429));
    assert_eq!(other, 200, "another client of the same proxy");
    assert_eq!(lying[30], 429, "whoever is no trusted proxy is one client, whatever it says");
}

#[tokio::test]
async fn anonymous_clients_cannot_fill_the_database_with_codes() {
    let world = World::start().await;
    let path = format!("{}/oauth2/v2.0/devicecode", world.tenant);

    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(world.ask_token(&path, &[("client_id", AZ), ("scope", "openid")]).await.status);
    }

    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 30);
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(world.call(&world.administrator, Method::GET, "/subscriptions", None).await.status, 200);
}
