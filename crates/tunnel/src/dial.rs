//! Dials out of the cluster: to the vault, through the egress proxy where there is one, with TLS to the end.

use crate::{
    Proxy,
    credential::Credential,
    proxy::Via,
    tls::{self, TlsError, Trust},
};
use rustls::pki_types::ServerName;
use std::{io, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

/// Everything until TLS stands; a proxy counts twice.
const PATIENCE: Duration = Duration::from_secs(20);
/// A proxy's answer to CONNECT.
const LONGEST_HEAD: usize = 16 * 1024;

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// TLS to the vault.
pub type Dialled = TlsStream<Box<dyn Stream>>;

/// Where the vault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name or address; no brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Reaches one vault.
#[derive(Debug)]
pub struct Dialler {
    target: Target,
    trust: Trust,
    proxy: Proxy,
    proxy_trust: Trust,
    clock: Arc<dyn Clock>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The URL of the vault.
    #[error("{0:?} is not a URL of a vault; write https://<name>[:<port>]")]
    Target(String),
    /// Nothing answers.
    #[error(
        "could not connect to {place}: {error}; check its address, the name service and the cluster's egress rules"
    )]
    Connect {
        /// What was tried.
        place: String,
        /// What happened.
        error: io::Error,
    },
    /// Nothing answers, and nothing refuses.
    #[error("{place} did not answer within {} s; check that the cluster's egress rules let it through", PATIENCE.as_secs())]
    Slow {
        /// What was tried.
        place: String,
    },
    /// The proxy does not let us through.
    #[error("the proxy {proxy} refused a tunnel to {target}: {answer}; {}", proxy_remedy(.answer))]
    Proxy {
        /// The proxy.
        proxy: String,
        /// The vault.
        target: String,
        /// Its status line.
        answer: String,
    },
    /// No TLS.
    #[error("no TLS connection to {place}: {error}; {}", tls_remedy(.error))]
    Handshake {
        /// With whom.
        place: String,
        /// What happened.
        error: io::Error,
    },
    /// TLS stands, but with something else.
    #[error(
        "{place} does not speak {protocol}; check that it is a vault, and that nothing in between ends TLS"
    )]
    Protocol {
        /// With whom.
        place: String,
        /// What was asked for.
        protocol: String,
    },
    /// Keys, certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Target {
    /// From the URL of a vault.
    pub fn of_url(url: &str) -> Result<Self, DialError> {
        let wrong = || DialError::Target(url.to_owned());
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let plain = parsed.username().is_empty() && parsed.password().is_none() && parsed.path() == "/";
        if parsed.scheme() != "https" || !plain || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong());
        }
        let host = parsed.host_str().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: parsed.port().unwrap_or(443) })
    }

    /// As it stands in a URL and in `Host`.
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

impl Dialler {
    /// Reaches `target`, trusting `trust` alone: the same authorities count for a proxy that is reached over TLS.
    pub fn new(target: Target, trust: Trust, proxy: Proxy, clock: Arc<dyn Clock>) -> Self {
        Self { target, proxy_trust: trust.clone(), trust, proxy, clock }
    }

    /// With other authorities for a proxy that is reached over TLS. Those do not count for the vault.
    pub fn trusting_proxies_of(self, trust: Trust) -> Self {
        Self { proxy_trust: trust, ..self }
    }

    /// Where it dials.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A connection on which `protocol` is agreed upon. TLS 1.3 lets a client finish before the server has judged its
    /// certificate: a refusal shows as an error at the first read.
    pub async fn dial(&self, protocol: &[u8], credential: Option<&Credential>) -> Result<Dialled, DialError> {
        let place = self.target.authority();
        let config = tls::client(&self.trust, credential, protocol, self.clock.clone())?;
        let stream = match self.proxy.for_host(&self.target.host, self.target.port) {
            None => Box::new(tcp(&self.target.host, self.target.port, &place).await?),
            Some(via) => in_time(&via.place(), self.through(&via)).await?,
        };
        let secured = in_time(&place, secure(config, &self.target.host, &place, stream)).await?;
        if secured.get_ref().1.alpn_protocol() != Some(protocol) {
            let protocol = String::from_utf8_lossy(protocol).into_owned();
            return Err(DialError::Protocol { place, protocol });
        }
        Ok(secured)
    }

    async fn through(&self, via: &Via) -> Result<Box<dyn Stream>, DialError> {
        let place = via.place();
        let tcp = tcp(&via.host, via.port, &place).await?;
        let mut stream: Box<dyn Stream> = if via.secure {
            let config = tls::client(&self.proxy_trust, None, b"", self.clock.clone())?;
            Box::new(secure(config, &via.host, &place, Box::new(tcp)).await?)
        } else {
            Box::new(tcp)
        };
        let target = self.target.authority();
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &via.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(authorization.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let failed = |error| DialError::Connect { place: place.clone(), error };
        stream.write_all(&head).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        let answer = read_head(&mut stream).await.map_err(failed)?;
        if is_success(&answer) {
            return Ok(stream);
        }
        let answer = answer.chars().filter(|c| !c.is_control()).take(200).collect();
        Err(DialError::Proxy { proxy: authority(&via.host, via.port), target, answer })
    }
}

/// The status line. Read byte by byte: what follows the head belongs to the tunnel.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer does not end"));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            // Some proxies hang up after a refusal without the empty line.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !head.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&head);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn is_success(status_line: &str) -> bool {
    let mut words = status_line.split(' ');
    words.next().is_some_and(|version| version.starts_with("HTTP/1."))
        && words.next().is_some_and(|status| status.len() == 3 && status.starts_with('2'))
}

async fn tcp(host: &str, port: u16, place: &str) -> Result<TcpStream, DialError> {
    let failed = |error| DialError::Connect { place: place.to_owned(), error };
    let connected = async { TcpStream::connect((host, port)).await.map_err(failed) };
    let stream = in_time(place, connected).await?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

impl Via {
    /// As errors name it: a person has to know that it is not the vault.
    fn place(&self) -> String {
        format!("the proxy {}", authority(&self.host, self.port))
    }
}

async fn secure(
    config: rustls::ClientConfig,
    host: &str,
    place: &str,
    stream: Box<dyn Stream>,
) -> Result<Dialled, DialError> {
    let failed = |error| DialError::Handshake { place: place.to_owned(), error };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)
}

async fn in_time<T>(place: &str, work: impl Future<Output = Result<T, DialError>>) -> Result<T, DialError> {
    match timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(DialError::Slow { place: place.to_owned() }),
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn proxy_remedy(answer: &str) -> &'static str {
    if answer.contains(" 407") {
        "give its address with a name and a password that it accepts (HTTPS_PROXY): `cofferdam cluster connect --reconnect --https-proxy-file FILE`"
    } else {
        "let it allow this destination, or put the vault's name into NO_PROXY (`--no-proxy`)"
    }
}

fn tls_remedy(error: &io::Error) -> &'static str {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "the file of the vault's authorities must hold the one that signed this certificate, or for a proxy that of `--proxy-ca`; that of an intercepting proxy does not count"
        }
        Some(rustls::Error::AlertReceived(_)) => {
            "the other end refused: if the cluster was disconnected, connect it anew"
        }
        _ => "check that it is a vault, and that nothing in between interferes with TLS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_named_by_an_https_url_without_path() {
        let target = |url: &str| Target::of_url(url).map(|target| target.authority());

        assert_eq!(target("https://vault.example").unwrap(), "vault.example:443");
        assert_eq!(target("https://vault.example:8443/").unwrap(), "vault.example:8443");
        assert_eq!(target("https://[fd00::1]:8443").unwrap(), "[fd00::1]:8443");
        for bad in
            ["vault", "http://vault", "https://u:p@vault", "https://vault/x", "https://vault?x", "https://"]
        {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn of_a_proxys_answer_nothing_beyond_its_head_is_read() {
        let mut answer: &[u8] = b"HTTP/1.1 200 OK\r\nx: y\r\n\r\nrest";

        let line = read_head(&mut answer).await.unwrap();

        assert!(is_success(&line));
        assert_eq!(answer, b"rest");
        assert!(!is_success("HTTP/1.1 407 Proxy Authentication Required"));
        assert!(!is_success("HTTP/1.1 2000"));
        assert!(!is_success("SSH-2.0-x 200"));
        let endless = vec![b'x'; LONGEST_HEAD + 1];
        assert!(read_head(&mut endless.as_slice()).await.is_err());
    }
}
