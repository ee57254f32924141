//! What every request gets, and what bad ones get.

mod world;

use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vault::{
    server::Limits,
    store::{AuditEntry, AuditOutcome},
};
use world::{Answer, VERSION, World};

#[tokio::test]
async fn health_metadata_and_keys_are_told_to_everyone() {
    let world = World::start().await;
    let get = async |path: &str| {
        Answer::of(world.http.get(format!("{}{path}", world.url)).send().await.unwrap()).await
    };

    assert_eq!(get("/healthz").await.status, 200);
    assert_eq!(get("/readyz").await.status, 200);
    let version = world.http.get(format!("{}/healthz", world.url)).send().await.unwrap().version();
    assert_eq!(version, reqwest::Version::HTTP_2, "whoever can speak it does");
    let cloud = get("//metadata/endpoints?api-version=2022-09-01").await;
    assert_eq!(cloud.body["resourceManager"], world.url.as_str());
    assert_eq!(get("/metadata/endpoints").await.code(), "MissingApiVersionParameter");
    assert_eq!(get(&format!("/{}/discovery/v2.0/keys", world.tenant)).await.body["keys"][0]["alg"], "RS256");
}

#[tokio::test]
async fn absolute_urls_do_not_follow_the_host_of_a_request() {
    let world = World::start().await;

    let request = world.http.get(format!("{}/metadata/endpoints?api-version=2022-09-01", world.url));
    let request = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
    let cloud = Answer::of(request.send().await.unwrap()).await;

    assert!(!cloud.body.to_string().contains("evil"), "{}", cloud.body);
}

#[tokio::test]
async fn api_versions_are_required_and_checked() {
    let world = World::start().await;
    let token = &world.administrator.token;
    let get = async |query: &str| {
        let url = format!("{}/subscriptions{query}", world.url);
        let answer = Answer::of(world.http.get(url).bearer_auth(token).send().await.unwrap()).await;
        (answer.status, answer.code().to_owned())
    };

    assert_eq!(get("").await, (400, "MissingApiVersionParameter".into()));
    assert_eq!(get("?api-version=latest").await, (400, "InvalidApiVersionParameter".into()));
    assert_eq!(get("?api-version=1999-01-01").await, (400, "NoRegisteredProviderFound".into()));
    assert_eq!(get("?API-Version=2016-06-01").await.0, 200);
}

#[tokio::test]
async fn answers_carry_ids_by_which_they_can_be_found() {
    let world = World::start().await;
    let wanted = uuid::Uuid::new_v4().to_string();
    let request = || {
        let request = world.http.get(format!("{}/tenants?api-version={VERSION}", world.url));
        request.bearer_auth(&world.administrator.token).header("x-ms-client-request-id", "mine")
    };

    let plain = Answer::of(request().send().await.unwrap()).await;
    let asked = request()
        .header("x-ms-return-client-request-id", "true")
        .header("x-ms-correlation-request-id", &wanted);
    let asked = Answer::of(asked.send().await.unwrap()).await;

    assert!(
        !plain.header("x-ms-request-id").is_empty()
            && !plain.header("x-ms-correlation-request-id").is_empty()
    );
    assert_eq!(plain.header("x-ms-client-request-id"), "");
    assert_eq!(asked.header("x-ms-client-request-id"), "mine");
    assert_eq!(asked.header("x-ms-correlation-request-id"), wanted);
}

#[tokio::test]
async fn what_is_changed_or_denied_is_in_the_audit_log_under_the_correlation_id_of_its_answer() {
    let world = World::start().await;
    let stranger = world.person(None, "").await;
    let put = async |token: &str| {
        let id = uuid::Uuid::new_v4().to_string();
        let request = world.http.put(format!("{}{}?api-version={VERSION}", world.url, world.group("g")));
        let request = request.bearer_auth(token).header("x-ms-correlation-request-id", &id);
        let answer = Answer::of(request.json(&json!({"location": "local"})).send().await.unwrap()).await;
        assert_eq!(answer.header("x-ms-correlation-request-id"), id);
        (answer.status, id)
    };

    let (made, changed) = put(&world.administrator.token).await;
    let (refused, denied) = put(&stranger.token).await;

    assert_eq!((made, refused), (201, 403));
    let rows = world.app.store.audit(0, 1_000).await.unwrap();
    let entries = rows.iter().map(|row| serde_json::from_str::<AuditEntry>(&row.record).unwrap());
    let entries: Vec<AuditEntry> = entries.collect();
    let of = |id: &str| -> Vec<AuditOutcome> {
        entries.iter().filter(|entry| entry.correlation == id).map(|entry| entry.outcome).collect()
    };
    assert_eq!(of(&changed), [AuditOutcome::Changed]);
    assert_eq!(of(&denied), [AuditOutcome::Denied]);
}

#[tokio::test]
async fn what_is_not_served_says_so_in_the_usual_shape() {
    let world = World::start().await;
    let group = world.make_group("g").await;
    let long = "x".repeat(300);
    let table = [
        (Method::GET, "/nothing".to_owned(), 404, "NotFound"),
        (
            Method::GET,
            format!("{group}/providers/Microsoft.DataProtection/nothings/v"),
            404,
            "InvalidResourceType",
        ),
        (
            Method::GET,
            format!("{group}/providers/Microsoft.Nothing/things/t"),
            404,
            "InvalidResourceNamespace",
        ),
        (Method::POST, "/subscriptions".to_owned(), 405, "MethodNotAllowed"),
        (Method::GET, "/subscriptions/none".to_owned(), 404, "SubscriptionNotFound"),
        (Method::GET, format!("{}/resourcegroups/{long}", world.root()), 400, "InvalidResourceId"),
        (Method::GET, format!("{}/resourcegroups/a%2f..%2fb", world.root()), 400, "InvalidRequestUri"),
        (Method::GET, format!("/{}", "y/".repeat(5_000)), 414, "RequestUriTooLong"),
    ];

    for (method, path, status, code) in table {
        let answer = world.call(&world.administrator, method, &path, None).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{path}");
        assert!(!answer.body["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn large_slow_and_silent_clients_are_let_go() {
    let limits = Limits {
        head: Duration::from_millis(600),
        body_time: Duration::from_millis(300),
        body: 10_000,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let put = |body: reqwest::Body| {
        let url = format!("{}{}?api-version={VERSION}", world.url, world.group("g"));
        world.http.put(url).bearer_auth(&world.administrator.token).body(body).send()
    };

    let large = Answer::of(put("x".repeat(20_000).into()).await.unwrap()).await;
    let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let slow = Answer::of(put(reqwest::Body::wrap_stream(never)).await.unwrap()).await;
    let address = world.url.strip_prefix("https://").unwrap().replace("localhost", "127.0.0.1");
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let cut = tokio::time::timeout(Duration::from_secs(10), silent.read(&mut [0; 10])).await.unwrap();

    assert_eq!((large.status, large.code()), (413, "RequestEntityTooLarge"));
    assert_eq!((slow.status, slow.code()), (408, "RequestTimeout"));
    assert!(cut.is_err() || cut.is_ok_and(|read| read == 0), "a handshake that never comes");
}

#[tokio::test]
async fn a_body_full_of_faults_or_of_one_long_text_is_refused_in_few_words() {
    let it = world::protected::Protected::start().await;
    let put = async |path: &str, body: serde_json::Value| it.call(Method::PUT, path, Some(body)).await;
    let rules = vec![json!({}); 1_000_000];
    let policy = format!("{}/backupPolicies/many", it.vault);
    let rule = json!({"objectType": "AzureBackupRule"});
    let mut tagged = json!({"properties": it.wanted()});
    tagged["tags"] = json!({"note": "x".repeat(300)});
    let mut named = json!({"properties": it.wanted()});
    named["properties"]["dataSourceInfo"]["resourceName"] = json!("x".repeat(3_000_000));

    let many = put(&policy, json!({"properties": {"datasourceTypes": [], "policyRules": rules}})).await;
    let hundred = put(&policy, json!({"properties": {"policyRules": vec![rule; 100]}})).await;
    let tagged = put(&it.instance, tagged).await;
    let named = put(&it.instance, named).await;

    for (answer, what) in
        [(&many, "policyRules"), (&hundred, "policyRules"), (&tagged, "tags"), (&named, "resourceName")]
    {
        let text = answer.body.to_string();
        assert_eq!(answer.status, 400, "{what}");
        assert!(text.len() < 50_000 && text.contains(what), "{what}: {} bytes", text.len());
    }
    let told = hundred.body["error"]["details"].as_array().unwrap();
    assert_eq!(told.len(), 101);
    let rest = told[100]["message"].as_str().unwrap();
    assert!(rest.starts_with("… and ") && rest.ends_with(" more; mend these first"), "{rest}");
}

#[tokio::test]
async fn plain_http_is_not_answered() {
    let world = World::start().await;
    let address = world.url.strip_prefix("https://").unwrap().replace("localhost", "127.0.0.1");

    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer).await);

    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}

#[tokio::test]
async fn a_call_under_way_ends_before_the_vault_does() {
    let world = World::start().await;
    let (http, url, stop) = (world.http.clone(), world.url.clone(), world.stop_signal());
    let token = world.administrator.token.clone();
    let (send, receive) = tokio::sync::oneshot::channel::<()>();
    let body = futures::stream::once(async move {
        drop(receive.await);
        Ok::<_, std::io::Error>(json!({"location": "local"}).to_string())
    });
    let put = http.put(format!("{url}{}?api-version={VERSION}", world.group("g"))).bearer_auth(token);
    let put = tokio::spawn(put.body(reqwest::Body::wrap_stream(body)).send());
    tokio::time::sleep(Duration::from_millis(200)).await;

    stop.cancel();
    let ending = tokio::spawn(world.stop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    send.send(()).unwrap();
    let answer = Answer::of(put.await.unwrap().unwrap()).await;
    ending.await.unwrap();

    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(http.get(format!("{url}/healthz")).send().await.is_err(), "it is gone");
}
