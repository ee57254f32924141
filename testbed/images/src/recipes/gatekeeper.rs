//! Gatekeeper's image: its one program, as the testbed builds it from source, where its project's manifest looks for it.

use super::{base, words};
use crate::archive::{Image, Settings};
use crate::error::Error;
use std::path::Path;

/// The image's name; the tag is the version that the testbed pins.
pub const REFERENCE: &str = "cofferdam.test/gatekeeper:3.23.1";
const PROGRAM: &str = "manager";

/// The image of the program in this directory, which `testbed build --gatekeeper` names.
pub fn gatekeeper(programs: &Path) -> Result<Image, Error> {
    let path = programs.join(PROGRAM);
    let program = std::fs::read(&path).map_err(Error::io("reading", &path))?;
    let mut files = base::skeleton(&[])?;
    files.file(PROGRAM, 0o755, program)?;
    let settings =
        Settings { entrypoint: words(&["/manager"]), user: "65534:65534".to_owned(), ..Settings::default() };
    Ok(Image { reference: REFERENCE.to_owned(), files, settings })
}
