//! `cofferdam provider`: which parts of the management API a subscription uses.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    managed::{Kind, Session, SessionArgs},
    note,
    output::Format,
};
use clap::{Args, Subcommand};
use management::Request;
use serde_json::Value;
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);
/// How often registration is looked at before it is given up.
const LOOKS: u32 = 300;

#[derive(Debug, Args)]
pub struct ProviderArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Register a provider, such as -n Microsoft.KubernetesConfiguration
    Register(RegisterArgs),
    /// Show one (-n NAMESPACE)
    Show,
    /// List them
    List,
}

#[derive(Debug, Args)]
struct RegisterArgs {
    /// Wait until it is registered
    #[arg(long)]
    wait: bool,
}

pub async fn run(args: ProviderArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    let all = format!("{}/providers", session.root());
    // `--namespace` is the name of the provider here, as it is in `az`.
    let one = || -> Result<String, Failure> {
        let name = session.name(None)?;
        session.group("x")?.with(&format!("{name}/x"), "x")?;
        Ok(format!("{all}/{name}"))
    };
    match args.verb {
        Verb::List => session.list(&Kind::PROVIDER, &all).await,
        Verb::Show => session.show(&Kind::PROVIDER, &one()?).await,
        Verb::Register(args) => {
            let path = one()?;
            let found = register(&session, &path, args.wait).await?;
            session.view.one(&Kind::PROVIDER, &found)?;
            Ok(Exit::Done)
        }
    }
}

/// Registers the provider at `path`, and waits if told to.
pub async fn register(session: &Session, path: &str, wait: bool) -> Result<Value, Failure> {
    let request = Request::post(format!("{path}/register"), Kind::PROVIDER.version);
    let mut found = session.client.send(&request).await?.body;
    let mut looks = 0;
    while wait && !is_registered(&found) {
        looks += 1;
        if looks > LOOKS {
            return Err(Failure::failed("the provider was not registered in time")
                .next("See how it stands: `cofferdam provider show`."));
        }
        tokio::time::sleep(POLL).await;
        found = session.client.get(path, Kind::PROVIDER.version).await?;
    }
    if !is_registered(&found) {
        note!("registration goes on at the server");
    }
    Ok(found)
}

/// Whether a provider is registered.
pub fn is_registered(provider: &Value) -> bool {
    let state = provider.get("registrationState").and_then(Value::as_str).unwrap_or_default();
    state.eq_ignore_ascii_case("Registered")
}
