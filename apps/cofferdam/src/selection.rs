//! The selection arguments that backups and restores share.

use crate::exit::Failure;
use clap::Args;
use jiff::SignedDuration;
use protection::selection::{Selection, SelectionFields, is_label_key};
use resources::NamespacedName;
use std::ops::RangeInclusive;

/// Seconds that a backup or a restore may take at all.
const DEADLINE: RangeInclusive<u32> = 60..=604_800;

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

impl SelectionArgs {
    /// The selection; every value that means nothing is named with its argument.
    pub fn parse(&self, extension_namespace: &str) -> Result<Selection, Failure> {
        let fields = SelectionFields {
            included_namespaces: &self.include_namespaces,
            excluded_namespaces: &self.exclude_namespaces,
            included_resource_types: &self.include_resources,
            excluded_resource_types: &self.exclude_resources,
            label_selectors: &self.selector,
            include_cluster_scope_resources: self.cluster_scope,
        };
        Selection::parse(&fields, extension_namespace).map_err(|bad| {
            let said =
                bad.0.iter().map(|bad| format!("{}: \"{}\" {}", flag(bad.field), bad.value, bad.reason));
            Failure::usage(said.collect::<Vec<_>>().join("\n       "))
                .next("Correct the arguments; leave one out to select everything.")
        })
    }
}

/// The argument behind a field of the spec.
fn flag(field: &'static str) -> &'static str {
    match field {
        "includedNamespaces" => "--include-namespaces",
        "excludedNamespaces" => "--exclude-namespaces",
        "includedResourceTypes" => "--include-resources",
        "excludedResourceTypes" => "--exclude-resources",
        "labelSelectors" => "--selector",
        other => other,
    }
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
    let duration: SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a duration such as 90s, 10m or 4h"))?;
    u32::try_from(duration.as_secs()).map_err(|_| format!("{text:?} is too long or negative"))
}

/// Seconds that a whole backup or restore may take.
pub fn deadline(text: &str) -> Result<u32, String> {
    seconds_within(text, &DEADLINE)
}

/// Seconds within limits.
pub fn seconds_within(text: &str, limits: &RangeInclusive<u32>) -> Result<u32, String> {
    let given = seconds(text)?;
    match limits.contains(&given) {
        true => Ok(given),
        false => {
            let said = |limit: &u32| format!("{:#}", SignedDuration::from_secs(i64::from(*limit)));
            Err(format!("{text:?} is not between {} and {}", said(limits.start()), said(limits.end())))
        }
    }
}

/// The key of a label; empty means none.
pub fn label_key(text: &str) -> Result<String, String> {
    match text.is_empty() || is_label_key(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not the key of a label, such as app or example.com/group")),
    }
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

    #[test]
    fn deadlines_are_those_that_the_api_server_accepts() {
        assert_eq!(deadline("1m"), Ok(60));
        assert!(["0s", "59s"].into_iter().all(|text| deadline(text).is_err()));
        assert_eq!(deadline("169h"), Err("\"169h\" is not between 1m and 168h".to_owned()));
    }

    #[test]
    fn selections_that_mean_nothing_are_named_with_their_arguments() {
        let nothing = vec![String::new()];
        let args = SelectionArgs {
            include_namespaces: nothing.clone(),
            exclude_namespaces: nothing.clone(),
            include_resources: nothing.clone(),
            exclude_resources: nothing,
            selector: vec!["=".to_owned()],
            cluster_scope: true,
        };

        let refused = args.parse("backups").unwrap_err();

        let text = refused.to_string();
        for named in
            ["include-namespaces", "exclude-namespaces", "include-resources", "exclude-resources", "selector"]
        {
            assert!(text.contains(&format!("--{named}: ")), "{named}: {text}");
        }
        assert_eq!(refused.exit.code(), 2);
    }
}
