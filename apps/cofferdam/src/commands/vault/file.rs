//! The file of `--config`: YAML with the names of the flags.

use crate::exit::Failure;
use serde::Deserialize;
use std::{path::Path, path::PathBuf, str::FromStr};

/// What a file may set. A name that is not here is an error: a setting that is spelled wrongly must not be lost.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FileSettings {
    pub data: Option<PathBuf>,
    pub database: Option<String>,
    pub database_file: Option<PathBuf>,
    pub wrapping_key_file: Option<PathBuf>,
    pub customer_key_files: Option<Vec<String>>,
    pub customer_key_users: Option<Vec<String>>,
    pub listen: Option<String>,
    pub replica_address: Option<String>,
    pub public_url: Option<String>,
    pub subscription: Option<String>,
    pub location: Option<String>,
    pub grace: Option<u64>,
    pub connections: Option<usize>,
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub trusted_proxies: Option<Vec<String>>,
    pub metrics_listen: Option<String>,
    pub agent_image: Option<String>,
    pub stores: Option<Vec<String>>,
    pub backup_store: Option<String>,
    pub backup_every: Option<String>,
    pub backup_keep: Option<usize>,
    pub backup_recipients: Option<Vec<PathBuf>>,
    pub schedule_spread: Option<u64>,
    pub cluster_gone_after: Option<String>,
    pub prerequisites_every: Option<String>,
    pub prerequisites_at_once: Option<std::num::NonZeroUsize>,
    pub packages: Option<PathBuf>,
    pub extension_upgrades: Option<String>,
    pub webhooks: Option<PathBuf>,
    pub trusted_issuer: Option<String>,
    pub trusted_audiences: Option<Vec<String>>,
    pub trusted_ca: Option<PathBuf>,
    pub redirect_uris: Option<Vec<String>>,
    pub quota_policies: Option<usize>,
    pub quota_instances: Option<usize>,
    pub quota_backups_a_day: Option<usize>,
    pub quota_restores_a_day: Option<usize>,
    pub quota_namespaces: Option<usize>,
    pub quota_shortest_interval: Option<u32>,
    pub quota_operational_days: Option<u32>,
    pub quota_exported_jobs: Option<usize>,
    pub quota_job_days: Option<u32>,
}

impl FileSettings {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::precondition(format!("could not read the settings in {}: {error}", path.display()))
                .next("Correct the file; its names are those of the flags of `cofferdam vault serve`.")
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(&text).map_err(|error| wrong(&error))
    }
}

/// A value of the file, as the flag of the same name reads it.
pub fn parsed<T: FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: Option<String>,
) -> Result<Option<T>, Failure> {
    let read = |text: String| text.parse::<T>().map_err(|error| wrong(name, &text, &error));
    text.map(read).transpose()
}

fn wrong(name: &str, text: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{name}: {text:?} in the file of --config cannot be used: {error}"))
        .next("Correct the file.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{ArgAction, CommandFactory, Parser};
    use std::collections::BTreeSet;

    #[derive(Debug, Parser)]
    struct Serve {
        #[command(flatten)]
        args: super::super::serve::ServeArgs,
    }

    #[test]
    fn flags_environment_and_file_cover_the_same_settings() {
        let file = serde_json::to_value(FileSettings::default()).unwrap();
        let in_file: BTreeSet<String> = file.as_object().unwrap().keys().cloned().collect();

        let command = Serve::command();
        let mut flags = BTreeSet::new();
        for arg in command.get_arguments().filter(|arg| !["help", "config"].contains(&arg.get_id().as_str()))
        {
            let name = arg.get_long().expect("every setting has a long name").to_owned();
            assert!(arg.get_env().is_some(), "--{name} has no variable");
            // What may be given several times is a list in the file, and named so.
            let is_list = matches!(arg.get_action(), ArgAction::Append);
            let plural = name.strip_suffix('y').map_or(format!("{name}s"), |stem| format!("{stem}ies"));
            flags.insert(if is_list { plural } else { name });
        }

        assert_eq!(flags, in_file);
    }

    #[test]
    fn every_setting_is_known_by_its_flag_and_no_other_name_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.yaml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            FileSettings::read(&path)
        };

        let good = read("listen: 127.0.0.1:9443\ntrusted-proxies: [10.0.0.0/8]\ngrace: 5\n").unwrap();
        let misspelled = read("listn: 127.0.0.1:9443\n").unwrap_err();

        assert_eq!((good.listen.as_deref(), good.grace), (Some("127.0.0.1:9443"), Some(5)));
        assert_eq!(good.trusted_proxies, Some(vec!["10.0.0.0/8".to_owned()]));
        assert!(misspelled.message().contains("listn"), "{misspelled}");
        assert!(read("").unwrap().listen.is_none());
    }
}
