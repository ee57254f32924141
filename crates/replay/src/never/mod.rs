//! What is never restored, because a cluster makes it anew by itself or because restoring it would start
//! something. One table, printed in `docs/restore-rules.md`.

mod body;
mod table;

pub(crate) use body::is_token_name;
pub use table::{DERIVED, Derived, NEVER, Never};

use crate::item::{Item, OwnerRef, ResourceType};
use serde_json::Value;

/// The rule by which an object is left out, judged by its type and name alone.
pub fn by_name(kind: &ResourceType, namespace: Option<&str>, name: &str) -> Option<&'static Never> {
    NEVER.iter().find(|rule| rule.matches_name(kind, namespace, name))
}

/// The rule by which an object is left out, judged by its body.
pub fn by_body(kind: &ResourceType, object: &Value) -> Option<&'static Never> {
    NEVER.iter().find(|rule| rule.matches_body(kind, object))
}

/// The owner whose controller makes this object, by the table of derived objects.
pub fn derived_from(item: &Item) -> Option<(&OwnerRef, &'static Derived)> {
    let owner = item.owners.iter().find(|owner| owner.controller)?;
    let rule = DERIVED.iter().find(|rule| {
        rule.child == (item.kind.group.as_str(), item.kind.resource.as_str())
            && rule.owners.contains(&(&*owner.group, &*owner.kind))
    })?;
    Some((owner, rule))
}
