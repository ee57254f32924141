//! Whatever is asked: an answer that the protocol knows, and never one that says the server failed.

mod world;

use proptest::{prelude::*, test_runner::TestRunner};
use reqwest::Method;
use std::collections::BTreeSet;
use world::{TOKEN, World};

const PARTS: &[&str] = &[
    "box",
    "a",
    "b",
    "a%2Fb",
    "%2e%2e",
    "..",
    ".",
    "%00",
    "%ff",
    "%F0%9F%90%88",
    ".cofferdam-blocks",
    "%5c",
    "$root",
    "x%20y",
    "",
    "A",
    "box-2",
    "%EF%BF%BF",
    "no-such",
];
const QUERIES: &[&str] = &[
    "restype=container",
    "restype=account",
    "restype=service",
    "restype=x",
    "comp=list",
    "comp=block",
    "comp=blocklist",
    "comp=batch",
    "comp=metadata",
    "comp=properties",
    "comp=lease",
    "comp=acl",
    "comp=userdelegationkey",
    "comp=tier",
    "comp=page",
    "blockid=YQ%3D%3D",
    "blockid=%21",
    "blockid=",
    "prefix=a",
    "prefix=%00",
    "prefix=..%2F",
    "delimiter=/",
    "delimiter=x",
    "marker=x",
    "marker=YjphL2I",
    "marker=Zjo",
    "maxresults=1",
    "maxresults=0",
    "maxresults=-1",
    "maxresults=99999999999",
    "include=metadata",
    "include=x",
    "startFrom=b",
    "startFrom=%2F",
    "snapshot=x",
    "versionid=x",
    "blocklisttype=all",
    "blocklisttype=x",
    "timeout=1",
    "sig=x",
    "%ff=%ff",
    "a&&=",
];
const HEADERS: &[(&str, &str)] = &[
    ("x-ms-blob-type", "BlockBlob"),
    ("x-ms-blob-type", "AppendBlob"),
    ("range", "bytes=0-0"),
    ("range", "bytes=5-2"),
    ("x-ms-range", "bytes=0-"),
    ("x-ms-range", "bytes=18446744073709551615-"),
    ("x-ms-range", "rows=1"),
    ("x-ms-range-get-content-md5", "true"),
    ("if-match", "*"),
    ("if-match", "\"x\""),
    ("if-none-match", "*"),
    ("if-none-match", "\"x\", W/\"y\""),
    ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("if-modified-since", "never"),
    ("if-unmodified-since", "Sun, 06 Nov 9999 08:49:37 GMT"),
    ("content-md5", "x"),
    ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
    ("x-ms-content-crc64", "AAAAAAAAAAA="),
    ("x-ms-copy-source", "https://127.0.0.1/acct/box/a"),
    ("x-ms-copy-source", "::::"),
    ("x-ms-meta-a", "b"),
    ("x-ms-meta-1a", "b"),
    ("x-ms-meta-", "b"),
    ("x-ms-blob-content-type", "text/plain"),
    ("x-ms-lease-id", "x"),
    ("x-ms-tags", "a=b"),
    ("x-ms-version", "2021-12-02"),
    ("x-ms-version", "0000-99-99"),
    ("content-type", "multipart/mixed; boundary=b"),
    ("content-type", "multipart/mixed; boundary="),
    ("authorization", "Bearer"),
    ("authorization", "SharedKey a:b"),
    ("x-ms-client-request-id", "%0d%0a"),
    ("x-ms-delete-snapshots", "only"),
    ("x-ms-access-tier", "Cool"),
];
const BODIES: &[&str] = &[
    "",
    "123456789",
    "<BlockList><Latest>YQ==</Latest></BlockList>",
    "<BlockList><Committed>YQ==</Committed></BlockList>",
    "<BlockList/>",
    "<a>",
    "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nDELETE /acct/box/a HTTP/1.1\r\nAuthorization: Bearer all\r\n\r\n--b--\r\n",
    "--b\r\n--b--",
];

/// Method, path, query, headers.
type Likely =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [(&'static str, &'static str)]);

/// Requests that succeed, unless what is added to them says otherwise.
const LIKELY: &[Likely] = &[
    ("PUT", &["box", "a"], &[], &[("x-ms-blob-type", "BlockBlob")]),
    ("PUT", &["box", "b", "c"], &[], &[("x-ms-blob-type", "BlockBlob")]),
    ("GET", &["box", "a"], &[], &[]),
    ("HEAD", &["box", "a"], &[], &[]),
    ("DELETE", &["box", "b", "c"], &[], &[]),
    ("PUT", &["box", "a"], &["comp=block", "blockid=YQ%3D%3D"], &[]),
    ("PUT", &["box", "a"], &["comp=blocklist"], &[]),
    ("GET", &["box", "a"], &["comp=blocklist"], &[]),
    ("PUT", &["box", "a"], &["comp=metadata"], &[]),
    ("GET", &["box"], &["restype=container", "comp=list"], &[]),
    ("GET", &[], &["comp=list"], &[]),
    ("PUT", &["box-2"], &["restype=container"], &[]),
    ("DELETE", &["box-2"], &["restype=container"], &[]),
    (
        "POST",
        &["box"],
        &["restype=container", "comp=batch"],
        &[("content-type", "multipart/mixed; boundary=b")],
    ),
];

fn some(of: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(of), 0..most)
}

#[test]
fn no_request_makes_the_server_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(async {
        let world = World::start().await;
        world.create_container("box").await;
        world
    });
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let methods = prop::sample::select(vec!["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS"]);
    let headers = prop::collection::vec(prop::sample::select(HEADERS), 0..4);
    let body = prop::sample::select(BODIES);
    let wild = (methods, some(PARTS, 4), some(QUERIES, 4), headers.clone());
    let likely =
        (prop::sample::select(LIKELY), some(QUERIES, 2), headers).prop_map(|(likely, more, headers)| {
            let (method, parts, queries, given) = likely;
            (
                method,
                parts.to_vec(),
                [queries, more.as_slice()].concat(),
                [given, headers.as_slice()].concat(),
            )
        });
    let asked = (prop_oneof![wild, likely], body, prop::bool::weighted(0.95));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 1_500,
        failure_persistence: None,
        ..ProptestConfig::default()
    });

    let done = runner.run(&asked, |((method, parts, queries, headers), body, in_account)| {
        let account = if in_account { "acct" } else { "none" };
        let path = [&[account], parts.as_slice()].concat().join("/");
        let url = format!("{}/{path}?{}", world.server.url, queries.join("&"));
        let mut request = world.http.request(Method::from_bytes(method.as_bytes()).unwrap(), &url);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.bearer_auth(TOKEN);
        }
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = runtime.block_on(async {
            let answer = request.body(body).send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            (status, headers, answer.bytes().await.unwrap())
        });
        let (status, headers, _) = answer;
        prop_assert!(status < 500, "{method} {url} {headers:?}: {status}");
        prop_assert!(headers.contains_key("x-ms-request-id"));
        prop_assert_eq!(
            status >= 300,
            headers.contains_key("x-ms-error-code"),
            "{} {} {}",
            method,
            url,
            status
        );
        seen.borrow_mut().insert(status);
        Ok(())
    });

    done.unwrap();
    let seen = seen.into_inner();
    // The cases reach into all parts: some succeed, some are refused for each reason.
    for status in [200, 201, 202, 400, 401, 403, 404, 405, 409, 412] {
        assert!(seen.contains(&status), "{status} never came: {seen:?}");
    }
}
