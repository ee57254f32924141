//! Signs messages as Standard Webhooks says: HMAC-SHA256 over id, time and body, so that a receiver can refuse what is not
//! from here, and what was sent before.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// Bytes that a secret has at least.
const SHORTEST: usize = 24;
const PREFIX: &str = "whsec_";

/// The keys with which a message is signed: a new one beside the old one while receivers change over.
#[derive(Debug)]
pub struct Keys(Vec<hmac::Key>);

/// One key on each line: `whsec_` and base64, or any text.
pub fn keys(text: &str) -> Result<Keys, String> {
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let bytes = match line.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD
                .decode(encoded)
                .map(Zeroizing::new)
                .map_err(|_| format!("has a secret that begins with {PREFIX} and is not base64 behind it"))?,
            None => Zeroizing::new(line.as_bytes().to_vec()),
        };
        if bytes.len() < SHORTEST {
            return Err(format!(
                "has a secret of {} bytes; at least {SHORTEST} are needed. Make one: openssl rand -base64 32",
                bytes.len()
            ));
        }
        keys.push(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
    }
    if keys.is_empty() { Err("has an empty secret".to_owned()) } else { Ok(Keys(keys)) }
}

/// The header `webhook-signature`: one signature for each key.
pub fn signature(keys: &Keys, id: &str, seconds: i64, body: &str) -> String {
    let signed = format!("{id}.{seconds}.{body}");
    let one = |key| format!("v1,{}", STANDARD.encode(hmac::sign(key, signed.as_bytes())));
    keys.0.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the reference libraries of Standard Webhooks are tested with.
    #[test]
    fn a_signature_is_the_one_of_the_convention() {
        let keys = keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();

        let made = signature(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);

        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_a_secret_is_exchanged_both_sign() {
        let (old, new) = ("o".repeat(24), "n".repeat(24));

        let both = signature(&keys(&format!("{new}\n{old}\n")).unwrap(), "m", 1, "{}");

        let alone = |secret: &str| signature(&keys(secret).unwrap(), "m", 1, "{}");
        assert_eq!(both, format!("{} {}", alone(&new), alone(&old)));
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_and_not_told() {
        for (secret, reason) in
            [("", "empty"), ("hunter2hunter2", "14 bytes"), ("whsec_!", "base64"), ("whsec_aGk=", "2 bytes")]
        {
            let error = keys(secret).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter"), "{error}");
        }
    }
}
