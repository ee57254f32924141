//! What movers get from the extension: image, namespace, and in a Secret the settings, credential and password
//! of the location. Nothing of that is ever an argument.

use crate::{
    context::Context,
    locations::{CredentialKind, OpenLocation, REPOSITORY_KEY, bytes_of},
    manifests::MOVERS_NAMESPACE,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use protection::{Problem, code};
use std::{collections::BTreeMap, time::Duration};
use storage::location::Provider;
use volumes::files::{CopyOptions, Mover, MoverSecret, PASSWORD_FILE, SETTINGS_FILE};

/// The service account of movers: it has no rights and its token is not mounted.
const ACCOUNT: &str = "default";
/// Memory limit of a mover, and what of it the engine may use, in MiB.
const LIMIT: &str = "384Mi";
const BUDGET: u32 = 160;
/// Volumes that are moved at the same time.
const PARALLEL: usize = 8;
/// How long one volume may take when nothing else limits it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Movers for a location; `verb` and `more` begin their arguments. An `Err` says why there can be none.
pub async fn mover(
    context: &Context,
    location: &OpenLocation,
    verb: &str,
    more: &[String],
) -> Result<Mover, Problem> {
    let Some(image) = &context.config.image else {
        return Err(cannot("the extension was started without --image, so it cannot start movers")
            .fix("Install again: `cofferdam install`."));
    };
    let mut arguments = vec!["mover".to_owned(), verb.to_owned(), "--memory".to_owned(), BUDGET.to_string()];
    arguments.extend(more.iter().cloned());
    Ok(Mover {
        image: image.clone(),
        namespace: MOVERS_NAMESPACE.to_owned(),
        service_account: ACCOUNT.to_owned(),
        arguments,
        secret: secret(&context.client, &context.config.namespace, location).await?,
        memory: LIMIT.to_owned(),
    })
}

/// How movers are run; `at_most` is what is left of the operation's own time.
pub fn options(at_most: Option<Duration>) -> CopyOptions {
    CopyOptions {
        parallel: PARALLEL,
        timeout: at_most.unwrap_or(LONGEST).clamp(Duration::from_secs(1), LONGEST),
        cancel: tokio_util::sync::CancellationToken::new(),
    }
}

async fn secret(client: &Client, namespace: &str, location: &OpenLocation) -> Result<MoverSecret, Problem> {
    let record = &location.record;
    let mut files = match &record.credential {
        CredentialKind::Secret(name) => credential(client, namespace, name).await?,
        CredentialKind::None if record.settings.provider == Provider::Local => {
            return Err(cannot(
                "its location is a directory of the extension's pod, which movers cannot reach",
            )
            .fix("Use an object store as the location."));
        }
        CredentialKind::None => BTreeMap::new(),
        CredentialKind::WorkloadIdentity => {
            return Err(cannot(
                "its location is opened with the extension's own identity, which movers do not have",
            )
            .fix("Name a Secret with the store's credential in the location's setting credentialSecret."));
        }
    };
    let settings = serde_json::to_vec(&record.settings).map_err(|error| cannot(&error.to_string()))?;
    files.insert(SETTINGS_FILE.to_owned(), settings);
    files.insert(PASSWORD_FILE.to_owned(), password(client, namespace, &record.repository_secret).await?);
    Ok(MoverSecret(files))
}

async fn credential(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    match secrets.get(name).await {
        Ok(secret) => Ok(bytes_of(&secret)),
        Err(error) => {
            Err(cannot(&format!("Secret {name} could not be read: {}", crate::api::readable(&error))))
        }
    }
}

async fn password(client: &Client, namespace: &str, name: &str) -> Result<Vec<u8>, Problem> {
    let mut data = credential(client, namespace, name).await?;
    data.remove(REPOSITORY_KEY).ok_or_else(|| cannot(&format!("Secret {name} has no key {REPOSITORY_KEY}")))
}

fn cannot(why: &str) -> Problem {
    Problem::warning(code::VOLUME_NOT_PROTECTED, format!("Files of volumes cannot be moved: {why}."))
}
