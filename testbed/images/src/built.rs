//! Keeps built workload images, so that the second build of the same packages is a copy.

use crate::archive::{self, Digest};
use crate::debian::Packages;
use crate::error::Error;
use crate::recipes::{self, Workload};
use std::fs;
use std::path::Path;

/// Writes the image of `workload` to `out`; takes it from the directory `kept` when the packages and
/// the running program, which holds the recipe, are those of the build before.
pub fn workload(workload: Workload, packages: &Packages, kept: &Path, out: &Path) -> Result<(), Error> {
    let closure = recipes::closure(workload, packages)?;
    let recipe = Digest::of(&fs::read("/proc/self/exe").map_err(Error::io("reading", "/proc/self/exe"))?);
    let key = Digest::of(format!("{}\n{recipe}\n{}", workload.name(), closure.describe()).as_bytes());
    let image = kept.join(format!("{}-{}.tar", workload.name(), key.digits()));
    if !image.exists() {
        archive::write(&recipes::workload(workload, &closure)?, &image)?;
        forget_older(workload, kept, &image)?;
    }
    copy(&image, out)
}

/// Removes the images that the newest replaces.
fn forget_older(workload: Workload, kept: &Path, newest: &Path) -> Result<(), Error> {
    let start = format!("{}-", workload.name());
    for entry in fs::read_dir(kept).map_err(Error::io("listing", kept))? {
        let path = entry.map_err(Error::io("listing", kept))?.path();
        let same = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
        if same && path != newest {
            fs::remove_file(&path).map_err(Error::io("removing", &path))?;
        }
    }
    Ok(())
}

/// Copies a file so that the copy appears complete or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
    let fresh = tempfile::NamedTempFile::new_in(folder).map_err(Error::io("creating a file in", folder))?;
    fs::copy(from, fresh.path()).map_err(Error::io("copying", from))?;
    fresh.persist(to).map_err(|failed| Error::io("publishing", to)(failed.error))?;
    Ok(())
}
