//! `cofferdam cluster update`: the identity with which a cluster acts, and its tags.

use crate::{
    commands::location::setting,
    exit::{Failure, Outcome},
    managed::{CLUSTER, InGroup, Kind, Session, pairs, resource_id},
};
use arm::ResourceId;
use clap::Args;
use management::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    which: InGroup,
    /// Act with a managed identity: one of its own, or the one of --assign-identity
    #[arg(long)]
    enable_managed_identity: bool,
    /// User-assigned identity to act with, by id
    #[arg(long, requires = "enable_managed_identity", value_parser = resource_id, value_name = "ID")]
    assign_identity: Option<ResourceId>,
    /// Tags, as key=value, instead of those that it has
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
}

pub async fn run(args: UpdateArgs, session: &Session) -> Outcome {
    let tags = if args.tags.is_empty() { None } else { Some(pairs(&args.tags)?) };
    if !args.enable_managed_identity && tags.is_none() {
        return Err(Failure::usage("nothing is to be changed")
            .next("Write `--enable-managed-identity`, or `--tags KEY=VALUE`."));
    }
    let id = args.which.id(session, CLUSTER)?;
    let found = session.client.get(id.as_str(), Kind::CLUSTER.version).await?;
    let identity = args.enable_managed_identity.then_some(args.assign_identity.as_ref());
    let mut request = Request::put(id.as_str(), Kind::CLUSTER.version, wanted(&found, identity, tags));
    // Between reading and writing it may have become another's.
    if let Some(etag) = found.get("eTag").and_then(Value::as_str) {
        request = request.header("if-match", etag);
    }
    session.change(&Kind::CLUSTER, request).await
}

/// The cluster as it was read, with another identity or other tags: what a client leaves out of a PUT is lost.
fn wanted(
    found: &Value,
    identity: Option<Option<&ResourceId>>,
    tags: Option<BTreeMap<String, String>>,
) -> Value {
    let mut wanted = json!({});
    for name in ["location", "tags", "identity", "properties"] {
        if let Some(value) = found.get(name) {
            set(&mut wanted, name, value.clone());
        }
    }
    match identity {
        Some(Some(user)) => {
            let given = json!({"type": "UserAssigned", "userAssignedIdentities": {user.as_str(): {}}});
            set(&mut wanted, "identity", given);
        }
        Some(None) => set(&mut wanted, "identity", json!({"type": "SystemAssigned"})),
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

        let healed = wanted(&found, Some(None), None);
        let assigned = wanted(&found, Some(Some(&user)), None);
        let tagged = wanted(&found, None, Some([("c".to_owned(), "d".to_owned())].into()));

        assert_eq!(
            healed,
            json!({"location": "local", "tags": {"a": "b"}, "identity": {"type": "SystemAssigned"},
                "properties": {"dnsPrefix": "d", "servicePrincipalProfile": {"clientId": "msi"}}})
        );
        assert_eq!(assigned["identity"]["userAssignedIdentities"], json!({user.as_str(): {}}));
        assert_eq!(tagged["properties"], found["properties"]);
        assert_eq!((&tagged["tags"], &tagged["identity"]), (&json!({"c": "d"}), &Value::Null));
    }
}
