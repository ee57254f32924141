//! Every decoder survives random damage to valid inputs, by the same rules that the fuzz targets check.

#[path = "../../../fuzz/harness.rs"]
mod harness;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use repository::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Damaged inputs for each valid one.
const ROUNDS: u64 = 4000;

fn damage(input: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=out.len());
        match rng.random_range(0..7) {
            0 => out.truncate(at),
            1 => out.insert(at, rng.random()),
            2 if at < out.len() => drop(out.remove(at)),
            3 if at < out.len() => out[at] ^= 1 << rng.random_range(0..8),
            4 => {
                let words: [&[u8]; 10] = [
                    b"\"",
                    b"\\",
                    b"{",
                    b"[",
                    b"null",
                    b"-1",
                    b"18446744073709551616",
                    b"1e999",
                    b"\\u0000",
                    b"\xff",
                ];
                out.splice(at..at, words[rng.random_range(0..words.len())].iter().copied());
            }
            5 => {
                let end = rng.random_range(at..=out.len());
                let part = out[at..end].to_vec();
                out.splice(at..at, part);
            }
            _ => {
                let end = (at + 8).min(out.len());
                rng.fill_bytes(&mut out[at..end]);
            }
        }
    }
    out
}

fn survive(valid: &[Vec<u8>], harness: fn(&[u8])) {
    for (number, input) in valid.iter().enumerate() {
        harness(input);
        for seed in 0..ROUNDS {
            let damaged = damage(input, &mut StdRng::seed_from_u64(seed << 8 | number as u64));
            harness(&damaged);
        }
    }
}

fn time() -> jiff::Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

fn nonce() -> Nonce {
    Nonce::random(&mut rand::rng())
}

/// The opened form of something that was sealed with the harness's key.
fn opened(sealed: Vec<u8>) -> Vec<u8> {
    harness::KEY.open(&sealed, "test").unwrap()
}

#[test]
fn locks() {
    let lock = LockFile::new(LockMode::Exclusive, time(), "host".into(), "user".into(), 1);
    let plain = br#"{"time":"2026-01-02T03:04:05Z","exclusive":false,"hostname":"h","username":"u","pid":1}"#;

    survive(&[plain.to_vec(), opened(lock.encode(&harness::KEY, nonce()).unwrap())], harness::lock);
}

#[test]
fn snapshots() {
    let mut snapshot = Snapshot::new(time(), TreeId::of(b"x"));
    snapshot.tags = vec!["a=b".into()];
    let json = format!(
        r#"{{"time":"2026-01-02T03:04:05+01:00","parent":"{0}","tree":"{0}","paths":["/a"],"uid":1,"tags":null}}"#,
        "ab".repeat(32)
    );

    let sealed = snapshot.encode(&harness::KEY, nonce()).unwrap();
    survive(&[json.into_bytes(), opened(sealed)], harness::snapshot);
}

#[test]
fn indexes() {
    let json = format!(
        r#"{{"packs":[{{"id":"{0}","blobs":[{{"id":"{0}","type":"tree","offset":9,"length":99,"uncompressed_length":7}}]}}]}}"#,
        "ab".repeat(32)
    );
    let index = IndexFile::from_plain(json.as_bytes()).unwrap();

    survive(&[json.into_bytes(), opened(index.encode(&harness::KEY, nonce()).unwrap())], harness::index);
}

#[test]
fn configs() {
    let config = Config::new(&mut rand::rng());

    survive(&[opened(config.encode(&harness::KEY, nonce()).unwrap())], harness::config);
}

#[test]
fn key_files() {
    let cheap = ScryptParams { n: 2, r: 1, p: 1 };
    let file =
        KeyFile::create(&harness::KEY, b"x", cheap, KeyOwner::default(), time(), &mut rand::rng()).unwrap();

    survive(&[file.encode().unwrap()], harness::key_file);
}

#[test]
fn trees() {
    let mut nodes = vec![
        Node::file("a\n\"", &FileContent { ids: vec![BlobId::of(b"1")], size: 1 }, time()),
        Node::dir("b", TreeId::of(b"2"), time()),
    ];
    for (name, kind) in [
        ("link", NodeKind::Symlink { target: b"\xff/x".to_vec() }),
        ("dev", NodeKind::BlockDevice { device: 7 }),
        ("fifo", NodeKind::Fifo),
    ] {
        let mut meta = Metadata::synthetic(FileMode::file(0o644), time());
        meta.extended_attributes.push(ExtendedAttribute { name: "user.a".into(), value: vec![1, 2, 3] });
        nodes.push(Node { name: name.into(), kind, meta });
    }

    survive(&[Tree::new(nodes).unwrap().encode().unwrap(), b"{\"nodes\":[]}\n".to_vec()], harness::tree);
}

#[test]
fn pack_headers() {
    let mut header = 100_u32.to_le_bytes().to_vec();
    header.extend([0, 40, 0, 0, 0]);
    header.extend([7; 32]);
    header.extend([3, 60, 0, 0, 0, 99, 0, 0, 0]);
    header.extend([8; 32]);

    survive(&[header], harness::pack_header);
}

#[test]
fn blobs() {
    let mut sealed = Vec::new();
    let plain = b"some text, some text, some text".repeat(9);
    let encoded = BlobEncoder::new(3)
        .unwrap()
        .encode(&harness::KEY, BlobKind::Tree, &plain, nonce(), &mut sealed)
        .unwrap();
    let mut input = encoded.uncompressed_length.unwrap().get().to_le_bytes().to_vec();
    input.extend(opened(sealed));

    survive(&[input, vec![0; 4]], harness::blob);
}

#[test]
fn sealed_pieces() {
    survive(&[harness::seal(b"plain"), harness::seal(b"")], harness::sealed);
}

#[test]
fn names() {
    survive(&[quote(b"a\xff\n\"\\\x01").into_bytes(), "\\u00e9\\U0001f600\\101".into()], harness::name);
}

/// The damage is real: most damaged inputs are refused, and some are still accepted and checked further.
#[test]
fn damage_is_neither_harmless_nor_always_fatal() {
    static ACCEPTED: AtomicUsize = AtomicUsize::new(0);
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    let node = Node::dir("name", TreeId::of(b"2"), time());

    survive(&[Tree::new(vec![node]).unwrap().encode().unwrap()], |plain| {
        let counter = if Tree::decode(plain).is_ok() { &ACCEPTED } else { &REFUSED };
        counter.fetch_add(1, Ordering::Relaxed);
    });

    let (accepted, refused) = (ACCEPTED.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
    assert!(accepted > 100 && refused > 1000, "{accepted} accepted, {refused} refused");
}

/// A planted defect: a harness that panics on one damaged input in many is noticed.
#[test]
#[should_panic(expected = "planted")]
fn a_panic_on_rare_damage_is_noticed() {
    let json = br#"{"time":"2026-01-02T03:04:05Z","exclusive":true}"#;

    survive(&[json.to_vec()], |plain| {
        let another_year =
            LockFile::from_plain(plain).is_ok_and(|lock| lock.time.as_second() < 1_735_000_000);
        assert!(!another_year, "planted");
    });
}
