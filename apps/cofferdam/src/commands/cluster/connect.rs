//! `cofferdam cluster connect`: makes the cluster known to the vault and yields the manifest that it applies once.

use super::{
    manifest::{Chosen, Own},
    wish::WishArgs,
};
use crate::{
    cluster::ClusterArgs,
    commands::{install::apply, location::setting},
    exit::{Exit, Failure, Outcome},
    managed::{CLUSTER, InGroup, Kind, Session, tags},
    note,
    output::{self, Format},
    wait,
};
use agent::manifests::{NAMESPACE, PROXY};
use arm::ResourceId;
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::DeleteParams};
use management::Request;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug, Args)]
pub struct ConnectArgs {
    #[command(flatten)]
    which: InGroup,
    /// Region; the one of the vault by default
    #[arg(short = 'l', long, default_value = "local", value_name = "NAME")]
    location: String,
    /// Tags, as key=value
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
    /// Apply the manifest to the cluster of the kubeconfig, instead of printing it
    #[arg(long)]
    apply: bool,
    /// Wait until the cluster is connected (with --apply)
    #[arg(long, requires = "apply")]
    wait: bool,
    /// End the connection that there is
    #[arg(long)]
    reconnect: bool,
    #[command(flatten)]
    wish: WishArgs,
}

const POLL: Duration = Duration::from_secs(2);
/// Images have to be fetched and certificates made.
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run(args: ConnectArgs, session: &Session, cluster: &ClusterArgs) -> Outcome {
    let id = args.which.id(session, CLUSTER)?;
    let own = args.wish.resolve()?;
    // The person may reach the vault and not the cluster: find out before anything is made.
    let client = if args.apply { Some(in_default_namespace(cluster).client().await?) } else { None };
    // A cluster that is there already only gets a new token: its settings are not ours to replace.
    let there = session.client.find(id.as_str(), Kind::CLUSTER.version).await?;
    if there.as_ref().is_some_and(is_connected) && !args.reconnect {
        return Err(Failure::precondition(format!(
            "cluster {} is connected; connecting it again would end that connection",
            id.name()
        ))
        .next("Look at it: `cofferdam cluster show`; to connect it anew, repeat with `--reconnect`."));
    }
    if there.is_none() {
        let body = json!({
            "location": args.location,
            "identity": {"type": "SystemAssigned"},
            "tags": tags(&args.tags)?.unwrap_or_default(),
            "properties": {},
        });
        let put = Request::put(id.as_str(), Kind::CLUSTER.version, body);
        session.follow(&format!("making cluster {}", id.name()), &put).await?;
    }
    let yielded = match yielded(session, &id, &own).await {
        Ok(yielded) => yielded,
        Err(failure) => {
            let delete = Request::delete(id.as_str(), Kind::CLUSTER.version);
            if there.is_none() && session.client.run(&delete, |_| ()).await.is_ok() {
                note!("cluster {}, which was made for this, is deleted again", id.name());
            }
            return Err(failure);
        }
    };
    let (connection, manifest) = yielded;
    match client {
        Some(client) => {
            apply::apply(&client, &manifest, |_| true).await?;
            if own.proxy.is_none() {
                forget_proxy(&client).await?;
            }
            note!("applied {} objects; cluster {} connects now", manifest.len(), id.name());
            if args.wait {
                return connected(session, &id).await;
            }
            note!("next: `cofferdam cluster show -n {} -g {}`", id.name(), args.which.group());
        }
        None => print(session, connection, manifest)?,
    }
    Ok(Exit::Done)
}

/// The proxy of a connection before this one goes: its address may hold a password, and nothing refers to it any more.
async fn forget_proxy(client: &Client) -> Result<(), Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    match secrets.delete(PROXY, &DeleteParams::default()).await {
        Ok(_) => {
            note!("the cluster is connected without a proxy; Secret {PROXY} of the one before is deleted")
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(Failure::api(format!("delete Secret {PROXY}"), &error)),
    }
    Ok(())
}

/// A new connection, and the manifest for it. One that comes to nothing ends at once: its token lies around otherwise.
async fn yielded(session: &Session, id: &ResourceId, own: &Own) -> Result<(Value, Vec<Value>), Failure> {
    let version = Kind::CLUSTER.version;
    let of_vault = own.trust.is_none();
    let ask = |dry: bool| {
        let body = json!({"manifest": of_vault, "dryRun": dry});
        Request::post(format!("{id}/connect"), version).with(body)
    };
    if of_vault {
        // What is refused must not have ended the connection that there is.
        own.documents(&session.client.run(&ask(true), |_| ()).await?)?;
    }
    let ask = ask(false);
    let connection = session.follow("asking for the token", &ask).await?;
    match own.documents(&connection) {
        Ok((manifest, chosen)) => {
            tell(chosen.as_ref());
            Ok((connection, manifest))
        }
        Err(failure) => {
            session.client.send(&Request::post(format!("{id}/disconnect"), version)).await.ok();
            Err(failure)
        }
    }
}

/// Whom the cluster trusts without its owner having said so.
fn tell(chosen: Option<&Chosen>) {
    if let Some(chosen) = chosen {
        let (keys, registries) = (chosen.trust.keys.len(), chosen.registries.join(", "));
        note!("the vault chose: image {}, {keys} trusted key(s), registries {registries}", chosen.image);
        note!(
            "to choose them yourself: `--trust FILE`, and perhaps `--registry URL` and `--image REFERENCE`"
        );
    }
}

fn is_connected(cluster: &Value) -> bool {
    cluster.pointer("/properties/cofferdam/connected").and_then(Value::as_bool).unwrap_or_default()
}

async fn connected(session: &Session, id: &ResourceId) -> Outcome {
    let (bar, began) = (wait::bar(), tokio::time::Instant::now());
    bar.set_message(format!("waiting until {} is connected", id.name()));
    while began.elapsed() < PATIENCE {
        let cluster = session.client.get(id.as_str(), Kind::CLUSTER.version).await?;
        if is_connected(&cluster) {
            bar.finish_and_clear();
            session.view.one(&Kind::CLUSTER, &cluster)?;
            return Ok(Exit::Done);
        }
        tokio::time::sleep(POLL).await;
    }
    bar.finish_and_clear();
    Err(Failure::failed(format!("cluster {} was not connected within five minutes", id.name()))
        .next("See why: `kubectl get pods -n kube-system`, and the log of the agent there."))
}

fn print(session: &Session, mut connection: Value, manifest: Vec<Value>) -> Result<(), Failure> {
    if session.view.format() == Format::Json {
        if let Some(fields) = connection.as_object_mut() {
            fields.insert("manifest".to_owned(), manifest.into());
        }
        return session.view.plain(&connection);
    }
    for document in &manifest {
        output::line(&format!("---\n{}", output::to_yaml(document)?.trim_end()))?;
    }
    let expires = output::cell(connection.get("expiresAt"));
    note!("the manifest holds a token that serves once and ends at {expires}; keep it from others");
    note!("next: apply it to the cluster with `kubectl apply -f -`, or run this with `--apply`");
    Ok(())
}

/// `-n` was the name of the cluster.
fn in_default_namespace(cluster: &ClusterArgs) -> ClusterArgs {
    ClusterArgs { namespace: resources::DEFAULT_NAMESPACE.to_owned(), ..cluster.clone() }
}
