//! Checks the shape of the project itself: crate arrows, file sizes, README, links.

pub mod statements;

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One dependency between two crates of the workspace: `from` uses `to`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The crate that depends.
    pub from: String,
    /// The crate that it depends on.
    pub to: String,
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_path_buf()
}

/// The arrows that cargo sees; test-only dependencies do not count.
pub fn arrows_of_the_workspace() -> Result<BTreeSet<Arrow>, cargo_metadata::Error> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".into()])
        .exec()?;
    let ours: BTreeSet<String> = metadata.packages.iter().map(|p| p.name.to_string()).collect();
    let mut arrows = BTreeSet::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if dependency.kind == DependencyKind::Normal && ours.contains(&dependency.name) {
                arrows.insert(Arrow { from: package.name.to_string(), to: dependency.name.clone() });
            }
        }
    }
    Ok(arrows)
}

/// The arrows that a document shows, one per line as `from -> to, to` inside the block fenced as `arrows`.
pub fn arrows_of_the_document(text: &str) -> BTreeSet<Arrow> {
    let mut arrows = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim() {
            "```arrows" => inside = true,
            "```" => inside = false,
            line if inside => {
                if let Some((from, to)) = line.split_once("->") {
                    for to in to.split(',').map(str::trim).filter(|to| !to.is_empty()) {
                        arrows.insert(Arrow { from: from.trim().to_owned(), to: to.to_owned() });
                    }
                }
            }
            _ => {}
        }
    }
    arrows
}

/// Every file that git tracks or would add.
pub fn files() -> std::io::Result<Vec<PathBuf>> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(|line| root().join(line)).collect())
}
