//! The btrfs pool that volumes live in: a sparse image file, mounted through a loop device.

use std::path::Path;

use crate::{Error, Invocation, state};

/// Size of a pool in bytes. The file is sparse: it takes what is written to it.
const SIZE: u64 = 64 << 30;

/// Makes and mounts the pool `image` at `directory`; harmless when it is mounted.
pub async fn ensure(image: &Path, directory: &Path) -> Result<(), Error> {
    if mounted(directory)? {
        return Ok(());
    }
    let parent = image.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    std::fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    // Nobody has it mounted, so what it holds belongs to clusters that are gone.
    let unfinished = image.with_extension("unfinished");
    let file = std::fs::File::create(&unfinished).map_err(Error::file("create", &unfinished))?;
    file.set_len(SIZE).map_err(Error::file("size", &unfinished))?;
    drop(file);
    let format = Invocation::new("mkfs.btrfs").args(["--quiet", "--metadata", "single"]);
    format.arg(&unfinished).output().await?;
    std::fs::rename(&unfinished, image).map_err(Error::file("move into place", image))?;
    let mount = Invocation::new("mount").args(["-o", "loop,noatime,discard=async"]);
    mount.arg(image).arg(directory).output().await?;
    // Sizes of volumes are enforced with quotas.
    let quota = Invocation::new("btrfs").args(["quota", "enable"]);
    quota.arg(directory).output().await.map(|_| ())
}

/// Detaches every loop device backed by a file in the pool, unmounts the pool
/// and deletes its image; harmless when there is none.
pub async fn remove(image: &Path, directory: &Path) -> Result<(), Error> {
    detach_loops(directory).await?;
    unmount_below(directory).await?;
    detach_loops(image).await?;
    for path in [image.to_path_buf(), image.with_extension("unfinished")] {
        state::forget(&path)?;
    }
    if directory.exists() {
        std::fs::remove_dir(directory).map_err(Error::file("remove", directory))?;
    }
    Ok(())
}

/// Unmounts everything at and below `directory`, innermost first.
pub async fn unmount_below(directory: &Path) -> Result<(), Error> {
    let path = Path::new("/proc/self/mounts");
    let mounts = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    for target in targets_below(&mounts, directory).iter().rev() {
        Invocation::new("umount").arg(target).output().await?;
    }
    Ok(())
}

/// Detaches the loop devices whose backing file is `path` or lies below it.
pub async fn detach_loops(path: &Path) -> Result<(), Error> {
    for device in loops_below(path).await? {
        detach(&device).await?;
    }
    Ok(())
}

/// The loop devices whose backing file is `path` or lies below it. Ask before
/// the processes end: with their mounts the names of backing files go too.
pub async fn loops_below(path: &Path) -> Result<Vec<String>, Error> {
    let list =
        Invocation::new("losetup").args(["--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"]);
    let text = list.text().await?;
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines
        .map(|(device, file)| {
            let file = file.trim_end_matches("(deleted)").trim_end_matches("\\x20");
            (device, file.trim_end())
        })
        .filter(|(_, file)| Path::new(file).starts_with(path))
        .map(|(device, _)| device.to_owned())
        .collect())
}

/// Detaches one loop device; harmless when it is free already.
pub async fn detach(device: &str) -> Result<(), Error> {
    if !Invocation::new("losetup").arg(device).succeeds().await {
        return Ok(());
    }
    let detach = Invocation::new("losetup").args(["--detach", device]);
    detach.output().await.map(|_| ())
}

/// Whether a file system is mounted exactly there.
fn mounted(directory: &Path) -> Result<bool, Error> {
    let path = Path::new("/proc/self/mounts");
    let mounts = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    Ok(targets_below(&mounts, directory).iter().any(|t| Path::new(t) == directory))
}

/// Mount points at and below a directory, in the order they were mounted.
fn targets_below(mounts: &str, directory: &Path) -> Vec<String> {
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    targets
        .map(|target| target.replace("\\040", " "))
        .filter(|target| Path::new(target).starts_with(directory))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_directory_are_found() {
        let mounts = "/dev/vda / ext4 rw 0 0\n\
            /dev/loop0 /x/pool btrfs rw 0 0\n\
            /dev/loop1 /x/pool/a btrfs rw 0 0\n\
            /dev/loop2 /x/pool-of-others btrfs rw 0 0\n";

        let found = targets_below(mounts, Path::new("/x/pool"));

        assert_eq!(found, ["/x/pool", "/x/pool/a"]);
    }
}
