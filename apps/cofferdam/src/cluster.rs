//! The cluster that a command speaks to, by the usual kubeconfig rules.

use crate::exit::Failure;
use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use protection::selection::is_dns_label;
use std::path::PathBuf;

/// Which cluster and namespace.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// Kubeconfig file; else $KUBECONFIG, ~/.kube/config, or the pod's own account
    #[arg(long, global = true, help_heading = "Common options", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; else its current one
    #[arg(long, global = true, help_heading = "Common options", value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of the extension; in commands of the management API `-n` is the name of the thing
    #[arg(short = 'n', long, global = true, help_heading = "Common options", default_value = resources::DEFAULT_NAMESPACE, value_name = "NAME")]
    pub namespace: String,
}

impl ClusterArgs {
    /// What `-n` names in commands of the management API, where there is no namespace.
    pub fn short_name(&self) -> Option<String> {
        Some(&self.namespace).filter(|given| *given != resources::DEFAULT_NAMESPACE).cloned()
    }

    /// A client for the cluster; nothing is contacted yet.
    pub async fn client(&self) -> Result<Client, Failure> {
        if !is_dns_label(&self.namespace) {
            return Err(Failure::usage(format!("{:?} cannot be the name of a namespace", self.namespace))
                .next("Use at most 63 lower-case letters, digits and hyphens, with a letter or digit at both ends."));
        }
        let config = self.config().await?;
        Client::try_from(config).map_err(|error| {
            Failure::precondition(format!("could not set up the connection: {error}"))
                .next("Check the certificates and credentials in the kubeconfig.")
        })
    }

    /// Address and credentials; nothing is contacted yet.
    pub async fn config(&self) -> Result<Config, Failure> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| bad(&error))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| bad(&error))?
            }
            None if self.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(|error| bad(&error))?
            }
            None => Config::infer().await.map_err(|error| {
                Failure::precondition(format!("found no way to a cluster: {}", first_line(&error)))
                    .next("Name a kubeconfig: `--kubeconfig FILE` or KUBECONFIG=FILE.")
            })?,
        };
        Ok(config)
    }
}

fn bad(error: &kube::config::KubeconfigError) -> Failure {
    Failure::precondition(format!("could not use the kubeconfig: {}", first_line(error)))
        .next("Check the file and the context: `kubectl config get-contexts`.")
}

/// The lines behind the first show the file, which holds credentials.
fn first_line(error: &impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
