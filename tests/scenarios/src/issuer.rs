//! An OpenID Connect issuer outside the clusters: two documents over TLS, and ID tokens.

use crate::tls;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use rustls::ServerConfig;
use serde_json::{Value, json};
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
        let (tls, certificate) = tls::server(host);
        Self { address: address.to_owned(), signing: KeyPair::generate().expect("a key"), certificate, tls }
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

fn answer(stream: TcpStream, settings: Arc<ServerConfig>, documents: &[Value; 2]) -> std::io::Result<()> {
    tls::answer(stream, settings, |head, _| match head.split_whitespace().nth(1) {
        Some("/.well-known/openid-configuration") => ("200 OK", documents[0].to_string()),
        Some("/keys") => ("200 OK", documents[1].to_string()),
        _ => ("404 Not Found", "{}".to_owned()),
    })
}
