//! The resource manager that the checks ask: Azure's, or that of a vault.

use crate::{
    exit::Failure,
    managed::{folder, given_token},
    secret::read_file,
};
use clap::Args;
use management::{Client, Tokens, Transport, sign_in::Secret};
use prerequisites::Observed;
use probes::resource_manager::{Ids, Instance, ResourceManager, instance};
use serde_json::Value;
use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};
use telemetry::SystemClock;

/// How long `az` may take to say a token, and the resource manager to say what an instance is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which resource manager, and what to look at there.
#[derive(Debug, Clone, Default, Args)]
pub struct ArmArgs {
    /// Resource manager to ask too: https://management.azure.com, or a vault; the one that is signed in to when only
    /// ids are given
    #[arg(long = "arm", help_heading = "Resource manager", value_name = "URL")]
    pub arm: Option<String>,
    /// File with a token for it; else that of `cofferdam login`, else that of `az account get-access-token`
    #[arg(long, help_heading = "Resource manager", value_name = "FILE")]
    pub arm_token_file: Option<PathBuf>,
    /// File with the certificate authorities of the resource manager as PEM
    #[arg(long, help_heading = "Resource manager", value_name = "FILE")]
    pub arm_ca: Option<PathBuf>,
    /// Subscription whose providers are looked at, where no id says it
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub subscription: Option<String>,
    /// Id of the cluster's resource; with --instance that of another cluster to restore into
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub cluster_id: Option<String>,
    /// Id of the Backup vault
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub vault_id: Option<String>,
    /// Id of a backup instance: it says cluster, vault, snapshot resource group, namespaces and hooks
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub instance: Option<String>,
    /// Id of the storage account; that of the extension when absent
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub account_id: Option<String>,
    /// Container in it
    #[arg(long, help_heading = "Resource manager", value_name = "NAME")]
    pub container: Option<String>,
    /// Id of the snapshot resource group
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub snapshot_group_id: Option<String>,
    /// Id of the staging account of a restore
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub staging_account: Option<String>,
    /// Id of the resource group where a restore from the vault tier makes disks
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub staging_group_id: Option<String>,
    /// Id of the storage account with the file shares of volumes
    #[arg(long, help_heading = "Resource manager", value_name = "ID")]
    pub file_share_account_id: Option<String>,
    /// Recovery points are copied to the vault tier too: its roles are looked for
    #[arg(long, help_heading = "Resource manager")]
    pub vault_tier: bool,
}

impl ArmArgs {
    fn ids(&self) -> Ids {
        Ids {
            subscription: self.subscription.clone(),
            cluster: self.cluster_id.clone(),
            vault: self.vault_id.clone(),
            account: self.account_id.clone(),
            container: self.container.clone(),
            snapshot_group: self.snapshot_group_id.clone(),
            staging: self.staging_account.clone(),
            staging_group: self.staging_group_id.clone(),
            shares: self.file_share_account_id.clone(),
            vault_tier: self.vault_tier,
            source: None,
            vault_identity: None,
        }
    }

    fn names_something(&self) -> bool {
        [&self.cluster_id, &self.vault_id, &self.instance, &self.account_id, &self.subscription]
            .iter()
            .any(|id| id.is_some())
    }

    /// The resource manager, or why there is none; and what the instance names.
    pub async fn open(&self) -> Result<(Observed<ResourceManager>, Instance), Failure> {
        let ids = [
            &self.cluster_id,
            &self.vault_id,
            &self.instance,
            &self.account_id,
            &self.snapshot_group_id,
            &self.staging_account,
            &self.staging_group_id,
            &self.file_share_account_id,
        ];
        for id in ids.into_iter().flatten() {
            if !id.starts_with("/subscriptions/") {
                return Err(Failure::usage(format!("{id:?} is not the id of a resource"))
                    .next("Write the whole id: /subscriptions/…/resourceGroups/…/providers/…"));
            }
        }
        if self.arm.is_none() && !self.names_something() {
            let why = "no resource manager was named (--arm URL)".to_owned();
            return Ok((Observed::NotObservable(why), Instance::default()));
        }
        let (url, client) = match self.client().await? {
            Ok(opened) => opened,
            Err(why) => return Ok((Observed::NotObservable(why), Instance::default())),
        };
        let mut ids = self.ids();
        let mut named = Instance::default();
        if let Some(id) = &self.instance {
            named = match tokio::time::timeout(PATIENCE, instance(&client, id)).await {
                Ok(read) => read?,
                Err(_) => return Err(Failure::failed(format!("{url} did not say what {id} is"))),
            };
            // Another cluster than that of the instance is one that it is restored into.
            let is_other = |one: &String| !ids.cluster.as_ref().is_none_or(|id| id.eq_ignore_ascii_case(one));
            ids.source = named.cluster.clone().filter(is_other);
            ids.vault_identity = named.vault_identity.clone();
            ids.cluster = ids.cluster.or_else(|| named.cluster.clone());
            ids.vault = ids.vault.or_else(|| named.vault.clone());
            ids.snapshot_group = ids.snapshot_group.or_else(|| named.snapshot_group.clone());
        }
        Ok((Observed::Seen(ResourceManager { url, client, ids }), named))
    }

    /// A client, or why there is none.
    async fn client(&self) -> Result<Result<(String, Client), String>, Failure> {
        let profile = folder().ok().and_then(|folder| Some((folder.profile().ok()?, folder)));
        let signed_in = profile.as_ref().map(|(profile, _)| profile.cloud.resource_manager.clone());
        let Some(url) = self.arm.clone().or_else(|| signed_in.clone()) else {
            return Ok(Err("no resource manager was named (--arm URL), and nobody is signed in".to_owned()));
        };
        let same = |one: &str| one.trim_end_matches('/').eq_ignore_ascii_case(url.trim_end_matches('/'));
        let profile = profile.filter(|(profile, _)| same(&profile.cloud.resource_manager));
        let given = self.arm_ca.as_deref().map(read_file).transpose()?;
        let known = profile.as_ref().and_then(|(profile, _)| profile.authorities.clone());
        let transport = Transport::new(given.or(known).as_deref())?;
        let tokens = match (&self.arm_token_file, given_token(), profile) {
            (Some(file), _, _) => Tokens::Given(Secret::new(read_file(file)?)),
            (None, Some(token), _) => Tokens::Given(token),
            (None, None, Some((profile, folder))) => Tokens::of(folder, profile),
            (None, None, None) => match from_az(&url).await {
                Ok(token) => Tokens::Given(token),
                Err(why) => return Ok(Err(format!("there is no token for {url}: {why}"))),
            },
        };
        let client = Client::new(&url, transport, tokens, Arc::new(SystemClock))?;
        Ok(Ok((url, client)))
    }
}

/// The token of whoever is signed in with `az`.
async fn from_az(url: &str) -> Result<Secret, String> {
    let asked = tokio::process::Command::new("az")
        .args(["account", "get-access-token", "--output", "json", "--resource", url])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let said = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => {
            return Err(format!("az could not be run ({error}); cofferdam login, or --arm-token-file"));
        }
        Err(_) => return Err("az account get-access-token did not end".to_owned()),
    };
    if !said.status.success() {
        let text = String::from_utf8_lossy(&said.stderr);
        return Err(format!("az: {}", text.lines().next().unwrap_or("it failed")));
    }
    let answer: Value = serde_json::from_slice(&said.stdout).map_err(|error| format!("az: {error}"))?;
    let token = answer.get("accessToken").and_then(Value::as_str);
    token.map(|token| Secret::new(token.to_owned())).ok_or_else(|| "az said no token".to_owned())
}
