//! Files that stock restic wrote, read by the pure decoders alone.

use repository::*;
use std::fs;
use std::path::Path;
use std::process::Command;

const PASSWORD: &str = "pässword";

fn restic(repo: &Path, arguments: &[&str]) {
    let output = Command::new("restic")
        .args(["--no-cache", "--quiet", "--repo"])
        .arg(repo)
        .args(arguments)
        .env("RESTIC_PASSWORD", PASSWORD)
        .output()
        .expect("stock restic is needed for this test: apt-get install -y restic");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn only_file(folder: &Path) -> Vec<u8> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    fs::read(files.pop().unwrap()).unwrap()
}

#[test]
fn every_file_of_a_stock_repository_is_read_and_agrees_with_the_others() {
    let world = tempfile::TempDir::new().unwrap();
    let (repo, source) = (world.path().join("repo"), world.path().join("source"));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content".repeat(100)).unwrap();
    restic(&repo, &["init", "--repository-version", "2"]);
    restic(&repo, &["backup", source.to_str().unwrap(), "--tag", "a=b"]);

    let key_file = KeyFile::decode(&only_file(&repo.join("keys"))).unwrap();
    assert!(matches!(key_file.open(b"password"), Err(FormatError::WrongPassword)));
    let key = key_file.open(PASSWORD.as_bytes()).unwrap();
    let config = Config::decode(&key, &fs::read(repo.join("config")).unwrap()).unwrap();
    let snapshot = Snapshot::decode(&key, &only_file(&repo.join("snapshots"))).unwrap();
    let index = IndexFile::decode(&key, &only_file(&repo.join("index"))).unwrap();

    assert_eq!(config.chunker_polynomial.degree(), Some(53));
    assert_eq!((snapshot.tag("a"), &snapshot.paths), (Some("b"), &vec![source.to_str().unwrap().to_owned()]));
    let mut file = None;
    for pack in &index.packs {
        let bytes = fs::read(repo.join(FileKind::Pack.path(pack.id))).unwrap();
        let (rest, trailer) = bytes.split_last_chunk::<4>().unwrap();
        let length = header_length(*trailer, bytes.len() as u64).unwrap() as usize;
        let mut header = decode_header(&key, &rest[rest.len() - length..], bytes.len() as u64).unwrap();
        let mut listed = pack.blobs.clone();
        header.sort_by_key(|entry| entry.offset);
        listed.sort_by_key(|entry| entry.offset);
        assert_eq!(header, listed);
        for entry in header {
            let sealed = &bytes[entry.offset as usize..][..entry.length as usize];
            let mut decoder = BlobDecoder::new().unwrap();
            let plain =
                decoder.decode(&key, entry.id, entry.kind, sealed, entry.uncompressed_length).unwrap();
            if entry.kind == BlobKind::Data {
                file = Some(plain);
            } else {
                assert_eq!(Tree::decode(&plain).unwrap().encode().unwrap(), plain);
            }
        }
    }
    assert_eq!(file.unwrap(), "content".repeat(100).into_bytes());
}
