//! What only Azure has: network security groups, locks, disks. Elsewhere the answer is that they are not known.

use super::{Ids, fact, ids::part, list, read};
use futures::{StreamExt, TryStreamExt};
use management::{Client, Request, versions};
use prerequisites::{ClusterVolume, Disk, InboundRule, Observed, VolumeKind};
use serde_json::Value;

/// How many disks are read at the same time.
const AT_ONCE: usize = 8;
/// The original copies no more than this; whoever has more is told so without a look at each.
const MOST_DISKS: usize = 100;

/// The id of the group of the cluster's nodes.
pub(super) fn node_group((cluster, group): &(String, Option<String>)) -> Option<String> {
    Some(format!("/subscriptions/{}/resourceGroups/{}", part(cluster, "subscriptions")?, group.as_ref()?))
}

pub(super) async fn inbound(
    client: &Client,
    ids: &Ids,
    node_group: Option<&str>,
) -> Observed<Vec<InboundRule>> {
    let Some(group) = node_group else {
        let why = ids.cluster().map(|_| "the cluster's resource could not be read".to_owned());
        return Observed::NotObservable(why.unwrap_or_else(|why| why));
    };
    let path = format!("{group}/providers/Microsoft.Network/networkSecurityGroups");
    let groups = list(client, &Request::get(path, versions::NETWORK)).await;
    fact(groups.map(|groups| groups.iter().flat_map(rules).collect()))
}

/// Rules of a group that let somebody in.
fn rules(group: &Value) -> Vec<InboundRule> {
    let name = group.get("name").and_then(Value::as_str).unwrap_or_default();
    let all = group.pointer("/properties/securityRules").and_then(Value::as_array);
    let lets_in = |rule: &&Value| {
        let is = |path: &str, wanted: &str| {
            rule.pointer(path).and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        is("/properties/direction", "Inbound") && is("/properties/access", "Allow")
    };
    let rule = |rule: &Value| {
        let one = rule.pointer("/properties/sourceAddressPrefix").and_then(Value::as_str);
        let many = rule.pointer("/properties/sourceAddressPrefixes").and_then(Value::as_array);
        let many = many.into_iter().flatten().filter_map(Value::as_str);
        let own = rule.get("name").and_then(Value::as_str).unwrap_or_default();
        InboundRule {
            name: format!("{name}/{own}"),
            sources: one.into_iter().chain(many).filter(|one| !one.is_empty()).map(str::to_owned).collect(),
        }
    };
    all.into_iter().flatten().filter(lets_in).map(rule).collect()
}

pub(super) async fn locks(client: &Client, ids: &Ids) -> Observed<Vec<String>> {
    let Some(group) = &ids.snapshot_group else {
        return Observed::NotObservable(
            "no snapshot resource group was named (--snapshot-group-id, --instance)".to_owned(),
        );
    };
    let path = format!("{group}/providers/Microsoft.Authorization/locks");
    let all = list(client, &Request::get(path, versions::LOCKS)).await;
    fact(all.map(|all| {
        let text = |lock: &Value, path: &str| {
            lock.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        all.iter()
            .map(|lock| format!("{} {}", text(lock, "/properties/level"), text(lock, "/name")))
            .collect()
    }))
}

/// The disks behind volumes; their handles are their ids.
pub(super) async fn disks(client: &Client, volumes: Option<&[ClusterVolume]>) -> Observed<Vec<Disk>> {
    let Some(volumes) = volumes else {
        return Observed::NotObservable("the cluster's volumes could not be seen".to_owned());
    };
    let of_disk = |volume: &&ClusterVolume| {
        matches!(&volume.kind, VolumeKind::Csi(driver) if driver == "disk.csi.azure.com")
            && volume.handle.starts_with('/')
    };
    // All of them first: a closure inside of the stream could not be sent to another thread.
    let wanted: Vec<_> =
        volumes.iter().filter(of_disk).take(MOST_DISKS).map(|volume| disk(client, volume)).collect();
    let read = futures::stream::iter(wanted).buffered(AT_ONCE);
    fact(read.try_collect().await)
}

async fn disk(client: &Client, volume: &ClusterVolume) -> Result<Disk, String> {
    let read = read(client, &volume.handle, versions::DISKS).await?;
    let text = |path: &str| read.pointer(path).and_then(Value::as_str).map(str::to_owned);
    Ok(Disk {
        claim: volume.claim.clone(),
        bytes: read.pointer("/properties/diskSizeBytes").and_then(Value::as_u64).unwrap_or_default(),
        public: text("/properties/publicNetworkAccess"),
        encryption_set: text("/properties/encryption/diskEncryptionSetId").is_some(),
        auth_mode: text("/properties/dataAccessAuthMode"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_rules_that_let_somebody_in_count() {
        let rule = |direction: &str, access: &str| {
            json!({"name": "r", "properties": {"direction": direction, "access": access,
                "sourceAddressPrefix": "", "sourceAddressPrefixes": ["AzureBackup", "AzureCloud"]}})
        };
        let group = json!({"name": "nsg", "properties": {"securityRules":
            [rule("Inbound", "Allow"), rule("Inbound", "Deny"), rule("Outbound", "Allow")]}});

        let found = rules(&group);

        let wanted =
            InboundRule { name: "nsg/r".into(), sources: vec!["AzureBackup".into(), "AzureCloud".into()] };
        assert_eq!(found, [wanted]);
    }
}
