//! A vault whose log nobody reads any more: it goes on, and ends when it is told to.

mod served;

use served::Served;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// One request without TLS: the vault logs that it could not be understood.
fn knock(url: &str) {
    let address = url.trim_start_matches("https://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    drop(stream.write_all(b"GET / HTTP/1.1\r\n\r\n"));
    drop(stream.read(&mut [0; 64]));
}

#[test]
fn a_vault_whose_collector_of_logs_has_gone_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let (served, lines) = Served::start_told(&folder.path().join("vault"), &["--log", "debug"]);

    drop(lines);
    for _ in 0..20 {
        knock(&served.url);
    }

    assert_eq!(served.stop(), 0);
}
