//! The shell box: busybox, for tests that look into volumes or keep a pod alive.

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
    base::add_busybox(&mut tree, packages)?;
    let settings = Settings { command: words(&["sh"]), ..Settings::default() };
    Ok((tree, settings))
}
