//! Single requests as they go over the wire: codes, headers, limits, and what a request may not do.

mod world;

use blobs::{Disk, Limits, sweep};
use reqwest::Method;
use std::{fs, time::Duration};
use telemetry::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{ACCOUNT, TOKEN, World, code};

async fn with_box() -> World {
    let world = World::start().await;
    world.create_container("box").await;
    world
}

#[tokio::test]
async fn an_answer_carries_the_headers_that_clients_look_for() {
    let world = with_box().await;

    let put = world
        .request(Method::PUT, "box/a")
        .header("x-ms-blob-type", "BlockBlob")
        .header("x-ms-client-request-id", "mine")
        .header("x-ms-version", "2026-04-06")
        .header("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")
        .header("x-ms-content-crc64", "iJh5CoYUi64=")
        .body("123456789");
    let put = put.send().await.unwrap();
    let got = world.request(Method::GET, "box/a").header("range", "bytes=6-").send().await.unwrap();

    assert_eq!(put.status(), 201);
    let header = |name: &str| put.headers()[name].to_str().unwrap();
    assert_eq!(header("x-ms-client-request-id"), "mine");
    assert_eq!(header("x-ms-version"), "2026-04-06");
    assert!(header("etag").starts_with("\"0x") && header("last-modified").ends_with(" GMT"), "{put:?}");
    assert!(put.headers().contains_key("date") && put.headers().contains_key("x-ms-request-id"));
    assert_eq!(header("content-md5"), "JfnnlDI7RTiF9RgfG2JNCw==");
    assert_eq!(
        (got.status().as_u16(), &got.headers()["content-range"]),
        (206, &"bytes 6-8/9".parse().unwrap())
    );
    assert_eq!(got.headers()["etag"], put.headers()["etag"]);
    assert_eq!(got.text().await.unwrap(), "789");
}

#[tokio::test]
async fn a_damaged_upload_is_refused_and_leaves_what_was_there() {
    let world = with_box().await;
    world.put("box/a", "before").await;
    let send = async |name: &str, value: &str| {
        let put = world.request(Method::PUT, "box/a").header("x-ms-blob-type", "BlockBlob");
        code(put.header(name, value).body("after").send().await.unwrap()).await
    };

    assert_eq!(send("content-md5", "XrY7u+Ae7tCTyyK7j1rNww==").await, (400, "Md5Mismatch".into()));
    assert_eq!(send("x-ms-blob-content-md5", "XrY7u+Ae7tCTyyK7j1rNww==").await, (400, "Md5Mismatch".into()));
    assert_eq!(send("x-ms-content-crc64", "AAAAAAAAAAA=").await, (400, "Crc64Mismatch".into()));
    assert_eq!(send("content-md5", "nonsense").await, (400, "InvalidMd5".into()));

    let left = world.request(Method::GET, "box/a").send().await.unwrap().text().await.unwrap();
    assert_eq!(left, "before");
    assert_eq!(fs::read_dir(world.files("box")).unwrap().count(), 1);
}

#[tokio::test]
async fn who_proves_nothing_learns_where_to_get_a_token_and_nothing_else() {
    let world = with_box().await;
    let url = world.url("box/a");
    let none = world.http.get(&url).send().await.unwrap();
    let challenge = none.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let signed = world.http.get(format!("{url}?sv=2021-12-02&sig=x")).send().await.unwrap();
    let keyed = world.http.get(&url).header("authorization", "SharedKey acct:xyz=").send().await.unwrap();
    let basic = world.http.get(&url).header("authorization", "Basic eDp5").send().await.unwrap();
    let unknown = world.http.get(world.url("no-such-box/a")).bearer_auth("who").send().await.unwrap();

    assert_eq!(code(none).await, (401, "NoAuthenticationInformation".into()));
    assert!(challenge.starts_with("Bearer authorization_uri=https://"), "{challenge}");
    assert!(challenge.ends_with(" resource_id=https://storage.azure.com"), "{challenge}");
    let text = signed.text().await.unwrap();
    assert!(text.contains("AuthenticationFailed") && text.contains("bearer token"), "{text}");
    assert_eq!(code(keyed).await, (403, "AuthenticationFailed".into()));
    assert_eq!(code(basic).await, (401, "InvalidAuthenticationInfo".into()));
    assert_eq!(code(unknown).await, (401, "InvalidAuthenticationInfo".into()));
}

#[tokio::test]
async fn what_would_be_silently_wrong_is_refused() {
    let world = with_box().await;
    world.put("box/a", "x").await;
    let cases = [
        (Method::DELETE, "box/a?snapshot=2020-01-01T00:00:00Z", ("x", "y"), "UnsupportedQueryParameter"),
        (Method::DELETE, "box/a", ("x-ms-delete-snapshots", "only"), "UnsupportedHeader"),
        (Method::DELETE, "box/a", ("x-ms-lease-id", "1"), "LeaseNotPresentWithBlobOperation"),
        (Method::DELETE, "box/a", ("x-ms-if-tags", "a = 'b'"), "UnsupportedHeader"),
        (Method::DELETE, "box/a", ("if-unmodified-since", "yesterday"), "InvalidHeaderValue"),
        (Method::PUT, "box/a", ("x-ms-blob-type", "PageBlob"), "InvalidHeaderValue"),
        (Method::PUT, "box/a", ("x-ms-encryption-key", "x"), "UnsupportedHeader"),
        (Method::PUT, "box/a", ("x-ms-tags", "a=b"), "UnsupportedHeader"),
        (
            Method::PUT,
            "box/a",
            ("x-ms-copy-source", "https://example.com/acct/box/a"),
            "CannotVerifyCopySource",
        ),
        (Method::PUT, "box/a/b", ("x-ms-blob-type", "BlockBlob"), "ResourceTypeMismatch"),
        (
            Method::PUT,
            "new?restype=container",
            ("x-ms-blob-public-access", "blob"),
            "PublicAccessNotPermitted",
        ),
        (
            Method::GET,
            "box?restype=container&comp=list&delimiter=x",
            ("x", "y"),
            "InvalidQueryParameterValue",
        ),
        (Method::GET, "box?restype=container&comp=list&marker=zzz", ("x", "y"), "InvalidQueryParameterValue"),
        (Method::GET, "box/a", ("x-ms-range", "bytes=-1"), "InvalidHeaderValue"),
        (Method::GET, "box/a", ("x-ms-version", "latest"), "InvalidHeaderValue"),
    ];

    for (method, path, (name, value), told) in cases {
        let answer = world.request(method.clone(), path).header(name, value).header("content-length", "0");
        assert_eq!(code(answer.send().await.unwrap()).await.1, told, "{method} {path} {name}: {value}");
    }
    assert_eq!(world.request(Method::GET, "box/a").send().await.unwrap().text().await.unwrap(), "x");
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_before_it_comes() {
    let limits = Limits { put_blob: 1_000, put_block: 500, document: 300, ..Limits::default() };
    let world = World::with(limits, |folders| std::sync::Arc::new(folders)).await;
    world.create_container("box").await;

    let blob = world.put("box/a", vec![0; 1_001]).await;
    let block = world.request(Method::PUT, "box/a?comp=block&blockid=YQ==").body(vec![0; 501]);
    let list = world.request(Method::PUT, "box/a?comp=blocklist").body(vec![b' '; 301]);
    let chunked = reqwest::Body::wrap_stream(futures::stream::iter([Ok::<_, std::io::Error>("x")]));
    let chunked = world.put("box/a", chunked).await;

    assert_eq!(code(blob).await, (413, "RequestBodyTooLarge".into()));
    assert_eq!(code(block.send().await.unwrap()).await, (413, "RequestBodyTooLarge".into()));
    assert_eq!(code(list.send().await.unwrap()).await, (413, "RequestBodyTooLarge".into()));
    assert_eq!(code(chunked).await, (411, "MissingContentLengthHeader".into()));
    assert_eq!(world.put("box/a", vec![0; 1_000]).await.status(), 201);
}

/// A request whose body stops half-way; what the server says, if anything, before it hangs up.
async fn half(world: &World, wait: Duration) -> String {
    let address = world.server.url.trim_start_matches("https://");
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    roots.add(CertificateDer::from_pem_slice(world.server.ca.as_bytes()).unwrap()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    let head = format!(
        "PUT /{ACCOUNT}/box/half HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         x-ms-blob-type: BlockBlob\r\ncontent-length: 3000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![1; 2_000_000]).await.unwrap();
    stream.flush().await.unwrap();
    let mut told = vec![0; 4096];
    let read = tokio::time::timeout(wait, stream.read(&mut told)).await;
    let read = read.map(|read| read.unwrap_or(0)).unwrap_or(0);
    String::from_utf8_lossy(&told[..read]).into_owned()
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_stalls_leaves_nothing() {
    let limits = Limits { period: Duration::from_millis(500), ..Limits::default() };
    let world = World::with(limits, |folders| std::sync::Arc::new(folders)).await;
    world.create_container("box").await;

    let broken_off = half(&world, Duration::from_millis(50)).await;
    let stalled = half(&world, Duration::from_secs(10)).await;

    assert_eq!(broken_off, "");
    assert!(stalled.starts_with("HTTP/1.1 408") && stalled.contains("OperationTimedOut"), "{stalled}");
    let absent = world.request(Method::GET, "box/half").send().await.unwrap();
    assert_eq!(code(absent).await, (404, "BlobNotFound".into()));
    assert_eq!(fs::read_dir(world.files("box")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_no_place() {
    let limits = Limits {
        transfers: 1,
        period: Duration::from_millis(300),
        wait: Duration::from_secs(20),
        ..Limits::default()
    };
    let world = World::with(limits, |folders| std::sync::Arc::new(folders)).await;
    world.create_container("box").await;
    world.put("box/large", vec![7; 64 * 1024 * 1024]).await;

    let mut stalled = world.request(Method::GET, "box/large").send().await.unwrap();
    stalled.chunk().await.unwrap();
    let other = world.put("box/other", "x").await;

    assert_eq!(other.status(), 201);
    drop(stalled);
}

#[tokio::test]
async fn blocks_survive_a_restart_and_are_swept_after_a_week() {
    let world = with_box().await;
    let block = async |id: &str, data: &'static str| {
        let put = world.request(Method::PUT, &format!("box/a?comp=block&blockid={id}")).body(data);
        assert_eq!(put.send().await.unwrap().status(), 201);
    };
    block("MQ==", "first ").await;
    block("Mg==", "second").await;
    block("Mw==", "never").await;

    // Another server over the same folder: nothing is held in memory.
    let listener = world::serve::Listener::bind().await;
    let settings = blobs::Settings { endpoint: listener.url(), ..blobs::Settings::default() };
    let folders = std::sync::Arc::new(blobs::folders::Folders::new(world.folder.path()));
    let service =
        blobs::Service::new(folders, world.gate.clone(), std::sync::Arc::new(SystemClock), settings);
    let other = listener.serve(std::sync::Arc::new(service));
    let ca = reqwest::Certificate::from_pem(other.ca.as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let list = "<BlockList><Latest>MQ==</Latest><Latest>Mg==</Latest></BlockList>";
    let commit = async || {
        let put = http.put(format!("{}/{ACCOUNT}/box/a?comp=blocklist", other.url)).bearer_auth(TOKEN);
        put.body(list).send().await.unwrap()
    };
    assert_eq!(commit().await.status(), 201);
    // The answer was lost, the client asks again.
    assert_eq!(commit().await.status(), 201);
    assert_eq!(
        world.request(Method::GET, "box/a").send().await.unwrap().text().await.unwrap(),
        "first second"
    );

    block("bGF0ZXI=", "later").await;
    let disk = Disk::open(world.files("box")).unwrap();
    let now = SystemClock.now();
    let soon = sweep(&disk, now).await.unwrap();
    let later = sweep(&disk, now + jiff::SignedDuration::from_hours(24 * 7 + 1)).await.unwrap();

    assert_eq!((soon.removed, soon.kept), (0, 2));
    assert_eq!((later.removed, later.kept), (2, 0));
    assert_eq!(fs::read_dir(world.files("box")).unwrap().count(), 1);
}

#[tokio::test]
async fn of_many_writers_over_one_known_state_one_wins() {
    let world = with_box().await;
    let put = world.put("box/a", "start").await;
    let etag = put.headers()["etag"].clone();
    let rivals = (0..12).map(|n| {
        let put = world.request(Method::PUT, "box/a").header("x-ms-blob-type", "BlockBlob");
        put.header("if-match", etag.clone()).body(vec![n; 100_000]).send()
    });

    let answers = futures::future::join_all(rivals).await;

    let won = answers.into_iter().filter(|answer| answer.as_ref().unwrap().status() == 201).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn deletes_and_writes_in_one_folder_do_not_trip_over_each_other() {
    let world = with_box().await;
    let turn = async |n: usize| {
        for _ in 0..40 {
            let name = format!("box/deep/er/{n}");
            assert_eq!(world.put(&name, "x").await.status(), 201);
            let deleted = world.request(Method::DELETE, &name).send().await.unwrap();
            assert_eq!(deleted.status(), 202);
        }
    };

    futures::future::join_all((0..4).map(turn)).await;

    assert_eq!(fs::read_dir(world.files("box")).unwrap().count(), 0);
}
