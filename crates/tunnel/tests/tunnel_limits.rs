//! How much of one cluster is under way, who waits, and who is refused, on real connections.

mod world;

use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinSet};
use tunnel::{
    Body, BoxError, boxed, tls,
    tunnels::{Busy, Cut, Load, Retry, TunnelError},
    wire::BINDING_HEADER,
};
use world::{Vault, get, id, resident, text, within};

/// A gateway that answers when it is told to, and remembers in whose name it was asked.
#[derive(Clone)]
struct Held {
    leave: Arc<Semaphore>,
    asked: Arc<Mutex<Vec<String>>>,
    at_once: Arc<Mutex<(usize, usize)>>,
}

impl Held {
    fn new() -> Self {
        Self { leave: Arc::new(Semaphore::new(0)), asked: Arc::default(), at_once: Arc::default() }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let binding = request.headers()[BINDING_HEADER].to_str().unwrap().to_owned();
        self.asked.lock().unwrap().push(binding);
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        self.leave.acquire().await.unwrap().forget();
        self.at_once.lock().unwrap().0 -= 1;
        text("ok")
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(20, what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_go_a_thousand_wait_in_bounded_memory_and_the_next_is_refused_at_once() {
    let vault = Vault::start().await;
    let held = Held::new();
    let gateway = held.clone();
    let _gateway = vault.gateway(id(1), move |request| gateway.clone().answer(request)).await;
    let before = resident();
    let mut calls = JoinSet::new();
    for _ in 0..1_064 {
        let tunnels = vault.tunnels.clone();
        calls.spawn(async move { tunnels.send(id(1), "a", get("/x")).await.map(drop) });
    }
    let full = Load { under_way: 64, waiting: 1_000 };
    until("the queue to fill", || vault.tunnels.load(id(1)) == Some(full)).await;
    until("the gateway to be asked", || held.asked.lock().unwrap().len() == 64).await;

    let grown = resident().saturating_sub(before);
    let refused = within(1, "a refusal", vault.tunnels.send(id(1), "a", get("/x"))).await.map(drop);
    held.leave.add_permits(1_064);
    let mut answered = 0;
    while let Some(done) = within(30, "an answer", calls.join_next()).await {
        done.unwrap().unwrap();
        answered += 1;
    }

    assert_eq!(refused, Err(TunnelError::Busy(Busy::Queue)));
    assert_eq!(TunnelError::Busy(Busy::Queue).retry(), Retry::Later);
    assert_eq!((answered, held.at_once.lock().unwrap().1), (1_064, 64));
    assert!(grown < 24 * 1024 * 1024, "a full queue takes {grown} bytes");
    assert_eq!(vault.tunnels.load(id(1)), Some(Load { under_way: 0, waiting: 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_with_one_request_does_not_wait_behind_the_hundreds_of_another() {
    let vault = Vault::start().await;
    let held = Held::new();
    let gateway = held.clone();
    let _gateway = vault.gateway(id(1), move |request| gateway.clone().answer(request)).await;
    let mut calls = JoinSet::new();
    let call = |binding: &'static str| {
        let tunnels = vault.tunnels.clone();
        async move { tunnels.send(id(1), binding, get("/x")).await.map(drop) }
    };
    for _ in 0..400 {
        calls.spawn(call("a"));
    }
    until("a to wait", || vault.tunnels.load(id(1)).unwrap().waiting == 336).await;
    for _ in 0..3 {
        calls.spawn(call("b"));
    }
    until("b to wait", || vault.tunnels.load(id(1)).unwrap().waiting == 339).await;

    // One answer at a time lets one more on its way, so the gateway is asked in the tunnel's order.
    let mut place = 64;
    while served(&held, "b") < 3 {
        held.leave.add_permits(1);
        place += 1;
        until("the next call", || held.asked.lock().unwrap().len() == place).await;
        assert!(place < 403, "b was not served before all of a");
    }
    held.leave.add_permits(403 - (place - 64));
    while let Some(done) = within(30, "an answer", calls.join_next()).await {
        done.unwrap().unwrap();
    }

    // Of two that wait, each has its turn: one of the other before each of these three.
    assert!(place <= 64 + 6, "b was served at place {place} of 403");
    assert_eq!(held.asked.lock().unwrap().len(), 403);
}

fn served(held: &Held, binding: &str) -> usize {
    held.asked.lock().unwrap().iter().filter(|asked| *asked == binding).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_stay_open_take_no_turn_from_calls() {
    let vault = Vault::start().await;
    let _gateway = vault
        .gateway(id(1), async |request: Request<Incoming>| {
            if request.uri().query().is_some() {
                let never = futures::stream::pending::<Result<Frame<bytes::Bytes>, BoxError>>();
                return Response::new(boxed(StreamBody::new(never)));
            }
            text("ok")
        })
        .await;
    let mut watches = Vec::new();
    for binding in 0..8 {
        for _ in 0..5 {
            let watch = get("/apis/x?watch=true");
            watches.push(vault.tunnels.send(id(1), &format!("b{binding}"), watch).await.unwrap());
        }
    }

    let one_more = vault.tunnels.send(id(1), "b0", get("/apis/x?watch=true")).await.map(drop);
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        let tunnels = vault.tunnels.clone();
        calls.spawn(async move {
            tunnels.send(id(1), "b0", get("/x")).await.unwrap().into_body().collect().await
        });
    }
    while let Some(done) = within(20, "a call beside open watches", calls.join_next()).await {
        done.unwrap().unwrap();
    }

    assert_eq!(one_more, Err(TunnelError::Busy(Busy::Watches)));
    assert_eq!(vault.tunnels.load(id(1)), Some(Load { under_way: 40, waiting: 0 }));
    watches.truncate(39);
    assert!(vault.tunnels.send(id(1), "b7", get("/apis/x?watch=true")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_learns_at_once_that_the_tunnel_has_gone() {
    let mut vault = Vault::start().await;
    let held = Held::new();
    let handler = held.clone();
    let gateway = vault.gateway(id(1), move |request| handler.clone().answer(request)).await;
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let tunnels = vault.tunnels.clone();
        calls.spawn(async move { tunnels.send(id(1), "a", get("/x")).await.map(drop) });
    }
    until("36 to wait", || vault.tunnels.load(id(1)).unwrap().waiting == 36).await;

    drop(gateway);

    let ended = within(5, "the end", vault.ended.recv()).await.unwrap();
    assert!(matches!(ended, Ok((_, Cut::Lost(_)))), "{ended:?}");
    while let Some(done) = within(5, "an error", calls.join_next()).await {
        let error = done.unwrap().unwrap_err();
        assert!(matches!(error, TunnelError::Cut(_)), "{error:?}");
        assert_eq!(error.retry(), Retry::IfIdempotent);
    }
    assert_eq!(vault.tunnels.load(id(1)), None);
    assert_eq!(vault.tunnels.connected(), []);
    // The protocol's name is part of the contract.
    assert_eq!(tls::GATEWAY, b"cofferdam-gateway/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_by_the_thousand_leave_the_connection_well() {
    let vault = Vault::start().await;
    let _gateway = vault
        .gateway(id(1), async |request: Request<Incoming>| match request.uri().path() {
            "/never" => std::future::pending().await,
            "/ok" => text("ok"),
            _ => {
                let chunk = bytes::Bytes::from_static(&[7; 16 * 1024]);
                let endless =
                    futures::stream::repeat_with(move || Ok::<_, BoxError>(Frame::data(chunk.clone())));
                Response::new(boxed(StreamBody::new(endless)))
            }
        })
        .await;

    let mut calls = JoinSet::new();
    for number in 0..2_000 {
        let tunnels = vault.tunnels.clone();
        calls.spawn(async move {
            let path = if number % 2 == 0 { "/never" } else { "/endless" };
            let patience = Duration::from_millis(number % 50);
            // The body is dropped unread, the call is abandoned, or it never got its turn.
            drop(tokio::time::timeout(patience, tunnels.send(id(1), "a", get(path))).await);
        });
    }
    while let Some(done) = within(60, "a caller to go away", calls.join_next()).await {
        done.unwrap();
    }

    for _ in 0..100 {
        let answer = within(5, "an answer", vault.tunnels.send(id(1), "a", get("/ok"))).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    assert_eq!(vault.tunnels.load(id(1)), Some(Load { under_way: 0, waiting: 0 }));
    assert!(vault.tunnels.is_connected(id(1)));
}
