//! What is installed in a cluster: the parts that run, and the storage locations that they know.

use super::reach::{Part, Whose};
use extension::{checks::pod_of, locations::LocationRecord};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{Api, Client, ResourceExt, api::ListParams};

/// The names of what runs in kube-system.
const SYSTEM: [&str; 2] = [agent::NAME, gateway::NAME];
/// The label of what belongs to the extension.
const OURS: &str = "app.kubernetes.io/part-of=cofferdam";

/// The storage locations.
#[derive(Debug, Default)]
pub struct Locations {
    /// Those that can be read.
    pub records: Vec<LocationRecord>,
    /// Why others cannot, a sentence each.
    pub unread: Vec<String>,
}

impl Locations {
    /// With the one that settings describe, in place of that of its name.
    pub fn with(mut self, wanted: Option<&LocationRecord>) -> Self {
        if let Some(wanted) = wanted {
            self.records.retain(|one| one.name != wanted.name);
            self.records.insert(0, wanted.clone());
        }
        self
    }
}

/// Every storage location of the extension in this namespace.
pub async fn locations(client: &Client, namespace: &str) -> Result<Locations, kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut found = Locations::default();
    for map in maps.list(&ListParams::default()).await? {
        if !map.name_any().starts_with(&LocationRecord::config_map_name("")) {
            continue;
        }
        match LocationRecord::decode(&map) {
            Ok(record) => found.records.push(record),
            Err(bad) => found.unread.push(bad.to_string()),
        }
    }
    Ok(found)
}

/// The pods of the extension, and of agent and gateway with the names of those that are there.
pub async fn parts(client: &Client, namespace: &str) -> Result<(Vec<Part>, Vec<String>), kube::Error> {
    let own: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let (mut parts, mut system) = (Vec::new(), Vec::new());
    for deployment in own.list(&ListParams::default().labels(OURS)).await? {
        parts.extend(part(Whose::Extension, deployment));
    }
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "kube-system");
    for name in SYSTEM {
        if let Some(deployment) = deployments.get_opt(name).await? {
            parts.extend(part(Whose::Other, deployment));
            system.push(name.to_owned());
        }
    }
    Ok((parts, system))
}

fn part(whose: Whose, deployment: Deployment) -> Option<Part> {
    let pod = pod_of(&serde_json::to_value(deployment).ok()?)?;
    Some(Part { whose, pod, image: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use extension::locations::{DEFAULT, Role};

    #[test]
    fn what_settings_describe_stands_in_place_of_the_location_of_its_name() {
        let record = |name: &str, bucket: &str| {
            let settings = [("provider", "gcp"), ("bucket", bucket)];
            let settings = settings
                .map(|(key, value)| (format!("configuration.backupStorageLocation.{key}"), value.to_owned()));
            LocationRecord::from_settings(name, Role::Own, &settings.into_iter().collect()).unwrap()
        };
        let installed = || Locations {
            records: vec![record(DEFAULT, "old"), record("other", "o")],
            ..Locations::default()
        };
        let buckets = |found: Locations| -> Vec<String> {
            found.records.into_iter().map(|one| one.settings.bucket).collect()
        };

        assert_eq!(buckets(installed().with(Some(&record(DEFAULT, "new")))), ["new", "o"]);
        assert_eq!(buckets(installed().with(None)), ["old", "o"]);
    }
}
