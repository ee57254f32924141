//! `cofferdam location add`.

use super::{forget, forget_state, setting, settings};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
    secret::{credential_secret, ensure_repository_secret, read_file},
};
use clap::Args;
use extension::{
    locations::{CREDENTIAL_SECRET, LocationRecord, REPOSITORY, Role, STATE},
    manifests::INSTALLER,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Name of the location
    name: String,
    /// `own`: this cluster writes to it; `source`: it is only read
    #[arg(long, default_value = "own", value_name = "ROLE")]
    role: Role,
    /// Setting, for example configuration.backupStorageLocation.bucket=backups; may be repeated
    #[arg(long = "set", value_parser = setting, value_name = "KEY=VALUE")]
    set: Vec<(String, String)>,
    /// Credential for the store, as key=file; stored in a Secret; may be repeated
    #[arg(long = "credential-file", value_parser = setting, value_name = "KEY=FILE")]
    credential_files: Vec<(String, String)>,
    /// File with the repository's password; made up for an own location when absent
    #[arg(long, value_name = "FILE")]
    repository_password_file: Option<PathBuf>,
    /// Forget which repository the location had: an empty place gets a new one, and what lies there is taken as it is
    #[arg(long)]
    forget_repository: bool,
    /// Print the ConfigMap instead of applying anything
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(args: AddArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let mut given = settings(&args.set)?;
    let secret_name = format!("store-{}", args.name);
    if !args.credential_files.is_empty() {
        given.entry(CREDENTIAL_SECRET.to_owned()).or_insert_with(|| secret_name.clone());
    }
    let record = LocationRecord::from_settings(&args.name, args.role, &given).map_err(|bad| {
        Failure::usage(bad.problems.join("\n       "))
            .next("Correct the settings; `--dry-run` shows the result.")
    })?;
    let map = record.encode(&cluster.namespace);
    if args.dry_run {
        let format = if format == Format::Table { Format::Yaml } else { format };
        output::print(format, &map, |_| String::new())?;
        return Ok(Exit::Done);
    }
    let client = cluster.client().await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &cluster.namespace);
    let apply = PatchParams::apply(INSTALLER).force();
    if !args.credential_files.is_empty() {
        let name = given.get(CREDENTIAL_SECRET).cloned().unwrap_or(secret_name);
        let secret = credential_secret(&name, &cluster.namespace, &args.credential_files)?;
        secrets
            .patch(&name, &apply, &Patch::Apply(&secret))
            .await
            .map_err(|error| Failure::api(format!("write Secret {name}"), &error))?;
    }
    let password = args.repository_password_file.as_deref().map(read_file).transpose()?;
    ensure_repository_secret(&secrets, &record, &cluster.namespace, password).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, &cluster.namespace);
    let name = LocationRecord::config_map_name(&args.name);
    maps.patch(&name, &apply, &Patch::Apply(&map))
        .await
        .map_err(|error| Failure::api(format!("write ConfigMap {name}"), &error))?;
    if args.forget_repository {
        forget(&maps, &args.name, &[STATE, REPOSITORY]).await?;
    } else {
        forget_state(&maps, &args.name).await?;
    }
    let text = format!("location {0} added; check it: cofferdam location show {0}", args.name);
    output::tell(format, &text, json!({"location": args.name}))?;
    Ok(Exit::Done)
}
