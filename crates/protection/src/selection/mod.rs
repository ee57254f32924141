//! Which objects a backup or a restore concerns: the filters of `Backup.spec` and `Restore.spec`, parsed once
//! and then asked about namespaces, resource types and labels.
//!
//! The rules are those of `docs/formats/recovery-point.md`, section *Selection*.

mod labels;
mod namespaces;
mod types;

pub use labels::{LabelRule, Requirement, is_dns_label, is_label_key};
pub use namespaces::{NamespacePattern, NamespaceRule};
pub use types::{ResourceType, TypePattern, TypeRule};

use std::fmt;

/// The label and the annotation by which an object leaves itself out of every backup.
pub const OPT_OUT: &str = "velero.io/exclude-from-backup";

/// Whether this value of [`OPT_OUT`] opts out.
pub fn opts_out(value: Option<&str>) -> bool {
    value == Some("true")
}

/// The filters as the custom resources spell them.
#[derive(Debug, Clone, Copy)]
pub struct SelectionFields<'a> {
    /// `includedNamespaces`; empty means all.
    pub included_namespaces: &'a [String],
    /// `excludedNamespaces`.
    pub excluded_namespaces: &'a [String],
    /// `includedResourceTypes`; empty means all.
    pub included_resource_types: &'a [String],
    /// `excludedResourceTypes`.
    pub excluded_resource_types: &'a [String],
    /// `labelSelectors`; all must hold.
    pub label_selectors: &'a [String],
    /// `includeClusterScopeResources`.
    pub include_cluster_scope_resources: bool,
}

impl Default for SelectionFields<'_> {
    /// Everything.
    fn default() -> Self {
        Self {
            included_namespaces: &[],
            excluded_namespaces: &[],
            included_resource_types: &[],
            excluded_resource_types: &[],
            label_selectors: &[],
            include_cluster_scope_resources: true,
        }
    }
}

/// Validated filters.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Which namespaces.
    pub namespaces: NamespaceRule,
    /// Which resource types.
    pub types: TypeRule,
    /// Which labels an object must have.
    pub labels: LabelRule,
    /// Whether cluster-scoped objects are selected by themselves; related ones always come along.
    pub cluster_scope: bool,
}

impl Selection {
    /// Validates the filters. `extension_namespace` is never backed up. Reports every bad value at once.
    pub fn parse(fields: &SelectionFields<'_>, extension_namespace: &str) -> Result<Self, SelectionErrors> {
        let mut errors = Vec::new();
        let namespaces = NamespaceRule::parse(
            fields.included_namespaces,
            fields.excluded_namespaces,
            extension_namespace,
            &mut errors,
        );
        let types =
            TypeRule::parse(fields.included_resource_types, fields.excluded_resource_types, &mut errors);
        let labels = LabelRule::parse(fields.label_selectors, &mut errors);
        match errors.is_empty() {
            true => {
                Ok(Self { namespaces, types, labels, cluster_scope: fields.include_cluster_scope_resources })
            }
            false => Err(SelectionErrors(errors)),
        }
    }

    /// Everything but the namespaces that are always left out.
    pub fn everything(extension_namespace: &str) -> Self {
        Self {
            namespaces: NamespaceRule::parse(&[], &[], extension_namespace, &mut Vec::new()),
            types: TypeRule::default(),
            labels: LabelRule::default(),
            cluster_scope: true,
        }
    }
}

/// A value of a filter that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: \"{value}\" {reason}")]
pub struct SelectionError {
    /// The field of the spec.
    pub field: &'static str,
    /// The value, as given.
    pub value: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl SelectionError {
    pub(crate) fn new(field: &'static str, value: &str, reason: impl Into<String>) -> Self {
        Self { field, value: value.to_owned(), reason: reason.into() }
    }
}

/// All bad values of one set of filters; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionErrors(pub Vec<SelectionError>);

impl fmt::Display for SelectionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SelectionErrors {}

#[cfg(test)]
mod tests;
