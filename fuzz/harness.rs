//! What must hold for any input of each decoder: it answers, and what it accepts survives its own encoding.
//!
//! The fuzz targets and the test `crates/repository/tests/mutations.rs` share these functions.

#![allow(dead_code)] // each target uses one of them

use rand::{SeedableRng, rngs::StdRng};
use repository::*;
use std::num::NonZeroU32;
use std::sync::LazyLock;

/// The key of everything that is sealed here.
pub static KEY: LazyLock<MasterKey> = LazyLock::new(|| MasterKey::random(&mut StdRng::seed_from_u64(1)));

/// Seals `plain` with [`KEY`].
pub fn seal(plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    KEY.seal(nonce(), plain, &mut sealed);
    sealed
}

fn nonce() -> Nonce {
    Nonce::random(&mut StdRng::seed_from_u64(2))
}

/// Opened bytes of a lock file.
pub fn lock(plain: &[u8]) {
    if let Ok(lock) = LockFile::from_plain(plain) {
        assert_eq!(LockFile::decode(&KEY, &lock.encode(&KEY, nonce()).unwrap()).unwrap().mode(), lock.mode());
    }
}

/// Opened bytes of a snapshot file.
pub fn snapshot(plain: &[u8]) {
    if let Ok(snapshot) = Snapshot::from_plain(plain) {
        let again = Snapshot::decode(&KEY, &snapshot.encode(&KEY, nonce()).unwrap()).unwrap();
        assert_eq!((again.tree, again.tags, again.paths), (snapshot.tree, snapshot.tags, snapshot.paths));
    }
}

/// Opened bytes of an index file.
pub fn index(plain: &[u8]) {
    if let Ok(index) = IndexFile::from_plain(plain) {
        assert_eq!(IndexFile::decode(&KEY, &index.encode(&KEY, nonce()).unwrap()).unwrap(), index);
    }
}

/// Opened bytes of the config.
pub fn config(json: &[u8]) {
    if let Ok(config) = Config::from_json(json) {
        assert_eq!(Config::decode(&KEY, &config.encode(&KEY, nonce()).unwrap()).unwrap(), config);
    }
}

/// Stored bytes of a key file. Scrypt runs only when it is cheap.
pub fn key_file(stored: &[u8]) {
    if let Ok(file) = KeyFile::decode(stored) {
        let again = KeyFile::decode(&file.encode().unwrap()).unwrap();
        assert_eq!(again.encode().unwrap(), file.encode().unwrap());
        if file.cost() <= 1024 {
            assert!(file.open(b"password").is_err() || stored.len() > 100);
        }
    }
}

/// Plain bytes of a tree blob.
pub fn tree(plain: &[u8]) {
    if let Ok(tree) = Tree::decode(plain) {
        let encoded = tree.encode().unwrap();
        let again = Tree::decode(&encoded).unwrap();
        assert_eq!(again.encode().unwrap(), encoded);
        for node in tree.nodes() {
            assert!(!node.name.contains(&b'/') && !matches!(node.name.as_slice(), b"" | b"." | b".."));
        }
    }
}

/// An opened pack header, with the length of the blobs in front of it in the first four bytes.
pub fn pack_header(input: &[u8]) {
    let Some((blobs, header)) = input.split_first_chunk::<4>() else { return };
    let sealed = seal(header);
    let size = u64::from(u32::from_le_bytes(*blobs)) + sealed.len() as u64 + 4;
    if let Ok(entries) = decode_header(&KEY, &sealed, size) {
        let total: u64 = entries.iter().map(|entry| u64::from(entry.length)).sum();
        assert_eq!(total, u64::from(u32::from_le_bytes(*blobs)));
    }
    // The trailer alone, against any size.
    if let Ok(length) = header_length(*blobs, size) {
        assert!(u64::from(length) + 4 <= size);
    }
}

/// A compressed blob, with its announced length in the first four bytes.
pub fn blob(input: &[u8]) {
    let Some((length, frame)) = input.split_first_chunk::<4>() else { return };
    let length = NonZeroU32::new(u32::from_le_bytes(*length) % (1 << 20));
    let mut decoder = BlobDecoder::new().unwrap();
    let id = BlobId::of(frame);
    if let Ok(plain) = decoder.decode(&KEY, id, BlobKind::Data, &seal(frame), length) {
        assert_eq!(BlobId::of(&plain), id);
    }
}

/// Something sealed, straight from the store.
pub fn sealed(sealed: &[u8]) {
    let opened = KEY.open(sealed, "input");
    assert!(opened.is_err() || sealed.len() >= OVERHEAD);
    assert!(Config::decode(&KEY, sealed).is_err() || opened.is_ok());
}

/// A quoted name.
pub fn name(text: &[u8]) {
    assert_eq!(unquote(&quote(text)).unwrap(), text);
    if let Ok(bytes) = std::str::from_utf8(text).map_err(drop).and_then(|text| unquote(text).map_err(drop)) {
        assert_eq!(unquote(&quote(&bytes)).unwrap(), bytes);
    }
}
