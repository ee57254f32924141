//! `cofferdam vault add-user`, `set-password`, `add-external` and `remove-principal`: accounts, for those who may read
//! the data directory, whether or not a server runs.

use super::{place::PlaceArgs, serve::failure};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
    secret::read_file,
};
use clap::Args;
use std::{io::IsTerminal, path::PathBuf, sync::Arc};
use telemetry::{Clock, SystemClock};
use vault::{
    bootstrap::BootstrapError,
    directory::DataDirectory,
    people::{self, PeopleError},
    server::open_store,
    store::Store,
};

#[derive(Debug, Args)]
pub struct AddUserArgs {
    /// Name with which the person signs in, such as anna@example.org
    name: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// Built-in role that the person gets at the subscription, such as "Backup Operator"; none when absent
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// File with the password; asked for on the terminal when absent
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct SetPasswordArgs {
    /// Name with which the person signs in
    name: String,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Debug, Args)]
pub struct AddExternalArgs {
    /// Name for people
    name: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// The issuer, as `vault serve --trusted-issuer` names it
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The claim `sub` of the person's tokens, letter by letter
    #[arg(long, value_name = "TEXT")]
    subject: String,
    /// Built-in role that the person gets at the subscription; none when absent
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

#[derive(Debug, Args)]
pub struct RemovePrincipalArgs {
    /// Name of a person, client id or object id
    principal: String,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Makes a person.
pub async fn add_user(args: AddUserArgs, format: Format) -> Outcome {
    let password = args.password.read(&args.name)?;
    let store = open(args.place).await?;
    let made =
        people::add_user(store.as_ref(), &args.name, &password, args.role.as_deref(), SystemClock.now())
            .await;
    store.close().await;
    told(format, "made person", &args.name, &made.map_err(of)?)
}

/// Gives a person another password.
pub async fn set_password(args: SetPasswordArgs, format: Format) -> Outcome {
    let password = args.password.read(&args.name)?;
    let store = open(args.place).await?;
    let set = people::set_password(store.as_ref(), &args.name, &password, SystemClock.now()).await;
    store.close().await;
    set.map_err(of)?;
    let facts = serde_json::json!({"name": args.name});
    output::tell(format, &format!("{} signs in with the new password from now on", args.name), facts)?;
    Ok(Exit::Done)
}

/// Registers someone of a trusted issuer.
pub async fn add_external(args: AddExternalArgs, format: Format) -> Outcome {
    let store = open(args.place).await?;
    let who = (args.issuer.as_str(), args.subject.as_str());
    let made =
        people::add_external(store.as_ref(), &args.name, who, args.role.as_deref(), SystemClock.now()).await;
    store.close().await;
    told(format, "registered", &args.name, &made.map_err(of)?)
}

/// Removes a principal.
pub async fn remove(args: RemovePrincipalArgs, format: Format) -> Outcome {
    let store = open(args.place).await?;
    let removed = people::remove(store.as_ref(), &args.principal, SystemClock.now()).await;
    store.close().await;
    let removed = removed.map_err(of)?;
    told(format, "removed", &removed.name, &removed.object_id)
}

pub async fn open(place: PlaceArgs) -> Result<Arc<dyn Store>, Failure> {
    let (place, _) = place.resolve()?;
    if place.database.is_none() && !place.data.is_dir() {
        return Err(Failure::precondition(BootstrapError::Nothing));
    }
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    open_store(&directory, place.database.as_ref()).await.map_err(failure)
}

impl PasswordArgs {
    /// From the file, else from the terminal, twice; never from an argument, which every user of the machine can see.
    fn read(&self, name: &str) -> Result<String, Failure> {
        if let Some(path) = &self.password_file {
            return read_file(path);
        }
        if !std::io::stdin().is_terminal() {
            let next = "Run it on a terminal, or pass `--password-file FILE`.";
            return Err(Failure::usage("there is no terminal to ask for the password on").next(next));
        }
        let ask = |prompt: String| {
            rpassword::prompt_password(prompt)
                .map_err(|error| Failure::failed(format!("could not read: {error}")))
        };
        let first = ask(format!("Password of {name}: "))?;
        if first != ask("Again: ".to_owned())? {
            return Err(Failure::usage("the passwords differ; nothing was changed").next("Run it again."));
        }
        Ok(first)
    }
}

fn told(format: Format, what: &str, name: &str, object_id: &str) -> Outcome {
    let facts = serde_json::json!({"name": name, "objectId": object_id});
    output::tell(format, &format!("{what} {name} with object id {object_id}"), facts)?;
    Ok(Exit::Done)
}

pub fn of(error: PeopleError) -> Failure {
    match error {
        PeopleError::Principal(error) => failure(error.into()),
        PeopleError::Name(_) | PeopleError::Password(_) | PeopleError::Subscription(_) => {
            Failure::usage(error)
        }
        error => Failure::precondition(error),
    }
}
