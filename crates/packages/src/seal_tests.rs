use super::*;
use crate::{TrustedKey, package};
use proptest::prelude::*;
use serde_json::json;

fn greeter() -> Vec<u8> {
    package::tests::greeter().to_string().into_bytes()
}

fn trusting(key: &SigningKey, kind: &str) -> Trust {
    Trust { keys: vec![TrustedKey { public_key: key.public().unwrap(), types: vec![kind.to_owned()] }] }
}

const ASKED: Asked<'static> = Asked { kind: "example.greeter", version: "1.0.0" };

fn opened(manifest: &[u8], pinned: &Digest, package: &[u8], trust: &Trust) -> Result<Package, PackageError> {
    open(&read_manifest(pinned, manifest)?, package, trust, &ASKED)
}

#[test]
fn a_signed_package_opens_for_who_trusts_the_key() {
    let (key, _) = SigningKey::generate().unwrap();
    let package = greeter();
    let manifest = seal(&package, std::slice::from_ref(&key)).unwrap();

    let read =
        opened(&manifest, &Digest::of(&manifest), &package, &trusting(&key, "example.greeter")).unwrap();

    assert_eq!(read.version, "1.0.0");
}

#[test]
fn every_altered_byte_of_package_and_manifest_is_found() {
    let (key, _) = SigningKey::generate().unwrap();
    let (package, trust) = (greeter(), trusting(&key, "example.greeter"));
    let manifest = seal(&package, std::slice::from_ref(&key)).unwrap();
    let pinned = Digest::of(&manifest);

    for at in 0..package.len() {
        let mut altered = package.clone();
        altered[at] ^= 1;
        assert_eq!(opened(&manifest, &pinned, &altered, &trust).unwrap_err().code, code::DIGEST, "byte {at}");
    }
    for at in 0..manifest.len() {
        let mut altered = manifest.clone();
        altered[at] ^= 1;
        assert_eq!(opened(&altered, &pinned, &package, &trust).unwrap_err().code, code::DIGEST, "byte {at}");
    }
    for cut in 0..package.len() {
        assert_eq!(opened(&manifest, &pinned, &package[..cut], &trust).unwrap_err().code, code::DIGEST);
    }
}

#[test]
fn a_vault_that_pins_an_altered_package_still_needs_the_key() {
    let (key, _) = SigningKey::generate().unwrap();
    let (forger, _) = SigningKey::generate().unwrap();
    let trust = trusting(&key, "example.greeter");
    let evil = String::from_utf8(greeter()).unwrap().replace("hello", "hullo").into_bytes();

    let unsigned = seal(&evil, &[]).unwrap();
    let forged = seal(&evil, std::slice::from_ref(&forger)).unwrap();
    // The honest signature under another package.
    let honest = String::from_utf8(seal(&greeter(), std::slice::from_ref(&key)).unwrap()).unwrap();
    let moved = honest.replace(Digest::of(&greeter()).as_str(), Digest::of(&evil).as_str());

    let refused = |manifest: &[u8]| opened(manifest, &Digest::of(manifest), &evil, &trust).unwrap_err().code;
    assert_eq!(refused(&unsigned), code::UNSIGNED);
    assert_eq!(refused(&forged), code::UNSIGNED);
    assert_eq!(refused(moved.as_bytes()), code::SIGNATURE);
}

#[test]
fn a_key_signs_only_the_types_that_it_is_trusted_for() {
    let (key, _) = SigningKey::generate().unwrap();
    let package = greeter();
    let manifest = seal(&package, std::slice::from_ref(&key)).unwrap();
    let trust = trusting(&key, "example.other");

    let error = opened(&manifest, &Digest::of(&manifest), &package, &trust).unwrap_err();

    assert_eq!(error.code, code::UNSIGNED);
}

#[test]
fn another_type_or_version_than_asked_for_is_refused() {
    let (key, _) = SigningKey::generate().unwrap();
    let package = greeter();
    let manifest = seal(&package, std::slice::from_ref(&key)).unwrap();
    let sealed = read_manifest(&Digest::of(&manifest), &manifest).unwrap();
    let trust = trusting(&key, "example.greeter");

    let refused = |kind, version| open(&sealed, &package, &trust, &Asked { kind, version }).unwrap_err().code;
    assert_eq!(refused("example.greeter", "1.0.1"), code::VERSION);
    assert_eq!(refused("microsoft.dataprotection.kubernetes", "1.0.0"), code::TYPE);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let large = vec![b' '; limits::PACKAGE + 1];
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_MEDIA_TYPE,
        "config": {"mediaType": EMPTY_MEDIA_TYPE, "digest": Digest::of(EMPTY), "size": 2},
        "layers": [{"mediaType": PACKAGE_MEDIA_TYPE, "digest": Digest::of(&large), "size": large.len()}],
    })
    .to_string();
    let lying = manifest.replace(&large.len().to_string(), "5");
    let padded = format!("{manifest}{}", " ".repeat(limits::MANIFEST));

    let refused = |manifest: &str| {
        opened(manifest.as_bytes(), &Digest::of(manifest.as_bytes()), &large, &Trust::default())
            .unwrap_err()
            .code
    };
    assert_eq!(refused(&manifest), code::TOO_LARGE);
    assert_eq!(refused(&lying), code::TOO_LARGE);
    assert_eq!(refused(&padded), code::TOO_LARGE);
}

proptest! {
    #[test]
    fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let refused = read_manifest(&Digest::of(&bytes), &bytes).is_err() && Package::parse(&bytes).is_err();

        prop_assert!(refused);
    }
}
