//! `cofferdam login`, `logout`.

mod secret;

use crate::{
    exit::{Exit, Failure, Outcome},
    managed::folder,
    note,
    output::{self, Format},
};
use clap::Args;
use management::{
    Client, Cloud, Profile, Request, Subscription, Tokens, Transport,
    sign_in::{DEVICE_CLIENT, DeviceCode, Endpoints, Method, Token},
    versions,
};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};
use telemetry::{Clock, SystemClock};

/// Where Azure itself is.
const AZURE: &str = "https://management.azure.com";

/// Who signs in, and where. The secret is never an argument: every user of the machine could see it.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Address of the vault; Azure when absent
    #[arg(long, env = "COFFERDAM_VAULT_URL", value_name = "URL")]
    vault_url: Option<String>,
    /// Certificate of the authority that vouches for the vault (its tls/ca.crt), and no other
    #[arg(long, env = "COFFERDAM_VAULT_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Sign in as a service principal; a person with a browser otherwise
    #[arg(long)]
    service_principal: bool,
    /// Client id of the service principal
    #[arg(short = 'u', long, visible_alias = "client-id", value_name = "ID")]
    username: Option<String>,
    /// File with its secret; else COFFERDAM_CLIENT_SECRET, else standard input
    #[arg(short = 'p', long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File with a token of another issuer that stands for it, instead of a secret
    #[arg(long, env = "AZURE_FEDERATED_TOKEN_FILE", value_name = "FILE")]
    federated_token_file: Option<PathBuf>,
    /// The file that `vault serve` or `vault add-principal` wrote: address, tenant, client id and secret
    #[arg(long, conflicts_with_all = ["username", "password_file", "federated_token_file"], value_name = "FILE")]
    credential_file: Option<PathBuf>,
    /// Tenant, by id
    #[arg(short = 't', long, value_name = "ID")]
    tenant: Option<String>,
    /// Subscription that commands mean that name none
    #[arg(short = 's', long, env = "COFFERDAM_SUBSCRIPTION", value_name = "ID")]
    subscription: Option<String>,
    /// Sign in even if there is no subscription to see
    #[arg(long)]
    allow_no_subscriptions: bool,
}

pub async fn run(args: LoginArgs, format: Format) -> Outcome {
    let given = secret::Given::read(&args)?;
    let url = args.vault_url.as_deref().or(given.url.as_deref()).unwrap_or(AZURE);
    let authorities = args.ca.as_deref().map(crate::secret::read_file).transpose()?;
    let transport = Transport::new(authorities.as_deref())?;
    let cloud = Cloud::discover(&transport, url).await?;
    let tenant = args.tenant.clone().or(given.tenant).unwrap_or_else(|| "organizations".to_owned());
    let endpoints = Endpoints::discover(&transport, &cloud, &tenant).await?;
    let (method, token) = sign_in(given.method, &transport, &cloud, &endpoints).await?;
    let tokens = Tokens::Given(token.secret.clone());
    let client = Client::new(&cloud.resource_manager, transport, tokens, Arc::new(SystemClock))?;
    let seen = client.list(&Request::get("/subscriptions", versions::SUBSCRIPTIONS)).await?;
    let mut profile = Profile {
        cloud,
        endpoints,
        tenant,
        authorities,
        method,
        subscriptions: Vec::new(),
        subscription: None,
    };
    take_subscriptions(&mut profile, &seen, &args, given.subscription.as_deref())?;
    // Only now: a sign-in that fails leaves the earlier one as it was.
    let folder = folder()?;
    folder.keep(&profile)?;
    folder.keep_token(&token)?;
    tell(&profile, format)
}

/// The first token, and how the next ones are had.
async fn sign_in(
    method: Option<Method>,
    transport: &Transport,
    cloud: &Cloud,
    endpoints: &Endpoints,
) -> Result<(Method, Token), Failure> {
    if let Some(method) = method {
        let issued = method.token(transport, endpoints, &cloud.scope(), SystemClock.now()).await?;
        return Ok((method, issued.token));
    }
    let code = DeviceCode::ask(transport, endpoints, &cloud.scope()).await?;
    note!("{}", code.message);
    let issued = code.wait(transport, endpoints, || SystemClock.now()).await?;
    let refresh = issued.refresh.ok_or_else(|| {
        Failure::failed("the server gave no token to renew the sign-in with")
            .next("Sign in as a service principal.")
    })?;
    Ok((Method::Person { client_id: DEVICE_CLIENT.to_owned(), refresh }, issued.token))
}

fn take_subscriptions(
    profile: &mut Profile,
    seen: &[Value],
    args: &LoginArgs,
    usual: Option<&str>,
) -> Result<(), Failure> {
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(tenant) = seen.iter().map(|one| text(one, "tenantId")).find(|tenant| !tenant.is_empty()) {
        profile.tenant = tenant;
    }
    profile.subscriptions = seen
        .iter()
        .map(|one| Subscription {
            id: text(one, "subscriptionId"),
            name: text(one, "displayName"),
            state: text(one, "state"),
        })
        .collect();
    if profile.subscriptions.is_empty() && !args.allow_no_subscriptions {
        return Err(Failure::precondition("this principal sees no subscription")
            .next("Ask an owner for a role, or sign in with `--allow-no-subscriptions`."));
    }
    let find = |given: &str| profile.subscriptions.iter().find(|one| one.is(given)).map(|one| one.id.clone());
    profile.subscription = match args.subscription.as_deref() {
        Some(given) => Some(find(given).ok_or_else(|| {
            Failure::precondition(format!("there is no subscription {given:?}, or it must not be seen"))
                .next("Leave `--subscription` out; `cofferdam account list` shows which there are.")
        })?),
        None => usual.and_then(find).or_else(|| {
            let enabled = profile.subscriptions.iter().find(|one| one.state.eq_ignore_ascii_case("Enabled"));
            enabled.or(profile.subscriptions.first()).map(|one| one.id.clone())
        }),
    };
    Ok(())
}

fn tell(profile: &Profile, format: Format) -> Outcome {
    let subscription = profile.subscription.as_deref().unwrap_or("none");
    let text = format!(
        "signed in to {} as {}\nsubscription {subscription}",
        profile.cloud.resource_manager,
        profile.method.name()
    );
    output::tell(format, &text, super::account::facts(profile))?;
    Ok(Exit::Done)
}

/// `cofferdam logout`.
pub fn logout(format: Format) -> Outcome {
    let was = folder()?.forget()?;
    let text = if was { "signed out" } else { "nobody was signed in" };
    output::tell(format, text, json!({"signedOut": was}))?;
    Ok(Exit::Done)
}
