//! Sealing and opening: AES-256-CTR with Poly1305-AES over the ciphertext.

use crate::FormatError;
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use base64::{Engine, prelude::BASE64_STANDARD};
use ctr::Ctr128BE;
use poly1305::Poly1305;
use poly1305::universal_hash::UniversalHash;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a nonce, at the front of everything sealed.
pub const NONCE_LENGTH: usize = 16;
/// Bytes of a tag, at the end of everything sealed.
pub const TAG_LENGTH: usize = 16;
/// How much longer sealed bytes are than plain ones.
pub const OVERHEAD: usize = NONCE_LENGTH + TAG_LENGTH;

/// A number used once per key. The only way to make one is from randomness.
#[derive(Debug, Clone, Copy)]
pub struct Nonce([u8; NONCE_LENGTH]);

impl Nonce {
    /// A fresh nonce.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; NONCE_LENGTH];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// The key that seals everything in one repository (and, derived from a password, the master key itself).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    encrypt: [u8; 32],
    mac_k: [u8; 16],
    mac_r: [u8; 16],
}

impl MasterKey {
    /// A fresh key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self { encrypt: [0; 32], mac_k: [0; 16], mac_r: [0; 16] };
        rng.fill_bytes(&mut key.encrypt);
        rng.fill_bytes(&mut key.mac_k);
        rng.fill_bytes(&mut key.mac_r);
        clamp(&mut key.mac_r);
        key
    }

    /// A key from the 64 bytes that scrypt yields: 32 for encryption, 16 for `k`, 16 for `r`.
    pub(crate) fn from_derived(bytes: &[u8; 64]) -> Self {
        let mut key = Self { encrypt: [0; 32], mac_k: [0; 16], mac_r: [0; 16] };
        let (encrypt, mac) = bytes.split_at(32);
        let (mac_k, mac_r) = mac.split_at(16);
        key.encrypt.copy_from_slice(encrypt);
        key.mac_k.copy_from_slice(mac_k);
        key.mac_r.copy_from_slice(mac_r);
        key
    }

    /// Appends `plain`, sealed, to `out`.
    pub fn seal(&self, nonce: Nonce, plain: &[u8], out: &mut Vec<u8>) {
        out.reserve(plain.len() + OVERHEAD);
        out.extend_from_slice(&nonce.0);
        let start = out.len();
        out.extend_from_slice(plain);
        if let Some(text) = out.get_mut(start..) {
            Ctr128BE::<Aes256>::new(&self.encrypt.into(), &nonce.0.into()).apply_keystream(text);
        }
        let tag = self.tag(&nonce.0, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&tag);
    }

    /// The plain bytes of `sealed`. `what` names the piece in errors.
    pub fn open(&self, sealed: &[u8], what: &'static str) -> Result<Vec<u8>, FormatError> {
        let truncated = FormatError::Truncated { what, length: sealed.len(), least: OVERHEAD };
        let Some((nonce, rest)) = sealed.split_first_chunk::<NONCE_LENGTH>() else { return Err(truncated) };
        let Some((text, tag)) = rest.split_last_chunk::<TAG_LENGTH>() else { return Err(truncated) };
        if !bool::from(self.tag(nonce, text).ct_eq(tag)) {
            return Err(FormatError::Authentication { what });
        }
        let mut plain = text.to_vec();
        Ctr128BE::<Aes256>::new(&self.encrypt.into(), &(*nonce).into()).apply_keystream(&mut plain);
        Ok(plain)
    }

    /// Poly1305-AES: the one-time key is `r ‖ AES_k(nonce)`.
    fn tag(&self, nonce: &[u8; NONCE_LENGTH], text: &[u8]) -> [u8; TAG_LENGTH] {
        let mut pad = aes::Block::from(*nonce);
        Aes128::new(&self.mac_k.into()).encrypt_block(&mut pad);
        let mut key = Zeroizing::new([0; 32]);
        let (r, s) = key.split_at_mut(16);
        r.copy_from_slice(&self.mac_r);
        s.copy_from_slice(&pad);
        let mut mac = Poly1305::new(&(*key).into());
        let (blocks, rest) = poly1305::Block::slice_as_chunks(text);
        mac.update(blocks);
        mac.compute_unpadded(rest).into()
    }

    /// The key as the JSON that key files seal.
    pub(crate) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let mut wire = WireKey {
            mac: WireMac { k: BASE64_STANDARD.encode(self.mac_k), r: BASE64_STANDARD.encode(self.mac_r) },
            encrypt: BASE64_STANDARD.encode(self.encrypt),
        };
        let json = serde_json::to_vec(&wire).map_err(|source| FormatError::Json { what: WHAT, source });
        wire.zeroize();
        json.map(Zeroizing::new)
    }

    /// The key from the JSON that key files seal.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let mut wire: WireKey =
            serde_json::from_slice(json).map_err(|source| FormatError::Json { what: WHAT, source })?;
        let key = (|| {
            Ok(Self {
                encrypt: fixed(&wire.encrypt)?,
                mac_k: fixed(&wire.mac.k)?,
                mac_r: fixed(&wire.mac.r)?,
            })
        })();
        wire.zeroize();
        let key: Self = key?;
        if key.encrypt == [0; 32] || key.mac_k == [0; 16] || key.mac_r == [0; 16] {
            return Err(FormatError::inconsistent(WHAT, "a part of it is all zeros"));
        }
        Ok(key)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

const WHAT: &str = "the master key";

#[derive(Serialize, Deserialize, Zeroize)]
struct WireKey {
    mac: WireMac,
    encrypt: String,
}

#[derive(Serialize, Deserialize, Zeroize)]
struct WireMac {
    k: String,
    r: String,
}

fn fixed<const N: usize>(text: &str) -> Result<[u8; N], FormatError> {
    let bytes = Zeroizing::new(
        BASE64_STANDARD
            .decode(text)
            .map_err(|_| FormatError::inconsistent(WHAT, "a part of it is not base64"))?,
    );
    bytes
        .as_slice()
        .try_into()
        .map_err(|_| FormatError::inconsistent(WHAT, format!("a part of it is not {N} bytes long")))
}

/// Clears the bits of `r` that Poly1305 demands to be zero.
fn clamp(r: &mut [u8; 16]) {
    for (at, byte) in r.iter_mut().enumerate() {
        match at {
            3 | 7 | 11 | 15 => *byte &= 15,
            4 | 8 | 12 => *byte &= 252,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first test vector of "The Poly1305-AES message-authentication code" (Bernstein, 2005), appendix B.
    #[test]
    fn the_tag_matches_the_published_vector() {
        let hex16 = |text: &str| -> [u8; 16] { hex::decode(text).unwrap().try_into().unwrap() };
        let key = MasterKey {
            encrypt: [1; 32],
            mac_k: hex16("ec074c835580741701425b623235add6"),
            mac_r: hex16("851fc40c3467ac0be05cc20404f3f700"),
        };

        let tag = key.tag(&hex16("fb447350c4e868c52ac3275cf9d4327e"), &hex::decode("f3f6").unwrap());

        assert_eq!(hex::encode(tag), "f4c633c3044fc145f84f335cb81953de");
    }

    #[test]
    fn a_key_survives_its_json_and_never_prints_itself() {
        let key = MasterKey::random(&mut rand::rng());

        let again = MasterKey::from_json(&key.to_json().unwrap()).unwrap();

        assert_eq!((key.encrypt, key.mac_k, key.mac_r), (again.encrypt, again.mac_k, again.mac_r));
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_nothing_else_does(plain: Vec<u8>, at: prop::sample::Index, bit in 0..8u8) {
            let key = MasterKey::random(&mut rand::rng());
            let mut sealed = Vec::new();

            key.seal(Nonce::random(&mut rand::rng()), &plain, &mut sealed);

            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            prop_assert_eq!(&key.open(&sealed, "test").unwrap(), &plain);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            let altered = matches!(key.open(&sealed, "test"), Err(FormatError::Authentication { .. }));
            prop_assert!(altered);
            let cut = matches!(key.open(&sealed[..at.min(31)], "test"), Err(FormatError::Truncated { .. }));
            prop_assert!(cut);
        }
    }
}
