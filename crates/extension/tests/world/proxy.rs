//! A proxy that knows CONNECT alone, over HTTP or TLS, and one place where every tunnel leads.

use super::vault::certificate;
use base64::Engine;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

pub struct FakeProxy {
    port: u16,
    authority: Option<String>,
    tunnels: Arc<AtomicUsize>,
}

/// What is said to whom.
#[derive(Clone)]
struct Manners {
    to: u16,
    password: Option<&'static str>,
    tunnels: Arc<AtomicUsize>,
}

impl FakeProxy {
    /// Over HTTP, for everybody.
    pub async fn start(to: u16) -> Self {
        Self::run(to, None, None).await
    }

    /// Over TLS with an authority of its own, for this `name:password`.
    pub async fn secure(to: u16, password: &'static str) -> Self {
        let (config, authority) = certificate();
        Self::run(to, Some(password), Some((TlsAcceptor::from(Arc::new(config)), authority))).await
    }

    async fn run(to: u16, password: Option<&'static str>, tls: Option<(TlsAcceptor, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tunnels = Arc::new(AtomicUsize::new(0));
        let manners = Manners { to, password, tunnels: tunnels.clone() };
        let (acceptor, authority) = tls.unzip();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, manners) = (acceptor.clone(), manners.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => tunnel(stream, manners).await,
                        // Who does not trust the proxy hangs up.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                tunnel(stream, manners).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, authority, tunnels }
    }

    /// Its address, for somebody with this `name:password@`, or nothing.
    pub fn url(&self, password: &str) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{password}localhost:{}", self.port)
    }

    /// Who signed its certificate, as PEM.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().unwrap()
    }

    pub fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::SeqCst)
    }
}

async fn tunnel(mut stream: impl AsyncRead + AsyncWrite + Unpin, manners: Manners) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("CONNECT "), "{head}");
    let known = manners.password.is_none_or(|password| {
        let wanted = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(password));
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == wanted)
    });
    if !known {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        drop(stream.write_all(refusal).await);
        drop(stream.shutdown().await);
        return;
    }
    manners.tunnels.fetch_add(1, Ordering::SeqCst);
    let mut there = TcpStream::connect(("127.0.0.1", manners.to)).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    drop(copy_bidirectional(&mut stream, &mut there).await);
}
