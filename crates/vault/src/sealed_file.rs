//! Files sealed to someone's public key, in the format of *age* (age-encryption.org/v1, recipients of type X25519), so that
//! they can be opened with the tool `age` too, when nothing of this program is at hand.

mod bech32;
mod keys;
mod payload;
mod stream;

pub use keys::{Identity, Recipient};
pub use stream::{Opener, Sealer};

use aws_lc_rs::{
    aead::{CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    hkdf::{HKDF_SHA256, Salt},
    hmac,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

const VERSION: &str = "age-encryption.org/v1";
const WRAP: &[u8] = b"age-encryption.org/v1/X25519";
const FILE_KEY: usize = 16;
const TAG: usize = 16;
/// The longest head that is looked at.
const LONGEST_HEAD: usize = 64 * 1024;

/// Why a file could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealedFileError {
    /// A text is no key.
    #[error("it holds no {0}; write one line, {1}")]
    Key(&'static str, &'static str),
    /// The bytes are no such file.
    #[error("it is no file of the format {VERSION}")]
    Format,
    /// It was sealed to another key.
    #[error(
        "it was sealed to another key; open it with the identity of the recipient that it was exported to"
    )]
    OtherKey,
    /// It was altered or cut off.
    #[error("it was altered or cut off; take another copy of it")]
    Altered,
    /// The library refused.
    #[error("the cryptographic library refused; this is a defect, please report it")]
    Library,
}

type Result<T> = std::result::Result<T, SealedFileError>;

/// Seals bytes to a recipient.
pub fn seal(recipient: &Recipient, content: &[u8]) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut sealer = Sealer::begin(&[*recipient], &mut file)?;
    sealer.more(content, &mut file)?;
    sealer.end(&mut file)?;
    Ok(file)
}

/// Opens a file. A file can be sealed to several keys; one must be this one.
pub fn open(identity: &Identity, file: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    // As large as it can become: what grows leaves copies behind that nobody wipes.
    let mut content = Zeroizing::new(Vec::with_capacity(file.len()));
    let mut opener = Opener::new(vec![identity.clone()]);
    opener.more(file, &mut content)?;
    opener.end(&mut content)?;
    Ok(content)
}

struct Head<'a> {
    /// Shares and wrapped keys.
    stanzas: Vec<(Recipient, Vec<u8>)>,
    authenticated: &'a [u8],
    mac: Vec<u8>,
    payload: &'a [u8],
}

fn head(file: &[u8]) -> Result<Head<'_>> {
    let wrong = SealedFileError::Format;
    let looked = file.get(..file.len().min(LONGEST_HEAD)).unwrap_or_default();
    let end = looked.windows(5).position(|five| five == b"\n--- ").ok_or(wrong.clone())? + 4;
    let authenticated = file.get(..end).ok_or(wrong.clone())?;
    let rest = file.get(end + 1..).ok_or(wrong.clone())?;
    let line_end = rest.iter().position(|byte| *byte == b'\n').ok_or(wrong.clone())?;
    let (mac, payload) = rest.split_at_checked(line_end).ok_or(wrong.clone())?;
    let mac = STANDARD_NO_PAD.decode(mac).map_err(|_| wrong.clone())?;
    let text = std::str::from_utf8(authenticated).map_err(|_| wrong.clone())?;
    let mut lines = text.lines();
    if lines.next() != Some(VERSION) {
        return Err(wrong);
    }
    let mut stanzas = Vec::new();
    while let Some(line) = lines.next() {
        let Some(share) = line.strip_prefix("-> X25519 ") else { continue };
        let share = STANDARD_NO_PAD.decode(share).map_err(|_| wrong.clone())?;
        let wrapped = STANDARD_NO_PAD.decode(lines.next().unwrap_or_default()).map_err(|_| wrong.clone())?;
        if wrapped.len() != FILE_KEY + TAG {
            return Err(wrong);
        }
        stanzas.push((Recipient::from_bytes(&share).ok_or(wrong.clone())?, wrapped));
    }
    Ok(Head { stanzas, authenticated, mac, payload: payload.get(1..).unwrap_or_default() })
}

/// The key that wraps the file key: from the shared secret, bound to the share and to the recipient.
fn shared(
    own: &Identity,
    peer: &Recipient,
    share: &Recipient,
    to: &Recipient,
) -> Result<Zeroizing<[u8; 32]>> {
    let key = PrivateKey::from_private_key(&X25519, own.bytes()).map_err(|_| SealedFileError::Library)?;
    let salt = [share.bytes(), to.bytes()].concat();
    let public = UnparsedPublicKey::new(&X25519, peer.bytes());
    // The library refuses a share that leads to a secret of zeros.
    agree(&key, public, SealedFileError::Altered, |secret| derive(secret, &salt, WRAP))
}

fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0_u8; 32]);
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let expanded = extracted.expand(&info, HKDF_SHA256).map_err(|_| SealedFileError::Library)?;
    expanded.fill(key.as_mut()).map_err(|_| SealedFileError::Library)?;
    Ok(key)
}

fn head_key(file_key: &[u8]) -> Result<hmac::Key> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, derive(file_key, &[], b"header")?.as_ref()))
}

fn chacha(key: &[u8]) -> Result<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| SealedFileError::Library)
}

/// Each wrapping key is used once.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 7 + n / 255) as u8).collect()
    }

    #[test]
    fn what_was_sealed_opens_with_the_right_key_alone() {
        let (mine, other) = (Identity::make(), Identity::make());

        for length in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let sealed = seal(&mine.recipient().unwrap(), &content(length)).unwrap();
            assert_eq!(open(&mine, &sealed).unwrap().as_slice(), content(length), "{length}");
            assert_eq!(open(&other, &sealed), Err(SealedFileError::OtherKey));
        }
    }

    #[test]
    fn no_altered_byte_and_no_missing_end_goes_unnoticed() {
        let mine = Identity::make();
        let sealed = seal(&mine.recipient().unwrap(), &content(300)).unwrap();

        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(open(&mine, &altered).is_err(), "byte {at}");
        }
        for end in 0..sealed.len() {
            assert!(open(&mine, &sealed[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn chunks_cannot_be_left_out_or_added() {
        let mine = Identity::make();
        let sealed = seal(&mine.recipient().unwrap(), &content(3 * 65_536)).unwrap();
        let chunk = 65_536 + TAG;

        let cut = &sealed[..sealed.len() - chunk];
        let more = [sealed.as_slice(), &sealed[sealed.len() - chunk..]].concat();

        assert_eq!(open(&mine, cut), Err(SealedFileError::Altered));
        assert_eq!(open(&mine, &more), Err(SealedFileError::Altered));
    }
}
