//! Takes a cluster down and removes all that it made: processes, control
//! groups, mounts, loop devices, namespace, files.

use std::path::Path;

use super::up::change_lock;
use crate::layout::Places;
use crate::state::{self, Lock};
use crate::{ClusterName, Error, Layout};
use crate::{network, packages, pool, stores, supervisor};

/// Removes one cluster; harmless when there is none. The last one takes hub and
/// pool with it, unless a store still runs in the hub.
pub async fn down(layout: &Layout, name: &ClusterName) -> Result<(), Error> {
    packages::ensure_root()?;
    let change = Lock::take(&change_lock(layout, name)).await?;
    let places = layout.cluster(name);
    // Kubelet's own loop devices first: they sit on top of the driver's.
    let mut loops = pool::loops_below(&places.data).await?;
    loops.extend(loops_of(&places)?);
    supervisor::stop(&places).await?;
    for device in loops {
        pool::detach(&device).await?;
    }
    network::remove(&places).await?;
    let alone = Lock::take(&layout.shared_lock()).await?;
    remove_files(&places).await?;
    change.remove()?;
    clear_shared(layout, alone).await
}

/// Removes every cluster, every store, the hub and the pool.
pub async fn down_everything(layout: &Layout) -> Result<(), Error> {
    packages::ensure_root()?;
    for kind in stores::ALL {
        stores::store_down(layout, kind).await?;
    }
    for name in leftovers(layout)? {
        down(layout, &name).await?;
    }
    let alone = Lock::take(&layout.shared_lock()).await?;
    clear_shared(layout, alone).await
}

/// Removes the files of a cluster whose processes are gone.
pub(super) async fn remove_files(places: &Places) -> Result<(), Error> {
    for directory in [&places.run, &places.data] {
        pool::unmount_below(directory).await?;
        pool::detach_loops(directory).await?;
        if directory.exists() {
            std::fs::remove_dir_all(directory).map_err(Error::file("remove", directory))?;
        }
    }
    Ok(())
}

/// Clusters with a description, and names that only a directory remembers.
fn leftovers(layout: &Layout) -> Result<Vec<ClusterName>, Error> {
    let mut names: Vec<ClusterName> = state::clusters(layout)?.into_keys().collect();
    for directory in [layout.run(), layout.data()] {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name().to_string_lossy().parse::<ClusterName>();
            if let (true, Ok(name)) = (is_directory, name)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Removes hub and pool when nobody uses them any more. The lock on what is
/// shared goes last.
async fn clear_shared(layout: &Layout, alone: Lock) -> Result<(), Error> {
    if !state::clusters(layout)?.is_empty() {
        return Ok(());
    }
    pool::remove(&layout.shared_pool_image(), &layout.shared_pool()).await?;
    if stores::any_running(layout)? {
        return Ok(());
    }
    supervisor::remove_mount_points();
    network::remove_hub(layout).await?;
    remove_files(&layout.hub()).await?;
    alone.remove()?;
    for directory in [layout.run(), layout.data()] {
        // Not empty when somebody has started something new meanwhile.
        std::fs::remove_dir(directory).ok();
    }
    Ok(())
}

/// Loop devices that the cluster's pods have as raw block volumes: seen only
/// from inside the cluster's mount namespace, while it lives.
fn loops_of(places: &Places) -> Result<Vec<String>, Error> {
    let running = supervisor::running(places)?;
    let mut found = Vec::new();
    for (_, process) in running.iter().filter(|(_, process)| process.id.alive()) {
        let path = format!("/proc/{}/mountinfo", process.id.pid);
        if let Ok(mounts) = std::fs::read_to_string(path) {
            found = loops_below(&mounts, &places.kubelet());
            break;
        }
    }
    Ok(found)
}

/// Loop devices bound to files below `directory`, from a `mountinfo` file: the
/// fourth field is the bound file within the device file system, the fifth its target.
fn loops_below(mountinfo: &str, directory: &Path) -> Vec<String> {
    let mut found: Vec<String> = mountinfo
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields.get(4).is_some_and(|target| Path::new(target).starts_with(directory)))
        .filter_map(|fields| fields.get(3).map(|root| (*root).to_owned()))
        .filter(|root| root.starts_with("/loop"))
        .map(|root| format!("/dev{root}"))
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_volumes_of_this_cluster_are_detached() {
        let mountinfo = "36 35 0:5 /loop3 /d/one/kubelet/plugins/x rw shared:1 - devtmpfs udev rw\n\
            37 35 0:5 /loop4 /d/two/kubelet/plugins/x rw shared:1 - devtmpfs udev rw\n\
            38 35 8:1 /volumes/a /d/one/kubelet/pods/y rw - btrfs /dev/loop0 rw\n";

        let found = loops_below(mountinfo, Path::new("/d/one/kubelet"));

        assert_eq!(found, ["/dev/loop3"]);
    }
}
