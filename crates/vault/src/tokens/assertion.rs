//! Tokens that others signed: with which key, by which algorithm, for whom. What counts is decided by whoever asks.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde_json::Value;

/// The longest token that is looked at, in bytes.
pub const LONGEST: usize = 16 * 1024;
/// Keys of one issuer that are looked at.
const MOST_KEYS: usize = 50;
/// How far the clocks of two machines may differ, in seconds.
const LEEWAY: i64 = 60;
/// Bytes of the modulus of the shortest RSA key.
const SHORTEST_MODULUS: usize = 256;
/// Public keys alone: with a shared secret whoever verifies could sign.
const ALLOWED: [(&str, Algorithm); 8] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
];

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Who issued it.
    pub issuer: String,
    /// For whom.
    pub subject: String,
    /// What it is good for.
    pub audiences: Vec<String>,
    expires_at: i64,
    not_before: i64,
}

/// Why a token cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// It is no token, lacks a claim, or is too long.
    #[error("the token cannot be read")]
    Malformed,
    /// It is signed by an algorithm that is not allowed, or not at all.
    #[error("the algorithm '{0}' is not allowed")]
    Algorithm(String),
    /// No known key signed it.
    #[error("no known key of the issuer signed it")]
    Signature,
    /// It is too late or too early.
    #[error("it holds from {0} to {1} alone")]
    Time(Timestamp, Timestamp),
}

/// A token whose signature was not looked at yet. What it says is a claim of whoever sent it.
#[derive(Debug)]
pub struct Unproved<'t> {
    token: &'t str,
    algorithm: Algorithm,
    /// Name of the key, as the token says.
    pub key: Option<String>,
    said: Assertion,
}

/// Reads a token.
pub fn read(token: &str) -> Result<Unproved<'_>, AssertionError> {
    let malformed = || AssertionError::Malformed;
    if token.len() > LONGEST {
        return Err(malformed());
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    let json = |part: &str| -> Result<Value, AssertionError> {
        let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())?;
        serde_json::from_slice(&bytes).map_err(|_| malformed())
    };
    let (header, claims) = (json(header)?, json(claims)?);
    let name = header.get("alg").and_then(Value::as_str).ok_or_else(malformed)?;
    let algorithm = ALLOWED.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
    let algorithm = algorithm.ok_or_else(|| AssertionError::Algorithm(name.chars().take(20).collect()))?;
    // Extensions that must be understood are none that we understand.
    if header.get("crit").is_some() {
        return Err(malformed());
    }
    let key = header.get("kid").and_then(Value::as_str).map(str::to_owned);
    Ok(Unproved { token, algorithm, key, said: said(&claims).ok_or_else(malformed)? })
}

fn said(claims: &Value) -> Option<Assertion> {
    let text = |name: &str| claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let second = |name: &str| {
        let value = claims.get(name)?;
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    };
    let audiences = match claims.get("aud")? {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        _ => return None,
    };
    let not_before = match claims.get("nbf") {
        Some(_) => second("nbf")?,
        None => i64::MIN,
    };
    Some(Assertion {
        issuer: text("iss")?,
        subject: text("sub")?,
        audiences,
        expires_at: second("exp")?,
        not_before,
    })
}

impl Unproved<'_> {
    /// The issuer, as the token says.
    pub fn issuer(&self) -> &str {
        &self.said.issuer
    }

    /// What it says, if one of these keys signed it.
    pub fn signed_by(&self, keys: &[Jwk]) -> Result<Assertion, AssertionError> {
        let mut validation = Validation::new(self.algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let signed = keys.iter().filter(|key| self.fits(key)).any(|key| {
            DecodingKey::from_jwk(key)
                .is_ok_and(|key| jsonwebtoken::decode::<Value>(self.token, &key, &validation).is_ok())
        });
        if signed { Ok(self.said.clone()) } else { Err(AssertionError::Signature) }
    }

    /// A key that says what it is for is used for nothing else.
    fn fits(&self, key: &Jwk) -> bool {
        let named = self.key.is_none() || key.common.key_id == self.key;
        let signs = key.common.public_key_use.as_ref().is_none_or(|is| *is == PublicKeyUse::Signature);
        let by = key.common.key_algorithm.is_none_or(|is| {
            ALLOWED.iter().any(|(name, algorithm)| *algorithm == self.algorithm && is.to_string() == *name)
        });
        let strong = match &key.algorithm {
            AlgorithmParameters::RSA(parts) => {
                URL_SAFE_NO_PAD.decode(&parts.n).is_ok_and(|modulus| modulus.len() >= SHORTEST_MODULUS)
            }
            AlgorithmParameters::EllipticCurve(_) => true,
            _ => false,
        };
        named && signs && by && strong
    }
}

impl Assertion {
    /// Whether it holds now.
    pub fn check_time(&self, now: Timestamp) -> Result<(), AssertionError> {
        let now = now.as_second();
        if now < self.expires_at.saturating_add(LEEWAY) && now >= self.not_before.saturating_sub(LEEWAY) {
            return Ok(());
        }
        let at = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        Err(AssertionError::Time(at(self.not_before), at(self.expires_at)))
    }
}

/// The keys of a key set that can be used; others are left out.
pub fn keys(set: &Value) -> Vec<Jwk> {
    let all = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value(key.clone()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::SigningKey;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    struct World {
        signs: EncodingKey,
        keys: Vec<Jwk>,
        kid: String,
    }

    fn world() -> World {
        let pem = SigningKey::make().unwrap();
        let key = SigningKey::from_pem(pem.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        let signs = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        World { signs, keys: keys(&json!({"keys": [key.public(), {"kty": "strange"}]})), kid: key.id }
    }

    fn claims() -> Value {
        json!({"iss": "https://i", "sub": "s", "aud": ["a", "b"], "exp": NOW + 600, "nbf": NOW})
    }

    impl World {
        fn token(&self, algorithm: Algorithm, claims: &Value) -> String {
            let header = Header { kid: Some(self.kid.clone()), ..Header::new(algorithm) };
            jsonwebtoken::encode(&header, claims, &self.signs).unwrap()
        }
    }

    #[test]
    fn a_token_that_a_known_key_signed_says_what_it_says() {
        let world = world();

        for algorithm in [Algorithm::RS256, Algorithm::RS512, Algorithm::PS256] {
            let token = world.token(algorithm, &claims());
            let read = read(&token).unwrap();
            // A key set that says RS256 is used for RS256 alone.
            let said = read.signed_by(&world.keys);
            assert_eq!(said.is_ok(), algorithm == Algorithm::RS256, "{algorithm:?}");
        }
        let said = read(&world.token(Algorithm::RS256, &claims())).unwrap().signed_by(&world.keys).unwrap();
        assert_eq!((said.issuer.as_str(), said.subject.as_str()), ("https://i", "s"));
        assert_eq!(said.audiences, ["a", "b"]);
    }

    #[test]
    fn what_nobody_or_someone_else_signed_is_refused() {
        let (world, stranger) = (world(), self::world());
        let good = world.token(Algorithm::RS256, &claims());
        let parts: Vec<&str> = good.split('.').collect();
        let header = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());
        let with = |head: Value| format!("{}.{}.{}", header(head), parts[1], parts[2]);
        let hmac = {
            let key = EncodingKey::from_secret(b"public key as a secret");
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap()
        };

        for unread in
            ["", "x", "a.b", "a.b.c", &good.replace('.', "_"), &format!("{good}.x"), &"x".repeat(LONGEST + 1)]
        {
            assert_eq!(read(unread).unwrap_err(), AssertionError::Malformed, "{unread}");
        }
        assert_eq!(
            read(&with(json!({"alg": "none"}))).unwrap_err(),
            AssertionError::Algorithm("none".into())
        );
        assert_eq!(read(&hmac).unwrap_err(), AssertionError::Algorithm("HS256".into()));
        assert_eq!(
            read(&with(json!({"alg": "RS256", "crit": ["x"]}))).unwrap_err(),
            AssertionError::Malformed
        );
        let unsigned = [
            format!("{}.{}.", parts[0], parts[1]),
            format!(
                "{}.{}.{}",
                parts[0],
                URL_SAFE_NO_PAD.encode(claims().to_string().replace("\"s\"", "\"x\"")),
                parts[2]
            ),
            with(json!({"alg": "RS256", "kid": "other"})),
            with(json!({"alg": "ES256", "kid": world.kid})),
        ];
        for token in unsigned {
            assert_eq!(
                read(&token).unwrap().signed_by(&world.keys),
                Err(AssertionError::Signature),
                "{token}"
            );
        }
        assert_eq!(read(&good).unwrap().signed_by(&stranger.keys), Err(AssertionError::Signature));
        assert_eq!(read(&good).unwrap().signed_by(&[]), Err(AssertionError::Signature));
    }

    #[test]
    fn claims_that_are_missing_or_of_another_kind_are_refused() {
        let world = world();

        for (name, wrong) in [
            ("iss", json!(null)),
            ("iss", json!("")),
            ("sub", json!(5)),
            ("aud", json!({})),
            ("aud", json!([1])),
            ("exp", json!("soon")),
            ("nbf", json!("now")),
        ] {
            let mut claims = claims();
            claims[name] = wrong.clone();
            let token = world.token(Algorithm::RS256, &claims);
            assert!(read(&token).is_err(), "{name} {wrong}");
        }
    }

    #[test]
    fn a_token_holds_in_its_time_alone() {
        let world = world();
        let token = world.token(Algorithm::RS256, &claims());
        let said = read(&token).unwrap().signed_by(&world.keys).unwrap();
        let at = |second| said.check_time(Timestamp::from_second(second).unwrap()).is_ok();

        assert_eq!([NOW - 61, NOW - 60, NOW, NOW + 659, NOW + 660].map(at), [false, true, true, true, false]);
    }
}
