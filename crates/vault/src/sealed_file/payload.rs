//! The content: chunks of 64 KiB, each sealed with its number and with whether it is the last one.

use super::{Result, SealedFileError, TAG, chacha, derive};
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use rand::Rng;
use zeroize::Zeroizing;

const NONCE: usize = 16;
const CHUNK: usize = 64 * 1024;

/// Seals `content` behind what `file` holds.
pub fn seal(file_key: &[u8], content: &[u8], file: &mut Vec<u8>) -> Result<()> {
    let mut nonce = [0_u8; NONCE];
    rand::rng().fill_bytes(&mut nonce);
    file.extend_from_slice(&nonce);
    let key = key(file_key, &nonce)?;
    let mut chunks = content.chunks(CHUNK).peekable();
    if chunks.peek().is_none() {
        return sealed(&key, 0, true, &[], file);
    }
    let mut number = 0;
    while let Some(chunk) = chunks.next() {
        sealed(&key, number, chunks.peek().is_none(), chunk, file)?;
        number += 1;
    }
    Ok(())
}

fn sealed(key: &LessSafeKey, number: u64, last: bool, chunk: &[u8], file: &mut Vec<u8>) -> Result<()> {
    let mut sealed = chunk.to_vec();
    key.seal_in_place_append_tag(nonce_of(number, last), Aad::empty(), &mut sealed)
        .map_err(|_| SealedFileError::Library)?;
    file.append(&mut sealed);
    Ok(())
}

/// Opens what [`seal`] wrote.
pub fn open(file_key: &[u8], payload: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = payload.split_at_checked(NONCE).ok_or(SealedFileError::Altered)?;
    let key = key(file_key, nonce)?;
    let mut content = Zeroizing::new(Vec::with_capacity(sealed.len()));
    let mut chunks = sealed.chunks(CHUNK + TAG).peekable();
    if chunks.peek().is_none() {
        return Err(SealedFileError::Altered);
    }
    let mut number = 0;
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        let mut chunk = Zeroizing::new(chunk.to_vec());
        let opened = key.open_in_place(nonce_of(number, last), Aad::empty(), &mut chunk);
        let opened = opened.map_err(|_| SealedFileError::Altered)?;
        if opened.is_empty() && number > 0 {
            return Err(SealedFileError::Altered);
        }
        content.extend_from_slice(opened);
        number += 1;
    }
    Ok(content)
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
