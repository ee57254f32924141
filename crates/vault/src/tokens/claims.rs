//! What a token says, and whether that is enough.

use super::Audience;
use crate::public_url::PublicUrl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far the clocks of two machines may differ, in seconds.
const LEEWAY: i64 = 60;

/// Which of the two token endpoints issued a token; the issuer's name differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `…/oauth2/token`, with `resource`.
    V1,
    /// `…/oauth2/v2.0/token`, with `scope`.
    V2,
}

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// What it is good for, as the client asked.
    pub aud: String,
    /// Who issued it.
    pub iss: String,
    /// When.
    pub iat: i64,
    /// From when it holds.
    pub nbf: i64,
    /// Until when it holds.
    pub exp: i64,
    /// The tenant.
    pub tid: String,
    /// Object id of the principal.
    pub oid: String,
    /// The same.
    pub sub: String,
    /// Id of the client.
    pub appid: String,
    /// `app`, or `user` where a person signed in.
    pub idtyp: String,
    /// Name of the person for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name with which the person signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// What the client may do in the person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scp: Option<String>,
    /// `1.0` or `2.0`.
    pub ver: String,
    /// Unique.
    pub uti: String,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Object id.
    pub object_id: String,
    /// Id of the client, or name of the person; for messages.
    pub client_id: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read, is not signed as it must be, or its signature is wrong.
    #[error("the token is not one that this vault signed")]
    Forged,
    /// Another issuer or tenant.
    #[error("the token was issued by '{0}', not by this vault")]
    Issuer(String),
    /// For something else.
    #[error("the token is for audience '{0}'; ask for a token for the management API of this vault")]
    Audience(String),
    /// Too late.
    #[error("the token expired at {0}; ask for a new one")]
    Expired(Timestamp),
    /// Another time, of a token that others issued.
    #[error("the token cannot be used now: {0}; ask for a new one, and compare the clocks of both machines")]
    Time(String),
    /// Nobody bears it any more.
    #[error("the principal '{0}' of this token was removed")]
    Removed(String),
    /// A trusted issuer issued it for someone who is not registered here.
    #[error(
        "the subject '{subject}' of issuer '{issuer}' is not registered here; register it: cofferdam vault add-external"
    )]
    Stranger {
        /// Who issued it.
        issuer: String,
        /// For whom.
        subject: String,
    },
    /// Too early.
    #[error("the token holds from {0} on; compare the clocks of both machines")]
    Early(Timestamp),
}

impl Flavour {
    /// The issuer's name.
    pub fn issuer(self, public: &PublicUrl, tenant: &str) -> String {
        match self {
            Self::V1 => public.at(&format!("/{tenant}/")),
            Self::V2 => public.at(&format!("/{tenant}/v2.0")),
        }
    }

    /// The version that the token names.
    pub fn version(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }
}

/// Who calls, if what a signed token says is enough for this audience now.
pub fn judge(
    claims: Claims,
    public: &PublicUrl,
    tenant: &str,
    wanted: Audience,
    now: Timestamp,
) -> Result<Caller, TokenError> {
    let ours = [Flavour::V1, Flavour::V2].iter().any(|flavour| flavour.issuer(public, tenant) == claims.iss);
    if !ours || claims.tid != tenant {
        return Err(TokenError::Issuer(claims.iss));
    }
    if Audience::of(&claims.aud, public) != Some(wanted) {
        return Err(TokenError::Audience(claims.aud));
    }
    let at = |second: i64| Timestamp::from_second(second).map_err(|_| TokenError::Forged);
    if now.as_second() >= claims.exp.saturating_add(LEEWAY) {
        return Err(TokenError::Expired(at(claims.exp)?));
    }
    if now.as_second() < claims.nbf.saturating_sub(LEEWAY) {
        return Err(TokenError::Early(at(claims.nbf)?));
    }
    Ok(Caller { object_id: claims.oid, client_id: claims.preferred_username.unwrap_or(claims.appid) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Claims {
        let text = |text: &str| text.to_owned();
        Claims {
            aud: text("https://localhost:8443/"),
            iss: text("https://localhost:8443/t/v2.0"),
            iat: NOW,
            nbf: NOW,
            exp: NOW + 3_600,
            tid: text("t"),
            oid: text("o"),
            sub: text("o"),
            appid: text("a"),
            idtyp: text("app"),
            name: None,
            preferred_username: None,
            scp: None,
            ver: text("2.0"),
            uti: text("u"),
        }
    }

    fn judged(change: impl FnOnce(&mut Claims)) -> Result<Caller, TokenError> {
        let mut claims = claims();
        change(&mut claims);
        let now = Timestamp::from_second(NOW).unwrap();
        judge(claims, &PublicUrl::localhost(8443), "t", Audience::Management, now)
    }

    #[test]
    fn a_token_of_either_endpoint_is_taken() {
        let caller = Caller { object_id: "o".into(), client_id: "a".into() };

        assert_eq!(judged(|_| {}), Ok(caller.clone()));
        assert_eq!(judged(|claims| claims.iss = "https://localhost:8443/t/".into()), Ok(caller));
    }

    #[test]
    fn every_claim_that_is_not_as_it_must_be_is_named() {
        let is = |result: Result<Caller, TokenError>, expected: fn(&TokenError) -> bool| {
            let error = result.unwrap_err();
            assert!(expected(&error), "{error}");
        };

        is(judged(|c| c.iss = "https://evil/t/v2.0".into()), |e| matches!(e, TokenError::Issuer(_)));
        is(judged(|c| c.tid = "other".into()), |e| matches!(e, TokenError::Issuer(_)));
        is(judged(|c| c.aud = "https://storage.azure.com".into()), |e| matches!(e, TokenError::Audience(_)));
        is(judged(|c| c.exp = NOW - 60), |e| matches!(e, TokenError::Expired(_)));
        is(judged(|c| c.nbf = NOW + 61), |e| matches!(e, TokenError::Early(_)));
        is(judged(|c| (c.nbf, c.exp) = (i64::MAX, i64::MAX)), |e| matches!(e, TokenError::Forged));
    }
}
