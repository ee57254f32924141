//! The API objects that every full cluster starts with.

use serde_json::Value;

use crate::{AddressPlan, Error};

const STORAGE: &str = include_str!("../../manifests/storage.yaml");
const SNAPSHOTS: &str = include_str!("../../manifests/snapshots.yaml");
const RIGHTS: &str = include_str!("../../manifests/rights.yaml");
const DNS: &str = include_str!("../../manifests/dns.yaml");

/// The objects of a full cluster, in the order to apply them. `crds` are the
/// types of the snapshot API.
pub fn full_cluster(addresses: AddressPlan, crds: &[String]) -> Result<Vec<Value>, Error> {
    let mut objects = parse("rights.yaml", RIGHTS)?;
    for crd in crds {
        objects.extend(parse("the snapshot types", crd)?);
    }
    let dns = DNS
        .replace("{{dns}}", &addresses.dns_service().to_string())
        .replace("{{node}}", &addresses.node().to_string());
    objects.extend(parse("dns.yaml", &dns)?);
    objects.extend(parse("storage.yaml", STORAGE)?);
    objects.extend(parse("snapshots.yaml", SNAPSHOTS)?);
    Ok(objects)
}

fn parse(name: &str, yaml: &str) -> Result<Vec<Value>, Error> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
        .map_err(|error| Error::Corrupt { path: name.into(), reason: error.to_string() })?;
    Ok(documents.into_iter().filter(Value::is_object).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_server_gets_the_addresses_of_its_cluster() {
        let addresses = AddressPlan::new(2).unwrap();

        let objects = full_cluster(addresses, &[]).unwrap();

        let of = |kind: &str| objects.iter().find(|o| o["kind"] == kind).unwrap();
        assert_eq!(of("Service")["spec"]["clusterIP"], "10.96.0.10");
        assert_eq!(of("EndpointSlice")["endpoints"][0]["addresses"][0], "10.213.2.1");
    }

    #[test]
    fn types_come_before_the_objects_that_need_them() {
        let crd = "kind: CustomResourceDefinition\nmetadata: {name: x}\n".to_owned();

        let objects = full_cluster(AddressPlan::new(1).unwrap(), &[crd]).unwrap();

        let position = |kind: &str| objects.iter().position(|o| o["kind"] == kind).unwrap();
        assert!(position("CustomResourceDefinition") < position("VolumeSnapshotClass"));
    }

    #[test]
    fn exactly_one_storage_class_is_the_default() {
        let objects = full_cluster(AddressPlan::new(1).unwrap(), &[]).unwrap();

        let defaults = objects.iter().filter(|object| {
            object["kind"] == "StorageClass"
                && object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
        });

        assert_eq!(defaults.count(), 1);
    }
}
