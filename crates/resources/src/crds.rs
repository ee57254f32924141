//! The CustomResourceDefinitions: derived schemas plus the rules that a derive cannot say.

use crate::{Backup, BackupHook, DeleteBackup, Restore, RestoreHook, ValidateForBackup, ValidateForRestore};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, ValidationRule,
};
use kube::CustomResourceExt;

/// All seven definitions.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    vec![
        operation(Backup::crd()),
        operation(Restore::crd()),
        operation(DeleteBackup::crd()),
        operation(ValidateForBackup::crd()),
        operation(ValidateForRestore::crd()),
        hook(BackupHook::crd(), "backupHook", &["preHooks", "postHooks"]),
        hook(RestoreHook::crd(), "restoreHook", &["postHooks"]),
    ]
}

/// All definitions as JSON documents, in the order of [`all_crds`].
pub fn printed_crds() -> Result<Vec<serde_json::Value>, serde_json::Error> {
    all_crds().into_iter().map(serde_json::to_value).collect()
}

/// Every field of an operation's spec is immutable, except `cancel`, which can only be set.
fn operation(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for spec in specs(&mut crd) {
        let names: Vec<String> = spec.properties.iter().flatten().map(|(name, _)| name.clone()).collect();
        let rules = names.iter().map(|name| match name.as_str() {
            "cancel" => rule("self.cancel || !oldSelf.cancel", "cancel can be set, not unset"),
            name => rule(
                &format!(
                    "has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})"
                ),
                &format!("{name} is immutable: create another object instead"),
            ),
        });
        spec.x_kubernetes_validations.get_or_insert_default().extend(rules);
    }
    crd
}

/// Exactly one of the two documented shapes is used.
fn hook(mut crd: CustomResourceDefinition, list: &str, actions: &[&str]) -> CustomResourceDefinition {
    let flat = actions.iter().map(|name| format!("has(self.{name})")).collect::<Vec<_>>().join(" || ");
    for spec in specs(&mut crd) {
        spec.x_kubernetes_validations.get_or_insert_default().push(rule(
            &format!("has(self.{list}) != ({flat})"),
            &format!(
                "use either the list {list}, or one entry directly under spec with {}",
                actions.join(", ")
            ),
        ));
    }
    crd
}

fn specs(crd: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    crd.spec.versions.iter_mut().filter_map(|version| {
        version.schema.as_mut()?.open_api_v3_schema.as_mut()?.properties.as_mut()?.get_mut("spec")
    })
}

fn rule(expression: &str, message: &str) -> ValidationRule {
    ValidationRule {
        rule: expression.to_owned(),
        message: Some(message.to_owned()),
        ..ValidationRule::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_an_operation_is_guarded() {
        let crds = all_crds();

        for mut crd in crds.into_iter().take(5) {
            let name = crd.metadata.name.clone();
            for spec in specs(&mut crd) {
                let fields = spec.properties.as_ref().map_or(0, |p| p.len());
                let rules = spec.x_kubernetes_validations.as_ref().map_or(0, Vec::len);

                assert!(fields > 0, "{name:?} has no fields");
                assert_eq!(fields, rules, "{name:?}");
            }
        }
    }

    #[test]
    fn both_hook_shapes_yield_the_same_entries() {
        let list =
            serde_json::json!({"backupHook": [{"name": "h", "preHooks": [{"exec": {"command": ["a"]}}]}]});
        let flat = serde_json::json!({"name": "h", "preHooks": [{"exec": {"command": ["a"]}}]});

        let list: crate::BackupHookSpec = serde_json::from_value(list).unwrap();
        let flat: crate::BackupHookSpec = serde_json::from_value(flat).unwrap();

        assert_eq!(list.entries(), flat.entries());
        assert_eq!(list.entries().len(), 1);
    }
}
