//! Decides what happens to an object that already exists in the target. Pure.

use crate::diff::{self, Difference, Extent};
use crate::item::ResourceType;
use crate::json;
use jiff::Timestamp;
use resources::ConflictPolicy;
use serde_json::{Value, json};

/// What kind of thing an object is to the conflict rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A namespace.
    Namespace,
    /// A CustomResourceDefinition.
    Definition,
    /// A claim; `with_data` if this restore would fill it.
    Claim {
        /// Whether the restore brings data for it.
        with_data: bool,
    },
    /// A persistent volume.
    Volume,
    /// A service account.
    Account,
    /// Anything else.
    Other,
}

impl Class {
    /// The class of a type.
    pub fn of(kind: &ResourceType, with_data: bool) -> Self {
        match (kind.group.as_str(), kind.resource.as_str()) {
            ("", "namespaces") => Self::Namespace,
            ("", "persistentvolumeclaims") => Self::Claim { with_data },
            ("", "persistentvolumes") => Self::Volume,
            ("", "serviceaccounts") => Self::Account,
            ("apiextensions.k8s.io", "customresourcedefinitions") => Self::Definition,
            _ => Self::Other,
        }
    }

    /// Whether `Replace` leaves it alone unless its type is named.
    pub(crate) fn is_spared(self) -> bool {
        matches!(self, Self::Namespace | Self::Definition | Self::Claim { .. } | Self::Volume)
    }
}

/// Who made a live object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Somebody else.
    Foreign,
    /// This restore, in an earlier attempt: it created the object.
    Created,
    /// This restore, in an earlier attempt: it deleted what was there and created the object in its place.
    Replaced,
    /// This restore, in an earlier attempt: it changed the object.
    Changed,
}

impl Origin {
    /// Whether this restore created the object, in place of another or not.
    pub fn is_made_here(self) -> bool {
        matches!(self, Self::Created | Self::Replaced)
    }
}

/// The field manager of objects that were created in the place of others: an attempt that comes later tells
/// by it that they were not absent before.
pub fn replacing(manager: &str) -> String {
    format!("{manager}/replaced")
}

/// Tells from a live object's field managers whether this restore wrote it before. `requested` is when the
/// API server took in the request to restore.
pub fn origin(live: &Value, manager: &str, requested: Timestamp) -> Origin {
    let managers = json::items(live, &["metadata", "managedFields"]).iter();
    let managers: Vec<&str> = managers.filter_map(|entry| json::text(entry, &["manager"])).collect();
    if managers.contains(&replacing(manager).as_str()) {
        return Origin::Replaced;
    }
    let written = managers.contains(&manager);
    let created = json::text(live, &["metadata", "creationTimestamp"])
        .and_then(|text| text.parse::<Timestamp>().ok())
        .is_some_and(|created| created.as_second() >= requested.as_second());
    match (written, created) {
        (false, _) => Origin::Foreign,
        (true, true) => Origin::Created,
        (true, false) => Origin::Changed,
    }
}

/// An object of the recovery point that meets a live one.
#[derive(Debug, Clone, Copy)]
pub struct Conflict<'a> {
    /// What kind of thing it is.
    pub class: Class,
    /// The transformed object.
    pub desired: &'a Value,
    /// The live object, in the same shape.
    pub live: &'a Value,
    /// Who made the live object.
    pub origin: Origin,
    /// A cluster-scoped object while the original of a mapped namespace still lives.
    pub shared: bool,
    /// The restore asked for it only in case that it is absent.
    pub only_if_absent: bool,
    /// Its type is named among those that `Replace` does not spare.
    pub named: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nothing; this restore created it in an earlier attempt.
    CreatedBefore,
    /// Nothing; this restore replaced another one with it in an earlier attempt.
    ReplacedBefore,
    /// Nothing; it already is as in the recovery point.
    Unchanged,
    /// Nothing; it differs in these fields and stays as it is.
    Skip(Vec<String>),
    /// Nothing; others use it while the original lives. It differs in these fields.
    SharedLeftAlone(Vec<String>),
    /// Nothing; its data would have to go onto a claim that exists.
    DataNotRestored,
    /// Merge.
    Patch(Difference),
    /// Delete and create; it differs in these fields.
    Replace(Vec<String>),
}

/// Decides.
pub fn decide(policy: ConflictPolicy, conflict: &Conflict<'_>) -> Decision {
    let replaces = policy == ConflictPolicy::Replace && (!conflict.class.is_spared() || conflict.named);
    match conflict.origin {
        Origin::Created => return Decision::CreatedBefore,
        Origin::Replaced => return Decision::ReplacedBefore,
        Origin::Foreign | Origin::Changed => {}
    }
    if let Some(freed) = freed_volume(conflict) {
        return Decision::Patch(freed);
    }
    match conflict.class {
        Class::Claim { with_data: true } if replaces => return Decision::Replace(Vec::new()),
        Class::Claim { with_data: true } => return Decision::DataNotRestored,
        Class::Account if !replaces || is_default_account(conflict.desired) => {
            let difference = diff::account_difference(conflict.desired, conflict.live);
            return if difference.is_empty() { Decision::Unchanged } else { Decision::Patch(difference) };
        }
        _ => {}
    }
    let extent = match (conflict.class, replaces) {
        (Class::Claim { .. }, false) => Extent::MetadataOnly,
        _ => Extent::Whole,
    };
    let difference = diff::difference(conflict.desired, conflict.live, extent);
    if difference.is_empty() {
        return Decision::Unchanged;
    }
    match policy {
        _ if conflict.shared => Decision::SharedLeftAlone(difference.fields),
        _ if conflict.only_if_absent => Decision::Skip(difference.fields),
        ConflictPolicy::Patch => Decision::Patch(difference),
        ConflictPolicy::Replace if replaces => Decision::Replace(difference.fields),
        ConflictPolicy::Skip | ConflictPolicy::Replace => Decision::Skip(difference.fields),
    }
}

/// A volume whose claim was deleted waits for a claim with a UID that never comes back. It is given to the
/// restored claim of the same name, whatever the policy: the volume itself does not change.
fn freed_volume(conflict: &Conflict<'_>) -> Option<Difference> {
    if conflict.class != Class::Volume || json::text(conflict.live, &["status", "phase"]) != Some("Released")
    {
        return None;
    }
    let claim = |volume| {
        json::text(volume, &["spec", "claimRef", "namespace"])
            .zip(json::text(volume, &["spec", "claimRef", "name"]))
    };
    (claim(conflict.live).is_some() && claim(conflict.live) == claim(conflict.desired)).then(|| Difference {
        patch: json!({"spec": {"claimRef": {"uid": null, "resourceVersion": null}}}),
        fields: vec!["spec.claimRef.uid".to_owned()],
    })
}

/// The cluster makes this account again at once: deleting it would only race.
fn is_default_account(desired: &Value) -> bool {
    json::text(desired, &["metadata", "name"]) == Some("default")
}

#[cfg(test)]
mod tests;
