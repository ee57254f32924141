//! Which namespaces are selected: names and globs, minus those that no backup ever touches.

use super::SelectionError;
use globset::{GlobBuilder, GlobMatcher};
use std::fmt;

/// Left out of every backup (`spec/aks-backup.md` §2.1), besides the extension's own namespace.
const SYSTEM: [&str; 5] =
    ["kube-system", "kube-node-lease", "kube-public", "cofferdam-movers", "cofferdam-trusted-access"];
/// Entries per list.
const MOST: usize = 800;

/// Which namespaces are selected.
#[derive(Debug, Clone)]
pub struct NamespaceRule {
    included: Vec<NamespacePattern>,
    excluded: Vec<NamespacePattern>,
    extension: String,
}

impl NamespaceRule {
    pub(super) fn parse(
        included: &[String],
        excluded: &[String],
        extension: &str,
        errors: &mut Vec<SelectionError>,
    ) -> Self {
        let included = patterns("includedNamespaces", included, errors);
        let excluded = patterns("excludedNamespaces", excluded, errors);
        if excluded.iter().any(|pattern| pattern.as_str() == "*") {
            errors.push(SelectionError::new("excludedNamespaces", "*", "leaves nothing to select"));
        }
        Self { included, excluded, extension: extension.to_owned() }
    }

    /// Whether objects of this namespace are selected.
    pub fn selects(&self, name: &str) -> bool {
        !self.always_excluded(name)
            && (self.included.is_empty() || self.included.iter().any(|pattern| pattern.matches(name)))
            && !self.excluded.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether this namespace is left out whatever the filters say.
    pub fn always_excluded(&self, name: &str) -> bool {
        SYSTEM.contains(&name) || name == self.extension
    }

    /// The included entries; empty means all.
    pub fn included(&self) -> &[NamespacePattern] {
        &self.included
    }

    /// Whether an included entry other than a bare `*` matches the name: somebody asked for this namespace.
    pub fn asked_for(&self, name: &str) -> bool {
        self.selects(name)
            && self.included.iter().any(|pattern| pattern.as_str() != "*" && pattern.matches(name))
    }

    /// The selected names, when every included entry is a name and not a glob.
    pub fn named(&self) -> Option<Vec<&str>> {
        if self.included.is_empty() || self.included.iter().any(|pattern| !pattern.is_literal()) {
            return None;
        }
        let mut names: Vec<&str> =
            self.included.iter().map(NamespacePattern::as_str).filter(|name| self.selects(name)).collect();
        names.sort_unstable();
        names.dedup();
        Some(names)
    }
}

/// A namespace's name, or a glob over names.
#[derive(Debug, Clone)]
pub struct NamespacePattern {
    text: String,
    glob: Option<GlobMatcher>,
}

impl NamespacePattern {
    fn parse(field: &'static str, text: &str) -> Result<Self, SelectionError> {
        let refuse = |reason: String| SelectionError::new(field, text, reason);
        if text.is_empty() {
            return Err(refuse("is empty; leave the list empty to mean all namespaces".to_owned()));
        }
        if !text.contains(['*', '?', '[', ']', '{', '}']) {
            return match super::labels::is_dns_label(text) {
                true => Ok(Self { text: text.to_owned(), glob: None }),
                false => Err(refuse(
                    "is not a namespace name: at most 63 lower-case letters, digits and inner hyphens".into(),
                )),
            };
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*?[]{},!".contains(c);
        if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
            return Err(refuse(format!("holds `{bad}`, which no namespace name has")));
        }
        let glob = GlobBuilder::new(text)
            .build()
            .map_err(|error| refuse(format!("is not a glob: {}", error.kind())))?;
        Ok(Self { text: text.to_owned(), glob: Some(glob.compile_matcher()) })
    }

    /// Whether this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(name),
            None => self.text == name,
        }
    }

    /// Whether it is a name and not a glob.
    pub fn is_literal(&self) -> bool {
        self.glob.is_none()
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn patterns(
    field: &'static str,
    entries: &[String],
    errors: &mut Vec<SelectionError>,
) -> Vec<NamespacePattern> {
    if entries.len() > MOST {
        errors.push(SelectionError::new(
            field,
            &format!("{} entries", entries.len()),
            format!("are too many: at most {MOST}; use globs"),
        ));
    }
    entries
        .iter()
        .filter_map(|text| NamespacePattern::parse(field, text).map_err(|error| errors.push(error)).ok())
        .collect()
}
