//! The few btrfs operations the driver needs, through the `btrfs` tool.

use crate::error::Error;
use crate::tool::run;
use std::ffi::OsStr;
use std::path::Path;

/// Whether a new snapshot can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A snapshot proper.
    ReadOnly,
    /// A clone that becomes a volume.
    Writable,
}

/// What the quota group of one subvolume says, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes the subvolume refers to, shared or not.
    pub referenced: u64,
    /// The limit on them, if there is one.
    pub limit: Option<u64>,
}

/// Switches quotas on; does nothing when they are on already.
pub fn enable_quota(pool: &Path) -> Result<(), Error> {
    btrfs(&["quota".as_ref(), "enable".as_ref(), pool.as_os_str()]).map(drop)
}

/// Creates an empty subvolume.
pub fn create_subvolume(at: &Path) -> Result<(), Error> {
    btrfs(&["subvolume".as_ref(), "create".as_ref(), at.as_os_str()]).map(drop)
}

/// Cuts a snapshot of `source` at `at`; data already written to `source` is in it.
pub fn snapshot(source: &Path, at: &Path, access: Access) -> Result<(), Error> {
    let mut args: Vec<&OsStr> = vec!["subvolume".as_ref(), "snapshot".as_ref()];
    if access == Access::ReadOnly {
        args.push("-r".as_ref());
    }
    args.extend([source.as_os_str(), at.as_os_str()]);
    btrfs(&args).map(drop)
}

/// Deletes a subvolume with all it holds.
pub fn delete_subvolume(at: &Path) -> Result<(), Error> {
    btrfs(&["subvolume".as_ref(), "delete".as_ref(), at.as_os_str()]).map(drop)
}

/// Limits what a subvolume may refer to, in bytes; `None` lifts the limit.
pub fn limit(subvolume: &Path, bytes: Option<u64>) -> Result<(), Error> {
    let bytes = bytes.map_or_else(|| "none".to_owned(), |b| b.to_string());
    btrfs(&["qgroup".as_ref(), "limit".as_ref(), OsStr::new(&bytes), subvolume.as_os_str()]).map(drop)
}

/// Reads a subvolume's quota group.
pub fn usage(subvolume: &Path) -> Result<Usage, Error> {
    let args: [&OsStr; 5] =
        ["qgroup".as_ref(), "show".as_ref(), "-rf".as_ref(), "--raw".as_ref(), subvolume.as_os_str()];
    let table = btrfs(&args)?;
    parse_usage(&table).ok_or_else(|| Error::Tool {
        command: format!("btrfs qgroup show -rf --raw {}", subvolume.display()),
        message: format!("the output could not be understood: {table:?}"),
    })
}

/// Finds the one row below the two header lines: id, referenced, exclusive, limit.
fn parse_usage(table: &str) -> Option<Usage> {
    let row = table.lines().find(|line| line.starts_with("0/"))?;
    let mut columns = row.split_whitespace().skip(1);
    let referenced = columns.next()?.parse().ok()?;
    let limit = columns.nth(1)?.parse().ok();
    Some(Usage { referenced, limit })
}

fn btrfs(args: &[&OsStr]) -> Result<String, Error> {
    run("btrfs", args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_the_table() {
        let table = "Qgroupid    Referenced    Exclusive  Max referenced   Path \n\
                     --------    ----------    ---------  --------------   ---- \n\
                     0/256         10469376        16384        10485760   v1\n";

        let usage = parse_usage(table);

        assert_eq!(usage, Some(Usage { referenced: 10_469_376, limit: Some(10_485_760) }));
        assert_eq!(parse_usage("0/5 16384 16384 none <toplevel>").map(|u| u.limit), Some(None));
        assert_eq!(parse_usage(""), None);
    }
}
