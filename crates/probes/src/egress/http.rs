//! One request, and the head of its answer: enough to know who answers.

use super::{dial::Dialled, shortened, trouble};
use prerequisites::{Endpoint, EndpointKind, Trouble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// No head of an honest server is longer.
const LONGEST: usize = 16 * 1024;

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub status: u16,
    location: Option<String>,
    of_a_proxy: bool,
}

/// Asks, and judges who answers.
pub(super) async fn ask(stream: &mut Dialled, endpoint: &Endpoint) -> Result<(), Trouble> {
    let (path, address) = (&endpoint.path, endpoint.address());
    let usual = if endpoint.tls { 443 } else { 80 };
    let host = if endpoint.port == usual { endpoint.host.clone() } else { address };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: cofferdam-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| trouble(&error))?;
    judged(&head(stream).await?, endpoint)
}

fn judged(head: &Head, endpoint: &Endpoint) -> Result<(), Trouble> {
    // Those of a host rule lead strangers to pages about themselves.
    let may_lead_away = endpoint.kind == EndpointKind::HostRule;
    let location = head.location.as_ref().filter(|_| !may_lead_away);
    let elsewhere = location.filter(|location| !leads_to(location, &endpoint.host));
    match (head.status, elsewhere) {
        (407, _) => Err(Trouble::ProxyRefused(407)),
        (511, _) => Err(Trouble::Portal("511, sign-in to the network".to_owned())),
        (status @ 300..400, Some(location)) => {
            Err(Trouble::Portal(shortened(&format!("{status} to {location}"))))
        }
        (status, _) if head.of_a_proxy => Err(Trouble::Portal(format!("a proxy answers {status}"))),
        // On its own host it may send where it likes.
        (300..400, None) => Ok(()),
        (status, _) if endpoint.kind.accepts(status) => Ok(()),
        (status, _) => Err(Trouble::Http(status)),
    }
}

/// Whether a redirection stays with the host.
fn leads_to(location: &str, host: &str) -> bool {
    let Some((_, rest)) = location.split_once("://") else { return true };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
    name.eq_ignore_ascii_case(host)
}

/// Reads the head of an answer.
pub(super) async fn head(stream: &mut Dialled) -> Result<Head, Trouble> {
    let mut read = Vec::new();
    let mut byte = [0_u8; 1];
    // Byte by byte: behind the head of a tunnel comes what belongs to somebody else.
    while !read.ends_with(b"\r\n\r\n") && read.len() < LONGEST {
        match stream.read(&mut byte).await {
            Ok(0) if read.is_empty() => return Err(Trouble::Reset),
            Ok(0) => break,
            Ok(_) => read.extend(byte),
            Err(error) => return Err(trouble(&error)),
        }
    }
    parse(&String::from_utf8_lossy(&read)).ok_or_else(|| Trouble::Other("the answer is not HTTP".to_owned()))
}

fn parse(text: &str) -> Option<Head> {
    let mut lines = text.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let mut head = Head { status, location: None, of_a_proxy: false };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        match name.to_ascii_lowercase().as_str() {
            "location" => head.location = Some(value.trim().to_owned()),
            "proxy-authenticate" | "x-squid-error" | "proxy-connection" => head.of_a_proxy = true,
            _ => {}
        }
    }
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str, kind: EndpointKind) -> Result<(), Trouble> {
        let host = "vault.example".to_owned();
        let endpoint =
            Endpoint { kind, host, port: 443, tls: true, path: "/".into(), authorities: None, needed: true };
        judged(&parse(answer).unwrap(), &endpoint)
    }

    #[test]
    fn who_answers_is_known_by_the_head_of_the_answer() {
        let vault = EndpointKind::Vault;
        let portal = |what: &str| Err(Trouble::Portal(what.to_owned()));

        assert_eq!(of("HTTP/1.1 401 Unauthorized\r\n\r\n", vault), Ok(()));
        assert_eq!(of("HTTP/1.1 403 Forbidden\r\n\r\n", EndpointKind::Store), Ok(()));
        assert_eq!(of("HTTP/1.1 302 Found\r\nLocation: /here\r\n\r\n", vault), Ok(()));
        assert_eq!(of("HTTP/1.1 302 Found\r\nlocation: https://vault.example:8/x\r\n\r\n", vault), Ok(()));
        assert_eq!(
            of("HTTP/1.1 302 Found\r\nLocation: http://login.hotel/x\r\n\r\n", vault),
            portal("302 to http://login.hotel/x")
        );
        let rule = EndpointKind::HostRule;
        assert_eq!(of("HTTP/1.1 301 M\r\nLocation: https://about.example/\r\n\r\n", rule), Ok(()));
        assert_eq!(of("HTTP/1.1 511 N\r\n\r\n", rule), portal("511, sign-in to the network"));
        assert_eq!(of("HTTP/1.1 511 N\r\n\r\n", vault), portal("511, sign-in to the network"));
        assert_eq!(
            of("HTTP/1.1 403 F\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n", vault),
            portal("a proxy answers 403")
        );
        assert_eq!(of("HTTP/1.0 407 P\r\n\r\n", vault), Err(Trouble::ProxyRefused(407)));
        assert_eq!(of("HTTP/1.1 503 S\r\n\r\n", vault), Err(Trouble::Http(503)));
        assert_eq!(of("HTTP/1.1 404 N\r\n\r\n", EndpointKind::Registry), Err(Trouble::Http(404)));
        assert_eq!(parse("SSH-2.0-OpenSSH"), None);
    }
}
