//! A signed-in client and how its answers are shown.

use super::{Confirm, Kind, View};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    note,
    output::Format,
    wait,
};
use arm::ResourceId;
use clap::Args;
use management::{Client, Folder, Profile, Request, Tokens, Transport, sign_in::Secret};
use serde_json::Value;
use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use telemetry::SystemClock;

/// An operation that takes longer than this is spoken of where no live line can be drawn.
const SILENT: Duration = Duration::from_secs(10);

/// Arguments of every command that speaks to the management API.
#[derive(Debug, Clone, Default, Args)]
pub struct SessionArgs {
    /// Subscription, by id or name; the default one of the sign-in when absent
    #[arg(
        long,
        global = true,
        env = "COFFERDAM_SUBSCRIPTION",
        help_heading = "Management API options",
        value_name = "ID"
    )]
    pub subscription: Option<String>,
    /// Part of the result to print, as JMESPath, such as "[].name"
    #[arg(long, global = true, help_heading = "Management API options", value_name = "JMESPATH")]
    pub query: Option<String>,
    /// Do not wait until a long-running operation has ended
    #[arg(long, global = true, help_heading = "Management API options")]
    pub no_wait: bool,
}

/// A client, and how its answers are shown.
pub struct Session {
    /// The client.
    pub client: Client,
    /// Id of the subscription.
    pub subscription: String,
    /// Id of the tenant.
    pub tenant: String,
    /// How results are printed.
    pub view: View,
    no_wait: bool,
    short_name: Option<String>,
}

/// The folder of the profile: `$COFFERDAM_CONFIG_DIR`, else `cofferdam` in the person's configuration folder.
pub fn folder() -> Result<Folder, Failure> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = given("COFFERDAM_CONFIG_DIR")
        .or_else(|| given("XDG_CONFIG_HOME").map(|config| config.join("cofferdam")))
        .or_else(|| given("HOME").map(|home| home.join(".config/cofferdam")));
    path.map(Folder::at).ok_or_else(|| {
        Failure::precondition("there is no folder for the sign-in: HOME is not set")
            .next("Name one: COFFERDAM_CONFIG_DIR=FOLDER.")
    })
}

/// A token that was made elsewhere.
pub fn given_token() -> Option<Secret> {
    env::var("COFFERDAM_ACCESS_TOKEN").ok().filter(|token| !token.is_empty()).map(Secret::new)
}

impl Session {
    /// Opens what somebody signed in to.
    pub fn open(args: &SessionArgs, cluster: &ClusterArgs, format: Format) -> Result<Self, Failure> {
        let view = View::new(format, args.query.as_deref())?;
        let folder = folder()?;
        let profile = folder.profile()?;
        let subscription = subscription(&profile, args.subscription.as_deref())?;
        let transport = Transport::new(profile.authorities.as_deref())?;
        let (origin, tenant) = (profile.cloud.resource_manager.clone(), profile.tenant.clone());
        let tokens = given_token().map_or_else(|| Tokens::of(folder, profile), Tokens::Given);
        Ok(Self {
            client: Client::new(&origin, transport, tokens, Arc::new(SystemClock))?,
            subscription,
            tenant,
            view,
            no_wait: args.no_wait,
            short_name: cluster.short_name(),
        })
    }

    /// Opens a resource manager that nobody signed in to, with a token that was made elsewhere.
    pub fn direct(
        args: &SessionArgs,
        url: &str,
        authorities: Option<&Path>,
        cluster: &ClusterArgs,
        format: Format,
    ) -> Result<Self, Failure> {
        let view = View::new(format, args.query.as_deref())?;
        let token = given_token().ok_or_else(|| {
            Failure::precondition("there is no token for the resource manager")
                .next("Put one into COFFERDAM_ACCESS_TOKEN: `az account get-access-token --query accessToken -o tsv`.")
        })?;
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|error| {
                Failure::precondition(format!("could not read {}: {error}", path.display()))
                    .next("Name the authorities in PEM with `--ca FILE`.")
            })
        };
        let pem = authorities.map(read).transpose()?;
        let transport = Transport::new(pem.as_deref())?;
        let subscription = args.subscription.clone().filter(|id| uuid::Uuid::try_parse(id).is_ok());
        let subscription = subscription.ok_or_else(|| {
            Failure::usage("the subscription is not named by its id").next("Write `--subscription ID`.")
        })?;
        Ok(Self {
            client: Client::new(url, transport, Tokens::Given(token), Arc::new(SystemClock))?,
            subscription,
            tenant: String::new(),
            view,
            no_wait: args.no_wait,
            short_name: cluster.short_name(),
        })
    }

    /// The name that a command works on: `--name`, or `-n`, which is a name here as it is in `az`.
    pub fn name(&self, given: Option<&str>) -> Result<String, Failure> {
        let name = self.any_name(given)?;
        one_part(&name)?;
        Ok(name)
    }

    /// The same for things that have names with a slash for people.
    pub fn any_name(&self, given: Option<&str>) -> Result<String, Failure> {
        given.or(self.short_name.as_deref()).map(str::to_owned).ok_or_else(|| {
            Failure::usage("the name is missing").next("Write `--name NAME`, or `-n NAME` for short.")
        })
    }

    /// The path of the subscription.
    pub fn root(&self) -> String {
        format!("/subscriptions/{}", self.subscription)
    }

    /// The id of a resource group.
    pub fn group(&self, name: &str) -> Result<ResourceId, Failure> {
        one_part(name)?;
        Ok(ResourceId::group(&self.subscription, name)?)
    }

    /// The id of a resource in a group.
    pub fn resource(&self, group: &str, kind: &str, name: &str) -> Result<ResourceId, Failure> {
        one_part(name)?;
        Ok(self.group(group)?.with(kind, name)?)
    }

    /// The region that was named, else that of the resource group, as `az` does it.
    pub async fn location(&self, given: Option<&str>, group: &str) -> Result<String, Failure> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let found = self.client.get(self.group(group)?.as_str(), Kind::GROUP.version).await?;
        let location = found.get("location").and_then(Value::as_str);
        location.map(str::to_owned).ok_or_else(|| {
            Failure::failed(format!("resource group {group} does not say where it is"))
                .next("Name the region with `--location`.")
        })
    }

    /// Prints one thing.
    pub async fn show(&self, kind: &Kind, path: &str) -> Outcome {
        let found = self.client.get(path, kind.version).await?;
        self.view.one(kind, &found)?;
        Ok(Exit::Done)
    }

    /// Prints a list.
    pub async fn list(&self, kind: &Kind, path: &str) -> Outcome {
        let found = self.client.list(&Request::get(path, kind.version)).await?;
        self.view.many(kind, &found)?;
        Ok(Exit::Done)
    }

    /// Makes or replaces a thing and prints it.
    pub async fn put(&self, kind: &Kind, path: &str, body: Value) -> Outcome {
        self.make(kind, Request::put(path, kind.version, body)).await
    }

    /// The same by a request with headers of its own.
    pub async fn make(&self, kind: &Kind, request: Request) -> Outcome {
        let made = self.run(&format!("making {}", kind.noun), &request).await?;
        self.finished(kind, made)
    }

    /// Changes a thing and prints it.
    pub async fn patch(&self, kind: &Kind, path: &str, body: Value) -> Outcome {
        self.change(kind, Request::patch(path, kind.version, body)).await
    }

    /// The same by a request with headers of its own.
    pub async fn change(&self, kind: &Kind, request: Request) -> Outcome {
        let changed = self.run(&format!("changing {}", kind.noun), &request).await?;
        self.finished(kind, changed)
    }

    /// Deletes a thing after `--yes`.
    pub async fn delete(&self, kind: &Kind, path: &str, confirm: &Confirm) -> Outcome {
        self.delete_by(kind, Request::delete(path, kind.version), confirm).await
    }

    /// Deletes a thing by a request with parameters of its own.
    pub async fn delete_by(&self, kind: &Kind, request: Request, confirm: &Confirm) -> Outcome {
        let name = request.path.rsplit('/').next().unwrap_or_default().to_owned();
        if !confirm.yes {
            let found = self.client.get(&request.path, kind.version).await?;
            self.view.one(kind, &found)?;
            note!("nothing was deleted\nnext: run it again with `--yes` to delete {} {name}", kind.noun);
            return Ok(Exit::Done);
        }
        // A name that was mistyped must not read as a deletion.
        let is_there = match self.client.get(&request.path, kind.version).await {
            Err(management::Error::Service(service)) if service.status == 404 => false,
            // Whoever may delete need not be allowed to read; the deletion itself says what is wrong.
            _ => true,
        };
        let deleted = self.run(&format!("deleting {} {name}", kind.noun), &request).await?;
        if !is_there {
            note!("there was no {} {name}; nothing was deleted", kind.noun);
            return Ok(Exit::Done);
        }
        let word = if deleted.is_some() { "deleted" } else { "deletion accepted:" };
        note!("{word} {} {name}", kind.noun);
        Ok(Exit::Done)
    }

    /// Starts an action on a thing and waits until it has ended.
    pub async fn act(&self, doing: &str, done: &str, request: Request) -> Outcome {
        match self.run(doing, &request).await? {
            Some(result) if !result.is_null() && self.view.is_for_programs() => self.view.plain(&result)?,
            Some(_) => note!("{done}"),
            None => note!("accepted; it goes on at the server"),
        }
        Ok(Exit::Done)
    }

    /// Sends a request and follows it to its end, with a live line on terminals; nothing with `--no-wait`.
    pub async fn run(&self, doing: &str, request: &Request) -> Result<Option<Value>, Failure> {
        if self.no_wait {
            self.client.send(request).await?;
            return Ok(None);
        }
        Ok(Some(self.follow(doing, request).await?))
    }

    /// The same in spite of `--no-wait`.
    pub async fn follow(&self, doing: &str, request: &Request) -> Result<Value, Failure> {
        let bar = wait::bar();
        let mut told = false;
        let ended = self
            .client
            .run(request, |progress| {
                if !bar.is_hidden() {
                    bar.set_message(format!("{doing} ({})", progress.status.to_lowercase()));
                } else if progress.elapsed > SILENT && !told {
                    told = true;
                    note!("{doing} …");
                }
            })
            .await;
        bar.finish_and_clear();
        Ok(ended?)
    }

    fn finished(&self, kind: &Kind, made: Option<Value>) -> Outcome {
        match made {
            Some(made) => self.view.one(kind, &made)?,
            None => note!("accepted; it goes on at the server"),
        }
        Ok(Exit::Done)
    }
}

/// A name is one part of an id: with a slash it would mean another thing than the command says.
fn one_part(name: &str) -> Result<(), Failure> {
    match name.contains('/') {
        false => Ok(()),
        true => Err(Failure::usage(format!("{name:?} is no name: it holds a slash"))
            .next("Write the name alone, not the id.")),
    }
}

fn subscription(profile: &Profile, given: Option<&str>) -> Result<String, Failure> {
    let Some(given) = given else {
        return profile.subscription.clone().ok_or_else(|| {
            Failure::precondition("no subscription is chosen")
                .next("Choose one: `cofferdam account set --subscription ID`, or `--subscription ID`.")
        });
    };
    let known = profile.subscriptions.iter();
    let mut named = known.filter(|one| one.id.eq_ignore_ascii_case(given) || one.name == given);
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one.id.clone()),
        (Some(_), Some(_)) => Err(Failure::usage(format!("several subscriptions are called {given:?}"))
            .next("Write its id: `cofferdam account list`.")),
        // One that was made after the sign-in.
        (None, _) if uuid::Uuid::try_parse(given).is_ok() => Ok(given.to_owned()),
        (None, _) => Err(Failure::precondition(format!("there is no subscription {given:?}")).next(
            "See which there are: `cofferdam account list`; those made later show after `cofferdam login`.",
        )),
    }
}
