//! The pause image: it holds a pod's namespaces open and does nothing.

use super::{base, words};
use crate::archive::Settings;
use crate::debian::{Ingredients, Package};
use crate::error::Error;
use crate::tree::Tree;

/// What it is made of.
pub const INGREDIENTS: Ingredients = Ingredients { seeds: &["busybox-static"], parts: &[], without: &[] };

/// Its files, from those packages, and how it starts.
pub fn recipe(packages: &[Package]) -> Result<(Tree, Settings), Error> {
    let mut tree = base::skeleton(&[])?;
    base::add_below(&mut tree, packages, "busybox-static", "usr/bin/busybox")?;
    let settings = Settings {
        entrypoint: words(&["/bin/busybox", "sleep", "2147483647"]),
        user: "65534:65534".to_owned(),
        ..Settings::default()
    };
    Ok((tree, settings))
}
