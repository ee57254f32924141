//! Finds the testbed's own CSI driver, building it when it is not there yet.

use std::path::{Path, PathBuf};

use crate::{Error, Invocation};

/// Names a ready-made driver.
const OVERRIDE: &str = "COFFERDAM_CSI_DRIVER";

/// Copies the driver to `to`, so that a later build does not change what a
/// running cluster restarts. It is looked for in `COFFERDAM_CSI_DRIVER`, then
/// beside this program, then built with cargo.
pub async fn install(to: &Path) -> Result<(), Error> {
    if to.exists() {
        return Ok(());
    }
    let from = find().await?;
    let parent = to.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    let unfinished = to.with_extension("unfinished");
    std::fs::copy(&from, &unfinished).map_err(Error::file("copy", &from))?;
    std::fs::rename(&unfinished, to).map_err(Error::file("move into place", to))
}

async fn find() -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os(OVERRIDE) {
        return Ok(path.into());
    }
    let own = std::env::current_exe().map_err(Error::file("find", Path::new("/proc/self/exe")))?;
    let beside = own.with_file_name("csi-driver");
    if beside.exists() {
        return Ok(beside);
    }
    println!("building csi-driver");
    let cargo = Invocation::new("cargo")
        .args(["build", "--quiet", "--package", "csi-driver", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
    cargo.output().await?;
    match beside.exists() {
        true => Ok(beside),
        false => Err(Error::Usage(format!(
            "the CSI driver was built, but not to {}; name its path in {OVERRIDE}",
            beside.display()
        ))),
    }
}
