//! Starts a supervisor that outlives its caller, inside the network namespace,
//! the control groups and a mount namespace of its cluster.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use super::{Process, lock_file};
use crate::cgroups::Groups;
use crate::components::manifests_applied;
use crate::layout::Places;
use crate::state::{self, Lock};
use crate::{Error, Invocation};

/// Directories whose names are fixed in containerd, the CNI library and kubelet.
/// Each cluster sees its own in their place, so that none leaves anything there.
const PRIVATE: [&str; 5] =
    ["/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods"];

/// Joins the control groups, puts private directories in place, makes the data
/// directory a shared mount (pods may ask for mount propagation) and becomes
/// the program given.
const ENTER: &str = r#"
set -e
data=$1; shift
while [ "$1" != -- ]; do echo $$ > "$1"; shift; done
shift
while [ "$1" != -- ]; do
  mkdir -p "$1" "$data/private$1"
  mount --bind "$data/private$1" "$1"
  shift
done
shift
mount --rbind "$data" "$data"
mount --make-rshared "$data"
exec "$@"
"#;

/// Starts the supervisor of `name` unless it runs. All mounts that its
/// processes make live in a mount namespace that dies with the last of them.
pub async fn launch(program: &Path, name: &str, places: &Places, processes: &[Process]) -> Result<(), Error> {
    if Lock::try_take(&lock_file(places))?.is_none() {
        return Ok(());
    }
    // What was seen of an API server that is gone says nothing about the one to come.
    state::forget(&manifests_applied(places))?;
    let groups = Groups::named(&places.group)?;
    groups.create()?;
    state::save(&places.processes(), &processes)?;
    let logs = places.logs();
    std::fs::create_dir_all(&logs).map_err(Error::file("create", &logs))?;
    let path = logs.join("supervisor.log");
    let open = || File::options().create(true).append(true).open(&path);
    let (out, err) = (open(), open());
    let invocation = Invocation::new("unshare")
        .args(["--mount", "--propagation", "slave", "--", "setsid", "sh", "-c", ENTER, "sh"])
        .arg(&places.data)
        .args(groups.membership_files())
        .arg("--")
        .args(PRIVATE)
        .arg("--")
        .arg(program)
        .args(["supervise", name])
        .inside(&places.namespace_file());
    let mut command = invocation.command();
    command
        .stdin(Stdio::null())
        .stdout(out.map_err(Error::file("open", &path))?)
        .stderr(err.map_err(Error::file("open", &path))?);
    command.spawn().map_err(|error| Error::Program {
        program: invocation.display(),
        outcome: "not started".to_owned(),
        detail: error.to_string(),
    })?;
    Ok(())
}

/// Kills everything that the supervisor and its processes started, containers included.
pub async fn stop(places: &Places) -> Result<(), Error> {
    Groups::named(&places.group)?.kill_and_remove().await
}

/// Removes the empty directories that others were mounted on. What is not empty
/// belongs to somebody else and stays.
pub fn remove_mount_points() {
    for directory in PRIVATE {
        std::fs::remove_dir(directory).ok();
    }
}
