//! Consent, roles and the instance: the parts that join cluster, storage and vault.

use super::{
    config::Config,
    parts::Place,
    steps::{Did, Steps},
    unmet,
};
use crate::{
    commands::{
        instance::{
            create::{check, let_in},
            protection,
        },
        role,
    },
    exit::{Exit, Failure},
};
use arm::ResourceId;
use identity::required::{Places, Principals, Purpose, needs};
use management::{
    Request,
    build::{
        Datasource,
        instance::{Configuration, Instance},
        names,
    },
    versions,
};
use serde_json::Value;
use std::time::Duration;

/// Roles and bindings take a while to be known everywhere; validation is asked again that long.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_secs(10);

impl Steps<'_> {
    /// A cluster that something else protects is left alone.
    pub async fn refuse_other_protection(&self, config: &Config) -> Result<(), Failure> {
        let path = format!("{}/providers/Microsoft.DataProtection/backupInstances", self.cluster);
        let request = Request::get(path, versions::DATA_PROTECTION);
        let found = match self.session.client.list(&request).await {
            Err(error) if error.is_not_found() => Vec::new(),
            found => found?,
        };
        let vault = match &config.vault {
            Some(vault) => Some(vault.clone()),
            None => self.known_vault().await?,
        };
        let own = vault.map(|vault| names::enabled_instance(&self.cluster, &vault));
        let other = found.iter().filter_map(|one| one.get("id")?.as_str()).find(|id| {
            let name = id.rsplit('/').next();
            own.as_deref().is_none_or(|own| name != Some(own))
        });
        match other {
            None => Ok(()),
            Some(id) => Err(unmet(
                format!("cluster {} is protected already, by {id}", self.cluster.name()),
                "Change that instance with `cofferdam instance update-policy`, or make a second one with `cofferdam instance create`.",
            )),
        }
    }

    /// Nothing is made as long as the vault may not into the cluster.
    pub async fn ask_consent(&self, given: bool, config: &Config) -> Result<(), Failure> {
        if given || self.dry {
            return Ok(());
        }
        let vault = match &config.vault {
            Some(vault) => Some(vault.clone()),
            None => self.known_vault().await?,
        };
        if let Some(vault) = vault {
            let request =
                Request::get(format!("{}/trustedAccessRoleBindings", self.cluster), versions::CLUSTERS);
            let bindings = self.session.client.list(&request).await?;
            let is_ours = |one: &Value| {
                let source = one.pointer("/properties/sourceResourceId").and_then(Value::as_str);
                source.is_some_and(|source| source.eq_ignore_ascii_case(vault.as_str()))
            };
            if bindings.iter().any(is_ours) {
                return Ok(());
            }
        }
        Err(unmet(
            format!("no vault may reach into cluster {} yet; nothing was done", self.cluster.name()),
            "Repeat with `--enable-trusted-access` to let the vault make backups and restores in the cluster, and nothing else.",
        ))
    }

    /// Gives each identity the roles of the table that a backup to the operational tier needs.
    pub async fn roles(
        &mut self,
        group: &ResourceId,
        place: &Place,
        extension: Option<&str>,
        vault: Option<&str>,
    ) -> Result<(), Failure> {
        let places = Places {
            snapshot_group: Some(group.clone()),
            store: Some(place.account.clone()),
            ..Places::of(self.cluster.clone())
        };
        let principals = Principals {
            vault: vault.map(str::to_owned),
            cluster: self.principal.clone(),
            extension: extension.map(str::to_owned),
        };
        let wanted = needs(Purpose::Backup { vault_tier: false }, &places, &principals);
        // The vault is let in by a step of its own, for which consent was asked.
        for need in wanted.iter().filter(|need| !need.is_binding()) {
            let (who, role, scope) = (need.row.whose.noun(), need.grant().role(), &need.scope);
            let principal = need.principal.as_deref();
            let name = format!("{role} of the {who} on {}", scope.name());
            let did = match principal {
                None if self.dry => Did::Missing,
                None => {
                    return Err(unmet(
                        format!("the {who} has no identity to give the role {role} to"),
                        "Look at it with the `show` command; run this again once it has one.",
                    ));
                }
                Some(_) if self.dry => Did::Missing,
                Some(principal) => {
                    let (_, new) =
                        role::grant(self.session, principal, "ServicePrincipal", role, scope).await?;
                    if new { Did::Made } else { Did::Found }
                }
            };
            self.granted |= did == Did::Made;
            self.show("role", &name, did);
        }
        Ok(())
    }

    /// The vault is let into the cluster.
    pub async fn trusted_access(&mut self, vault: &ResourceId) -> Result<(), Failure> {
        let did = match self.dry {
            true => Did::Missing,
            false if let_in(self.session, &self.cluster, vault).await? => Did::Made,
            false => Did::Found,
        };
        self.granted |= did == Did::Made;
        self.show("trusted access for", vault.name(), did);
        Ok(())
    }

    /// The instance; it is protected when this returns.
    pub async fn instance(
        &mut self,
        vault: &ResourceId,
        policy: &ResourceId,
        group: &ResourceId,
    ) -> Result<ResourceId, Failure> {
        let id = vault.child("backupInstances", &names::enabled_instance(&self.cluster, vault))?;
        if self.dry {
            self.show("backup instance", id.name(), Did::Missing);
            return Ok(id);
        }
        let there = self.session.client.find(id.as_str(), versions::DATA_PROTECTION).await?.is_some();
        if !there {
            let instance = Instance {
                datasource: Datasource { cluster: self.cluster.clone(), location: self.location.clone() },
                policy: policy.clone(),
                snapshot_group: group.clone(),
                friendly_name: "fullbackup".to_owned(),
                identity: None,
                configuration: Configuration::default(),
            };
            let body = instance.json(None)?;
            self.validate(vault, &body).await?;
            let put = Request::put(id.as_str(), versions::DATA_PROTECTION, body);
            self.session.follow("making the backup instance", &put).await?;
        }
        protection::configured(self.session, &id).await?;
        self.show("backup instance", id.name(), if there { Did::Found } else { Did::Made });
        Ok(id)
    }

    /// What was just granted may not be known yet: then a refusal is asked about again for a while.
    async fn validate(&self, vault: &ResourceId, body: &Value) -> Result<(), Failure> {
        let began = tokio::time::Instant::now();
        loop {
            match check(self.session, vault, body).await {
                Err(failure) if self.granted && may_pass(&failure) && began.elapsed() < PATIENCE => {
                    crate::note!("… waiting until the roles are known everywhere");
                    tokio::time::sleep(PAUSE).await;
                }
                other => return other,
            }
        }
    }
}

/// Whether time alone may mend it: rights, and the way into the cluster.
fn may_pass(failure: &Failure) -> bool {
    let words = ["Permission", "Authorization", "Forbidden", "TrustedAccess", "RoleAssignment"];
    failure.exit != Exit::Usage && words.iter().any(|word| failure.message().contains(word))
}
