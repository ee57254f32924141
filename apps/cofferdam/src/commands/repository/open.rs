//! Where a repository is and how it is opened. Passwords and credentials come from files or the environment,
//! never from arguments, which every user of the machine can see.

use crate::note;
use crate::{
    commands::location::{setting, settings},
    exit::Failure,
    secret::read_file,
};
use clap::Args;
use engine::{Job, Repo, RepositorySecret};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use storage::{
    Store,
    credential::{AwsWebIdentity, AzureWorkloadIdentity, CredentialSource, NoCredential, StaticCredential},
    location::{LocationSettings, Provider, SETTINGS_PREFIX},
};
use telemetry::{Clock, SystemClock};

/// Where the repository is.
#[derive(Debug, Args)]
pub struct Place {
    /// Directory of a location on the local disk; the repository lies in its folder `cofferdam`
    #[arg(long, value_name = "DIR", conflicts_with = "set")]
    directory: Option<PathBuf>,
    /// Setting of a location, for example configuration.backupStorageLocation.bucket=backups; may be repeated
    #[arg(long = "set", value_parser = setting, value_name = "KEY=VALUE")]
    set: Vec<(String, String)>,
    /// Credential for the store, as key=file; may be repeated
    #[arg(long = "credential-file", value_parser = setting, value_name = "KEY=FILE")]
    credential_files: Vec<(String, String)>,
    /// File with the repository's password
    #[arg(long, env = "COFFERDAM_REPOSITORY_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Place {
    /// The repository's part of the location.
    pub async fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        let settings = self.settings()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Ok(settings.open(self.credentials(&settings, &clock)?, clock).await?.repository)
    }

    /// The password: from the file, else from the environment.
    pub fn password(&self) -> Result<RepositorySecret, Failure> {
        if let Some(path) = &self.password_file {
            return match read_file(path)? {
                empty if empty.is_empty() => {
                    Err(Failure::usage(format!("{} holds no password", path.display()))
                        .next("Write the repository's password into it."))
                }
                password => Ok(RepositorySecret::new(password.into_bytes())),
            };
        }
        match std::env::var("COFFERDAM_REPOSITORY_PASSWORD") {
            Ok(password) if !password.is_empty() => Ok(RepositorySecret::new(password.into_bytes())),
            _ => Err(Failure::usage("the repository's password is not given").next(
                "Pass `--password-file FILE`, or set COFFERDAM_REPOSITORY_PASSWORD_FILE or COFFERDAM_REPOSITORY_PASSWORD.",
            )),
        }
    }

    /// The opened repository.
    pub async fn repo(&self) -> Result<Repo, Failure> {
        let password = self.password()?;
        Ok(Repo::open(self.store().await?, &password).await?)
    }

    fn settings(&self) -> Result<LocationSettings, Failure> {
        let given: BTreeMap<String, String> = match &self.directory {
            Some(directory) => {
                let absolute = std::path::absolute(directory).ok();
                let text = absolute.as_ref().and_then(|absolute| absolute.to_str()).ok_or_else(|| {
                    Failure::usage("the repository's directory has no name, or one that is not UTF-8")
                        .next("Name another one: `--directory DIR`.")
                })?;
                [
                    (format!("{SETTINGS_PREFIX}provider"), "local".to_owned()),
                    (format!("{SETTINGS_PREFIX}bucket"), text.to_owned()),
                ]
                .into()
            }
            None if self.set.is_empty() => {
                return Err(Failure::usage("the repository's place is not given").next(format!(
                    "Pass `--directory DIR`, or with `--set` those settings of a location that begin with \
                     {SETTINGS_PREFIX}; `cofferdam location show` prints them."
                )));
            }
            None => known(settings(&self.set)?)?,
        };
        LocationSettings::from_settings(&given).map_err(|bad| {
            let problems: Vec<String> = bad.iter().map(ToString::to_string).collect();
            Failure::usage(problems.join("\n       ")).next("Correct the settings.")
        })
    }

    fn credentials(
        &self,
        settings: &LocationSettings,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn CredentialSource>, Failure> {
        if settings.provider == Provider::Local {
            return Ok(Arc::new(NoCredential));
        }
        if !self.credential_files.is_empty() {
            return static_credential(settings, &self.credential_files);
        }
        // The environment is as explicit as a file when it holds a credential of the location's provider.
        let variables: BTreeMap<String, Vec<u8>> =
            std::env::vars().map(|(key, value)| (key, value.into_bytes())).collect();
        if let Ok(source) =
            StaticCredential::from_secret(settings.provider, settings.storage_account(), &variables)
        {
            return Ok(Arc::new(source));
        }
        let variable = |name: &str| std::env::var(name).ok();
        let http = settings.trust().http_client().map_err(|error| {
            Failure::usage(error).next("Paste the certificate authority as PEM into config.caCert.")
        })?;
        match settings.provider {
            Provider::Azure => Ok(Arc::new(AzureWorkloadIdentity::from_env(variable, http, clock.clone())?)),
            Provider::Aws => Ok(Arc::new(AwsWebIdentity::from_env(variable, http, clock.clone())?)),
            provider => Err(Failure::usage(format!("no credential for provider {provider} is given"))
                .next("Pass `--credential-file KEY=FILE`.")),
        }
    }
}

/// The credential in `key=file` arguments.
pub fn static_credential(
    settings: &LocationSettings,
    files: &[(String, String)],
) -> Result<Arc<dyn CredentialSource>, Failure> {
    let mut data = BTreeMap::new();
    for (key, file) in files {
        data.insert(key.clone(), read_file(file.as_ref())?.into_bytes());
    }
    Ok(Arc::new(StaticCredential::from_secret(settings.provider, settings.storage_account(), &data)?))
}

/// Refuses settings that say nothing about where a repository is: what is not known is not ignored.
fn known(given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
    let unknown: Vec<&str> =
        given.keys().map(String::as_str).filter(|key| !key.starts_with(SETTINGS_PREFIX)).collect();
    if unknown.is_empty() {
        return Ok(given);
    }
    let known = ["provider", "bucket", "prefix", "config.*"].map(|key| format!("{SETTINGS_PREFIX}{key}"));
    Err(Failure::usage(format!("a repository has no setting {}", unknown.join(", "))).next(format!(
        "Known are {}; the credential comes with `--credential-file`, the password with `--password-file`.",
        known.join(", ")
    )))
}

/// A job with the default budget that ctrl-c stops.
pub fn job() -> Job {
    let job = Job::new(Arc::new(SystemClock));
    let cancel = job.cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            note!("stopping …");
            cancel.cancel();
        }
    });
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_are_refused_by_name() {
        let given = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), "x".to_owned())).collect();

        let refused =
            known(given(&["bukkit", "credentialSecret", "configuration.backupStorageLocation.bucket"]));

        let text = refused.unwrap_err().to_string();
        assert!(
            text.contains("no setting bukkit, credentialSecret\nnext: Known are configuration."),
            "{text}"
        );
        assert!(known(given(&["configuration.backupStorageLocation.bucket"])).is_ok());
    }
}
