//! Requests over the reversed connection, on loopback with real TLS.

mod world;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_stream_of::forever;
use tunnel::{
    Body, BoxError, boxed, full,
    tunnels::{Cut, TunnelError},
    wire::{REFUSED_API_SERVER, REFUSED_BINDING, REFUSED_HEADER},
};
use world::{Highest, Vault, binding, get, id, resident, status, text, within};

mod tokio_stream_of {
    //! Bodies without end.

    use super::*;

    /// Chunks of 64 KiB, counted as they are taken.
    pub fn forever(taken: Arc<AtomicU64>) -> Body {
        let chunk = Bytes::from(vec![7; 64 * 1024]);
        boxed(StreamBody::new(stream::repeat_with(move || {
            taken.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Ok::<_, BoxError>(Frame::data(chunk.clone()))
        })))
    }
}

const MIB: u64 = 1024 * 1024;

/// So much of it.
fn large(bytes: u64) -> Body {
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let chunks = bytes / chunk.len() as u64;
    boxed(StreamBody::new(stream::iter(
        (0..chunks).map(move |_| Ok::<_, BoxError>(Frame::data(chunk.clone()))),
    )))
}

async fn length(mut body: impl http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin) -> u64 {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
    }
    length
}

async fn read(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn the_api_servers_answer_comes_back_with_status_headers_and_body() {
    let vault = Vault::start().await;
    let _gateway = vault
        .gateway(id(1), async |request: Request<Incoming>| {
            let said = format!(
                "{} {} as {:?} {:?}",
                request.method(),
                request.uri().path_and_query().unwrap(),
                request.headers()["cofferdam-binding"],
                request.headers().get("authorization"),
            );
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let said = format!("{said} {}", String::from_utf8_lossy(&body));
            let mut response = text(&said);
            *response.status_mut() = StatusCode::CREATED;
            response.headers_mut().insert("audit-id", "x".parse().unwrap());
            response
        })
        .await;

    let request = Request::post("/apis/g/v1/backups?dryRun=All").header("authorization", "Bearer y");
    let request = request.body(full("{}")).unwrap();
    let response = vault.tunnels.send(id(1), "a", request).await.unwrap();

    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["audit-id"], "x");
    assert_eq!(read(response).await, r#"POST /apis/g/v1/backups?dryRun=All as "a" None {}"#);
    assert_eq!(vault.tunnels.load(id(1)).unwrap().under_way, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_mebibytes_go_either_way_without_being_held() {
    const LARGE: u64 = 200 * MIB;
    let vault = Vault::start().await;
    let _gateway = vault
        .gateway(id(1), async |request: Request<Incoming>| match request.uri().path() {
            "/up" => text(&length(request.into_body()).await.to_string()),
            _ => Response::new(large(LARGE)),
        })
        .await;
    let before = resident();
    let highest = Highest::watch();

    let up = Request::post("/up").body(large(LARGE)).unwrap();
    let up = read(vault.tunnels.send(id(1), "a", up).await.unwrap()).await;
    let down = vault.tunnels.send(id(1), "a", get("/down")).await.unwrap();
    let down = length(down.into_body()).await;

    let grown = highest.stop().saturating_sub(before) / MIB;
    assert_eq!((up, down), (LARGE.to_string(), LARGE));
    assert!(grown < 48, "memory grew by {grown} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_holds_back_the_sender_and_nobody_else() {
    let vault = Vault::start().await;
    let taken = Arc::new(AtomicU64::new(0));
    let counted = taken.clone();
    let _gateway = vault
        .gateway(id(1), move |request: Request<Incoming>| {
            let taken = counted.clone();
            async move {
                match request.uri().path() {
                    "/endless" => Response::new(forever(taken)),
                    _ => Response::new(large(MIB)),
                }
            }
        })
        .await;

    let mut unread = Vec::new();
    for _ in 0..20 {
        unread.push(vault.tunnels.send(id(1), "a", get("/endless")).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let first = taken.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(500)).await;

    assert_eq!(taken.load(Ordering::Relaxed), first, "the sender went on");
    assert!(first / 20 < MIB, "{first} bytes were taken from bodies that nobody read");
    let other = vault.tunnels.send(id(1), "b", get("/other"));
    let other = within(5, "a call beside unread answers", other).await.unwrap();
    assert_eq!(within(5, "its body", length(other.into_body())).await, MIB);
    drop(unread);
}

#[tokio::test]
async fn a_watch_brings_each_event_as_it_comes_and_its_end_reaches_the_gateway() {
    let vault = Vault::start().await;
    let (events, receiver) = mpsc::channel::<&'static str>(1);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let _gateway = vault
        .gateway(id(1), move |_: Request<Incoming>| {
            let receiver = receiver.lock().unwrap().take().unwrap();
            async move {
                let events = stream::unfold(receiver, async |mut receiver| {
                    let event = receiver.recv().await?;
                    Some((Ok::<_, BoxError>(Frame::data(Bytes::from_static(event.as_bytes()))), receiver))
                });
                Response::new(boxed(StreamBody::new(events)))
            }
        })
        .await;

    let response = vault.tunnels.send(id(1), "a", get("/apis/x?watch=true")).await.unwrap();
    let mut body = response.into_body();
    for event in ["one", "two", "three"] {
        events.send(event).await.unwrap();
        let frame = within(5, "an event", body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    assert_eq!(vault.tunnels.load(id(1)).unwrap().under_way, 1);
    drop(body);

    within(5, "the end of the watch", events.closed()).await;
    assert_eq!(vault.tunnels.load(id(1)).unwrap().under_way, 0);
}

#[tokio::test]
async fn detaching_cuts_what_is_under_way_at_once_and_says_so() {
    let mut vault = Vault::start().await;
    let gateway = vault
        .gateway(id(1), async |request: Request<Incoming>| match request.uri().path() {
            "/never" => std::future::pending().await,
            _ => Response::new(boxed(StreamBody::new(
                stream::once(async { Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"first"))) })
                    .chain(stream::pending()),
            ))),
        })
        .await;
    let mut watch = vault.tunnels.send(id(1), "a", get("/x?watch=1")).await.unwrap().into_body();
    assert!(watch.frame().await.unwrap().is_ok());
    let tunnels = vault.tunnels.clone();
    let call = tokio::spawn(async move { tunnels.send(id(1), "a", get("/never")).await.map(drop) });
    while vault.tunnels.load(id(1)).unwrap().under_way < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    vault.tunnels.detach(id(1));

    let detached = TunnelError::Cut(Cut::Detached);
    assert_eq!(within(2, "the call", call).await.unwrap().unwrap_err(), detached);
    let broken = within(2, "the watch", watch.frame()).await.unwrap().unwrap_err();
    assert_eq!(broken.downcast_ref::<TunnelError>(), Some(&detached));
    assert_eq!(within(2, "the end", vault.ended.recv()).await.unwrap(), Ok((id(1), Cut::Detached)));
    assert!(!vault.tunnels.is_connected(id(1)));
    let mut gateway = gateway;
    assert!(within(2, "the gateway", &mut gateway.serving).await.unwrap().is_err());
    let after = vault.tunnels.send(id(1), "a", get("/x")).await.map(drop);
    assert_eq!(after, Err(TunnelError::NotConnected(id(1))));
}

#[tokio::test]
async fn a_new_connection_of_a_cluster_takes_the_place_of_the_old() {
    let mut vault = Vault::start().await;
    let _old = vault.gateway(id(1), async |_| Response::new(forever(Arc::default()))).await;
    let _other = vault.gateway(id(2), async |_| text("other")).await;
    let mut watch = vault.tunnels.send(id(1), "a", get("/x?watch=1")).await.unwrap().into_body();

    let _new = vault.gateway(id(1), async |_| text("new")).await;

    assert_eq!(vault.ended.recv().await.unwrap(), Ok((id(1), Cut::Replaced)));
    let broken = loop {
        if let Err(broken) = watch.frame().await.unwrap() {
            break broken;
        }
    };
    assert_eq!(broken.downcast_ref::<TunnelError>(), Some(&TunnelError::Cut(Cut::Replaced)));
    for (cluster, said) in [(id(1), "new"), (id(2), "other")] {
        let mut connected = vault.tunnels.is_connected(cluster);
        while !connected {
            tokio::time::sleep(Duration::from_millis(5)).await;
            connected = vault.tunnels.is_connected(cluster);
        }
        assert_eq!(read(vault.tunnels.send(cluster, "a", get("/x")).await.unwrap()).await, said);
    }
}

#[tokio::test]
async fn the_gateways_own_answers_are_told_from_the_api_servers() {
    let vault = Vault::start().await;
    let _gateway = vault
        .gateway(id(1), async |request: Request<Incoming>| {
            let (code, header) = match request.uri().path() {
                "/no-binding" => (StatusCode::FORBIDDEN, Some(REFUSED_BINDING)),
                "/no-server" => (StatusCode::BAD_GATEWAY, Some(REFUSED_API_SERVER)),
                "/other" => (StatusCode::OK, Some(REFUSED_BINDING)),
                _ => (StatusCode::FORBIDDEN, None),
            };
            let mut response = text("connection refused");
            *response.status_mut() = code;
            if let Some(header) = header {
                response.headers_mut().insert(REFUSED_HEADER, header.parse().unwrap());
            }
            response
        })
        .await;

    let ask =
        async |path: &str| vault.tunnels.send(id(1), "a", get(path)).await.map(|answer| answer.status());

    assert_eq!(ask("/no-binding").await, Err(TunnelError::Refused("a".to_owned())));
    assert_eq!(ask("/no-server").await, Err(TunnelError::ApiServer("connection refused".to_owned())));
    assert_eq!(ask("/other").await, Ok(StatusCode::OK));
    assert_eq!(ask("/forbidden").await, Ok(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn bindings_go_out_before_all_else_and_at_each_change_until_they_are_applied() {
    use tunnel::{
        tls::GATEWAY,
        wire::{BINDINGS_PATH, Bindings},
    };
    let vault = Vault::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let log = log.clone();
        async move {
            let is_list = request.uri().path() == BINDINGS_PATH;
            let body = request.into_body().collect().await.unwrap().to_bytes();
            if !is_list {
                log.lock().unwrap().push("a request".to_owned());
                return Ok::<_, std::convert::Infallible>(text("ok"));
            }
            let list: Bindings = serde_json::from_slice(&body).unwrap();
            let names: Vec<_> = list.bindings.into_iter().map(|binding| binding.name).collect();
            log.lock().unwrap().push(names.join(","));
            Ok(if names == ["bad"] {
                let mut response = text("no such role");
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            } else {
                status(StatusCode::NO_CONTENT)
            })
        }
    });
    let stream = vault.dialler().dial(GATEWAY, Some(&vault.gateway_credential(id(1)))).await.unwrap();
    let serving = tokio::spawn(tunnel::serve(stream, service, Default::default()));
    let mut changes = vault.tunnels.changes();
    while !vault.tunnels.is_connected(id(1)) {
        changes.changed().await.unwrap();
    }

    vault.tunnels.send(id(1), "a", get("/x")).await.unwrap();
    let refused = vault.tunnels.push_bindings(id(1), vec![binding("bad")]).await.unwrap_err();
    vault.tunnels.push_bindings(id(1), vec![binding("c")]).await.unwrap();

    assert_eq!(*seen.lock().unwrap(), ["a,b", "a request", "bad", "c"]);
    assert!(refused.to_string().contains("no such role"), "{refused}");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_silently_is_found_by_both_ends_within_30_seconds() {
    use tunnel::Proxy;
    use world::{Gateway, proxies::Wire};
    let mut vault = Vault::start().await;
    let wire = Wire::to(vault.port).await;
    let dialler = vault.dialler_through(Proxy::none(), vault.servers.trust(), wire.port);
    let credential = vault.gateway_credential(id(1));
    let mut gateway =
        Gateway::dial(&dialler, &credential, async |_| Response::new(forever(Arc::default()))).await;
    let mut changes = vault.tunnels.changes();
    while !vault.tunnels.is_connected(id(1)) {
        changes.changed().await.unwrap();
    }
    let watch = vault.tunnels.send(id(1), "a", get("/x?watch=1")).await.unwrap();

    wire.freeze();
    let begun = Instant::now();
    let (vaults, gateways) = tokio::join!(
        within(32, "the vault's end", vault.ended.recv()),
        within(32, "the gateway's end", &mut gateway.serving),
    );

    assert!(begun.elapsed() > Duration::from_secs(15), "it was not the pings that found it");
    assert!(matches!(vaults, Some(Ok((_, Cut::Lost(_))))), "{vaults:?}");
    assert!(gateways.unwrap().is_err());
    assert!(!vault.tunnels.is_connected(id(1)));
    // Its reader never came; the end reaches it all the same, behind what had arrived.
    let mut body = watch.into_body();
    let broken = loop {
        match body.frame().await.unwrap() {
            Ok(_) => {}
            Err(broken) => break broken,
        }
    };
    assert!(matches!(broken.downcast_ref::<TunnelError>(), Some(TunnelError::Cut(Cut::Lost(_)))));
}
