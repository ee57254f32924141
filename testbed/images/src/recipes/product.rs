//! The product's own image: one program, the libraries it needs, and the certificates it trusts.
//!
//! There is no shell and no package manager in it. It runs as user and group 65532 and writes to
//! `/tmp` only.

use super::base::{self, Account};
use super::{pairs, words};
use crate::archive::{Image, Settings};
use crate::debian::{Ingredients, Package, Packages};
use crate::error::Error;
use crate::libraries;
use crate::tree::Kind;
use std::path::Path;

const COFFERDAM: Account = Account { name: "cofferdam", number: 65532, home: "/tmp" };
/// What it is made of, beside the program.
const INGREDIENTS: Ingredients =
    Ingredients { seeds: &["ca-certificates", "libc6", "libgcc-s1"], parts: &["gcc-12-base"], without: &[] };
/// Where TLS libraries look for the certificates of the authorities.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The image called `reference` of the program at `binary`, with libraries from `packages`.
pub fn product(reference: &str, binary: &Path, packages: &Packages) -> Result<Image, Error> {
    let program = std::fs::read(binary).map_err(Error::io("reading", binary))?;
    let packages = packages.closure(&INGREDIENTS)?.unpack()?;
    let mut files = base::skeleton(&[COFFERDAM])?;
    files.file("cofferdam", 0o755, program)?;
    files.file(TRUSTED, 0o644, bundle(&packages))?;
    libraries::add_needed(&mut files, &packages)?;
    let settings = Settings {
        entrypoint: words(&["/cofferdam"]),
        environment: pairs(&[("PATH", "/"), ("SSL_CERT_FILE", TRUSTED)]),
        user: format!("{0}:{0}", COFFERDAM.number),
        labels: pairs(&[
            ("org.opencontainers.image.title", "Cofferdam"),
            ("org.opencontainers.image.licenses", "Apache-2.0"),
        ]),
        ..Settings::default()
    };
    Ok(Image { reference: reference.to_owned(), files, settings })
}

/// The certificates of the package `ca-certificates` in one file, as its own script would join them.
fn bundle(packages: &[Package]) -> Vec<u8> {
    let mut bundle = Vec::new();
    for package in packages.iter().filter(|package| package.name == "ca-certificates") {
        for (path, node) in package.files.iter() {
            if let Kind::File(bytes) = &node.kind
                && path.ends_with(".crt")
            {
                bundle.extend_from_slice(bytes.trim_ascii_end());
                bundle.push(b'\n');
            }
        }
    }
    bundle
}
