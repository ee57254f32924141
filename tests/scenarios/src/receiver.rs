//! A receiver of webhooks that takes nothing unsigned: over TLS, on this machine.

use crate::tls::{self, header};
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Where a vault tells its alerts. Its server ends with the test's process.
#[derive(Debug)]
pub struct Receiver {
    settings: PathBuf,
    taken: mpsc::Receiver<Result<String, String>>,
    /// Those about prerequisites, which come whenever the vault looks and not in the order of a story.
    prerequisites: RefCell<Vec<String>>,
    others: RefCell<VecDeque<String>>,
}

impl Receiver {
    /// Listens, and writes below `place` the file that names it to a vault (`--webhooks`).
    pub fn start(place: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine");
        let port = listener.local_addr().expect("its address").port();
        let (tls, certificate) = tls::server("127.0.0.1");
        let files = [("hooks-ca.pem", certificate.as_str()), ("hooks-secret", SECRET)];
        for (name, content) in files {
            std::fs::write(place.join(name), content).expect("a file of the receiver");
        }
        let settings = place.join("webhooks.yaml");
        let text = format!(
            "- name: ops\n  url: https://127.0.0.1:{port}/night\n  secret-file: {}\n  ca: {}\n",
            place.join("hooks-secret").display(),
            place.join("hooks-ca.pem").display()
        );
        std::fs::write(&settings, text).expect("the file of receivers");
        let (sender, taken) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                let answered = tls::answer(stream, tls.clone(), move |head, body| {
                    let taken = take(SECRET, head, body);
                    let status = if taken.is_ok() { "204 No Content" } else { "401 Unauthorized" };
                    // The test may have ended.
                    drop(sender.send(taken));
                    (status, String::new())
                });
                if let Err(error) = answered {
                    eprintln!("the receiver of webhooks: {error}");
                }
            }
        });
        Self { settings, taken, prerequisites: RefCell::default(), others: RefCell::default() }
    }

    /// The file that names it to a vault.
    pub fn settings(&self) -> &Path {
        &self.settings
    }

    /// The next message that is not about prerequisites, as `Sev1 Backup Failure Fired`; panics when one is not signed, or
    /// none comes.
    pub fn next(&self, limit: Duration) -> String {
        let until = Instant::now() + limit;
        loop {
            if let Some(told) = self.others.borrow_mut().pop_front() {
                return told;
            }
            self.take(until, limit);
        }
    }

    /// Waits for a message that a prerequisite does not hold any more (`Fired`), or holds again (`Resolved`), and takes it.
    pub fn prerequisite(&self, id: &str, condition: &str, limit: Duration) {
        let wanted = format!("Sev1 Prerequisite Failure {condition} {id}");
        let until = Instant::now() + limit;
        loop {
            let found = self.prerequisites.borrow().iter().position(|told| *told == wanted);
            if let Some(found) = found {
                self.prerequisites.borrow_mut().remove(found);
                return;
            }
            self.take(until, limit);
        }
    }

    fn take(&self, until: Instant, limit: Duration) {
        match self.taken.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Ok(told)) if told.contains(" Prerequisite Failure ") => {
                self.prerequisites.borrow_mut().push(told)
            }
            Ok(Ok(told)) => self.others.borrow_mut().push_back(told),
            Ok(Err(why)) => panic!("a message that cannot be taken: {why}"),
            Err(RecvTimeoutError::Timeout) => {
                panic!("no such message within {limit:?}; prerequisites: {:?}", self.prerequisites.borrow())
            }
            Err(RecvTimeoutError::Disconnected) => panic!("the receiver has ended"),
        }
    }
}

/// What a message says, when its signature is the one of the secret.
fn take(secret: &str, head: &str, body: &[u8]) -> Result<String, String> {
    let text = |name: &str| header(head, name).ok_or_else(|| format!("{name} is missing: {head}"));
    let (id, time) = (text("webhook-id")?, text("webhook-timestamp")?);
    let key =
        BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).map_err(|error| error.to_string())?;
    let signed = [format!("{id}.{time}.").as_bytes(), body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let is_genuine = text("webhook-signature")?.split(' ').any(|one| {
        let given = one.strip_prefix("v1,").and_then(|one| BASE64_STANDARD.decode(one).ok());
        given.is_some_and(|given| hmac::verify(&key, &signed, &given).is_ok())
    });
    if !is_genuine {
        return Err(format!("its signature is not of the secret: {head}"));
    }
    let message: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let essentials = &message["data"]["essentials"];
    let said = ["severity", "alertRule", "monitorCondition"].map(|name| essentials[name].as_str());
    let said = said.map(|text| text.unwrap_or("?")).join(" ");
    Ok(match message["data"]["alertContext"]["prerequisite"].as_str() {
        Some(id) => format!("{said} {id}"),
        None => said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the reference libraries of Standard Webhooks are tested with.
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn head(signature: &str) -> String {
        format!(
            "POST / HTTP/1.1\r\nWebhook-Id: msg_p5jXN8AQM9LWM0D4loKWxJek\r\nwebhook-timestamp: 1614265330\r\nwebhook-signature: {signature}\r\n\r\n"
        )
    }

    #[test]
    fn only_what_the_secret_signed_is_taken() {
        let genuine = head("v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let forged = head("v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        assert_eq!(take(SECRET, &genuine, BODY), Ok("? ? ?".to_owned()));
        assert!(take(SECRET, &forged, BODY).is_err());
        assert!(take(SECRET, &genuine, br#"{"test": 2432232315}"#).is_err());
    }
}
