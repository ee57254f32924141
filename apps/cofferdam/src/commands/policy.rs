//! `cofferdam policy`: when backups are made and how long recovery points live.

mod wish;

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    managed::{Consent, Deletion, Kind, Name, Session, SessionArgs, VaultName, View, json_file},
    output::Format,
};
use clap::{Args, Subcommand};
use management::{
    Request,
    build::{from_az, policy::Policy},
};
use serde_json::{Value, json};
use std::path::PathBuf;
use telemetry::{Clock, SystemClock};

#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make or change a policy, from arguments or a file
    #[command(visible_alias = "update")]
    Create(CreateArgs),
    /// Show one
    Show(Which),
    /// List the policies of a vault
    List(VaultName),
    /// Delete one that protects nothing
    Delete(Deletion<Which>),
    /// Print the policy that the original offers, to be changed and passed to `create --policy`
    #[command(visible_alias = "get-default-policy-template")]
    GetDefaultTemplate(TemplateArgs),
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    vault: VaultName,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// File with the policy in JSON, instead of the arguments below
    #[arg(long, conflicts_with_all = wish::ALL, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    wish: wish::Wish,
    #[command(flatten)]
    consent: Consent,
    /// Print the policy instead of making it
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct TemplateArgs {
    #[arg(long, default_value = "AzureKubernetesService", value_parser = ["AzureKubernetesService"], hide = true)]
    datasource_type: String,
}

impl Which {
    fn path(&self, session: &Session) -> Result<String, Failure> {
        let name = session.name(self.name.name.as_deref())?;
        Ok(self.vault.id(session)?.child("backupPolicies", &name)?.to_string())
    }
}

pub async fn run(args: PolicyArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    // Needs no vault.
    if let Verb::GetDefaultTemplate(_) = args.verb {
        let body = Policy::usual(SystemClock.now()).json()?;
        return print(&body, args.session.query.as_deref(), format);
    }
    if let Verb::Create(CreateArgs { dry_run: true, policy, wish, .. }) = &args.verb {
        return print(&body(policy, wish)?, args.session.query.as_deref(), format);
    }
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::Create(args) => {
            let body = args.consent.within(body(&args.policy, &args.wish)?, "/properties");
            let request = Request::put(args.which.path(&session)?, Kind::POLICY.version, body);
            session.make(&Kind::POLICY, args.consent.behind(request)?).await
        }
        Verb::Show(which) => session.show(&Kind::POLICY, &which.path(&session)?).await,
        Verb::List(vault) => {
            session.list(&Kind::POLICY, &format!("{}/backupPolicies", vault.id(&session)?)).await
        }
        Verb::Delete(args) => session.delete(&Kind::POLICY, &args.which.path(&session)?, &args.confirm).await,
        Verb::GetDefaultTemplate(_) => Ok(Exit::Done),
    }
}

/// From the file, which may hold the properties alone as `az` writes them, or from the arguments.
fn body(file: &Option<PathBuf>, wish: &wish::Wish) -> Result<Value, Failure> {
    let Some(file) = file else { return Ok(wish.policy(SystemClock.now()).json()?) };
    let document = from_az(json_file(file)?);
    Ok(match document.get("properties") {
        Some(properties) => json!({"properties": properties}),
        None => json!({"properties": document}),
    })
}

/// A template is a file to be: properties alone, as `az` prints them, and JSON where a table was meant.
fn print(body: &Value, query: Option<&str>, format: Format) -> Outcome {
    let format = if format == Format::Table { Format::Json } else { format };
    let properties = body.get("properties").unwrap_or(body);
    View::new(format, query)?.plain(properties)?;
    Ok(Exit::Done)
}
