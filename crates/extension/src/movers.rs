//! What movers get from the extension: image, namespace, and in a Secret the settings, credential and password
//! of the location. Nothing of that is ever an argument.
//!
//! Where a location is opened with the identity of the extension's pod, a mover gets a short-lived token of it in the
//! Secret of its own, which is renewed while it runs and goes with its Job.

use crate::{
    context::Context,
    locations::{CredentialKind, LocationError, OpenLocation, bytes_of},
    manifests::MOVERS_NAMESPACE,
};
use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use protection::{Problem, code};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use storage::{
    PROXY_AUTHORITIES_VARIABLE,
    credential::{CredentialSource, to_secret},
    location::Provider,
};
use telemetry::Clock;
use volumes::files::{
    CopyOptions, Mover, MoverSecret, PASSWORD_FILE, Renewal, SECRET_DIRECTORY, SETTINGS_FILE, SecretSource,
};

/// The service account of movers: it has no rights and its token is not mounted.
const ACCOUNT: &str = "default";
/// Memory limit of a mover, and what of it the engine may use, in MiB.
const LIMIT: &str = "384Mi";
const BUDGET: u32 = 160;
/// Volumes that are moved at the same time.
const PARALLEL: usize = 8;
/// How long one volume may take when nothing else limits it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The variables by which HTTP clients find their way out.
const HTTPS: &str = "HTTPS_PROXY";
const EXCEPT: &str = "NO_PROXY";
/// Files of a mover's Secret: the proxy's address, and its authorities.
const HTTPS_FILE: &str = "cofferdam-https-proxy";
const AUTHORITIES_FILE: &str = "cofferdam-proxy-ca.crt";

/// How soon what a mover holds is renewed at the earliest.
const SHORTEST: Duration = Duration::from_secs(30);

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
    let way_out = WayOut::of_process(|name| std::env::var(name).ok()).map_err(|error| {
        cannot(&format!("the proxy's authorities could not be read: {error}"))
            .fix("Correct ConfigMap cofferdam-proxy-authorities.")
    })?;
    let (secret, renewal) = secret(context, location, &way_out.files).await?;
    Ok(Mover {
        image: image.clone(),
        namespace: MOVERS_NAMESPACE.to_owned(),
        service_account: ACCOUNT.to_owned(),
        arguments,
        secret,
        renewal,
        environment: way_out.environment,
        secret_environment: way_out.secret_environment,
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

/// What movers get besides their arguments, and how it is renewed where it does not last.
async fn secret(
    context: &Context,
    location: &OpenLocation,
    more: &BTreeMap<String, Vec<u8>>,
) -> Result<(MoverSecret, Option<Renewal>), Problem> {
    let record = &location.record;
    if record.credential == CredentialKind::None && record.settings.provider == Provider::Local {
        return Err(cannot("its location is a directory of the extension's pod, which movers cannot reach")
            .fix("Use an object store as the location."));
    }
    let settings = context.locations.settings_elsewhere(record).await.map_err(|error| cannot_by(&error))?;
    let settings = serde_json::to_vec(&settings).map_err(|error| cannot(&error.to_string()))?;
    let mut files = BTreeMap::from([
        (SETTINGS_FILE.to_owned(), settings),
        (PASSWORD_FILE.to_owned(), location.password.expose().to_vec()),
    ]);
    files.extend(more.clone());
    match &record.credential {
        CredentialKind::None => Ok((MoverSecret(files), None)),
        CredentialKind::Secret(name) => {
            files.extend(credential(&context.client, &context.config.namespace, name).await?);
            Ok((MoverSecret(files), None))
        }
        CredentialKind::WorkloadIdentity => {
            let source = context.locations.credential(record).await.map_err(|error| cannot_by(&error))?;
            let source = ByIdentity { files: MoverSecret(files), source, clock: context.clock.clone() };
            let (secret, after) = source.secret().await.map_err(|why| cannot(&why))?;
            Ok((secret, Some(Renewal { source: Arc::new(source), after })))
        }
    }
}

/// Movers of a location that is opened with the extension's identity: they get a short-lived token of it and never
/// the identity itself.
#[derive(Debug)]
struct ByIdentity {
    files: MoverSecret,
    source: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl SecretSource for ByIdentity {
    async fn secret(&self) -> Result<(MoverSecret, Duration), String> {
        let credential = self.source.credential().await.map_err(|error| error.to_string())?;
        let mut files = self.files.0.clone();
        files.extend(to_secret(&credential.value));
        Ok((MoverSecret(files), renewed_after(credential.expires, self.clock.now())))
    }
}

/// Half of what is left of a credential: the kubelet takes a minute or two to hand a new one on.
fn renewed_after(expires: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = expires.map_or(LONGEST, |end| Duration::try_from(end.duration_since(now)).unwrap_or_default());
    (left / 2).clamp(SHORTEST, LONGEST)
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

/// How movers find their way out: as this process does. A proxy's address may hold a password.
#[derive(Default)]
struct WayOut {
    environment: BTreeMap<String, String>,
    secret_environment: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
}

impl WayOut {
    fn of_process(variable: impl Fn(&str) -> Option<String>) -> Result<Self, std::io::Error> {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut way = Self::default();
        if let Some(except) = text(EXCEPT) {
            way.environment.insert(EXCEPT.to_owned(), except);
        }
        let Some(url) = text(HTTPS) else { return Ok(way) };
        way.files.insert(HTTPS_FILE.to_owned(), url.into_bytes());
        way.secret_environment.insert(HTTPS.to_owned(), HTTPS_FILE.to_owned());
        if let Some(path) = text(PROXY_AUTHORITIES_VARIABLE) {
            way.files.insert(AUTHORITIES_FILE.to_owned(), std::fs::read(path)?);
            let there = format!("{SECRET_DIRECTORY}/{AUTHORITIES_FILE}");
            way.environment.insert(PROXY_AUTHORITIES_VARIABLE.to_owned(), there);
        }
        Ok(way)
    }
}

fn cannot_by(error: &LocationError) -> Problem {
    let problem = error.problem();
    let mut about = cannot(problem.message.trim_end_matches('.'));
    about.recommended_action = problem.recommended_action;
    about
}

fn cannot(why: &str) -> Problem {
    Problem::warning(code::VOLUME_NOT_PROTECTED, format!("Files of volumes cannot be moved: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use storage::credential::{Credential, CredentialError, CredentialValue, from_secret};
    use telemetry::FixedClock;

    /// Hands out a token that lives for an hour.
    #[derive(Debug)]
    struct FakeIdentity(Timestamp);

    #[async_trait]
    impl CredentialSource for FakeIdentity {
        fn describe(&self) -> String {
            "an identity".to_owned()
        }

        async fn credential(&self) -> Result<Credential, CredentialError> {
            let value = CredentialValue::Bearer(SecretString::from("t0ken"));
            Ok(Credential { value, expires: Some(self.0 + jiff::SignedDuration::from_hours(1)) })
        }
    }

    #[tokio::test]
    async fn a_mover_gets_a_token_that_is_renewed_at_half_its_life_and_not_the_identity() {
        let now = Timestamp::UNIX_EPOCH;
        let files = MoverSecret([(PASSWORD_FILE.to_owned(), b"pw".to_vec())].into());
        let source =
            ByIdentity { files, source: Arc::new(FakeIdentity(now)), clock: Arc::new(FixedClock::at(now)) };

        let (secret, after) = source.secret().await.unwrap();

        let read = from_secret(Provider::Azure, Some("acct"), &secret.0).unwrap();
        assert_eq!(read.kind(), "bearer token");
        assert_eq!(secret.0.len(), 2);
        assert_eq!(after, Duration::from_secs(1800));
        assert!(!format!("{secret:?}").contains("t0ken"));
    }

    #[test]
    fn movers_go_the_way_of_the_extension_and_the_address_of_the_proxy_stands_in_their_secret_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "PEM").unwrap();
        let path = file.path().display().to_string();
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some("https://me:word@proxy:3129".to_owned()),
            "NO_PROXY" => Some(".svc".to_owned()),
            PROXY_AUTHORITIES_VARIABLE => Some(path.clone()),
            _ => None,
        };

        let way = WayOut::of_process(variable).unwrap();
        let none = WayOut::of_process(|_| None).unwrap();

        let plain =
            [("COFFERDAM_PROXY_CA", "/etc/cofferdam/mover/cofferdam-proxy-ca.crt"), ("NO_PROXY", ".svc")];
        let plain = plain.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(way.environment, BTreeMap::from(plain));
        assert_eq!(
            way.files.get(&way.secret_environment["HTTPS_PROXY"]).unwrap(),
            b"https://me:word@proxy:3129"
        );
        assert_eq!(way.files.get("cofferdam-proxy-ca.crt").unwrap(), b"PEM");
        assert!(none.environment.is_empty() && none.secret_environment.is_empty() && none.files.is_empty());
    }

    #[test]
    fn what_has_ended_already_is_asked_for_again_soon_but_not_at_once() {
        let now = Timestamp::UNIX_EPOCH;

        assert_eq!(renewed_after(Some(now), now + jiff::SignedDuration::from_hours(1)), SHORTEST);
        assert_eq!(renewed_after(None, now), LONGEST / 2);
    }
}
