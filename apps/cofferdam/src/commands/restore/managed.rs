//! `cofferdam restore start` and `validate`: by way of the vault.

use crate::{
    cluster::ClusterArgs,
    commands::instance::{
        Which,
        create::{let_in, location_of},
    },
    exit::{Exit, Failure, Outcome},
    managed::{
        Consent, Mappings, References, SelectArgs, Session, SessionArgs, follow, json_file, mappings,
        references, resource_id,
    },
    note,
    output::Format,
};
use arm::ResourceId;
use clap::Args;
use management::{
    Request,
    build::{
        Datasource, Identity, from_az,
        restore::{Criteria, Restore, Tier},
    },
    versions,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

#[derive(Debug, Args)]
pub struct ManagedArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    which: Which,
    /// File with the whole request in JSON, instead of the arguments below
    #[arg(long, conflicts_with_all = ["recovery_point_id", "restore_configuration"], value_name = "FILE")]
    restore_request_object: Option<PathBuf>,
    /// Recovery point; the newest one when absent
    #[arg(long, value_name = "ID")]
    recovery_point_id: Option<String>,
    /// Tier to read from: OperationalStore or VaultStore
    #[arg(long, default_value = "OperationalStore", value_parser = ["OperationalStore", "VaultStore"], value_name = "TIER")]
    source_datastore: String,
    /// Cluster to restore to, by id; the one that the recovery point is of when absent
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    target_resource_id: Option<ResourceId>,
    /// Region of that cluster; asked for when absent
    #[arg(long, value_name = "NAME")]
    restore_location: Option<String>,
    /// File with the criteria in JSON, instead of the arguments below
    #[arg(long, value_name = "FILE")]
    restore_configuration: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
    /// Claims with their data or empty: RestoreWithVolumeData or RestoreWithoutVolumeData
    #[arg(long, default_value = "RestoreWithVolumeData", value_name = "MODE")]
    persistent_restoremode: String,
    /// What happens to objects that exist: Skip or Patch
    #[arg(long, default_value = "Skip", value_name = "POLICY")]
    conflict_policy: String,
    /// Namespaces that get another name, as from=to
    #[arg(long, num_args = 1.., value_parser = mappings, value_name = "FROM=TO")]
    namespace_mappings: Vec<Mappings>,
    /// Restore hooks in the target, as namespace/name; may be repeated
    #[arg(long, value_parser = references, value_name = "REFERENCES")]
    restore_hook_refs: Vec<References>,
    /// ConfigMap with resource modifiers in the target, as namespace/name
    #[arg(long, value_parser = references, value_name = "REFERENCE")]
    resource_modifier_reference: Option<References>,
    /// Where disks are made meanwhile (VaultStore)
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    staging_resource_group_id: Option<ResourceId>,
    /// Where objects are put meanwhile (VaultStore)
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    staging_storage_account_id: Option<ResourceId>,
    /// Work as this user-assigned identity of the vault
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    uami: Option<ResourceId>,
    /// Let the vault into the target cluster if it is not yet
    #[arg(long)]
    enable_trusted_access: bool,
    #[command(flatten)]
    consent: Consent,
    /// Wait for the end and exit with its code
    #[arg(short, long)]
    wait: bool,
    /// Print the request instead of sending it
    #[arg(long)]
    dry_run: bool,
}

/// What becomes of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Validate,
    Plan,
    Start,
}

pub async fn run(args: ManagedArgs, purpose: Purpose, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    let id = args.which.id(&session).await?;
    let (request, target) = args.request(&session, &id).await?;
    if args.dry_run {
        session.view.plain(&request)?;
        return Ok(Exit::Done);
    }
    if let (true, Some(target), Some(vault)) = (args.enable_trusted_access, target, id.parent()) {
        let_in(&session, &target, &vault).await?;
    }
    let wrapped = json!({"restoreRequestObject": request});
    let ask = Request::post(format!("{id}/validateRestore"), versions::DATA_PROTECTION).with(wrapped);
    session.follow("validating", &ask).await?;
    if purpose == Purpose::Validate {
        note!("the recovery point can be restored so");
        return Ok(Exit::Done);
    }
    let (action, what) = match purpose {
        Purpose::Plan => ("planRestore", "starting the plan"),
        _ => ("restore", "starting the restore"),
    };
    let request = args.consent.within(request, "");
    let start = Request::post(format!("{id}/{action}"), versions::DATA_PROTECTION).with(request);
    let start = args.consent.behind(start)?;
    match session.run(what, &start).await? {
        // A plan that nobody waits for is read by nobody.
        Some(result) => follow::follow(&session, &result, args.wait || purpose == Purpose::Plan).await,
        None => {
            note!("accepted; find its job with `cofferdam job list`");
            Ok(Exit::Done)
        }
    }
}

impl ManagedArgs {
    /// The request and the cluster that it restores to.
    async fn request(
        &self,
        session: &Session,
        instance: &ResourceId,
    ) -> Result<(Value, Option<ResourceId>), Failure> {
        if let Some(file) = &self.restore_request_object {
            let request = from_az(json_file(file)?);
            let target = request.pointer("/restoreTargetInfo/datasourceInfo");
            let target =
                target.and_then(|target| target.get("resourceID").or_else(|| target.get("resourceId")));
            let target = target.and_then(Value::as_str).and_then(|id| id.parse().ok());
            return Ok((request, target));
        }
        let found = session.client.get(instance.as_str(), versions::DATA_PROTECTION).await?;
        let source = found.pointer("/properties/dataSourceInfo/resourceID").and_then(Value::as_str);
        let source: ResourceId = source.and_then(|id| id.parse().ok()).ok_or_else(|| {
            Failure::failed("the instance does not say which cluster it is of")
                .next("Look at it: `cofferdam instance show -o json`.")
        })?;
        let target = self.target_resource_id.clone().unwrap_or_else(|| source.clone());
        let location = match &self.restore_location {
            Some(location) => location.clone(),
            None => location_of(session, &target).await?,
        };
        let recovery_point = match &self.recovery_point_id {
            Some(id) => id.rsplit('/').next().unwrap_or(id).to_owned(),
            None => newest(session, instance, &self.source_datastore).await?,
        };
        let restore = Restore {
            recovery_point,
            source,
            target: Datasource { cluster: target.clone(), location },
            tier: self.tier()?,
            identity: self.uami.clone().map(Identity::User),
            criteria: self.criteria()?,
        };
        let file = self.restore_configuration.as_deref().map(json_file).transpose()?;
        Ok((restore.json(file.map(from_az))?, Some(target)))
    }

    fn tier(&self) -> Result<Tier, Failure> {
        if self.source_datastore == "OperationalStore" {
            return Ok(Tier::Operational);
        }
        match (self.staging_resource_group_id.clone(), self.staging_storage_account_id.clone()) {
            (Some(staging_group), Some(staging_account)) => {
                Ok(Tier::Vault { staging_group, staging_account })
            }
            _ => Err(Failure::usage("a restore from the vault tier needs a staging location")
                .next("Name it: `--staging-resource-group-id ID --staging-storage-account-id ID`.")),
        }
    }

    fn criteria(&self) -> Result<Criteria, Failure> {
        let mut namespace_mappings = BTreeMap::new();
        for (from, to) in self.namespace_mappings.iter().flat_map(|one| one.0.clone()) {
            if namespace_mappings.insert(from.clone(), to).is_some() {
                return Err(Failure::usage(format!("--namespace-mappings names {from} twice"))
                    .next("Restore it once for each new name."));
            }
        }
        Ok(Criteria {
            selection: self.select.selection(),
            volume_mode: Some(self.persistent_restoremode.clone()),
            conflict_policy: Some(self.conflict_policy.clone()),
            namespace_mappings,
            hooks: self.restore_hook_refs.iter().flat_map(|one| one.0.clone()).collect(),
            modifier: self.resource_modifier_reference.as_ref().and_then(|one| one.0.first().cloned()),
        })
    }
}

/// The newest recovery point that is in the tier.
pub async fn newest(session: &Session, instance: &ResourceId, tier: &str) -> Result<String, Failure> {
    let request = Request::get(format!("{instance}/recoveryPoints"), versions::DATA_PROTECTION);
    let points = session.client.list(&request).await?;
    let time = |point: &Value| {
        let text = point.pointer("/properties/recoveryPointTime").and_then(Value::as_str);
        text.and_then(|text| text.parse::<jiff::Timestamp>().ok())
    };
    let is_there = |point: &&Value| {
        let stores = point.pointer("/properties/recoveryPointDataStoresDetails").and_then(Value::as_array);
        let is_tier = |store: &Value| store.get("type").and_then(Value::as_str) == Some(tier);
        stores.is_none_or(|stores| stores.iter().any(is_tier))
    };
    let newest = points.iter().filter(is_there).max_by_key(|point| time(point));
    let name = newest.and_then(|point| point.get("name")?.as_str());
    name.map(str::to_owned).ok_or_else(|| {
        Failure::precondition(format!("{} has no recovery point in {tier} yet", instance.name()))
            .next("Make a backup: `cofferdam backup start --wait`.")
    })
}
