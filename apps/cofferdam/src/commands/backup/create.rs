//! `cofferdam backup create`.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    operation::Operation,
    output::{self, Format},
    selection::{SelectionArgs, deadline, label_key, object_name, reference, seconds_within},
    wait::wait,
};
use clap::Args;
use kube::{Api, ResourceExt, api::PostParams};
use resources::{Backup, BackupSpec, NamespacedName, VolumeType};
use telemetry::{Clock, SystemClock};

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the backup; made from the instance and the time when absent
    name: Option<String>,
    /// Backup instance that the recovery point belongs to
    #[arg(long, default_value = "default")]
    instance: String,
    /// Storage location to write to
    #[arg(long, default_value = "default")]
    location: String,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Whether volume data is protected
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    snapshot_volumes: bool,
    /// Limit snapshots to volume types: AzureDisk, AzureFileShareSMB
    #[arg(long, value_delimiter = ',', value_parser = volume_type, value_name = "TYPES")]
    volume_types: Vec<VolumeType>,
    /// Copy the files of volumes whose CSI driver cannot snapshot
    #[arg(long)]
    file_copy_volumes: bool,
    /// Where drivers that know resource groups put snapshots
    #[arg(long, default_value = "", value_name = "ID")]
    snapshot_resource_group: String,
    /// Cut claims that share a value of this label at one instant
    #[arg(long, default_value = "", value_parser = label_key, value_name = "KEY")]
    volume_group_label: String,
    /// Backup hook to run, as namespace/name; may be repeated
    #[arg(long = "hook", value_parser = reference, value_name = "NAMESPACE/NAME")]
    hooks: Vec<NamespacedName>,
    /// Retention tag to record with the recovery point
    #[arg(long, default_value = "", value_name = "TAG")]
    retention_tag: String,
    /// How long a snapshot may take to be cut
    #[arg(long, default_value = "10m", value_parser = cutting, value_name = "DURATION")]
    snapshot_timeout: u32,
    /// How long the whole backup may take
    #[arg(long, default_value = "4h", value_parser = deadline, value_name = "DURATION")]
    deadline: u32,
    /// Print the object instead of creating it
    #[arg(long)]
    dry_run: bool,
    /// Wait for the end and exit with its code
    #[arg(short, long)]
    wait: bool,
}

pub async fn run(args: CreateArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let name = args.name.clone().unwrap_or_else(|| generated_name(&args.instance));
    object_name(&name)?;
    args.selection.parse(&cluster.namespace)?;
    let (dry_run, waits) = (args.dry_run, args.wait);
    let mut backup = Backup::new(&name, spec(args));
    backup.metadata.namespace = Some(cluster.namespace.clone());
    if dry_run {
        let format = if format == Format::Table { Format::Yaml } else { format };
        output::print(format, &backup, |_| String::new())?;
        return Ok(Exit::Done);
    }
    let api: Api<Backup> = Api::namespaced(cluster.client().await?, &cluster.namespace);
    let created = api
        .create(&PostParams::default(), &backup)
        .await
        .map_err(|error| Failure::creation(Backup::NOUN, &name, &error))?;
    if waits {
        return wait(&api, &name, format).await;
    }
    output::print(format, &created, |created| {
        format!("backup {0} accepted; watch it: cofferdam backup show {0}", created.name_any())
    })?;
    Ok(Exit::Done)
}

fn spec(args: CreateArgs) -> BackupSpec {
    BackupSpec {
        backup_instance: args.instance,
        storage_location: args.location,
        included_namespaces: args.selection.include_namespaces,
        excluded_namespaces: args.selection.exclude_namespaces,
        included_resource_types: args.selection.include_resources,
        excluded_resource_types: args.selection.exclude_resources,
        label_selectors: args.selection.selector,
        include_cluster_scope_resources: args.selection.cluster_scope,
        snapshot_volumes: args.snapshot_volumes,
        included_volume_types: args.volume_types,
        file_copy_volumes: args.file_copy_volumes,
        snapshot_resource_group: args.snapshot_resource_group,
        volume_group_label: args.volume_group_label,
        backup_hook_references: args.hooks,
        retention_tag: args.retention_tag,
        snapshot_timeout_seconds: args.snapshot_timeout,
        deadline_seconds: args.deadline,
        cancel: false,
        ..BackupSpec::default()
    }
}

fn generated_name(prefix: &str) -> String {
    let now = SystemClock.now();
    format!("{prefix}-{}", now.strftime("%Y%m%d-%H%M%S"))
}

/// Seconds that a snapshot may take to be cut.
fn cutting(text: &str) -> Result<u32, String> {
    seconds_within(text, &(10..=86_400))
}

fn volume_type(text: &str) -> Result<VolumeType, String> {
    match text {
        "AzureDisk" => Ok(VolumeType::AzureDisk),
        "AzureFileShareSMB" => Ok(VolumeType::AzureFileShareSMB),
        other => Err(format!("{other:?} is neither AzureDisk nor AzureFileShareSMB")),
    }
}
