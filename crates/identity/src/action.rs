//! Actions such as `Microsoft.DataProtection/backupVaults/write`, and the patterns by which roles name them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that a caller wants to do: the resource type and the verb behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Action {
    /// As it is shown.
    pub name: String,
    /// Whether it is about what a resource holds (blobs), not about the resource.
    pub is_data: bool,
}

/// Actions, by a name in which `*` stands for any text. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionPattern(String);

impl Action {
    /// An action on a resource.
    pub fn control(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_data: false }
    }

    /// An action on what a resource holds.
    pub fn data(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_data: true }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl ActionPattern {
    /// A pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for this action. Takes time in proportion to both lengths, whatever the pattern.
    pub fn matches(&self, action: &str) -> bool {
        let (pattern, action) = (self.0.to_lowercase(), action.to_lowercase());
        let mut pieces = pattern.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| action.strip_prefix(first)) else { return false };
        let mut pieces: Vec<&str> = pieces.collect();
        let Some(last) = pieces.pop() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece).and_then(|at| rest.get(at + piece.len()..)) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let matching = [
            ("*", "Microsoft.DataProtection/backupVaults/write"),
            ("*/read", "Microsoft.DataProtection/backupVaults/backupInstances/read"),
            (
                "Microsoft.DataProtection/backupVaults/*",
                "microsoft.dataprotection/BACKUPVAULTS/backupPolicies/delete",
            ),
            ("Microsoft.Authorization/*/read", "Microsoft.Authorization/roleAssignments/read"),
            ("a*b*c", "aXbbXc"),
            ("exact/read", "Exact/Read"),
        ];
        let others = [
            ("*/read", "Microsoft.DataProtection/backupVaults/write"),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/delete"),
            ("exact/read", "exact/read/more"),
            ("a*b*c", "ac"),
            ("ab*ba", "aba"),
            ("", "x"),
        ];

        for (pattern, action) in matching {
            assert!(ActionPattern::new(pattern).matches(action), "{pattern} {action}");
        }
        for (pattern, action) in others {
            assert!(!ActionPattern::new(pattern).matches(action), "{pattern} {action}");
        }
    }

    /// The obvious way, exponential.
    fn obviously(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| obviously(rest, &text[skipped..])),
            ([one, rest @ ..], [other, behind @ ..]) => one == other && obviously(rest, behind),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_obvious_way(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            let expected = obviously(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(ActionPattern::new(pattern).matches(&text), expected);
        }
    }
}
