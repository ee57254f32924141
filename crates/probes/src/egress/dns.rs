//! Looks names up as every program does, and when that fails asks the name servers itself why: the system's resolver
//! does not tell a name that does not exist from a server that is silent in a way that can be relied upon.

use super::shortened;
use prerequisites::Trouble;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{net::UdpSocket, time::timeout};

const RESOLV_CONF: &str = "/etc/resolv.conf";
const PORT: u16 = 53;

/// The addresses of a name, or why there are none.
pub(super) async fn look_up(host: &str, port: u16, limit: Duration) -> Result<Vec<IpAddr>, Trouble> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let said = match timeout(limit, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            "no address".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", limit.as_secs_f32()),
    };
    let servers = servers(&tokio::fs::read_to_string(RESOLV_CONF).await.unwrap_or_default());
    Err(why(host, &servers, limit).await.unwrap_or_else(|| Trouble::NoNameService(shortened(&said))))
}

/// The name servers of a `resolv.conf`.
fn servers(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    addresses
        .filter_map(|rest| rest.trim().parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, PORT))
        .collect()
}

/// What the first name server says of the name. Nothing when it gives an answer after all.
async fn why(host: &str, servers: &[SocketAddr], limit: Duration) -> Option<Trouble> {
    let Some(server) = servers.first() else {
        return Some(Trouble::NoNameService("no name server is configured".to_owned()));
    };
    let silent = |what: &str| Some(Trouble::NoNameService(format!("{} {what}", server.ip())));
    match timeout(limit, ask(host, *server)).await {
        Err(_) => silent("says nothing"),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => silent("refuses"),
        Ok(Err(error)) => silent(&shortened(&error.to_string())),
        // No such name, or none with an address.
        Ok(Ok((3, _) | (0, 0))) => Some(Trouble::NameNotKnown),
        Ok(Ok((0, _))) => None,
        Ok(Ok((2, _))) => silent("answers SERVFAIL"),
        Ok(Ok((5, _))) => silent("answers REFUSED"),
        Ok(Ok((code, _))) => silent(&format!("answers with code {code}")),
    }
}

/// Asks for the IPv4 address of a name; the response's code and number of answers.
async fn ask(host: &str, server: SocketAddr) -> std::io::Result<(u8, u16)> {
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    let question = question(host);
    socket.send(&question).await?;
    let mut answer = [0_u8; 1500];
    loop {
        let read = socket.recv(&mut answer).await?;
        if let Some(said) = answer.get(..read).and_then(|answer| read_answer(&question, answer)) {
            return Ok(said);
        }
    }
}

/// Not a secret: the socket is connected, and nothing is believed but that there is no answer.
const ID: [u8; 2] = [0x43, 0x46];

fn question(host: &str) -> Vec<u8> {
    let mut bytes = ID.to_vec();
    // Recursion desired, one question.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in host.trim_end_matches('.').split('.') {
        let label: Vec<u8> = label.bytes().take(63).collect();
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend(label);
    }
    // The root, type A, class IN.
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// Code and number of answers of a response to this question.
fn read_answer(question: &[u8], answer: &[u8]) -> Option<(u8, u16)> {
    let header: [u8; 12] = answer.get(..12)?.try_into().ok()?;
    let [first, second, flags, code, _, _, high, low, ..] = header;
    let is_response = [first, second] == ID && flags & 0x80 != 0 && question.starts_with(&ID);
    is_response.then_some((code & 0x0f, u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_from_the_file() {
        let text = "# c\nsearch a.svc\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n";

        let found = servers(text);

        assert_eq!(found, ["10.96.0.10:53".parse().unwrap(), "[fd00::a]:53".parse().unwrap()]);
    }

    /// A name server that answers every question with this code and no address.
    async fn server(code: Option<u8>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut bytes = [0_u8; 512];
            while let Ok((read, from)) = socket.recv_from(&mut bytes).await {
                let Some(code) = code else { continue };
                let mut answer = bytes[..read].to_vec();
                answer[2] |= 0x80;
                answer[3] = code;
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_name_that_is_not_known_and_a_server_that_is_silent_are_told_apart() {
        let limit = Duration::from_millis(400);
        let of = async |code| {
            let server = server(code).await;
            why("store.example", &[server], limit).await
        };

        assert_eq!(of(Some(3)).await, Some(Trouble::NameNotKnown));
        assert_eq!(of(Some(0)).await, Some(Trouble::NameNotKnown), "no address");
        let [failed, refused, silent] = [of(Some(2)).await, of(Some(5)).await, of(None).await];
        for (found, words) in [(failed, "SERVFAIL"), (refused, "REFUSED"), (silent, "says nothing")] {
            assert!(matches!(&found, Some(Trouble::NoNameService(why)) if why.contains(words)), "{found:?}");
        }
        let none = why("store.example", &[], limit).await;
        assert!(matches!(none, Some(Trouble::NoNameService(why)) if why.contains("configured")));
    }
}
