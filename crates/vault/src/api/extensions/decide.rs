//! What a PUT or a PATCH makes of an extension.

use super::{
    record::{BACKUP_NAMESPACE, BACKUP_TYPE, ExtensionRecord},
    upgrade::UpgradeMode,
};
use arm::{ArmError, Fields};
use protection::settings::SHORT;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const MOST_SETTINGS: usize = 200;
const LONGEST_VALUE: usize = 16 * 1024;
const LONGEST_KEY: usize = 512;
/// All of an extension's settings lie in one Secret of its cluster, which holds 1 MiB.
const MOST_BYTES: usize = 512 * 1024;
/// Characters of type, version and train.
const LONGEST_TEXT: usize = 260;

/// What a call gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// In lower case.
    pub extension_type: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Settings; an empty value takes one away.
    pub settings: Option<BTreeMap<String, String>>,
    /// Protected settings, likewise.
    pub protected: Option<BTreeMap<String, Zeroizing<String>>>,
    /// Minor versions are taken by themselves.
    pub auto_upgrade: Option<bool>,
    /// Which versions are; it goes before `auto_upgrade`.
    pub mode: Option<UpgradeMode>,
    /// From which train.
    pub release_train: Option<String>,
    /// A version.
    pub version: Option<String>,
}

/// Reads the body of a PUT or PATCH.
pub fn given(body: &serde_json::Value) -> Result<Given, ArmError> {
    let fields = Fields::of(body)?.required_object("properties")?;
    let texts = |name: &str| -> Result<Option<BTreeMap<String, String>>, ArmError> {
        let Some(texts) = fields.texts(name)? else { return Ok(None) };
        check_settings(name, &texts)?;
        Ok(Some(texts.into_iter().map(|(key, value)| (long(&key), value)).collect()))
    };
    let short = |name: &str| {
        Ok::<_, ArmError>(fields.short_text(name, LONGEST_TEXT)?.filter(|text| !text.is_empty()))
    };
    let scope = fields.object("scope")?;
    let mut namespace = None;
    if let Some(scope) = &scope {
        if scope.object("namespace")?.is_some() {
            return Err(
                scope.wrong("namespace", "is not offered: extensions are for a whole cluster; write cluster")
            );
        }
        if let Some(cluster) = scope.object("cluster")? {
            namespace = cluster.text("releaseNamespace")?.filter(|name| !name.is_empty()).map(str::to_owned);
        }
    }
    if let Some(name) = namespace.as_deref().filter(|name| !is_label(name)) {
        return Err(fields.wrong(
            "scope.cluster.releaseNamespace",
            format!("is '{name}', which is no name of a namespace"),
        ));
    }
    let protected = texts("configurationProtectedSettings")?;
    let mode = match fields.text("autoUpgradeMode")?.filter(|mode| !mode.is_empty()) {
        None => None,
        Some(text) => Some(UpgradeMode::read(text).ok_or_else(|| {
            fields.wrong("autoUpgradeMode", format!("is '{text}'; it is none, patch or compatible"))
        })?),
    };
    Ok(Given {
        extension_type: fields.short_text("extensionType", LONGEST_TEXT)?.map(str::to_lowercase),
        namespace,
        settings: texts("configurationSettings")?,
        protected: protected
            .map(|all| all.into_iter().map(|(key, value)| (key, Zeroizing::new(value))).collect()),
        auto_upgrade: fields.flag("autoUpgradeMinorVersion")?,
        mode,
        release_train: short("releaseTrain")?.map(str::to_lowercase),
        version: short("version")?.map(str::to_owned),
    })
}

/// Whether settings are within bounds: those of a call, and those that a change makes of what was there.
pub fn check_settings(name: &str, settings: &BTreeMap<String, impl AsRef<str>>) -> Result<(), ArmError> {
    let sizes = || settings.iter().map(|(key, value)| (key.len(), value.as_ref().len()));
    let bytes = sizes().fold(0_usize, |sum, (key, value)| sum.saturating_add(key).saturating_add(value));
    let is_long = |(key, value): (usize, usize)| key > LONGEST_KEY || value > LONGEST_VALUE;
    if settings.len() <= MOST_SETTINGS && bytes <= MOST_BYTES && !sizes().any(is_long) {
        return Ok(());
    }
    let reason = format!(
        "may have {MOST_SETTINGS} entries with names of {LONGEST_KEY} and values of {LONGEST_VALUE} bytes at most, and \
         {MOST_BYTES} bytes together"
    );
    Err(ArmError::invalid_field(&format!("properties.{name}"), reason))
}

fn long(key: &str) -> String {
    let found = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(key));
    found.map_or_else(|| key.to_owned(), |(_, long)| (*long).to_owned())
}

fn is_label(name: &str) -> bool {
    name.len() <= 63
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The type and namespace of a new extension.
pub fn place(given: &Given) -> Result<(String, String), ArmError> {
    let Some(kind) = given.extension_type.clone().filter(|kind| !kind.is_empty()) else {
        return Err(ArmError::invalid_field("properties.extensionType", "is required"));
    };
    let namespace = match (&given.namespace, kind.as_str()) {
        (Some(namespace), _) => namespace.clone(),
        (None, BACKUP_TYPE) => BACKUP_NAMESPACE.to_owned(),
        // The package has a namespace of its own; the agent takes it where none is named.
        (None, _) => String::new(),
    };
    Ok((kind, namespace))
}

/// What cannot be changed once an extension is there.
pub fn check_same(existing: &ExtensionRecord, given: &Given) -> Result<(), ArmError> {
    if given.extension_type.as_ref().is_some_and(|kind| *kind != existing.extension_type) {
        let reason =
            format!("is '{}' and cannot change; delete the extension first", existing.extension_type);
        return Err(ArmError::invalid_field("properties.extensionType", reason));
    }
    if given.namespace.as_ref().is_some_and(|name| *name != existing.namespace) {
        let reason = format!("is '{}' and cannot change; delete the extension first", existing.namespace);
        return Err(ArmError::invalid_field("properties.scope.cluster.releaseNamespace", reason));
    }
    Ok(())
}

/// Settings after a change: given keys replace those that are there, an empty value takes one away.
pub fn merged(
    before: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut after = before.clone();
    for (key, value) in given {
        after.retain(|known, _| !known.eq_ignore_ascii_case(key));
        if !value.is_empty() {
            after.insert(key.clone(), value.clone());
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_documented_body_of_the_command_line_is_read() {
        let body = json!({"properties": {"extensionType": "Microsoft.DataProtection.Kubernetes", "autoUpgradeMinorVersion": true,
            "releaseTrain": "stable", "scope": {"cluster": {}},
            "configurationSettings": {"configuration.backupStorageLocation.bucket": "b", "credentials.tenantId": "t",
                "memoryLimit": "4400Mi"}}});

        let given = given(&body).unwrap();
        let (kind, namespace) = place(&given).unwrap();

        assert_eq!((kind.as_str(), namespace.as_str()), (BACKUP_TYPE, BACKUP_NAMESPACE));
        assert_eq!(given.settings.unwrap()["resources.limits.memory"], "4400Mi");
    }

    #[test]
    fn a_namespace_scope_is_refused() {
        let body = json!({"properties": {"scope": {"namespace": {"targetNamespace": "x"}}}});

        assert!(given(&body).unwrap_err().message.contains("whole cluster"));
    }

    #[test]
    fn settings_are_bounded_one_by_one_and_together() {
        let texts = |number: usize, length: usize| -> BTreeMap<String, String> {
            (0..number).map(|n| (format!("key-{n}"), "x".repeat(length))).collect()
        };
        let fits = |settings: &BTreeMap<String, String>| check_settings("configurationSettings", settings);

        assert!(fits(&texts(200, 10)).is_ok());
        let long_key = BTreeMap::from([("k".repeat(513), String::new())]);
        for wrong in [texts(201, 10), texts(1, 16_385), texts(40, 16_000), long_key] {
            let error = fits(&wrong).unwrap_err();
            assert_eq!(error.target.as_deref(), Some("properties.configurationSettings"));
        }
    }

    #[test]
    fn a_change_merges() {
        let before = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let change = BTreeMap::from([("A".to_owned(), "3".to_owned()), ("b".to_owned(), String::new())]);

        assert_eq!(merged(&before, &change), BTreeMap::from([("A".to_owned(), "3".to_owned())]));
    }
}
