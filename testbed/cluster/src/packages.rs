//! The Debian packages that a cluster needs from the machine.

use std::path::Path;

use crate::{Error, Invocation};

/// A program and the package that brings it.
const NEEDED: &[(&str, &str)] = &[
    ("/usr/bin/containerd", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/bin/socat", "socat"),
    ("/bin/busybox", "busybox-static"),
    ("/usr/bin/btrfs", "btrfs-progs"),
    ("/bin/ip", "iproute2"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/sbin/losetup", "mount"),
];

/// The packages among [`NEEDED`] whose program `exists` does not find.
fn missing(exists: impl Fn(&Path) -> bool) -> Vec<&'static str> {
    NEEDED.iter().filter(|(program, _)| !exists(Path::new(program))).map(|(_, package)| *package).collect()
}

/// Installs what is missing, as root; otherwise fails with the line to run.
pub async fn ensure_packages() -> Result<(), Error> {
    let missing = missing(Path::exists);
    if missing.is_empty() {
        return Ok(());
    }
    let line =
        format!("apt-get update && apt-get install --yes --no-install-recommends {}", missing.join(" "));
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::Usage(format!("this machine lacks {}; run as root: {line}", missing.join(", "))));
    }
    println!("installing {}", missing.join(" "));
    let apt = Invocation::new("sh").args(["-c", &line]);
    let installed = apt.env("DEBIAN_FRONTEND", "noninteractive").output().await;
    // Debian starts its own containerd; the testbed runs one per cluster.
    installed.map(|_| ())
}

/// Fails unless the process may create namespaces, mounts and devices.
pub fn ensure_root() -> Result<(), Error> {
    match nix::unistd::geteuid().is_root() {
        true => Ok(()),
        false => Err(Error::Usage(
            "a cluster needs root, because it makes network namespaces and mounts; run this again with sudo"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_packages_of_absent_programs_are_installed() {
        let present = |path: &Path| !path.ends_with("runc") && !path.ends_with("btrfs");

        let packages = missing(present);

        assert_eq!(packages, ["runc", "btrfs-progs"]);
    }
}
