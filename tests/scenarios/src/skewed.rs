//! A fault injector: a store whose clock is an hour away, so that it refuses the time of every request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

/// The machine's own address on the testbed's bridge.
const HOST: &str = "10.213.0.2";
const ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>"#;

/// Starts the store; it runs until the test ends.
pub fn skewed_store() -> SocketAddr {
    let listener = TcpListener::bind((HOST, 0)).expect("the testbed's bridge has this machine's address");
    let address = listener.local_addr().expect("a bound address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0_u8; 16 * 1024];
            let answer = format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{ANSWER}",
                ANSWER.len()
            );
            // A client that goes away is none of this store's business.
            drop(stream.read(&mut request).and_then(|_| stream.write_all(answer.as_bytes())));
        }
    });
    address
}
