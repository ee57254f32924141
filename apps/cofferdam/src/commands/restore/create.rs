//! `cofferdam restore plan` and `cofferdam restore create`.

use super::{rows::Filter, show};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    operation::Operation,
    output::{self, Format},
    selection::{SelectionArgs, deadline, mapping, object_name, reference},
    wait::{until_final, wait},
};
use clap::Args;
use kube::{Api, Client, ResourceExt, api::PostParams};
use resources::{
    Backup, ConflictPolicy, NamespacedName, PersistentVolumeRestoreMode, RecoveryPointRef, Restore,
    RestoreOperation, RestoreSpec,
};
use std::collections::BTreeSet;
use telemetry::{Clock, SystemClock};

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the restore; made from the time when absent
    name: Option<String>,
    /// Restore the recovery point of this backup
    #[arg(long, value_name = "NAME", conflicts_with = "point", required_unless_present = "point")]
    from_backup: Option<String>,
    /// Restore this recovery point
    #[arg(long, value_name = "ID")]
    point: Option<String>,
    /// Location of the recovery point (with --point)
    #[arg(long, default_value = "default", value_name = "NAME")]
    location: String,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Restore a namespace under another name, as original:target; may be repeated
    #[arg(long = "map", value_parser = mapping, value_name = "FROM:TO")]
    mappings: Vec<(String, String)>,
    /// What happens to an object that exists: Skip, Patch or Replace
    #[arg(long, default_value = "Skip", value_parser = policy, value_name = "POLICY")]
    conflict: ConflictPolicy,
    /// Kinds that Replace spares unless they are named here
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    replace_resources: Vec<String>,
    /// Re-create claims empty
    #[arg(long)]
    without_volume_data: bool,
    /// Restore hook to run, as namespace/name; may be repeated
    #[arg(long = "hook", value_parser = reference, value_name = "NAMESPACE/NAME")]
    hooks: Vec<NamespacedName>,
    /// ConfigMap with resource modifiers, as namespace/name
    #[arg(long, value_parser = reference, value_name = "NAMESPACE/NAME")]
    modifier: Option<NamespacedName>,
    /// How long the whole restore may take
    #[arg(long, default_value = "4h", value_parser = deadline, value_name = "DURATION")]
    deadline: u32,
    /// Print the object instead of creating it
    #[arg(long)]
    dry_run: bool,
    /// Wait for the end and exit with its code; a plan always waits
    #[arg(short, long)]
    wait: bool,
}

pub async fn run(
    args: CreateArgs,
    operation: RestoreOperation,
    cluster: &ClusterArgs,
    format: Format,
) -> Outcome {
    let name = args.name.clone().unwrap_or_else(|| generated_name(operation));
    object_name(&name)?;
    args.selection.parse(&cluster.namespace)?;
    let mut originals = BTreeSet::new();
    if let Some((twice, _)) = args.mappings.iter().find(|(original, _)| !originals.insert(original)) {
        return Err(Failure::usage(format!("--map names the namespace {twice} twice"))
            .next("Restore it once for each new name."));
    }
    let client = cluster.client().await?;
    let point = point(&args, &client, &cluster.namespace).await?;
    let (dry_run, waits) = (args.dry_run, args.wait);
    let mut restore = Restore::new(&name, spec(args, point, operation));
    restore.metadata.namespace = Some(cluster.namespace.clone());
    if dry_run {
        let format = if format == Format::Table { Format::Yaml } else { format };
        output::print(format, &restore, |_| String::new())?;
        return Ok(Exit::Done);
    }
    let api: Api<Restore> = Api::namespaced(client.clone(), &cluster.namespace);
    let created = api
        .create(&PostParams::default(), &restore)
        .await
        .map_err(|error| Failure::creation(Restore::NOUN, &name, &error))?;
    if operation == RestoreOperation::Plan {
        let planned = until_final(&api, &name).await?;
        show::outcomes(&planned, client, cluster, format, &Filter::default()).await?;
        return Ok(Exit::of(planned.phase()));
    }
    if waits {
        return wait(&api, &name, format).await;
    }
    output::print(format, &created, |created| {
        format!("restore {0} accepted; watch it: cofferdam restore show {0} --wait", created.name_any())
    })?;
    Ok(Exit::Done)
}

fn spec(args: CreateArgs, point: RecoveryPointRef, operation: RestoreOperation) -> RestoreSpec {
    let mode = if args.without_volume_data {
        PersistentVolumeRestoreMode::RestoreWithoutVolumeData
    } else {
        PersistentVolumeRestoreMode::RestoreWithVolumeData
    };
    RestoreSpec {
        operation,
        included_namespaces: args.selection.include_namespaces,
        excluded_namespaces: args.selection.exclude_namespaces,
        included_resource_types: args.selection.include_resources,
        excluded_resource_types: args.selection.exclude_resources,
        label_selectors: args.selection.selector,
        include_cluster_scope_resources: args.selection.cluster_scope,
        namespace_mappings: args.mappings.into_iter().collect(),
        conflict_policy: args.conflict,
        replace_resource_types: args.replace_resources,
        persistent_volume_restore_mode: mode,
        restore_hook_references: args.hooks,
        resource_modifier_reference: args.modifier,
        deadline_seconds: args.deadline,
        ..RestoreSpec::of(point)
    }
}

async fn point(args: &CreateArgs, client: &Client, namespace: &str) -> Result<RecoveryPointRef, Failure> {
    let Some(backup) = &args.from_backup else {
        let id = args.point.clone().unwrap_or_default();
        return Ok(RecoveryPointRef { location: args.location.clone(), id });
    };
    let api: Api<Backup> = Api::namespaced(client.clone(), namespace);
    let found =
        api.get(backup).await.map_err(|error| Failure::api(format!("read backup {backup}"), &error))?;
    let phase = found.phase();
    found.status.and_then(|status| status.recovery_point).ok_or_else(|| {
        Failure::precondition(format!("backup {backup} has no recovery point; its phase is {phase}"))
            .next(format!("See why with `cofferdam backup show {backup}`."))
    })
}

fn generated_name(operation: RestoreOperation) -> String {
    let prefix = match operation {
        RestoreOperation::Plan => "plan",
        RestoreOperation::Restore => "restore",
    };
    format!("{prefix}-{}", SystemClock.now().strftime("%Y%m%d-%H%M%S"))
}

fn policy(text: &str) -> Result<ConflictPolicy, String> {
    match text.to_ascii_lowercase().as_str() {
        "skip" => Ok(ConflictPolicy::Skip),
        "patch" => Ok(ConflictPolicy::Patch),
        "replace" => Ok(ConflictPolicy::Replace),
        _ => Err(format!("{text:?} is none of Skip, Patch, Replace")),
    }
}
