//! A server that answers what a test tells it, over TLS: for faults that the real vault does not show.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, rustls::pki_types::PrivateKeyDer};

/// The server; it ends with the test's runtime.
pub struct FakeArm {
    pub url: String,
    pub authority: String,
    seen: Arc<Mutex<Vec<String>>>,
}

/// An answer: status, headers, body.
pub type Scripted = (u16, Vec<(&'static str, String)>, String);

impl FakeArm {
    /// Answers each request by what `script` makes of its number and its first line.
    pub async fn start(script: impl Fn(usize, &str, &str) -> Scripted + Send + Sync + 'static) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let authority = certified.cert.pem();
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (acceptor, noted, base) = (TlsAcceptor::from(Arc::new(config)), seen.clone(), url.clone());
        let script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, noted, base, script) =
                    (acceptor.clone(), noted.clone(), base.clone(), script.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Some(request) = read(&mut stream).await else { return };
                    let line = request.lines().next().unwrap_or_default().to_owned();
                    let number = {
                        let mut noted = noted.lock().unwrap();
                        noted.push(request);
                        noted.len()
                    };
                    let (status, headers, body) = script(number, &line, &base);
                    let mut text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                    for (name, value) in headers {
                        text.push_str(&format!("{name}: {value}\r\n"));
                    }
                    let text = format!("{text}connection: close\r\n\r\n{body}");
                    drop(stream.write_all(text.as_bytes()).await);
                    drop(stream.shutdown().await);
                });
            }
        });
        Self { url, authority, seen }
    }

    /// The requests so far, head and body.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text);
        }
    }
}
