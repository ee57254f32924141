//! Servers beside the clusters that speak TLS with a certificate which signs itself.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// The settings of such a server for a name or an address, and its certificate as PEM.
pub fn server(host: &str) -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([host.to_owned()]).expect("a name for the certificate");
    let certificate = params.self_signed(&key).expect("a certificate");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .expect("a key that goes with its certificate");
    (Arc::new(settings), certificate.pem())
}

/// Reads one request and answers it with what `with` makes of its head and body: a status line and a body of JSON.
pub fn answer(
    mut stream: TcpStream,
    tls: Arc<ServerConfig>,
    with: impl FnOnce(&str, &[u8]) -> (&'static str, String),
) -> std::io::Result<()> {
    let mut connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
    let mut stream = Stream::new(&mut connection, &mut stream);
    let mut head = String::new();
    let mut reader = BufReader::new(&mut stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut given = vec![0; length];
    reader.read_exact(&mut given)?;
    let (status, body) = with(&head, &given);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// A header of a request's head.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}
