//! Files too large for memory: sealed and opened piece by piece.

use super::{
    FILE_KEY, Head, Identity, LONGEST_HEAD, Recipient, Result, SealedFileError, VERSION, chacha, head,
    head_key,
    payload::{Chunks, NONCE},
    shared, zero_nonce,
};
use aws_lc_rs::{aead::Aad, hmac};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rand::Rng;
use zeroize::Zeroizing;

/// Seals a file to several keys; any one of them opens it.
#[derive(Debug)]
pub struct Sealer(Chunks);

impl Sealer {
    /// Writes the head into `file`.
    pub fn begin(recipients: &[Recipient], file: &mut Vec<u8>) -> Result<Self> {
        let mut file_key = Zeroizing::new([0_u8; FILE_KEY]);
        rand::rng().fill_bytes(file_key.as_mut());
        let mut head = format!("{VERSION}\n");
        for recipient in recipients {
            let ephemeral = Identity::make();
            let share = ephemeral.recipient()?;
            let wrap_key = shared(&ephemeral, recipient, &share, recipient)?;
            let mut wrapped = file_key.to_vec();
            chacha(wrap_key.as_ref())?
                .seal_in_place_append_tag(zero_nonce(), Aad::empty(), &mut wrapped)
                .map_err(|_| SealedFileError::Library)?;
            head.push_str(&format!(
                "-> X25519 {}\n{}\n",
                STANDARD_NO_PAD.encode(share.bytes()),
                STANDARD_NO_PAD.encode(&wrapped)
            ));
        }
        head.push_str("---");
        let mac = hmac::sign(&head_key(file_key.as_ref())?, head.as_bytes());
        head.push_str(&format!(" {}\n", STANDARD_NO_PAD.encode(mac.as_ref())));
        file.extend_from_slice(head.as_bytes());
        Chunks::seal(file_key.as_ref(), file).map(Self)
    }

    /// Seals more content; what is ready is written into `file`.
    pub fn more(&mut self, content: &[u8], file: &mut Vec<u8>) -> Result<()> {
        self.0.more(content, file)
    }

    /// Writes the end.
    pub fn end(self, file: &mut Vec<u8>) -> Result<()> {
        self.0.end(file)
    }
}

/// Opens a file with the first key that can. What it yields is authentic as far as it goes; only [`Opener::end`] says that
/// nothing is missing.
#[derive(Debug)]
pub struct Opener {
    identities: Vec<Identity>,
    /// Bytes of the head, until it is whole.
    head: Vec<u8>,
    chunks: Option<Chunks>,
}

impl Opener {
    /// With these keys.
    pub fn new(identities: Vec<Identity>) -> Self {
        Self { identities, head: Vec::new(), chunks: None }
    }

    /// Takes more of the file; what can be opened is written into `content`.
    pub fn more(&mut self, file: &[u8], content: &mut Vec<u8>) -> Result<()> {
        if let Some(chunks) = &mut self.chunks {
            return chunks.open_more(file, content);
        }
        self.head.extend_from_slice(file);
        let sealed = match head(&self.head) {
            Ok(whole) if whole.payload.len() >= NONCE => {
                let (nonce, sealed) = whole.payload.split_at(NONCE);
                self.chunks = Some(Chunks::open(file_key(&self.identities, &whole)?.as_ref(), nonce)?);
                sealed.to_vec()
            }
            Err(error) if self.head.len() > LONGEST_HEAD || !begins_well(&self.head) => return Err(error),
            _ => return Ok(()),
        };
        self.head = Vec::new();
        self.more(&sealed, content)
    }

    /// The file has ended.
    pub fn end(self, content: &mut Vec<u8>) -> Result<()> {
        match self.chunks {
            Some(chunks) => chunks.open_end(content),
            None if begins_well(&self.head) && !self.head.is_empty() => Err(SealedFileError::Altered),
            None => Err(SealedFileError::Format),
        }
    }
}

fn begins_well(file: &[u8]) -> bool {
    let version = VERSION.as_bytes();
    file.starts_with(version) || version.starts_with(file)
}

fn file_key(identities: &[Identity], head: &Head<'_>) -> Result<Zeroizing<[u8; FILE_KEY]>> {
    for identity in identities {
        let own = identity.recipient()?;
        for (share, wrapped) in &head.stanzas {
            let wrap_key = shared(identity, share, share, &own)?;
            let mut content = Zeroizing::new(wrapped.clone());
            let opened = chacha(wrap_key.as_ref())?.open_in_place(zero_nonce(), Aad::empty(), &mut content);
            let Ok(opened) = opened else { continue };
            let mut file_key = Zeroizing::new([0_u8; FILE_KEY]);
            if opened.len() != FILE_KEY {
                return Err(SealedFileError::Altered);
            }
            file_key.copy_from_slice(opened);
            hmac::verify(&head_key(file_key.as_ref())?, head.authenticated, &head.mac)
                .map_err(|_| SealedFileError::Altered)?;
            return Ok(file_key);
        }
    }
    Err(SealedFileError::OtherKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(recipients: &[Recipient], content: &[u8], piece: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut sealer = Sealer::begin(recipients, &mut file).unwrap();
        for part in content.chunks(piece) {
            sealer.more(part, &mut file).unwrap();
        }
        sealer.end(&mut file).unwrap();
        file
    }

    fn opened(identity: &Identity, file: &[u8], piece: usize) -> Result<Vec<u8>> {
        let (mut opener, mut content) = (Opener::new(vec![identity.clone()]), Vec::new());
        for part in file.chunks(piece) {
            opener.more(part, &mut content)?;
        }
        opener.end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn pieces_of_any_length_make_one_file_that_each_of_its_keys_opens() {
        let (mine, yours, other) = (Identity::make(), Identity::make(), Identity::make());
        let recipients = [mine.recipient().unwrap(), yours.recipient().unwrap()];

        for (length, piece) in [(0, 1), (65_536, 7_001), (65_537, 65_537), (200_000, 65_536)] {
            let content: Vec<u8> = (0..length).map(|n| (n * 7) as u8).collect();
            let file = sealed(&recipients, &content, piece);

            assert_eq!(opened(&mine, &file, 1_000).unwrap(), content);
            assert_eq!(opened(&yours, &file, 99).unwrap(), content);
            assert_eq!(crate::sealed_file::open(&yours, &file).unwrap().as_slice(), content);
            assert_eq!(opened(&other, &file, 1_000), Err(SealedFileError::OtherKey));
        }
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_not_taken_for_a_whole_one() {
        let mine = Identity::make();
        let file = sealed(&[mine.recipient().unwrap()], &[7; 70_000], 70_000);

        for end in (0..400).chain([65_000, 65_800, file.len() - 1]) {
            assert!(opened(&mine, &file[..end], 1_000).is_err(), "cut at {end}");
        }
        assert_eq!(opened(&mine, b"something else", 5), Err(SealedFileError::Format));
    }
}
