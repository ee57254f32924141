//! What the client does when the server misbehaves.

mod fake_arm;

use fake_arm::FakeArm;
use management::{Client, Error, Request, Tokens, Transport, sign_in::Secret};
use std::sync::Arc;
use telemetry::SystemClock;

fn client(fake: &FakeArm) -> Client {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let transport = Transport::new(Some(&fake.authority)).unwrap();
    Client::new(&fake.url, transport, Tokens::Given(Secret::new("the-token")), Arc::new(SystemClock)).unwrap()
}

fn json(status: u16, body: &str) -> fake_arm::Scripted {
    (status, vec![("content-type", "application/json".to_owned())], body.to_owned())
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    let fake = FakeArm::start(|number, _, _| match number {
        1 => (429, vec![("retry-after", "0".to_owned())], String::new()),
        2 => (503, vec![("retry-after", "0".to_owned())], String::new()),
        _ => json(200, r#"{"name": "x"}"#),
    })
    .await;

    let found = client(&fake).get("/x", "1").await.unwrap();

    assert_eq!((found["name"].as_str(), fake.seen().len()), (Some("x"), 3));
}

#[tokio::test]
async fn a_change_that_may_have_been_made_is_not_made_twice() {
    let fake =
        FakeArm::start(|_, _, _| json(503, r#"{"error": {"code": "Busy", "message": "later"}}"#)).await;

    let error = client(&fake).send(&Request::post("/x", "1")).await.unwrap_err();

    assert_eq!((error.to_string().as_str(), fake.seen().len()), ("Busy: later", 1));
}

#[tokio::test]
async fn pages_are_followed_and_never_to_another_server() {
    let fake = FakeArm::start(|number, _, base| match number {
        1 => json(200, &format!(r#"{{"value": [1, 2], "nextLink": "{base}/list?page=2"}}"#)),
        2 => json(200, r#"{"value": [3], "nextLink": ""}"#),
        _ => json(200, r#"{"value": [1], "nextLink": "https://localhost:1/list"}"#),
    })
    .await;
    let client = client(&fake);

    let all = client.list(&Request::get("/list", "1")).await.unwrap();
    let led_away = client.list(&Request::get("/list", "1")).await.unwrap_err();

    assert_eq!(all, [1, 2, 3]);
    assert!(matches!(led_away, Error::Foreign(_)), "{led_away}");
    assert!(fake.seen()[1].contains("page=2"));
}

#[tokio::test]
async fn an_operation_is_followed_and_its_url_comes_back_unchanged() {
    let fake = FakeArm::start(|number, _, base| match number {
        1 => (
            202,
            vec![
                ("azure-asyncoperation", format!("{base}/status/YTs=?t=1&c=%2B")),
                ("location", format!("{base}/result")),
                ("retry-after", "0".to_owned()),
            ],
            String::new(),
        ),
        2 => (200, vec![("retry-after", "0".to_owned())], r#"{"status": "Inprogress"}"#.to_owned()),
        3 => json(200, r#"{"status": "Succeeded"}"#),
        _ => json(200, r#"{"jobId": "j"}"#),
    })
    .await;

    let mut shown = Vec::new();
    let run = Request::post("/backup", "1");
    let result = client(&fake).run(&run, |progress| shown.push(progress.status.clone())).await.unwrap();

    assert_eq!(result["jobId"], "j");
    assert_eq!(shown, ["Accepted", "Inprogress"]);
    let lines: Vec<String> =
        fake.seen().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines[1], "GET /status/YTs=?t=1&c=%2B HTTP/1.1");
    assert_eq!(lines[3], "GET /result HTTP/1.1");
}

#[tokio::test]
async fn an_operation_outlives_a_server_that_is_away_for_a_while() {
    let fake = FakeArm::start(|number, _, base| match number {
        1 => (202, vec![("azure-asyncoperation", format!("{base}/status"))], String::new()),
        // More often than one call is tried.
        2..=8 => (503, vec![("retry-after", "0".to_owned())], String::new()),
        _ => json(200, r#"{"status": "Succeeded", "properties": {"jobId": "j"}}"#),
    })
    .await;

    let mut shown = Vec::new();
    let run = Request::post("/backup", "1");
    let result = client(&fake).run(&run, |progress| shown.push(progress.status.clone())).await.unwrap();

    assert_eq!(result["jobId"], "j");
    assert_eq!(shown, ["Accepted", "waiting for the server: status 503"]);
    let asked = fake.seen().iter().filter(|request| request.starts_with("POST")).count();
    assert_eq!(asked, 1, "what was accepted is not asked for twice");
}

#[tokio::test]
async fn a_redirection_gets_no_token() {
    let fake = FakeArm::start(|number, _, base| match number {
        1 => (307, vec![("location", format!("{base}/elsewhere"))], String::new()),
        _ => json(200, "{}"),
    })
    .await;

    let error = client(&fake).get("/x", "1").await.unwrap_err();

    assert!(matches!(error, Error::Service(_)), "{error}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (fake, other) =
        (FakeArm::start(|_, _, _| json(200, "{}")).await, FakeArm::start(|_, _, _| json(200, "{}")).await);
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let transport = Transport::new(Some(&other.authority)).unwrap();
    let tokens = Tokens::Given(Secret::new("t"));
    let client = Client::new(&fake.url, transport, tokens, Arc::new(SystemClock)).unwrap();

    let error = client.get("/x", "1").await.unwrap_err();

    assert!(matches!(&error, Error::Unreachable { certificate: true, .. }), "{error:?}");
    assert!(fake.seen().is_empty());
    assert!(
        Client::new(
            "http://v",
            Transport::new(None).unwrap(),
            Tokens::Given(Secret::new("t")),
            Arc::new(SystemClock)
        )
        .is_err()
    );
}
