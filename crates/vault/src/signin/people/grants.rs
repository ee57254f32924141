//! What is kept between the steps of a sign-in. Secrets are kept as hashes, each under the name of what it is, so that a
//! code can never be used as a refresh token.

use super::scopes::Scopes;
use crate::store::{Change, Expected, OAuthGrant, Store, StoreError, Stores};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Without vowels, so that no code is a word, and without what can be mistaken.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LENGTH: usize = 8;

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a client without a browser polls with.
    Device,
    /// What the person types.
    User,
    /// What a browser brings back.
    Code,
    /// What a client refreshes with.
    Refresh,
}

/// How far a person is with a device code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Progress {
    /// Nobody entered the code yet.
    Waiting,
    /// Someone signed in.
    Approved,
    /// Someone declined.
    Declined,
    /// The client has its token.
    Redeemed,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Granted {
    /// A device code.
    #[serde(rename_all = "camelCase")]
    Device {
        /// Which client.
        client: String,
        /// What for.
        scopes: Scopes,
        /// How far.
        progress: Progress,
        /// Seconds between two polls.
        interval: i64,
        /// The last poll.
        polled_at: Option<Timestamp>,
    },
    /// A user code.
    #[serde(rename_all = "camelCase")]
    User {
        /// The id of its device code.
        device: String,
    },
    /// An authorization code.
    #[serde(rename_all = "camelCase")]
    Code {
        /// Which client.
        client: String,
        /// What for.
        scopes: Scopes,
        /// Where the browser was sent.
        redirect: String,
        /// The hash of what the client must show.
        challenge: String,
        /// Goes into the id token.
        nonce: Option<String>,
        /// It was redeemed.
        used: bool,
    },
    /// A refresh token.
    #[serde(rename_all = "camelCase")]
    Refresh {
        /// Which client.
        client: String,
        /// What for, unless the client asks for something else.
        scopes: Scopes,
        /// When the person signed in.
        signed_in_at: Timestamp,
        /// When it was replaced.
        used_at: Option<Timestamp>,
    },
}

/// A grant as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What the store keeps.
    pub record: OAuthGrant,
    /// What it means.
    pub granted: Granted,
}

/// 256 random bits.
pub fn secret() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::rng().fill_bytes(bytes.as_mut());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// A code that a person can type.
pub fn user_code() -> String {
    let mut code = String::new();
    let mut rng = rand::rng();
    while code.len() < CODE_LENGTH {
        let mut byte = [0_u8];
        rng.fill_bytes(&mut byte);
        // 240 is a multiple of 20: no letter is likelier than another.
        if let (Some(letter), true) = (LETTERS.get(usize::from(byte[0] % 20)), byte[0] < 240) {
            code.push(char::from(*letter));
        }
    }
    code
}

/// The same for all ways to write a code.
pub fn normal(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).take(64).collect()
}

/// Under which a secret is kept.
pub fn id_of(kind: Kind, secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(match kind {
        Kind::Device => "device code ",
        Kind::User => "user code ",
        Kind::Code => "authorization code ",
        Kind::Refresh => "refresh token ",
    });
    hash.update(secret);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A grant that is there and has not ended.
pub async fn find(store: &dyn Store, id: &str, now: Timestamp) -> Stores<Option<Found>> {
    let Some(record) = store.oauth_grant(id).await?.filter(|one| one.expires_at > now) else {
        return Ok(None);
    };
    match serde_json::from_value(record.document.clone()) {
        Ok(granted) => Ok(Some(Found { record, granted })),
        Err(error) => Err(StoreError::Damaged(format!("a grant: {error}"))),
    }
}

/// The change that makes a grant.
pub fn made(
    id: String,
    family: &str,
    principal: Option<&str>,
    granted: &Granted,
    (now, seconds): (Timestamp, i64),
) -> Stores<Change> {
    let document = serde_json::to_value(granted).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let expires_at = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
    let (family, principal) = (family.to_owned(), principal.map(str::to_owned));
    Ok(Change::PutGrant(
        OAuthGrant { id, family, principal, document, expires_at, version: 1 },
        Expected::Absent,
    ))
}

impl Found {
    /// The change that writes it back as something else, if nobody else has written it.
    pub fn becomes(&self, granted: &Granted, principal: Option<&str>) -> Stores<Change> {
        let document =
            serde_json::to_value(granted).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let principal = principal.map(str::to_owned).or_else(|| self.record.principal.clone());
        let record = OAuthGrant { document, principal, ..self.record.clone() };
        Ok(Change::PutGrant(record, Expected::Version(self.record.version)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_typed_in_any_way_and_are_of_one_kind() {
        let code = user_code();
        let typed = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);

        assert_eq!(normal(&typed), code);
        assert!(code.len() == 8 && code.bytes().all(|byte| LETTERS.contains(&byte)));
        let kinds = [Kind::Device, Kind::User, Kind::Code, Kind::Refresh].map(|kind| id_of(kind, "x"));
        assert!(kinds.iter().enumerate().all(|(at, id)| !kinds[at + 1..].contains(id)));
        assert_ne!(*secret(), *secret());
    }
}
