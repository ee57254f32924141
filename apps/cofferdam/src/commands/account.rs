//! `cofferdam account`: who is signed in, and which subscription commands mean.

use crate::{
    exit::{Exit, Failure, Outcome},
    managed::{Kind, View, folder, given_token},
    output::{self, Format},
};
use clap::{Args, Subcommand};
use management::{Profile, Tokens, Transport};
use serde_json::{Value, json};
use telemetry::{Clock, SystemClock};

#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Part of the result to print, as JMESPath
    #[arg(long, global = true, value_name = "JMESPATH")]
    query: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show who is signed in, where, and with which subscription
    Show,
    /// List the subscriptions that the sign-in sees
    List,
    /// Choose the subscription that commands mean that name none
    Set(SetArgs),
    /// Print a token for calls, to hand it to somebody for an hour
    GetAccessToken,
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Subscription, by id or name
    #[arg(short = 's', long, value_name = "ID")]
    subscription: String,
}

pub async fn run(args: AccountArgs, format: Format) -> Outcome {
    let view = View::new(format, args.query.as_deref())?;
    let folder = folder()?;
    let mut profile = folder.profile()?;
    match args.verb {
        Verb::Show => view.plain(&facts(&profile))?,
        Verb::List => view.many(&Kind::SUBSCRIPTION, &subscriptions(&profile))?,
        Verb::Set(args) => {
            let wanted = profile.subscriptions.iter().find(|one| one.is(&args.subscription));
            let id = wanted.map(|one| one.id.clone()).ok_or_else(|| {
                Failure::precondition(format!("there is no subscription {:?}", args.subscription))
                    .next("See which there are: `cofferdam account list`; those made later show after `cofferdam login`.")
            })?;
            profile.subscription = Some(id.clone());
            folder.update(&profile)?;
            output::tell(format, &format!("commands now mean subscription {id}"), facts(&profile))?;
        }
        Verb::GetAccessToken => view.plain(&token(profile).await?)?,
    }
    Ok(Exit::Done)
}

/// Who is signed in, without secrets.
pub fn facts(profile: &Profile) -> Value {
    let name = profile.subscriptions.iter().find(|one| profile.subscription.as_ref() == Some(&one.id));
    json!({
        "id": profile.subscription,
        "name": name.map(|one| one.name.as_str()),
        "tenantId": profile.tenant,
        "user": {"name": profile.method.name(), "type": profile.method.principal()},
        "environmentName": profile.cloud.name,
        "url": profile.cloud.resource_manager,
    })
}

/// A token of whoever is signed in, under the names that `az` has.
async fn token(profile: Profile) -> Result<Value, Failure> {
    let (tenant, subscription) = (profile.tenant.clone(), profile.subscription.clone());
    let transport = Transport::new(profile.authorities.as_deref())?;
    let given = given_token();
    let is_kept = given.is_none();
    let tokens = match given {
        Some(given) => Tokens::Given(given),
        None => Tokens::of(folder()?, profile),
    };
    let secret = tokens.token(&transport, SystemClock.now(), false).await?;
    let expires = folder()?.token().filter(|_| is_kept).map(|token| token.expires);
    Ok(json!({"accessToken": secret.reveal(), "expiresOn": expires, "subscription": subscription,
        "tenant": tenant, "tokenType": "Bearer"}))
}

fn subscriptions(profile: &Profile) -> Vec<Value> {
    let each = profile.subscriptions.iter().map(|one| {
        json!({"id": one.id, "name": one.name, "state": one.state, "tenantId": profile.tenant,
            "isDefault": profile.subscription.as_ref() == Some(&one.id)})
    });
    each.collect()
}
