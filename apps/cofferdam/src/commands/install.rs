//! `cofferdam install`: puts the extension into a cluster, or prints its manifests.

pub mod apply;
mod gate;
mod judge;
mod place;
mod ready;

pub use gate::check_id;

use super::{
    location::{forget_state, setting, settings},
    preflight::{self, ProfileArg, Wanted},
};
use crate::note;
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
    secret::{credential_secret, ensure_repository_secret, read_file},
};
use clap::Args;
use extension::{
    locations::{CREDENTIAL_SECRET, DEFAULT},
    manifests::{INSTALLER, InstallSettings, render},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// The Secret that `--credential-file` makes.
const STORE_SECRET: &str = "store-default";
/// The image of this version.
const IMAGE: &str = concat!("cofferdam:", env!("CARGO_PKG_VERSION"));

/// How an installation shall look; the checks before it take the same arguments.
#[derive(Debug, Args)]
pub struct Wish {
    /// Setting by the original's names, for example configuration.backupStorageLocation.bucket=backups or
    /// resources.limits.memory=4400Mi; may be repeated
    #[arg(long = "set", value_parser = setting, value_name = "KEY=VALUE")]
    pub set: Vec<(String, String)>,
    /// The product's image; that of this version by default
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// File with the vault's certificate authorities as PEM: short for --set vault.authorities=…
    #[arg(long = "vault-ca", value_name = "FILE")]
    pub vault_ca: Option<PathBuf>,
    /// Credential for the store, as key=file; stored in a Secret; may be repeated
    #[arg(long = "credential-file", value_parser = setting, value_name = "KEY=FILE")]
    pub credential_files: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct InstallArgs {
    #[command(flatten)]
    wish: Wish,
    /// File with the repository's password; made up when absent
    #[arg(long, value_name = "FILE")]
    repository_password_file: Option<PathBuf>,
    /// Checks that may block without stopping the installation, by id, or `all`
    #[arg(long, value_delimiter = ',', value_parser = gate::check_id, value_name = "ID")]
    skip_preflight: Vec<String>,
    /// Whose rules the checks follow
    #[arg(long, value_enum, default_value = "cofferdam")]
    profile: ProfileArg,
    /// Print the manifests (without Secrets) instead of applying them
    #[arg(long)]
    dry_run: bool,
    /// Apply everything but the Deployment: the extension is run elsewhere
    #[arg(long)]
    without_deployment: bool,
    /// How long to wait until the extension is ready
    #[arg(long, default_value = "3m", value_parser = crate::selection::seconds, value_name = "DURATION")]
    timeout: u32,
}

/// The installation that the arguments describe, and the settings behind it. Unknown settings are warned of.
pub fn wished(
    wish: &Wish,
    cluster: &ClusterArgs,
) -> Result<(InstallSettings, BTreeMap<String, String>), Failure> {
    let mut given = settings(&wish.set)?;
    if !wish.credential_files.is_empty() {
        given.entry(CREDENTIAL_SECRET.to_owned()).or_insert_with(|| STORE_SECRET.to_owned());
    }
    if let Some(file) = &wish.vault_ca {
        given.insert("vault.authorities".to_owned(), read_file(file)?);
    }
    let image = wish.image.as_deref().unwrap_or(IMAGE);
    let mut install = InstallSettings::new(&cluster.namespace, image);
    let (warnings, mut problems) = match install.apply(&given) {
        Ok(warnings) => (warnings, Vec::new()),
        Err(bad) => (Vec::new(), bad.0),
    };
    problems.extend(judge::problems(&install));
    if !problems.is_empty() {
        return Err(Failure::usage(problems.join("\n       "))
            .next("Correct the settings; `cofferdam install --dry-run` shows the result."));
    }
    for warning in warnings {
        note!("warning: {warning}");
    }
    Ok((install, given))
}

pub async fn run(args: InstallArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    place::check_name(&cluster.namespace)?;
    let (install, given) = wished(&args.wish, cluster)?;
    let mut documents = render(&install).map_err(Failure::failed)?;
    if args.without_deployment {
        documents.retain(|document| document.get("kind").is_none_or(|kind| kind != "Deployment"));
    }
    if args.dry_run {
        return print(&documents, format);
    }
    let password = args.repository_password_file.as_deref().map(read_file).transpose()?;
    let client = cluster.client().await?;
    let wanted = Wanted { install: &install, wish: &args.wish, location: DEFAULT, installing: true };
    let report = preflight::look(cluster, &wanted, args.profile.into()).await?;
    gate::pass(&report, &args.skip_preflight)?;
    place::check(&client, &cluster.namespace).await?;
    // Namespaces and Secrets come before what needs them: the extension shall find its location complete.
    apply::apply(&client, &documents, apply::is_prerequisite).await?;
    if gate::is_open(&report) && !args.without_deployment {
        let asked = preflight::admission(cluster, &wanted, args.profile.into()).await?;
        gate::admitted(&asked, &args.skip_preflight)?;
    }
    if let Some(location) = &install.location {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &cluster.namespace);
        if !args.wish.credential_files.is_empty() {
            let name = given.get(CREDENTIAL_SECRET).map_or(STORE_SECRET, String::as_str);
            let secret = credential_secret(name, &cluster.namespace, &args.wish.credential_files)?;
            secrets
                .patch(name, &PatchParams::apply(INSTALLER).force(), &Patch::Apply(&secret))
                .await
                .map_err(|error| Failure::api(format!("write Secret {name}"), &error))?;
        }
        ensure_repository_secret(&secrets, location, &cluster.namespace, password).await?;
    }
    apply::apply(&client, &documents, |document| !apply::is_prerequisite(document)).await?;
    apply::established(&client).await?;
    if install.location.is_some() {
        forget_state(&Api::namespaced(client.clone(), &cluster.namespace), DEFAULT).await?;
    }
    let mut text = format!("installed into namespace {}", cluster.namespace);
    if args.without_deployment {
        text.push_str("\nno Deployment was applied; run the extension with `cofferdam extension`");
        output::tell(format, &text, json!({"namespace": cluster.namespace, "ready": false}))?;
        return Ok(Exit::Done);
    }
    note!("{text}");
    let timeout = Duration::from_secs(u64::from(args.timeout));
    ready::wait(&client, &cluster.namespace, install.location.is_some(), timeout).await?;
    let next = match install.location {
        None => "add a storage location with `cofferdam location add default --set …`",
        Some(_) => "`cofferdam backup create --wait`",
    };
    let text = format!("the extension is ready\nnext: {next}");
    output::tell(format, &text, json!({"namespace": cluster.namespace, "ready": true}))?;
    Ok(Exit::Done)
}

fn print(documents: &[serde_json::Value], format: Format) -> Outcome {
    if format == Format::Json {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": documents});
        output::print(format, &list, |_| String::new())?;
        return Ok(Exit::Done);
    }
    for document in documents {
        output::line(&format!("---\n{}", output::to_yaml(document)?.trim_end()))?;
    }
    Ok(Exit::Done)
}
