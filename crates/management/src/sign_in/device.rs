//! Sign-in of a person on a machine without a browser: a code here, a page there (RFC 8628).

use super::{Endpoints, Issued, refusal};
use crate::{Answer, Error, Transport};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// The client id that command lines use at Azure, and that the vault knows for ours.
pub const DEVICE_CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A code that waits for a person.
#[derive(Debug)]
pub struct DeviceCode {
    code: String,
    interval: Duration,
    left: Duration,
    /// What the person does: open a page and type a code.
    pub message: String,
}

/// What a look at the token endpoint means.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Wait(Duration),
    Over,
}

impl DeviceCode {
    /// Asks for a code.
    pub async fn ask(transport: &Transport, endpoints: &Endpoints, scope: &str) -> Result<Self, Error> {
        let url = endpoints.device.as_deref().ok_or_else(unsupported)?;
        let scope = format!("{scope} offline_access");
        let answer = transport.form(url, &[("client_id", DEVICE_CLIENT), ("scope", &scope)]).await?;
        match answer.status {
            200 => Self::read(url, &answer.body),
            404 | 405 => Err(unsupported()),
            _ => Err(refusal(url, &answer)),
        }
    }

    fn read(url: &str, body: &Value) -> Result<Self, Error> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        let missing =
            |name: &str| Error::Answer { url: url.to_owned(), reason: format!("{name} is missing") };
        let code = text("device_code").ok_or_else(|| missing("device_code"))?.to_owned();
        let message = match (text("message"), text("verification_uri"), text("user_code")) {
            (Some(message), ..) => message.to_owned(),
            (None, Some(page), Some(user)) => format!("Open {page} in a browser and enter the code {user}."),
            _ => return Err(missing("user_code")),
        };
        Ok(Self {
            code,
            message,
            interval: Duration::from_secs(number("interval").unwrap_or(5).clamp(1, 60)),
            left: Duration::from_secs(number("expires_in").unwrap_or(900).min(3600)),
        })
    }

    /// Waits until the person has said yes or no, or the code has ended.
    pub async fn wait(
        mut self,
        transport: &Transport,
        endpoints: &Endpoints,
        now: impl Fn() -> Timestamp,
    ) -> Result<Issued, Error> {
        loop {
            tokio::time::sleep(self.interval).await;
            self.left = self.left.saturating_sub(self.interval);
            let fields = [("grant_type", GRANT), ("client_id", DEVICE_CLIENT), ("device_code", &self.code)];
            let answer = transport.form(&endpoints.token, &fields).await?;
            match look(&answer, self.interval) {
                Look::Wait(_) if self.left.is_zero() => {
                    return Err(Error::SignIn {
                        code: "expired_token".to_owned(),
                        description: "nobody entered the code in time".to_owned(),
                    });
                }
                Look::Wait(interval) => self.interval = interval,
                Look::Over => return Issued::read(&endpoints.token, &answer, now()),
            }
        }
    }
}

fn look(answer: &Answer, interval: Duration) -> Look {
    match answer.body.get("error").and_then(Value::as_str) {
        Some("authorization_pending") => Look::Wait(interval),
        Some("slow_down") => Look::Wait(interval + Duration::from_secs(5)),
        _ => Look::Over,
    }
}

fn unsupported() -> Error {
    Error::SignIn {
        code: "unsupported_grant_type".to_owned(),
        description: "this server has no sign-in with a code; sign in as a service principal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_code_is_asked_about_until_the_person_has_decided() {
        let five = Duration::from_secs(5);
        let table = [
            (json!({"error": "authorization_pending"}), Look::Wait(five)),
            (json!({"error": "slow_down"}), Look::Wait(2 * five)),
            (json!({"error": "access_denied"}), Look::Over),
            (json!({"access_token": "t"}), Look::Over),
        ];

        for (body, expected) in table {
            let answer =
                Answer { status: 400, headers: Default::default(), text: String::new(), body: body.clone() };
            assert_eq!(look(&answer, five), expected, "{body}");
        }
    }

    #[test]
    fn the_person_is_told_what_to_do_whether_or_not_the_server_writes_a_sentence() {
        let body = json!({"device_code": "d", "user_code": "ABC", "verification_uri": "https://v/device"});

        let code = DeviceCode::read("u", &body).unwrap();

        assert_eq!(code.message, "Open https://v/device in a browser and enter the code ABC.");
        assert!(DeviceCode::read("u", &json!({"device_code": "d"})).is_err());
    }
}
