//! The lists of all resources of a subscription or a group, whatever their types.

use super::{At, Call, Failure, Needs, Operation, call::invalid_filter, operations::row, resource};
use crate::{reply::Reply, store::Stored};
use arm::{Filter, ResourceId, filter::Term};
use http::Method;
use serde_json::{Value, json};

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "Resources_List",
        &Method::GET,
        "/subscriptions/{subscription}/resources",
        Needs::AnyRole,
        At::Subscription,
        |call| Box::pin(list(call)),
    ),
    row(
        "Resources_ListByResourceGroup",
        &Method::GET,
        "/subscriptions/{subscription}/resourceGroups/{group}/resources",
        Needs::AnyRole,
        At::Group,
        |call| Box::pin(list(call)),
    ),
];

/// The types that have a place of their own in a group, with the right to see them.
const KINDS: [(&str, Needs); 5] = [
    (
        "Microsoft.ContainerService/managedClusters",
        Needs::Action("Microsoft.ContainerService/managedClusters/read"),
    ),
    (super::vaults::KIND, super::vaults::READ),
    (super::guards::KIND, super::guards::READ),
    (
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        Needs::Action("Microsoft.ManagedIdentity/userAssignedIdentities/read"),
    ),
    ("Microsoft.Storage/storageAccounts", Needs::Action("Microsoft.Storage/storageAccounts/read")),
];

/// Those types.
pub fn kinds_in_groups() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().map(|(kind, _)| kind)
}

#[derive(Default)]
struct Wanted<'a> {
    group: Option<&'a str>,
    kind: Option<&'a str>,
    name: Option<&'a str>,
    location: Option<&'a str>,
    tag: Option<&'a str>,
    value: Option<&'a str>,
}

impl Wanted<'_> {
    fn fit(&self, stored: &Stored) -> bool {
        let same =
            |wanted: Option<&str>, is: &str| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(is));
        let location = stored.document.get("location").and_then(Value::as_str).unwrap_or_default();
        let tag = |wanted: &str| {
            let tags = stored.document.get("tags").and_then(Value::as_object);
            tags.and_then(|tags| {
                tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
            })
        };
        let tagged = match (self.tag, self.value) {
            (None, _) => true,
            (Some(name), value) => tag(name).is_some_and(|is| value.is_none_or(|value| is == value)),
        };
        same(self.group, stored.id.resource_group().unwrap_or_default())
            && same(self.kind, stored.id.kind().as_str())
            && same(self.name, stored.id.name())
            && same(self.location, location)
            && tagged
    }
}

fn wanted(filter: &Filter) -> Result<Wanted<'_>, Failure> {
    let mut wanted = Wanted::default();
    for term in filter.terms() {
        let place = match term {
            Term::Equals { field, .. } => match field.to_ascii_lowercase().as_str() {
                "resourcegroup" => Some(&mut wanted.group),
                "resourcetype" => Some(&mut wanted.kind),
                "name" => Some(&mut wanted.name),
                "location" => Some(&mut wanted.location),
                "tagname" => Some(&mut wanted.tag),
                "tagvalue" => Some(&mut wanted.value),
                _ => None,
            },
            Term::Named { .. } => None,
        };
        match (place, term) {
            (Some(place), Term::Equals { value, .. }) => *place = Some(value),
            (_, Term::Equals { field: name, .. } | Term::Named { name, .. }) => {
                let known = "resourceGroup, resourceType, name, location, tagName and tagValue, each eq '…'";
                return Err(invalid_filter(&format!("'{name}' is not known here; known are {known}")).into());
            }
        }
    }
    Ok(wanted)
}

/// Those that the caller may see, in pages, ordered by type and id.
async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let filter = call.filter()?;
    let wanted = wanted(&filter)?;
    let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    resource::page_of_kinds(call, &kinds, call.scope()?, |stored| {
        let seen = KINDS.iter().any(|(kind, read)| stored.id.kind().is(kind) && call.may(*read, &stored.id));
        Ok((seen && wanted.fit(&stored)).then(|| shown(&stored.id, &stored.document)))
    })
    .await
}

fn shown(id: &ResourceId, document: &Value) -> Value {
    let mut shown = json!({"id": id, "name": id.name(), "type": id.kind().as_str()});
    if let Some(object) = shown.as_object_mut() {
        for field in ["location", "tags"] {
            object.insert(field.to_owned(), document.get(field).cloned().unwrap_or_default());
        }
    }
    shown
}
