//! What stands between a cluster and its vault: a CONNECT proxy, and a wire that can freeze.

use super::ServerAuthority;
use base64::Engine;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

/// A CONNECT proxy that asks for a name and a password, over HTTP or, with a certificate authority, over HTTPS.
pub struct ConnectProxy {
    pub port: u16,
    pub tunnels: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl ConnectProxy {
    pub async fn start(user: &'static str, authority: Option<&ServerAuthority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = authority.map(|authority| {
            let builder = rustls::ServerConfig::builder_with_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ));
            let config = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
            TlsAcceptor::from(Arc::new(config.with_cert_resolver(authority.shown())))
        });
        let tunnels = Arc::new(AtomicUsize::new(0));
        let count = tunnels.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, count) = (acceptor.clone(), count.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => connect(stream, user, &count).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                connect(stream, user, &count).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, tunnels, accepting: accepting.abort_handle() }
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(mut stream: impl AsyncRead + AsyncWrite + Unpin, user: &str, count: &AtomicUsize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split_whitespace();
    assert_eq!(words.next(), Some("CONNECT"), "{head}");
    let target = words.next().unwrap().to_owned();
    let wanted = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user));
    let is_known = head.lines().any(|line| {
        line.split_once(": ")
            .is_some_and(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == wanted)
    });
    if !is_known {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n";
        drop(stream.write_all(refusal).await);
        return;
    }
    // As behind a private name service: the proxy alone knows where the name leads.
    let port = target.rsplit_once(':').unwrap().1;
    let Ok(mut onward) = TcpStream::connect(format!("127.0.0.1:{port}")).await else {
        drop(stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await);
        return;
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n").await.unwrap();
    count.fetch_add(1, Ordering::Relaxed);
    drop(copy_bidirectional(&mut stream, &mut onward).await);
}

/// A wire to `port` that freezes: nothing arrives any more, and nobody is told.
pub struct Wire {
    pub port: u16,
    frozen: watch::Sender<bool>,
    accepting: AbortHandle,
}

impl Wire {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let frozen = watch::Sender::new(false);
        let state = frozen.subscribe();
        let accepting = tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new();
            loop {
                let (one, _) = listener.accept().await.unwrap();
                let other = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let ((one_in, one_out), (other_in, other_out)) = (one.into_split(), other.into_split());
                all.spawn(pass(one_in, other_out, state.clone()));
                all.spawn(pass(other_in, one_out, state.clone()));
            }
        });
        Self { port: own, frozen, accepting: accepting.abort_handle() }
    }

    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if *frozen.borrow_and_update() {
            // Holds both ends open for ever.
            std::future::pending::<()>().await;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
