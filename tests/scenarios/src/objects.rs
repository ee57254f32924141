//! Objects of the testbed's S3 store, put, read and removed behind the product's back.

use crate::Store;
use std::io::{Read, Write};
use std::net::TcpStream;

/// The emulator routes by it and does not check the signature.
const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

impl Store {
    /// Writes an object.
    pub fn put(&self, key: &str, content: &[u8]) {
        let (status, body) = self.call("PUT", key, content);
        assert!(status < 300, "PUT {key}: {status} {}", String::from_utf8_lossy(&body));
    }

    /// Reads an object.
    pub fn object(&self, key: &str) -> Vec<u8> {
        let (status, body) = self.call("GET", key, b"");
        assert_eq!(status, 200, "GET {key}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Reads an object, if it is there.
    pub fn object_if_there(&self, key: &str) -> Option<Vec<u8>> {
        let (status, body) = self.call("GET", key, b"");
        assert!([200, 404].contains(&status), "GET {key}: {status} {}", String::from_utf8_lossy(&body));
        (status == 200).then_some(body)
    }

    /// Removes an object.
    pub fn remove(&self, key: &str) {
        let (status, body) = self.call("DELETE", key, b"");
        assert!(status < 300, "DELETE {key}: {status} {}", String::from_utf8_lossy(&body));
    }

    /// The names of all objects that begin with `prefix`; a bucket that does not exist has none.
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let (_, body) = self.call("GET", &format!("?list-type=2&prefix={prefix}"), b"");
        let text = String::from_utf8_lossy(&body).into_owned();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next());
        keys.map(str::to_owned).collect()
    }

    fn call(&self, method: &str, key: &str, content: &[u8]) -> (u16, Vec<u8>) {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("{host}: {error}"));
        let head = format!(
            "{method} /{}/{key} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {AUTHORIZATION}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.bucket,
            content.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(content))
            .expect("the request is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the answer is read");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
        let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, answer[end + 4..].to_vec())
    }
}
