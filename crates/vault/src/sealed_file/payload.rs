//! The content: chunks of 64 KiB, each sealed with its number and with whether it is the last one.

use super::{Result, SealedFileError, TAG, chacha, derive};
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use rand::Rng;
use std::fmt;
use zeroize::Zeroizing;

pub(super) const NONCE: usize = 16;
const CHUNK: usize = 64 * 1024;

/// Seals content that comes in pieces.
pub struct Chunks {
    key: LessSafeKey,
    number: u64,
    /// Not sealed yet; never more than a chunk, as the last one is sealed otherwise.
    waiting: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks({})", self.number)
    }
}

impl Chunks {
    /// Begins the content behind what `file` holds.
    pub fn seal(file_key: &[u8], file: &mut Vec<u8>) -> Result<Self> {
        let mut nonce = [0_u8; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        file.extend_from_slice(&nonce);
        Ok(Self { key: key(file_key, &nonce)?, number: 0, waiting: empty() })
    }

    /// Begins to open what [`Chunks::seal`] began with this nonce.
    pub fn open(file_key: &[u8], nonce: &[u8]) -> Result<Self> {
        Ok(Self { key: key(file_key, nonce)?, number: 0, waiting: empty() })
    }

    /// Seals more.
    pub fn more(&mut self, mut content: &[u8], file: &mut Vec<u8>) -> Result<()> {
        while !content.is_empty() {
            if self.waiting.len() == CHUNK {
                self.seal_one(false, file)?;
            }
            let (now, later) = content.split_at(content.len().min(CHUNK - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            content = later;
        }
        Ok(())
    }

    /// Seals what is left, as the end.
    pub fn end(mut self, file: &mut Vec<u8>) -> Result<()> {
        self.seal_one(true, file)
    }

    fn seal_one(&mut self, last: bool, file: &mut Vec<u8>) -> Result<()> {
        self.key
            .seal_in_place_append_tag(nonce_of(self.number, last), Aad::empty(), &mut *self.waiting)
            .map_err(|_| SealedFileError::Library)?;
        file.extend_from_slice(&self.waiting);
        self.waiting.clear();
        self.number += 1;
        Ok(())
    }

    /// Opens more.
    pub fn open_more(&mut self, mut sealed: &[u8], content: &mut Vec<u8>) -> Result<()> {
        while !sealed.is_empty() {
            if self.waiting.len() == CHUNK + TAG {
                self.open_one(false, content)?;
            }
            let (now, later) = sealed.split_at(sealed.len().min(CHUNK + TAG - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            sealed = later;
        }
        Ok(())
    }

    /// Opens what is left, which must be the end.
    pub fn open_end(mut self, content: &mut Vec<u8>) -> Result<()> {
        self.open_one(true, content)
    }

    fn open_one(&mut self, last: bool, content: &mut Vec<u8>) -> Result<()> {
        let opened = self.key.open_in_place(nonce_of(self.number, last), Aad::empty(), &mut self.waiting);
        let opened = opened.map_err(|_| SealedFileError::Altered)?;
        if opened.is_empty() && self.number > 0 {
            return Err(SealedFileError::Altered);
        }
        content.extend_from_slice(opened);
        self.waiting.clear();
        self.number += 1;
        Ok(())
    }
}

fn empty() -> Zeroizing<Vec<u8>> {
    // So large from the beginning: what grows leaves copies behind that nobody wipes.
    Zeroizing::new(Vec::with_capacity(CHUNK + TAG))
}

fn key(file_key: &[u8], nonce: &[u8]) -> Result<LessSafeKey> {
    chacha(derive(file_key, nonce, b"payload")?.as_ref())
}

fn nonce_of(number: u64, last: bool) -> Nonce {
    let mut nonce = [0_u8; 12];
    let (_, counter) = nonce.split_at_mut(3);
    if let Some((end, counter)) = counter.split_last_mut() {
        counter.copy_from_slice(&number.to_be_bytes());
        *end = u8::from(last);
    }
    Nonce::assume_unique_for_key(nonce)
}
