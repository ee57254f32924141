//! Key files: the master key, sealed with a key that scrypt derives from a password.

use crate::{FormatError, MasterKey, Nonce, limits};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const WHAT: &str = "a key file";

/// The cost of deriving a key from a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScryptParams {
    /// Cost `N`, a power of two.
    pub n: u64,
    /// Block size.
    pub r: u32,
    /// Parallelism.
    pub p: u32,
}

impl ScryptParams {
    /// What new repositories use: 32 MiB and about 0.3 s on one core.
    pub const DEFAULT: Self = Self { n: 1 << 15, r: 8, p: 3 };
}

/// Who made a key; shown to people, never trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyOwner {
    /// Name of the machine.
    pub hostname: String,
    /// Name of the user.
    pub username: String,
}

/// The content of a file under `keys/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// When the key was added.
    #[serde(with = "crate::time")]
    pub created: Timestamp,
    #[serde(default)]
    username: String,
    #[serde(default)]
    hostname: String,
    kdf: String,
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
    salt: String,
    data: String,
}

impl KeyFile {
    /// Seals `master` under `password`.
    pub fn create(
        master: &MasterKey,
        password: &[u8],
        params: ScryptParams,
        owner: KeyOwner,
        created: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, FormatError> {
        let mut salt = [0; 64];
        rng.fill_bytes(&mut salt);
        let mut sealed = Vec::new();
        derive(password, &salt, params)?.seal(Nonce::random(rng), &master.to_json()?, &mut sealed);
        Ok(Self {
            created,
            username: owner.username,
            hostname: owner.hostname,
            kdf: "scrypt".to_owned(),
            n: params.n,
            r: params.r,
            p: params.p,
            salt: BASE64_STANDARD.encode(salt),
            data: BASE64_STANDARD.encode(sealed),
        })
    }

    /// The master key. Takes as long as scrypt's parameters say; a wrong password is
    /// [`FormatError::WrongPassword`].
    pub fn open(&self, password: &[u8]) -> Result<MasterKey, FormatError> {
        if self.kdf != "scrypt" {
            let found = format!("key derivation {:?}", self.kdf);
            return Err(FormatError::Unsupported { what: WHAT, found });
        }
        let salt = decode_base64(&self.salt)?;
        let sealed = decode_base64(&self.data)?;
        let params = ScryptParams { n: self.n, r: self.r, p: self.p };
        let derived = derive(password, &salt, params)?;
        match derived.open(&sealed, WHAT) {
            Ok(json) => MasterKey::from_json(&Zeroizing::new(json)),
            Err(FormatError::Authentication { .. }) => Err(FormatError::WrongPassword),
            Err(other) => Err(other),
        }
    }

    /// The work that [`KeyFile::open`] takes, as `N·r·p`.
    pub fn cost(&self) -> u64 {
        self.n.saturating_mul(self.r.into()).saturating_mul(self.p.into())
    }

    /// The stored bytes of the file.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        crate::gojson::to_vec(self).map_err(|source| FormatError::Json { what: WHAT, source })
    }

    /// The key file from its stored bytes.
    pub fn decode(stored: &[u8]) -> Result<Self, FormatError> {
        if stored.len() > limits::KEY_FILE {
            return Err(FormatError::too_large(WHAT, stored.len(), limits::KEY_FILE));
        }
        let file: Self =
            serde_json::from_slice(stored).map_err(|source| FormatError::Json { what: WHAT, source })?;
        check(ScryptParams { n: file.n, r: file.r, p: file.p })?;
        Ok(file)
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>, FormatError> {
    BASE64_STANDARD.decode(text).map_err(|_| FormatError::inconsistent(WHAT, "a part of it is not base64"))
}

/// The logarithm of `N`, when the parameters are valid and within the limits.
fn check(params: ScryptParams) -> Result<u8, FormatError> {
    let ScryptParams { n, r, p } = params;
    if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
        return Err(FormatError::inconsistent(WHAT, format!("scrypt cannot use N={n}, r={r}, p={p}")));
    }
    let over = |length, limit| FormatError::TooLarge { what: "the scrypt cost of a key file", length, limit };
    if n > limits::SCRYPT_N {
        return Err(over(n, limits::SCRYPT_N));
    }
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    if memory > limits::SCRYPT_MEMORY {
        return Err(over(memory, limits::SCRYPT_MEMORY));
    }
    let work = n.saturating_mul(u64::from(r)).saturating_mul(u64::from(p));
    if work > limits::SCRYPT_WORK {
        return Err(over(work, limits::SCRYPT_WORK));
    }
    Ok(n.ilog2() as u8)
}

fn derive(password: &[u8], salt: &[u8], params: ScryptParams) -> Result<MasterKey, FormatError> {
    let log_n = check(params)?;
    let invalid = |detail: String| FormatError::inconsistent(WHAT, detail);
    let params =
        scrypt::Params::new(log_n, params.r, params.p).map_err(|error| invalid(error.to_string()))?;
    let mut bytes = Zeroizing::new([0; 64]);
    scrypt::scrypt(password, salt, &params, bytes.as_mut()).map_err(|error| invalid(error.to_string()))?;
    Ok(MasterKey::from_derived(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: ScryptParams = ScryptParams { n: 16, r: 8, p: 1 };

    fn key_file(password: &[u8]) -> (MasterKey, KeyFile) {
        let master = MasterKey::random(&mut rand::rng());
        let created = "2026-01-02T03:04:05Z".parse().unwrap();
        let owner = KeyOwner::default();
        let file = KeyFile::create(&master, password, FAST, owner, created, &mut rand::rng()).unwrap();
        (master, file)
    }

    #[test]
    fn the_password_opens_the_key_and_another_does_not() {
        let (master, file) = key_file(b"secret");

        let file = KeyFile::decode(&file.encode().unwrap()).unwrap();

        assert_eq!(file.open(b"secret").unwrap().to_json().unwrap(), master.to_json().unwrap());
        assert!(matches!(file.open(b"Secret"), Err(FormatError::WrongPassword)));
    }

    #[test]
    fn costs_that_would_exhaust_the_machine_are_refused() {
        let (_, file) = key_file(b"secret");
        for (n, r, p) in
            [(1 << 40, 8, 1), (1 << 20, 1 << 20, 1), (2, 1, u32::MAX), (3, 8, 1), (0, 8, 1), (16, 0, 1)]
        {
            let greedy = KeyFile { n, r, p, ..file.clone() };

            let refused = KeyFile::decode(&greedy.encode().unwrap());

            assert!(refused.is_err(), "N={n} r={r} p={p}");
            assert!(greedy.open(b"secret").is_err(), "N={n} r={r} p={p}");
        }
    }
}
