//! The settings that a package takes, and what is made of those that a vault sends.

use crate::{
    error::{PackageError, code},
    names,
    package::limits,
    wire::{Level, Status},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SettingType {
    /// Any text.
    String,
    /// The name of an object.
    Name,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// An amount such as `500m` or `1280Mi`.
    Quantity,
}

/// One setting that a package takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingRule {
    /// What a value must be.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// Other keys that mean the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The value when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether nothing can be installed without a value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether its value is a secret.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
    /// The only values that a text may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// The longest text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Settings that can be used, and what was noticed about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// The value of each setting that has one.
    pub values: BTreeMap<String, Value>,
    /// Warnings: keys that nobody knows, secrets that were given openly.
    pub statuses: Vec<Status>,
}

impl SettingRule {
    /// A setting of this type, without default and bounds.
    pub fn of(kind: SettingType) -> Self {
        Self {
            kind,
            aliases: Vec::new(),
            default: None,
            required: false,
            protected: false,
            choices: Vec::new(),
            minimum: None,
            maximum: None,
            max_length: None,
        }
    }

    pub(crate) fn check(&self, key: &str) -> Result<(), PackageError> {
        match &self.default {
            Some(_) if self.protected => {
                Err(PackageError::malformed(format!("The protected setting {key} has a default.")))
            }
            Some(default) => self
                .read(default)
                .map(drop)
                .map_err(|why| PackageError::malformed(format!("The default of the setting {key} {why}."))),
            None => Ok(()),
        }
    }

    /// The typed value, or what is wrong with it. Never repeats the value.
    fn read(&self, value: &Value) -> Result<Value, String> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return Err("is not a single value".to_owned()),
        };
        let longest = self.max_length.unwrap_or(limits::VALUE).min(limits::VALUE);
        if text.len() > longest {
            return Err(format!("is longer than {longest} bytes"));
        }
        if !self.choices.is_empty() && !self.choices.contains(&text) {
            return Err(format!("is none of {}", self.choices.join(", ")));
        }
        match self.kind {
            SettingType::String if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
                Err("holds control characters".to_owned())
            }
            SettingType::String => Ok(Value::String(text)),
            SettingType::Name if names::is_subdomain(&text) => Ok(Value::String(text)),
            SettingType::Name => Err("is not the name of an object".to_owned()),
            SettingType::Quantity if is_quantity(&text) => Ok(Value::String(text)),
            SettingType::Quantity => Err("is not a quantity such as 500m or 1280Mi".to_owned()),
            SettingType::Boolean => match text.as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err("is neither true nor false".to_owned()),
            },
            SettingType::Integer => {
                let number: i64 = text.parse().map_err(|_| "is not a whole number".to_owned())?;
                let (least, most) = (self.minimum.unwrap_or(i64::MIN), self.maximum.unwrap_or(i64::MAX));
                if (least..=most).contains(&number) {
                    Ok(number.into())
                } else {
                    Err(format!("is not between {least} and {most}"))
                }
            }
        }
    }
}

/// Reads what a vault sends by the rules of a package. A key that nobody knows is dropped with a warning; every bad
/// value is named. An empty text means that nothing was set.
pub fn judge(
    rules: &BTreeMap<String, SettingRule>,
    open: &BTreeMap<String, Value>,
    protected: &BTreeMap<String, Value>,
) -> Result<Judged, PackageError> {
    let (mut judged, mut problems) = (Judged::default(), Vec::new());
    for (given, value, secret) in
        open.iter().map(|(k, v)| (k, v, false)).chain(protected.iter().map(|(k, v)| (k, v, true)))
    {
        let found = rules.iter().find(|(key, rule)| *key == given || rule.aliases.contains(given));
        let Some((key, rule)) = found else {
            let text =
                format!("The setting {} is not known to this extension and was dropped.", shown(given));
            judged.statuses.push(Status::new(code::UNKNOWN_SETTING, "Unknown setting", Level::Warning, text));
            continue;
        };
        if matches!(value, Value::Null) || value.as_str().is_some_and(str::is_empty) {
            continue;
        }
        if rule.protected && !secret {
            let text = format!(
                "The setting {key} is a secret. Give it as a protected setting: open ones can be read."
            );
            judged.statuses.push(Status::new(code::OPEN_SECRET, "Secret given openly", Level::Warning, text));
        }
        match rule.read(value) {
            Ok(value) => drop(judged.values.insert(key.clone(), value)),
            Err(why) => problems.push(format!("setting {key} {why}")),
        }
    }
    for (key, rule) in rules {
        if judged.values.contains_key(key) {
            continue;
        }
        match &rule.default {
            Some(default) => match rule.read(default) {
                Ok(value) => drop(judged.values.insert(key.clone(), value)),
                Err(why) => problems.push(format!("the default of setting {key} {why}")),
            },
            None if rule.required => problems.push(format!("setting {key} is missing")),
            None => {}
        }
    }
    if problems.is_empty() {
        return Ok(judged);
    }
    Err(PackageError::new(
        code::SETTINGS,
        format!("The settings cannot be used: {}.", problems.join("; ")),
        "Correct the configuration settings of the extension.",
    ))
}

/// A key that a stranger wrote, fit to be shown.
fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// An amount as Kubernetes writes it.
fn is_quantity(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.get(..text.len() - digits.len()).unwrap_or_default();
    let numeric = number.starts_with(|c: char| c.is_ascii_digit())
        && number.ends_with(|c: char| c.is_ascii_digit())
        && number.matches('.').count() <= 1
        && number.len() <= 18;
    let units = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    numeric && units.contains(&digits)
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
