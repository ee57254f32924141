//! What a resource group may be, and what a call makes of it.

use crate::api::tracked::{check_location, check_tags, normal_location};
use arm::{ArmError, Fields, ResourceId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LONGEST_NAME: usize = 90;

/// What is kept of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Where.
    pub location: String,
    /// Labels.
    pub tags: BTreeMap<String, String>,
    /// Id of the resource that manages it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// The cluster for which the vault made it, as its node resource group. No client writes this: with the cluster goes
    /// the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_group_of: Option<ResourceId>,
    /// Its deletion has begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
}

/// What a PUT makes of what is there.
pub fn put(name: &str, existing: Option<&Group>, body: &Value) -> Result<Group, ArmError> {
    check_name(name)?;
    let fields = Fields::of(body)?;
    let location = location(&fields)?;
    if let Some(existing) = existing {
        not_going(name, existing)?;
        if existing.location != location {
            let message = format!(
                "The resource group '{name}' is in location '{}' and cannot move to '{location}'. Use another name, or \
                 its own location.",
                existing.location
            );
            return Err(ArmError::new(409, "InvalidResourceGroupLocation", message));
        }
    }
    let managed_by = managed_by(name, existing, given_managed_by(&fields)?)?;
    let node_group_of = existing.and_then(|existing| existing.node_group_of.clone());
    let tags = tags(&fields)?.unwrap_or_default();
    Ok(Group { location, tags, managed_by, node_group_of, deleting: false })
}

/// What a PATCH makes of what is there: tags are replaced as a whole, where they are given.
pub fn patch(name: &str, existing: &Group, body: &Value) -> Result<Group, ArmError> {
    not_going(name, existing)?;
    let fields = Fields::of(body)?;
    let tags = tags(&fields)?.unwrap_or_else(|| existing.tags.clone());
    let given = given_managed_by(&fields)?.or(existing.managed_by.as_deref());
    let managed_by = managed_by(name, Some(existing), given)?;
    Ok(Group { tags, managed_by, ..existing.clone() })
}

/// What manages a group is for those to say who may write it, but not of one that the vault made for a cluster.
fn managed_by(name: &str, existing: Option<&Group>, given: Option<&str>) -> Result<Option<String>, ArmError> {
    let Some(cluster) = existing.and_then(|existing| existing.node_group_of.as_ref()) else {
        return Ok(given.map(str::to_owned));
    };
    if given.is_none_or(|given| given.parse::<ResourceId>().ok().as_ref() == Some(cluster)) {
        return Ok(Some(cluster.to_string()));
    }
    let message = format!(
        "The property managedBy of the resource group '{name}' cannot be changed: it is the node resource group of \
         '{cluster}'. Leave managedBy out, or as it is."
    );
    Err(ArmError::new(409, "ResourceGroupManagedByMismatch", message).about("managedBy"))
}

/// As clients read it.
pub fn shown(id: &ResourceId, group: &Group) -> Value {
    let state = if group.deleting { "Deleting" } else { "Succeeded" };
    let mut shown = json!({
        "id": id,
        "name": id.name(),
        "type": super::KIND,
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": state},
    });
    if let (Some(managed_by), Some(object)) = (&group.managed_by, shown.as_object_mut()) {
        object.insert("managedBy".to_owned(), json!(managed_by));
    }
    shown
}

fn given_managed_by<'f>(fields: &Fields<'f>) -> Result<Option<&'f str>, ArmError> {
    fields.short_text("managedBy", arm::id::LONGEST)
}

fn not_going(name: &str, group: &Group) -> Result<(), ArmError> {
    if !group.deleting {
        return Ok(());
    }
    let message =
        format!("The resource group '{name}' is being deleted. Wait until it is gone, then create it again.");
    Err(ArmError::new(409, "ResourceGroupBeingDeleted", message))
}

fn check_name(name: &str) -> Result<(), ArmError> {
    let fits = |c: char| c.is_alphanumeric() || "-_().".contains(c);
    if name.chars().count() <= LONGEST_NAME && !name.ends_with('.') && name.chars().all(fits) {
        return Ok(());
    }
    let message = format!(
        "The resource group name '{name}' cannot be used: at most {LONGEST_NAME} letters, digits, '-', '_', '(', ')' and \
         '.', and no '.' at the end."
    );
    Err(ArmError::new(400, "InvalidResourceGroup", message))
}

/// The location of a resource, which every PUT of a resource must name.
pub fn location(fields: &Fields<'_>) -> Result<String, ArmError> {
    match fields.text("location")? {
        Some(location) if !location.trim().is_empty() => {
            let location = normal_location(location);
            check_location(&location)?;
            Ok(location)
        }
        _ => {
            let message = "The location property is required for this definition.";
            Err(ArmError::new(400, "LocationRequired", message).about("location"))
        }
    }
}

/// The tags of a resource, where they are given.
pub fn tags(fields: &Fields<'_>) -> Result<Option<BTreeMap<String, String>>, ArmError> {
    let Some(tags) = fields.texts("tags")? else { return Ok(None) };
    check_tags(&tags)?;
    Ok(Some(tags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(location: &str) -> Group {
        Group { location: location.into(), ..Group::default() }
    }

    #[test]
    fn who_manages_a_group_is_no_longer_than_an_id() {
        let body = json!({"location": "westeurope", "managedBy": "x".repeat(2_049)});

        let errors = [put("g", None, &body), patch("g", &group("westeurope"), &body)];

        for error in errors.map(Result::unwrap_err) {
            assert_eq!(error.message, "managedBy: has 2049 characters; at most 2048 are taken");
        }
    }

    #[test]
    fn a_put_makes_or_replaces_a_group() {
        let body = json!({"location": "West Europe", "tags": {"a": "b"}, "unknown": 1});

        let made = put("g", None, &body).unwrap();
        let again = put("g", Some(&made), &json!({"location": "westeurope"})).unwrap();

        assert_eq!((made.location.as_str(), made.tags["a"].as_str()), ("westeurope", "b"));
        assert!(again.tags.is_empty(), "a PUT replaces tags");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_code() {
        let here = json!({"location": "here"});
        let going = Group { deleting: true, ..group("here") };
        let nodes = Group { node_group_of: "/subscriptions/s".parse().ok(), ..group("here") };
        let managed = json!({"location": "here", "managedBy": "/subscriptions/other"});
        let many: BTreeMap<String, String> = (0..51).map(|n| (n.to_string(), String::new())).collect();
        let table = [
            (put("g", None, &json!({})), "LocationRequired"),
            (put("g", None, &json!({"location": " "})), "LocationRequired"),
            (put("g", None, &json!({"location": "a/b"})), "InvalidRequestContent"),
            (put("g", None, &json!({"location": 1})), "InvalidRequestContent"),
            (put("g", None, &json!([])), "InvalidRequestContent"),
            (put("g", None, &json!({"location": "here", "tags": many})), "InvalidRequestContent"),
            (put("g.", None, &here), "InvalidResourceGroup"),
            (put(&"g".repeat(91), None, &here), "InvalidResourceGroup"),
            (put("g", Some(&group("there")), &here), "InvalidResourceGroupLocation"),
            (put("g", Some(&going), &here), "ResourceGroupBeingDeleted"),
            (patch("g", &going, &here), "ResourceGroupBeingDeleted"),
            (put("g", Some(&nodes), &managed), "ResourceGroupManagedByMismatch"),
            (patch("g", &nodes, &managed), "ResourceGroupManagedByMismatch"),
        ];

        for (result, code) in table {
            assert_eq!(result.unwrap_err().code, code);
        }
    }

    #[test]
    fn a_patch_leaves_what_it_does_not_name() {
        let before = Group { managed_by: Some("m".into()), ..group("here") };

        let after = patch("g", &before, &json!({"tags": {"x": "y"}})).unwrap();

        assert_eq!((after.location.as_str(), after.managed_by.as_deref()), ("here", Some("m")));
        assert_eq!(after.tags["x"], "y");
    }

    proptest! {
        #[test]
        fn whatever_put_takes_patch_takes_too(location in "[a-zA-Z ]{0,9}", tags in "[a-z]{0,3}") {
            let body = json!({"location": location, "tags": {tags.clone(): "v"}});
            if let Ok(group) = put("g", None, &body) {
                prop_assert!(patch("g", &group, &body).is_ok());
            }
        }
    }
}
