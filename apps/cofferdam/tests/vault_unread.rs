//! The log of a vault: a request is found in it by its correlation id; and a vault whose log nobody reads any more goes on, and
//! ends when it is told to.

mod served;

use serde_json::{Value, json};
use served::Served;
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc::channel,
    time::Duration,
};

/// One request without TLS: the vault logs that it could not be understood.
fn knock(url: &str) {
    let address = url.trim_start_matches("https://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    drop(stream.write_all(b"GET / HTTP/1.1\r\n\r\n"));
    drop(stream.read(&mut [0; 64]));
}

#[test]
fn a_vault_whose_collector_of_logs_has_gone_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let (served, lines) = Served::start_told(&folder.path().join("vault"), &["--log", "debug"]);

    drop(lines);
    for _ in 0..20 {
        knock(&served.url);
    }

    assert_eq!(served.stop(), 0);
}

#[tokio::test]
async fn a_request_stands_in_the_log_under_the_correlation_id_of_its_answer() {
    const GIVEN: &str = "0b5c1d2e-3f40-4a51-8b62-7c83d9e4f5a6";
    let folder = tempfile::tempdir().unwrap();
    let (served, lines) = Served::start_told(&folder.path().join("vault"), &[]);
    let (sender, log) = channel();
    std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
    let ca = std::fs::read(served.data.join("tls/ca.crt")).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
    let ask = async |path: &str, id: Option<&str>| {
        let mut request = client.get(format!("{}{path}", served.url));
        if let Some(id) = id {
            request = request.header("x-ms-correlation-request-id", id);
        }
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        (answer.status().as_u16(), header("x-ms-correlation-request-id"), header("x-ms-request-id"))
    };

    let well = ask("/healthz", Some(GIVEN)).await;
    let refused = ask("/subscriptions?api-version=2022-12-01", None).await;
    let no_id = ask("/tenants?api-version=2022-12-01", Some("correlation=mine status=200")).await;

    assert_eq!((well.0, well.1.as_str(), refused.0, no_id.0), (200, GIVEN, 401, 401));
    assert_ne!(refused.1, no_id.1, "who gives none has a new one");
    assert!(no_id.1.len() == GIVEN.len() && !no_id.1.contains("mine"), "{no_id:?}");
    assert!(well.2 != refused.2 && refused.2 != no_id.2, "the id of a request is its own");
    for ((status, id, _), path) in [(well, "/healthz"), (refused, "/subscriptions"), (no_id, "/tenants")] {
        let line = std::iter::from_fn(|| log.recv_timeout(Duration::from_secs(30)).ok())
            .find(|line| line.contains(&id))
            .unwrap_or_else(|| panic!("nothing of {id} in the log"));
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let said = &line["fields"];
        assert_eq!((&said["message"], &said["correlation"]), (&json!("answered"), &json!(id)), "{line}");
        assert_eq!((&said["path"], &said["status"]), (&json!(path), &json!(status)), "{line}");
    }
}
