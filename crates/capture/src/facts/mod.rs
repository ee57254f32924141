//! What captured objects say about others: which claims and volumes there are, which cluster-scoped objects
//! come along. Its size follows the number of claims, service accounts and namespaces, not of objects.

mod accounts;
mod quantity;
mod storage;
mod workload;

pub(crate) use accounts::Accounts;

use crate::discovery::Kind;
use crate::object::Metadata;
use protection::claims::{ClaimVolume, SelectedClaim, VolumeFacts};
use std::collections::{BTreeMap, BTreeSet};

/// Velero keys that are remembered.
const KEYS: usize = 50;
/// Names that are remembered of objects that were left out.
const NAMES: usize = 20;

/// What captured objects say about others.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Captured claims; their volumes are not looked up yet.
    pub claims: Vec<SelectedClaim>,
    /// Captured volumes by name.
    pub volumes: BTreeMap<String, VolumeFacts>,
    /// Namespaces that hold a captured object.
    pub namespaces: BTreeSet<String>,
    /// Priority classes of captured pods and pod templates.
    pub priority_classes: BTreeSet<String>,
    /// Cluster roles that captured bindings refer to.
    pub cluster_roles: BTreeSet<String>,
    /// Captured service accounts.
    pub accounts: Accounts,
    /// Resources (`<resource>[.<group>]`) of which at least one object is captured.
    pub resources: BTreeSet<String>,
    /// Velero's keys other than the opt-out, each with an object that has it.
    pub velero: BTreeMap<String, String>,
    /// Objects that were left out, and the names of the first few.
    pub left_out: BTreeMap<LeftOut, Names>,
}

/// Why an object that the selection chose is not captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    /// It says so itself.
    OptedOut,
    /// It is being deleted.
    Deleting,
}

/// How many, and the first few.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub count: u64,
    pub first: Vec<String>,
}

impl Facts {
    /// Learns from an object that is captured. The error says what is wrong with it.
    pub(crate) fn learn(
        &mut self,
        kind: &Kind,
        metadata: &Metadata<'_>,
        bytes: &[u8],
    ) -> Result<(), serde_json::Error> {
        let name = metadata.name.as_str();
        if let Some(namespace) = &metadata.namespace
            && !self.namespaces.contains(namespace.as_str())
        {
            self.namespaces.insert(namespace.as_str().to_owned());
        }
        for key in metadata.velero_keys() {
            if self.velero.len() < KEYS && !self.velero.contains_key(key) {
                self.velero.insert(key.to_owned(), target(kind, metadata));
            }
        }
        match (kind.group.as_str(), kind.resource.as_str()) {
            ("", "persistentvolumeclaims") => self.claims.push(storage::claim(metadata, bytes)?),
            ("", "persistentvolumes") => {
                self.volumes.insert(name.to_owned(), storage::volume(metadata, bytes)?);
            }
            ("", "serviceaccounts") => {
                let namespace = metadata.namespace.as_ref().map_or("", |text| text.as_str());
                self.accounts.add(namespace, name);
            }
            ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
                self.cluster_roles.extend(workload::cluster_role(bytes)?);
            }
            (group, resource) => {
                self.priority_classes.extend(workload::priority_class(group, resource, bytes)?)
            }
        }
        Ok(())
    }

    /// Notes an object that is left out.
    pub(crate) fn leave_out(&mut self, why: LeftOut, kind: &Kind, metadata: &Metadata<'_>) {
        let names = self.left_out.entry(why).or_default();
        names.count += 1;
        if names.first.len() < NAMES {
            names.first.push(target(kind, metadata));
        }
    }

    /// Takes over what another list said.
    pub(crate) fn merge(&mut self, more: Self) {
        self.claims.extend(more.claims);
        self.volumes.extend(more.volumes);
        self.namespaces.extend(more.namespaces);
        self.priority_classes.extend(more.priority_classes);
        self.cluster_roles.extend(more.cluster_roles);
        self.accounts.merge(more.accounts);
        self.resources.extend(more.resources);
        self.velero.extend(more.velero);
        for (why, more) in more.left_out {
            let names = self.left_out.entry(why).or_default();
            names.count += more.count;
            names.first.extend(more.first);
            names.first.truncate(NAMES);
        }
    }

    /// Storage classes that captured claims and volumes name.
    pub(crate) fn storage_classes(&self) -> BTreeSet<String> {
        let of_claims = self.claims.iter().filter_map(|claim| claim.storage_class.clone());
        let of_volumes = self.volumes.values().map(|volume| volume.storage_class.clone());
        of_claims.chain(of_volumes).filter(|class| !class.is_empty()).collect()
    }

    /// Names of the volumes that captured claims name.
    pub(crate) fn volume_names(&self) -> BTreeSet<String> {
        self.claims.iter().filter_map(|claim| volume_name(claim).map(str::to_owned)).collect()
    }

    /// The claims with their volumes looked up among `volumes`.
    pub(crate) fn resolved_claims(&self, volumes: &BTreeMap<String, VolumeFacts>) -> Vec<SelectedClaim> {
        let resolve = |claim: &SelectedClaim| {
            let volume = match volume_name(claim) {
                None => ClaimVolume::Unbound,
                Some(name) => match volumes.get(name) {
                    Some(facts) => ClaimVolume::Bound(facts.clone()),
                    None => ClaimVolume::Missing { name: name.to_owned() },
                },
            };
            SelectedClaim { volume, ..claim.clone() }
        };
        let mut claims: Vec<SelectedClaim> = self.claims.iter().map(resolve).collect();
        claims.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        claims
    }
}

/// `<resource>[.<group>]/[<namespace>/]<name>`.
pub(crate) fn target(kind: &Kind, metadata: &Metadata<'_>) -> String {
    match &metadata.namespace {
        Some(namespace) => format!("{}/{}/{}", kind.name(), namespace.as_str(), metadata.name.as_str()),
        None => format!("{}/{}", kind.name(), metadata.name.as_str()),
    }
}

fn volume_name(claim: &SelectedClaim) -> Option<&str> {
    match &claim.volume {
        ClaimVolume::Unbound => None,
        ClaimVolume::Missing { name } => Some(name),
        ClaimVolume::Bound(facts) => Some(&facts.name),
    }
}

#[cfg(test)]
mod tests;
