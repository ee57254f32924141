//! What several recipes share: accounts, name resolution, busybox, whole packages.

use crate::debian::Package;
use crate::error::Error;
use crate::tree::Tree;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// An account of an image, with a group of the same name and number.
pub struct Account {
    pub name: &'static str,
    pub number: u32,
    pub home: &'static str,
}

const ROOT: Account = Account { name: "root", number: 0, home: "/root" };
const NOBODY: Account = Account { name: "nobody", number: 65534, home: "/nonexistent" };

/// A root file system with accounts and name resolution, and no program.
pub fn skeleton(accounts: &[Account]) -> Result<Tree, Error> {
    let mut tree = Tree::skeleton();
    let (mut users, mut groups) = (String::new(), String::new());
    for Account { name, number, home } in [ROOT, NOBODY].iter().chain(accounts) {
        users.push_str(&format!("{name}:x:{number}:{number}:{name}:{home}:/bin/sh\n"));
        groups.push_str(&format!("{name}:x:{number}:\n"));
    }
    tree.file("etc/passwd", 0o644, users)?;
    tree.file("etc/group", 0o644, groups)?;
    tree.file("etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\n")?;
    tree.directory("root", 0o700, 0)?;
    Ok(tree)
}

/// Adds those files of one package whose path starts with `folder`, and its copyright notice.
pub fn add_below(tree: &mut Tree, packages: &[Package], name: &str, folder: &str) -> Result<(), Error> {
    let notice = format!("usr/share/doc/{name}/copyright");
    let package = find(packages, name)?;
    for (path, node) in package.files.iter().filter(|(path, _)| path.starts_with(folder) || *path == notice) {
        tree.put(path, node.clone())?;
    }
    Ok(())
}

/// Adds the static busybox and a link for each of its tools that the tree does not have.
pub fn add_busybox(tree: &mut Tree, packages: &[Package]) -> Result<(), Error> {
    let package = find(packages, "busybox-static")?;
    let program = package.files.bytes("bin/busybox")?.to_vec();
    for tool in tools(&program)? {
        let path = format!("usr/bin/{tool}");
        if tree.get(&path).is_none() && tree.get(&format!("usr/sbin/{tool}")).is_none() {
            tree.symlink(&path, "busybox")?;
        }
    }
    tree.file("usr/bin/busybox", 0o755, program)?;
    add_below(tree, packages, "busybox-static", "usr/share/doc/busybox-static/copyright")
}

/// Asks busybox itself which tools it has.
fn tools(program: &[u8]) -> Result<Vec<String>, Error> {
    let failed = |message: String| Error::Tool { command: "busybox --list".to_owned(), message };
    let mut file = tempfile::NamedTempFile::new().map_err(|e| failed(e.to_string()))?;
    file.write_all(program).map_err(|e| failed(e.to_string()))?;
    // Closed before it is run: the kernel refuses to run a file that is open for writing.
    let path = file.into_temp_path();
    std::fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(|e| failed(e.to_string()))?;
    // It looks at its own name to know which tool it is.
    let output =
        Command::new(&path).arg0("busybox").arg("--list").output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let tools = String::from_utf8_lossy(&output.stdout);
    Ok(tools.lines().filter(|tool| *tool != "busybox").map(str::to_owned).collect())
}

fn find<'a>(packages: &'a [Package], name: &str) -> Result<&'a Package, Error> {
    let missing = || Error::NoPackage { packages: name.to_owned(), message: "not in the closure".to_owned() };
    packages.iter().find(|package| package.name == name).ok_or_else(missing)
}
