//! What stands in a vault before it is measured. What people make, they make by calls; what ten thousand agents would bring
//! about (clusters, extensions, bindings, instances that are protected) is written through the vault's own store.

#[path = "../../../../crates/vault/tests/world/policy.rs"]
mod policy;

use super::{client::Api, server::Place, simulated::Identity};
use anyhow::{Context, Result};
use arm::{
    ResourceId,
    instance::{BackupInstance, BackupParameters, Datasource, Selection},
};
use identity::{Assignment, RoleId};
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use telemetry::{Clock, SystemClock};
use tunnel::{ConnectionId, Part, PeerName, authority::Authority};
use vault::{
    api::{
        clusters::{BACKUP_OPERATOR, BindingRecord, ClusterIdentity, ClusterRecord, enrolment},
        extensions::{BACKUP_NAMESPACE, BACKUP_TYPE, ExtensionIdentity, ExtensionRecord, ExtensionState},
        instances::{InstanceRecord, ProtectionState},
        put,
    },
    directory::DataDirectory,
    links::open_authority,
    protect::{expire, schedule},
    seal::KeySource,
    store::{AssignmentRecord, AuditEntry, AuditOutcome, Change, Expected, Principal, PrincipalKind, Store},
};

/// Clusters that are written together.
const TOGETHER: usize = 250;
const SPACES: [&str; 3] =
    ["Microsoft.DataProtection", "Microsoft.ContainerService", "Microsoft.KubernetesConfiguration"];

/// What was made.
pub struct Made {
    /// The vault's path.
    pub vault: String,
    /// Its instances.
    pub instances: Vec<ResourceId>,
    /// One for each cluster.
    pub agents: Vec<Identity>,
}

/// Ids of roles that are built in.
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";

/// How many there are.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Clusters, each with an agent.
    pub agents: usize,
    /// Instances, one each of the first clusters; more than clusters go round again.
    pub instances: usize,
}

/// What people make: groups, a vault.
pub async fn by_calls(api: &Api) -> Result<(String, String)> {
    for space in SPACES {
        let path = format!("{}/providers/{space}/register", api.root());
        api.call(Method::POST, &path, None).await?;
    }
    let group = format!("{}/resourceGroups/bench", api.root());
    api.call(Method::PUT, &group, Some(json!({"location": "local"}))).await?;
    let vault = format!("{group}/providers/Microsoft.DataProtection/backupVaults/vault1");
    let body = json!({"location": "local", "identity": {"type": "SystemAssigned"}, "properties": {
        "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});
    let made = api.call(Method::PUT, &vault, Some(body)).await?;
    let principal = made.pointer("/identity/principalId").and_then(Value::as_str);
    Ok((vault, principal.context("the vault has no identity")?.to_owned()))
}

/// The body of a policy whose first slot is at `first`.
pub fn policy(first: Timestamp, days: u32) -> Value {
    policy::body(&first.to_string().replace('Z', "+00:00"), &format!("P{days}D"))
}

/// Writes clusters and instances, and signs a certificate for each cluster's gateway.
pub async fn in_bulk(place: &Place, vault: &str, principal: &str, size: Size) -> Result<Made> {
    let store = place.store().await?;
    let directory = DataDirectory::open(&place.data())?;
    let wrapping = KeySource::Directory.open(&directory)?;
    let authority = open_authority(store.as_ref(), &wrapping, SystemClock.now()).await?;
    let vault_id: ResourceId = vault.parse()?;
    let group = ResourceId::group(vault_id.subscription_id(), vault_id.resource_group().unwrap_or_default())?;
    let mut agents = Vec::with_capacity(size.agents);
    let mut clusters = Vec::with_capacity(size.agents);
    let mut changes = vec![assigned(principal, READER, &group)];
    for number in 0..size.agents {
        let one = Cluster::new(&group, number)?;
        agents.push(identity(&authority, one.connection.id)?);
        changes.extend(one.changes(&vault_id, principal, &group)?);
        clusters.push(one.id);
        if number % TOGETHER == TOGETHER - 1 {
            write(store.as_ref(), std::mem::take(&mut changes)).await?;
        }
    }
    let mut instances = Vec::with_capacity(size.instances);
    for number in 0..size.instances {
        let cluster = clusters.get(number % size.agents).context("there is no cluster")?;
        let (id, change) = instance(&vault_id, &group, cluster, number)?;
        changes.push(change);
        instances.push(id);
    }
    write(store.as_ref(), changes).await?;
    store.close().await;
    Ok(Made { vault: vault.to_owned(), instances, agents })
}

/// Begins the schedules of all instances, as protecting them does.
pub async fn begin_schedules(place: &Place, instances: &[ResourceId]) -> Result<()> {
    let (store, now) = (place.store().await?, SystemClock.now());
    for some in instances.chunks(TOGETHER) {
        let works = some.iter().flat_map(|id| [schedule::work(id, now), expire::work(id, now)]);
        store.commit_unaudited(&works.map(Change::AddWork).collect::<Vec<_>>()).await?;
    }
    store.close().await;
    Ok(())
}

/// How long to wait for the first slot so that all schedules know of it before.
pub fn notice(instances: usize) -> Duration {
    Duration::from_secs(20 + u64::try_from(instances / 60).unwrap_or(0))
}

async fn write(store: &dyn Store, changes: Vec<Change>) -> Result<()> {
    let audit = AuditEntry {
        at: SystemClock.now(),
        principal: "bench".to_owned(),
        action: "make simulated clusters and instances".to_owned(),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    };
    Ok(store.commit(&changes, &audit).await?)
}

struct Cluster {
    id: ResourceId,
    name: String,
    connection: enrolment::NewConnection,
}

impl Cluster {
    fn new(group: &ResourceId, number: usize) -> Result<Self> {
        let name = format!("simulated{number:05}");
        let id = group.with("Microsoft.ContainerService/managedClusters", &name)?;
        Ok(Self { id, name, connection: enrolment::open(SystemClock.now()) })
    }

    fn changes(&self, vault: &ResourceId, principal: &str, snapshots: &ResourceId) -> Result<Vec<Change>> {
        let (own, extensions) = (self.principal("cluster"), self.principal("extension"));
        let record = ClusterRecord {
            location: "local".to_owned(),
            tags: BTreeMap::new(),
            identity: ClusterIdentity::SystemAssigned { principal_id: own.object_id.clone() },
            node_resource_group: format!("nodes-{}", self.name),
            connection: Some(self.connection.id.to_string()),
            given: Value::Null,
            observed: None,
            observed_at: None,
        };
        let extension = ExtensionRecord {
            extension_type: BACKUP_TYPE.to_owned(),
            namespace: BACKUP_NAMESPACE.to_owned(),
            settings: [("configuration.backupStorageLocation.bucket".to_owned(), "backups".to_owned())]
                .into(),
            protected: None,
            auto_upgrade: true,
            release_train: "stable".to_owned(),
            pinned_version: None,
            wanted_version: "0.1.0".to_owned(),
            current_version: Some("0.1.0".to_owned()),
            generation: 1,
            state: ExtensionState::Succeeded,
            statuses: Vec::new(),
            error: None,
            operation: None,
            identity: Some(ExtensionIdentity {
                resource: self.id.clone(),
                principal_id: extensions.object_id.clone(),
                client_id: extensions.client_id.clone(),
            }),
            upgrades: Default::default(),
        };
        let binding =
            BindingRecord { source_resource_id: vault.clone(), roles: vec![BACKUP_OPERATOR.to_owned()] };
        let mut changes = vec![
            assigned(&own.object_id, CONTRIBUTOR, snapshots),
            Change::AddPrincipal(own),
            Change::AddPrincipal(extensions),
            put(&self.id, &record, Expected::Absent)?,
            put(
                &self.id.with("Microsoft.KubernetesConfiguration/extensions", "backup")?,
                &extension,
                Expected::Absent,
            )?,
            put(&self.id.child("trustedAccessRoleBindings", "backuprb")?, &binding, Expected::Absent)?,
            assigned(principal, READER, &self.id),
        ];
        changes.extend(enrolment::keep(&self.id, &self.connection)?);
        Ok(changes)
    }

    fn principal(&self, of: &str) -> Principal {
        Principal {
            object_id: uuid::Uuid::new_v4().to_string(),
            client_id: uuid::Uuid::new_v4().to_string(),
            name: format!("{}-{of}", self.name),
            kind: PrincipalKind::ManagedIdentity,
            resource: Some(self.id.clone()),
            created_at: SystemClock.now(),
        }
    }
}

/// A role that protecting a cluster demands.
fn assigned(principal: &str, role: &str, scope: &ResourceId) -> Change {
    Change::Assign(AssignmentRecord {
        name: uuid::Uuid::new_v4().to_string(),
        assignment: Assignment {
            principal: principal.to_owned(),
            role: RoleId::new(role),
            scope: scope.clone(),
        },
        document: json!({}),
    })
}

fn identity(authority: &Authority, connection: uuid::Uuid) -> Result<Identity> {
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?.pem()?;
    let name = PeerName { connection: ConnectionId(connection), part: Part::Gateway };
    let signed = authority.sign(&request, &name, SystemClock.now())?;
    Ok(Identity { key: key.serialize_pem(), certificate: signed.certificate })
}

fn instance(
    vault: &ResourceId,
    group: &ResourceId,
    cluster: &ResourceId,
    number: usize,
) -> Result<(ResourceId, Change)> {
    let label = format!("instance{number:05}");
    let id = vault.child("backupInstances", &label)?;
    let selection = Selection { included_namespaces: vec!["shop".to_owned()], ..Selection::default() };
    let instance = BackupInstance {
        friendly_name: format!("{}/shop", cluster.name()),
        source: Datasource {
            resource: cluster.clone(),
            location: "local".to_owned(),
            name: cluster.name().to_owned(),
        },
        policy: vault.child("backupPolicies", "policy1")?,
        snapshot_group: group.clone(),
        parameters: BackupParameters { selection, snapshot_volumes: true, ..BackupParameters::default() },
        identity: None,
        validation_type: None,
    };
    let record = InstanceRecord {
        state: ProtectionState::ProtectionConfigured,
        ..InstanceRecord::new(instance, BTreeMap::new(), label)
    };
    let change = put(&id, &record, Expected::Absent)?;
    Ok((id, change))
}
