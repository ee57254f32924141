//! How far a connection comes from here, step by step: DNS, TCP, perhaps a proxy, TLS, HTTP. Run inside of the cluster,
//! in a pod with the extension's way out.

mod dial;
mod dns;
mod http;
mod proxy;
mod tls;

use dial::Dialled;
use hyper_util::client::proxy::matcher::Matcher;
use prerequisites::{Endpoint, EndpointKind, Sight, Stage, Trouble};
use std::{net::IpAddr, time::Duration};
use storage::PROXY_AUTHORITIES_VARIABLE;
use tokio::time::{Instant, timeout};

/// How long each step may take.
const STEP: Duration = Duration::from_secs(3);
/// Addresses of a name that are tried and told.
const ADDRESSES: usize = 4;

/// Where connections go out.
#[derive(Debug)]
pub struct WayOut {
    proxy: Matcher,
    /// Who signed the certificate of a proxy that is reached over TLS. They count for the proxy alone.
    authorities: Option<String>,
    step: Duration,
}

impl WayOut {
    /// As this process's environment says: `HTTPS_PROXY`, `NO_PROXY`, `COFFERDAM_PROXY_CA`. It fails, with what to say,
    /// when the file of the last cannot be read: nothing that is run so gets out.
    pub fn from_env() -> Result<Self, String> {
        let path = std::env::var(PROXY_AUTHORITIES_VARIABLE).ok().filter(|path| !path.is_empty());
        let read = |path: String| {
            let unread = |error| {
                format!(
                    "the proxy's authorities in {path} ({PROXY_AUTHORITIES_VARIABLE}) cannot be read: {error}"
                )
            };
            std::fs::read_to_string(&path).map_err(unread)
        };
        Ok(Self { proxy: Matcher::from_env(), authorities: path.map(read).transpose()?, step: STEP })
    }

    /// As given.
    pub fn of(https_proxy: &str, except: &str) -> Self {
        let proxy = Matcher::builder().https(https_proxy.to_owned()).no(except.to_owned()).build();
        Self { proxy, authorities: None, step: STEP }
    }

    /// The same with the authorities, PEM, of a proxy that is reached over TLS.
    pub fn trusting(self, authorities: &str) -> Self {
        Self { authorities: Some(authorities.to_owned()), ..self }
    }

    /// The same with another patience for each step.
    pub fn within(self, step: Duration) -> Self {
        Self { step, ..self }
    }
}

/// Looks at every endpoint, at all of them at the same time.
pub async fn reach(endpoints: &[Endpoint], way: &WayOut) -> Vec<Sight> {
    futures::future::join_all(endpoints.iter().map(|endpoint| one(endpoint, way))).await
}

async fn one(endpoint: &Endpoint, way: &WayOut) -> Sight {
    let mut sight = Sight::default();
    if let Err(failed) = steps(endpoint, way, &mut sight).await {
        sight.failed = Some(failed);
    }
    sight
}

async fn steps(endpoint: &Endpoint, way: &WayOut, sight: &mut Sight) -> Result<(), (Stage, Trouble)> {
    let via = match endpoint.kind.is_name_only() {
        true => None,
        false => proxy::for_endpoint(&way.proxy, endpoint),
    };
    let mut stream = match via {
        // The proxy looks the name up.
        Some(via) => {
            sight.via = Some(format!("{}:{}", via.host, via.port));
            let tunnel = proxy::tunnel(&via, endpoint, way.authorities.as_deref(), way.step);
            step(sight, Stage::Proxy, way.step * 3, tunnel).await?
        }
        None => {
            let host = endpoint.host.as_str();
            let limit = way.step;
            let mut addresses =
                step(sight, Stage::Dns, limit * 2 + limit / 2, dns::look_up(host, endpoint.port, limit))
                    .await?;
            addresses.truncate(ADDRESSES);
            sight.addresses.clone_from(&addresses);
            if host.parse::<IpAddr>().is_err() && host != "localhost" && addresses.iter().all(is_wrong) {
                sight.passed.clear();
                return Err((Stage::Dns, Trouble::WrongAddress));
            }
            if endpoint.kind.is_name_only() {
                return Ok(());
            }
            let connected = dial::first(&addresses, endpoint.port);
            Dialled::Plain(step(sight, Stage::Tcp, limit, connected).await?)
        }
    };
    if endpoint.tls {
        let authorities = endpoint.authorities.as_deref();
        stream = step(sight, Stage::Tls, way.step, tls::over(stream, &endpoint.host, authorities)).await?;
        // Its certificate says who answers; what it answers to a stranger is nowhere written.
        if endpoint.kind == EndpointKind::HostRule {
            return Ok(());
        }
    }
    step(sight, Stage::Http, way.step, http::ask(&mut stream, endpoint)).await
}

/// One step within its time, and what it took.
async fn step<T>(
    sight: &mut Sight,
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, (Stage, Trouble)> {
    let began = Instant::now();
    let done =
        timeout(limit, work).await.unwrap_or(Err(Trouble::TimedOut)).map_err(|trouble| (stage, trouble))?;
    sight.passed.push((stage, u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX)));
    Ok(done)
}

/// Addresses that no service outside of this pod has.
fn is_wrong(address: &IpAddr) -> bool {
    let none_of_v4 = match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.is_documentation(),
        IpAddr::V6(_) => false,
    };
    address.is_loopback() || address.is_unspecified() || address.is_multicast() || none_of_v4
}

/// What an error of a connection means.
fn trouble(error: &std::io::Error) -> Trouble {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => Trouble::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Trouble::Reset,
        // The other end hung up in the middle.
        ErrorKind::UnexpectedEof => Trouble::Reset,
        ErrorKind::TimedOut => Trouble::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Trouble::NoRoute,
        _ => Trouble::Other(shortened(&error.to_string())),
    }
}

/// All of them have to fit into the termination message of a container.
fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}
