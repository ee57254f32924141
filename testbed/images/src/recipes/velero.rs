//! Velero's image: its server with its plugin for S3, as the testbed builds them from source.
//!
//! One image serves for both that `velero install` asks for: the server is started by its path, and whoever starts the
//! image as it is copies the plugin to where the server looks for plugins, as images of plugins do.

use super::{base, words};
use crate::archive::{Image, Settings};
use crate::debian::{Ingredients, Packages};
use crate::error::Error;
use std::path::Path;

/// The image's name; the tag is the version that the testbed pins.
pub const REFERENCE: &str = "cofferdam.test/velero:1.18.3";
/// What it is made of, beside the programs.
const INGREDIENTS: Ingredients = Ingredients { seeds: &["busybox-static"], parts: &[], without: &[] };
const PLUGIN: &str = "velero-plugin-for-aws";

/// The image of the programs in this directory, which `testbed build --velero` names.
pub fn velero(programs: &Path, packages: &Packages) -> Result<Image, Error> {
    let program = |name: &str| {
        let path = programs.join(name);
        std::fs::read(&path).map_err(Error::io("reading", &path))
    };
    let packages = packages.closure(&INGREDIENTS)?.unpack()?;
    let mut files = base::skeleton(&[])?;
    base::add_busybox(&mut files, &packages)?;
    files.file("velero", 0o755, program("velero")?)?;
    files.file(&format!("plugin/{PLUGIN}"), 0o755, program(PLUGIN)?)?;
    let (from, to) = (format!("/plugin/{PLUGIN}"), format!("/target/{PLUGIN}"));
    let settings = Settings { entrypoint: words(&["/bin/cp", &from, &to]), ..Settings::default() };
    Ok(Image { reference: REFERENCE.to_owned(), files, settings })
}
