//! Alerts about what weakens protection. They cannot be switched off: whoever deletes data would do that first.

use super::{Event, Rule, fire, resolve};
use crate::{
    api::Call,
    app::App,
    store::{Change, StoreError},
};
use arm::{
    ResourceId,
    dataprotection::{SoftDeleteState, VaultSettings},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

impl Event {
    /// Something that a call does.
    pub fn of_call(
        call: &Call<'_>,
        rule: Rule,
        vault: &ResourceId,
        about: &ResourceId,
        text: String,
    ) -> Self {
        let context = BTreeMap::from([
            ("callerObjectId".to_owned(), call.caller.object_id.clone()),
            ("callerClientId".to_owned(), call.caller.client_id.clone()),
            ("correlationId".to_owned(), call.correlation.clone()),
            ("resourceId".to_owned(), about.to_string()),
        ]);
        Self { rule, vault: vault.clone(), about: about.clone(), description: text, context }
    }

    /// Something that the vault does because it was asked to before.
    pub fn of_vault(rule: Rule, vault: &ResourceId, about: &ResourceId, text: String) -> Self {
        let context = BTreeMap::from([("resourceId".to_owned(), about.to_string())]);
        Self { rule, vault: vault.clone(), about: about.clone(), description: text, context }
    }
}

/// What a change of a vault's settings takes away.
pub fn weakened(before: &VaultSettings, after: &VaultSettings) -> Vec<(Rule, String)> {
    let (is, will) = (&before.security_settings, &after.security_settings);
    let (soft_is, soft_will) = (&is.soft_delete_settings, &will.soft_delete_settings);
    let mut found = Vec::new();
    if soft_is.state != SoftDeleteState::Off && soft_will.state == SoftDeleteState::Off {
        let text = "Soft delete was switched off: backup data that is deleted from now on goes at once.";
        found.push((Rule::SoftDeleteDisabled, text.to_owned()));
    }
    let (days, left) = (soft_is.retention_duration_in_days, soft_will.retention_duration_in_days);
    if left < days {
        let text = format!("Deleted backup data stays for {left} days instead of {days}.");
        found.push((Rule::SoftDeleteReduced, text));
    }
    let (was, now) = (is.immutability_settings.state, will.immutability_settings.state);
    if now < was {
        let text = format!("Immutability is {now:?} instead of {was:?}.");
        found.push((Rule::ImmutabilityReduced, text));
    }
    found
}

/// The alerts of a change of a vault's settings.
pub async fn vault_weakened(
    call: &Call<'_>,
    vault: &ResourceId,
    before: &VaultSettings,
    after: &VaultSettings,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for (rule, text) in weakened(before, after) {
        let text = format!("Vault '{}': {text}", vault.name());
        changes.extend(fire(call.app, Event::of_call(call, rule, vault, vault, text), call.now).await?);
    }
    Ok(changes)
}

/// What an instance's deletion says of the alerts about it that nothing else can end.
pub async fn instance_resting(
    app: &App,
    instance: &ResourceId,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for rule in [Rule::BackupFailure, Rule::RestoreFailure, Rule::BackupsStopped] {
        changes.extend(resolve(app, rule, instance, "the backup instance was deleted", now).await?);
    }
    Ok(changes)
}

/// What ends when an instance is backed up again, or comes back.
pub async fn instance_returns(
    app: &App,
    rule: Rule,
    instance: &ResourceId,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    resolve(app, rule, instance, "it was taken back", now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::vaults::fresh_settings;
    use arm::dataprotection::ImmutabilityState;

    fn changed(change: impl Fn(&mut VaultSettings)) -> VaultSettings {
        let mut settings = fresh_settings();
        settings.security_settings.soft_delete_settings.retention_duration_in_days = 30.0;
        settings.security_settings.immutability_settings.state = ImmutabilityState::Unlocked;
        change(&mut settings);
        settings
    }

    #[test]
    fn what_weakens_a_vault_is_found_and_what_strengthens_it_is_not() {
        let rules = |before: &VaultSettings, after: &VaultSettings| -> Vec<Rule> {
            weakened(before, after).into_iter().map(|(rule, _)| rule).collect()
        };
        let usual = changed(|_| {});
        let off = changed(|one| one.security_settings.soft_delete_settings.state = SoftDeleteState::Off);
        let shorter = changed(|one| {
            one.security_settings.soft_delete_settings.retention_duration_in_days = 14.0;
        });
        let mutable = changed(|one| {
            one.security_settings.immutability_settings.state = ImmutabilityState::Disabled;
        });

        assert_eq!(rules(&usual, &off), [Rule::SoftDeleteDisabled]);
        assert_eq!(rules(&usual, &shorter), [Rule::SoftDeleteReduced]);
        assert_eq!(rules(&usual, &mutable), [Rule::ImmutabilityReduced]);
        for stronger in [&off, &shorter, &mutable, &usual] {
            assert_eq!(rules(stronger, &usual), []);
        }
    }
}
