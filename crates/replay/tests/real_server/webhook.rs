//! A mutating admission webhook over HTTPS, in this process: it labels ConfigMaps and overwrites a key.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

/// `[{"op":"add","path":"/metadata/labels","value":{"injected":"yes"}},{"op":"add","path":"/data/key","value":"mutated"}]`
const PATCH: &str = "W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7ImluamVjdGVkIjoieWVzIn19LHsib3AiOiJhZGQiLCJwYXRoIjoiL2RhdGEva2V5IiwidmFsdWUiOiJtdXRhdGVkIn1d";

/// A running webhook; it answers until the process ends.
pub struct Webhook {
    url: String,
    authority: String,
}

impl Webhook {
    /// Listens on the address by which the API server at `server` can reach this process.
    pub fn start(server: &str) -> Self {
        let address = own_address(server);
        let made = rcgen::generate_simple_self_signed(vec![address.to_string()]).unwrap();
        let authority = made.cert.pem();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind((address, 0)).unwrap();
        let url = format!("https://{}/mutate", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = config.clone();
                // A caller that goes away is none of our concern.
                std::thread::spawn(move || drop(answer(stream, config)));
            }
        });
        Self { url, authority }
    }

    /// Its configuration for ConfigMaps of one namespace.
    pub fn configuration(&self, name: &str, namespace: &str, side_effects: &str) -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "mutate.replay.test", "failurePolicy": "Fail", "sideEffects": side_effects,
                "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
                "clientConfig": {"url": self.url, "caBundle": base64(self.authority.as_bytes())},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "objectSelector": {"matchExpressions": [{"key": "leave-alone", "operator": "DoesNotExist"}]},
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                    "resources": ["configmaps"],
                }],
            }],
        })
    }
}

fn own_address(server: &str) -> IpAddr {
    let server = server.trim_start_matches("https://");
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect(server).unwrap();
    socket.local_addr().unwrap().ip()
}

fn answer(mut stream: TcpStream, config: Arc<rustls::ServerConfig>) -> std::io::Result<()> {
    let mut connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let mut request = Vec::new();
    let body_at = loop {
        let mut buffer = [0; 4096];
        let read = tls.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..read]);
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if read == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&request[..body_at]).to_ascii_lowercase();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    while request.len() < body_at + length {
        let mut buffer = [0; 4096];
        let read = tls.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let review: Value = serde_json::from_slice(&request[body_at..])?;
    let reply = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": PATCH,
        },
    })
    .to_string();
    write!(
        tls,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{reply}",
        reply.len()
    )?;
    tls.conn.send_close_notify();
    tls.flush()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| char::from(LETTERS[(bits & 63) as usize]);
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for (position, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(if position <= chunk.len() { letter(bits >> shift) } else { '=' });
        }
    }
    text
}
