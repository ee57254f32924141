//! The `identity` of a request: which managed identities a resource is to have.

use crate::{ArmError, Fields};
use std::collections::BTreeMap;

/// Identities that one request names.
const MOST_IDENTITIES: usize = 100;

/// Which kinds of identities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdentityKind {
    /// Its own.
    pub system: bool,
    /// Those of other resources.
    pub user: bool,
}

/// What a request says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityGiven {
    /// `type`.
    pub kind: IdentityKind,
    /// `userAssignedIdentities` by resource id; `false` where the value is `null`, which takes the identity away.
    pub user: Option<BTreeMap<String, bool>>,
}

impl IdentityKind {
    /// Reads `SystemAssigned, UserAssigned` and the like, in any case and order.
    pub fn of(text: &str) -> Option<Self> {
        let mut kind = Self::default();
        let mut parts = text.split(',').map(str::trim).peekable();
        if text.trim().eq_ignore_ascii_case("None") {
            return Some(kind);
        }
        parts.peek()?;
        for part in parts {
            match part {
                part if part.eq_ignore_ascii_case("SystemAssigned") => kind.system = true,
                part if part.eq_ignore_ascii_case("UserAssigned") => kind.user = true,
                _ => return None,
            }
        }
        Some(kind)
    }

    /// As it is written.
    pub fn word(self) -> &'static str {
        match (self.system, self.user) {
            (true, true) => "SystemAssigned,UserAssigned",
            (true, false) => "SystemAssigned",
            (false, true) => "UserAssigned",
            (false, false) => "None",
        }
    }
}

impl IdentityGiven {
    /// Reads the object under `identity`.
    pub fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let text = fields.required_text("type")?;
        let kind = IdentityKind::of(text).ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            let known = "SystemAssigned, UserAssigned, 'SystemAssigned,UserAssigned' and None";
            fields.wrong("type", format!("is '{shown}'; known are {known}"))
        })?;
        let user = fields.object("userAssignedIdentities")?;
        let number = user.as_ref().map_or(0, |user| user.entries().count());
        if number > MOST_IDENTITIES {
            let reason = format!("has {number} entries; at most {MOST_IDENTITIES} are taken");
            return Err(fields.wrong("userAssignedIdentities", reason));
        }
        let user =
            user.map(|user| user.entries().map(|(id, value)| (id.to_owned(), !value.is_null())).collect());
        Ok(Self { kind, user })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_are_read_in_any_spelling() {
        for (text, system, user) in [
            ("SystemAssigned", true, false),
            ("userassigned", false, true),
            ("SystemAssigned, UserAssigned", true, true),
            ("UserAssigned,SystemAssigned", true, true),
            ("none", false, false),
        ] {
            assert_eq!(IdentityKind::of(text), Some(IdentityKind { system, user }), "{text}");
        }
        for wrong in ["", "Own", "SystemAssigned,", "None,SystemAssigned"] {
            assert_eq!(IdentityKind::of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_identity_that_is_null_is_taken_away() {
        let body = json!({"type": "UserAssigned", "userAssignedIdentities": {"/a": {}, "/b": null}});

        let given = IdentityGiven::read(&Fields::of(&body).unwrap()).unwrap();

        assert_eq!(given.user, Some(BTreeMap::from([("/a".to_owned(), true), ("/b".to_owned(), false)])));
        assert!(IdentityGiven::read(&Fields::of(&json!({})).unwrap()).is_err());
    }
}
