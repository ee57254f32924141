//! The selection arguments that backups and restores share.

use crate::exit::Failure;
use clap::Args;
use resources::NamespacedName;

/// What to include and what to leave out.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectionArgs {
    /// Namespaces, names or globs, separated by commas; all when absent
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub include_namespaces: Vec<String>,
    /// Namespaces to leave out
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub exclude_namespaces: Vec<String>,
    /// Resource types, `apps/v1/Deployment` or `deployments.apps`; all when absent
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    pub include_resources: Vec<String>,
    /// Resource types to leave out
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    pub exclude_resources: Vec<String>,
    /// Label requirement, for example `env=prod;tier!=web`; may be repeated, all must hold
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Vec<String>,
    /// Cluster-scoped objects: `true` for all, `false` for related ones only
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub cluster_scope: bool,
}

/// Reads `namespace/name`.
pub fn reference(text: &str) -> Result<NamespacedName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(NamespacedName { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err(format!("{text:?} is not of the form namespace/name")),
    }
}

/// Reads `original:target`, two namespaces.
pub fn mapping(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => Err(format!("{text:?} is not of the form original:target")),
    }
}

/// Seconds from a duration such as `90s`, `10m` or `4h`.
pub fn seconds(text: &str) -> Result<u32, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a duration such as 90s, 10m or 4h"))?;
    u32::try_from(duration.as_secs()).map_err(|_| format!("{text:?} is too long or negative"))
}

/// Checks the name of an object before the API server does, for a better message.
pub fn object_name(text: &str) -> Result<(), Failure> {
    let valid = !text.is_empty()
        && text.len() <= 63
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if valid {
        Ok(())
    } else {
        Err(Failure::usage(format!("{text:?} cannot be a name")).next(
            "Use at most 63 lower-case letters, digits and hyphens, with a letter or digit at both ends.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_durations_are_read_strictly() {
        assert_eq!(reference("a/b").map(|r| (r.namespace, r.name)), Ok(("a".to_owned(), "b".to_owned())));
        assert!(reference("b").is_err());
        assert!(reference("/b").is_err());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("4h"), Ok(14_400));
        assert!(seconds("-1s").is_err());
        assert!(seconds("soon").is_err());
    }
}
