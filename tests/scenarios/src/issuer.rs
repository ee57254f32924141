//! An OpenID Connect issuer outside the clusters: two documents over TLS, and ID tokens.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

const KEY_ID: &str = "first";
/// The year 2100: the tests need no clock.
const EXPIRES: u64 = 4_102_444_800;

/// An issuer with keys of its own. Its server ends with the test's process.
#[derive(Debug)]
pub struct Issuer {
    address: String,
    signing: KeyPair,
    certificate: String,
    tls: Arc<ServerConfig>,
}

impl Issuer {
    /// With new keys; it does not listen yet.
    pub fn new(address: &str) -> Self {
        let host = address.rsplit_once(':').expect("an address with a port").0;
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a name for the certificate");
        let certificate = params.self_signed(&key).expect("a certificate");
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .expect("a key that goes with its certificate");
        Self {
            address: address.to_owned(),
            signing: KeyPair::generate().expect("a key"),
            certificate: certificate.pem(),
            tls: Arc::new(tls),
        }
    }

    /// Its name in tokens, and where it is found.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Its server's certificate, which signs itself, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Answers from now on.
    pub fn serve(&self) {
        let listener = TcpListener::bind(&self.address).expect("the issuer's address");
        let (tls, discovery, keys) = (self.tls.clone(), self.discovery(), self.keys());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let documents = [discovery.clone(), keys.clone()];
                let tls = tls.clone();
                // A client that breaks off comes again.
                std::thread::spawn(move || answer(stream, tls, &documents).ok());
            }
        });
    }

    /// An ID token for a person who is in a group.
    pub fn token(&self, person: &str, group: &str) -> String {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        let claims = json!({
            "iss": self.url(), "aud": "testbed", "sub": person, "groups": [group],
            "iat": 1_750_000_000, "exp": EXPIRES,
        });
        let key = EncodingKey::from_ec_der(&self.signing.serialize_der());
        jsonwebtoken::encode(&header, &claims, &key).expect("a signed token")
    }

    fn discovery(&self) -> Value {
        let url = self.url();
        json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/authorize"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn keys(&self) -> Value {
        // 4, then both coordinates of the point.
        let point = self.signing.der_bytes();
        let part = |from: usize| BASE64_URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": part(1), "y": part(33),
        }]})
    }
}

fn answer(mut stream: TcpStream, tls: Arc<ServerConfig>, documents: &[Value; 2]) -> std::io::Result<()> {
    let mut connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
    let mut stream = Stream::new(&mut connection, &mut stream);
    let mut head = String::new();
    let mut reader = BufReader::new(&mut stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let (status, body) = match head.split_whitespace().nth(1) {
        Some("/.well-known/openid-configuration") => ("200 OK", documents[0].to_string()),
        Some("/keys") => ("200 OK", documents[1].to_string()),
        _ => ("404 Not Found", "{}".to_owned()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}
