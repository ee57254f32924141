//! A cluster with another identity or other tags: what a client leaves out of a PUT is lost, so all is written back.

use crate::{Request, versions};
use arm::ResourceId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The identity that a cluster shall act with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed<'a> {
    /// One of its own.
    System,
    /// A user-assigned one.
    User(&'a ResourceId),
}

/// The request that changes a cluster, as it was read, and nothing else of it.
pub fn update(
    id: &str,
    found: &Value,
    identity: Option<Managed<'_>>,
    tags: Option<BTreeMap<String, String>>,
) -> Request {
    let request = Request::put(id, versions::CLUSTERS, wanted(found, identity, tags));
    // Between reading and writing it may have become another's.
    match found.get("eTag").and_then(Value::as_str) {
        Some(etag) => request.header("if-match", etag),
        None => request,
    }
}

/// The request that switches parts of a cluster's `storageProfile` on, such as `snapshotController`.
pub fn enable(id: &str, found: &Value, parts: &[String]) -> Request {
    let mut request = update(id, found, None, None);
    let properties = request.body.as_mut().and_then(|body| member(body, "properties"));
    let profile = properties.and_then(|properties| member(properties, "storageProfile"));
    if let Some(profile) = profile {
        for part in parts {
            if let Some(part) = member(profile, part) {
                set(part, "enabled", json!(true));
            }
        }
    }
    request
}

/// A member that is an object, made where it is missing.
fn member<'v>(object: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    let member = object.as_object_mut()?.entry(name).or_insert_with(|| json!({}));
    if member.is_null() {
        *member = json!({});
    }
    Some(member)
}

fn wanted(found: &Value, identity: Option<Managed<'_>>, tags: Option<BTreeMap<String, String>>) -> Value {
    let mut wanted = json!({});
    for name in ["location", "tags", "identity", "properties"] {
        if let Some(value) = found.get(name) {
            set(&mut wanted, name, value.clone());
        }
    }
    match identity {
        Some(Managed::User(user)) => {
            let given = json!({"type": "UserAssigned", "userAssignedIdentities": {user.as_str(): {}}});
            set(&mut wanted, "identity", given);
        }
        Some(Managed::System) => set(&mut wanted, "identity", json!({"type": "SystemAssigned"})),
        None => {}
    }
    if let (Some(_), Some(properties)) = (identity, wanted.get_mut("properties")) {
        set(properties, "servicePrincipalProfile", json!({"clientId": "msi"}));
    }
    if let Some(tags) = tags {
        set(&mut wanted, "tags", json!(tags));
    }
    wanted
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_to_be_changed_is_written_back_as_it_was_read() {
        let found = json!({"id": "x", "eTag": "e", "location": "local", "tags": {"a": "b"}, "identity": null,
            "properties": {"dnsPrefix": "d", "servicePrincipalProfile": {"clientId": "sp"}}});
        let user: ResourceId =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"
                .parse()
                .unwrap();

        let healed = update("/c", &found, Some(Managed::System), None);
        let assigned = wanted(&found, Some(Managed::User(&user)), None);
        let tagged = wanted(&found, None, Some([("c".to_owned(), "d".to_owned())].into()));

        assert_eq!(
            healed.body.unwrap(),
            json!({"location": "local", "tags": {"a": "b"}, "identity": {"type": "SystemAssigned"},
                "properties": {"dnsPrefix": "d", "servicePrincipalProfile": {"clientId": "msi"}}})
        );
        assert_eq!(healed.headers, [("if-match".to_owned(), "e".to_owned())]);
        assert_eq!(assigned["identity"]["userAssignedIdentities"], json!({user.as_str(): {}}));
        assert_eq!(tagged["properties"], found["properties"]);
        assert_eq!((&tagged["tags"], &tagged["identity"]), (&json!({"c": "d"}), &Value::Null));
    }

    #[test]
    fn a_part_of_the_storage_profile_is_switched_on_and_the_others_stay() {
        let found = json!({"location": "local", "properties": {"dnsPrefix": "d", "storageProfile": {
            "diskCSIDriver": {"enabled": false, "version": "v1"}, "blobCSIDriver": {"enabled": false}}}});
        let parts = ["diskCSIDriver", "snapshotController"].map(str::to_owned);

        let request = enable("/c", &found, &parts);

        assert_eq!(
            request.body.unwrap()["properties"],
            json!({"dnsPrefix": "d", "storageProfile": {"diskCSIDriver": {"enabled": true, "version": "v1"},
                "blobCSIDriver": {"enabled": false}, "snapshotController": {"enabled": true}}})
        );
    }
}
