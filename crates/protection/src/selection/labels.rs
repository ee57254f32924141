//! Label requirements in Kubernetes' notation: `env=prod`, `tier!=web`, `a in (x,y)`, `a notin (x)`, `a`, `!a`.

use super::SelectionError;
use std::fmt;

const FIELD: &str = "labelSelectors";

/// What labels an object must have: all requirements hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelRule(Vec<Requirement>);

impl LabelRule {
    pub(super) fn parse(entries: &[String], errors: &mut Vec<SelectionError>) -> Self {
        let mut requirements = Vec::new();
        for entry in entries {
            match Self::parse_one(entry) {
                Ok(rule) => requirements.extend(rule.0),
                Err(reason) => errors.push(SelectionError::new(FIELD, entry, reason)),
            }
        }
        Self(requirements)
    }

    /// Reads one entry; `;` and `,` (outside parentheses) separate requirements. The error says what is wrong.
    pub fn parse_one(entry: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for part in entry.split(';') {
            if part.trim().is_empty() {
                return Err("has an empty requirement".to_owned());
            }
            let mut rest = Some(part);
            while let Some(text) = rest {
                let (requirement, after) = Requirement::parse(text)?;
                requirements.push(requirement);
                rest = after;
            }
        }
        Ok(Self(requirements))
    }

    /// Whether an object whose labels `get` looks up fulfils all requirements.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| requirement.matches(get(requirement.key())))
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The requirements.
    pub fn requirements(&self) -> &[Requirement] {
        &self.0
    }
}

/// As the API server's query parameter `labelSelector` wants it.
impl fmt::Display for LabelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, requirement) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

/// One requirement on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `key in (values)`, also `key=value`.
    In(String, Vec<String>),
    /// `key notin (values)`, also `key!=value`; holds when the label is absent.
    NotIn(String, Vec<String>),
    /// `key`.
    Exists(String),
    /// `!key`.
    Absent(String),
}

impl Requirement {
    /// The label's key.
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Exists(key) | Self::Absent(key) => key,
        }
    }

    /// Whether this value of the label (`None`: absent) fulfils it.
    pub fn matches(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::In(_, values), Some(value)) => values.iter().any(|wanted| wanted == value),
            (Self::NotIn(_, values), Some(value)) => !values.iter().any(|unwanted| unwanted == value),
            (Self::Exists(_), value) => value.is_some(),
            (Self::Absent(_), value) => value.is_none(),
            (Self::In(..), None) => false,
            (Self::NotIn(..), None) => true,
        }
    }

    /// Reads the first requirement; what follows its comma, if anything, is returned.
    fn parse(text: &str) -> Result<(Self, Option<&str>), String> {
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix('!') {
            let (key, rest) = word(rest);
            return Ok((Self::Absent(checked_key(key)?), end(rest)?));
        }
        let (key, rest) = word(text);
        let key = checked_key(key)?;
        let rest = rest.trim_start();
        for (operator, positive) in [("==", true), ("!=", false), ("=", true)] {
            if let Some(rest) = rest.strip_prefix(operator) {
                let (value, rest) = word(rest);
                let values = vec![checked_value(value)?];
                return Ok((Self::membership(key, values, positive), end(rest)?));
            }
        }
        for (operator, positive) in [("notin", false), ("in", true)] {
            if let Some(rest) = rest.strip_prefix(operator) {
                let (values, rest) = value_list(rest)?;
                return Ok((Self::membership(key, values, positive), end(rest)?));
            }
        }
        Ok((Self::Exists(key), end(rest)?))
    }

    fn membership(key: String, values: Vec<String>, positive: bool) -> Self {
        if positive { Self::In(key, values) } else { Self::NotIn(key, values) }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(key, values) => match values.as_slice() {
                [value] => write!(f, "{key}={value}"),
                values => write!(f, "{key} in ({})", values.join(",")),
            },
            Self::NotIn(key, values) => match values.as_slice() {
                [value] => write!(f, "{key}!={value}"),
                values => write!(f, "{key} notin ({})", values.join(",")),
            },
            Self::Exists(key) => f.write_str(key),
            Self::Absent(key) => write!(f, "!{key}"),
        }
    }
}

/// A word up to an operator, a comma, a parenthesis or a space; and the rest.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '=' | '!' | ',' | '(' | ')' | '<' | '>'))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `(x, y)`; and the rest.
fn value_list(text: &str) -> Result<(Vec<String>, &str), String> {
    let inner = text.trim_start().strip_prefix('(').ok_or("lacks `(` after `in` or `notin`")?;
    let (inner, rest) = inner.split_once(')').ok_or("lacks a closing `)`")?;
    let values = inner.split(',').map(|value| checked_value(value.trim())).collect::<Result<_, _>>()?;
    Ok((values, rest))
}

/// What follows a requirement: nothing, or a comma and another one.
fn end(rest: &str) -> Result<Option<&str>, String> {
    let rest = rest.trim();
    match rest.strip_prefix(',') {
        Some(after) if after.trim().is_empty() => Err("ends with a comma".to_owned()),
        Some(after) => Ok(Some(after)),
        None if rest.is_empty() => Ok(None),
        None => Err(format!("has `{rest}` where a requirement should end")),
    }
}

fn checked_key(key: &str) -> Result<String, String> {
    let (prefix, name) = match key.rsplit_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if key.is_empty() {
        return Err("lacks a label key".to_owned());
    }
    if prefix.is_some_and(|prefix| !is_dns_subdomain(prefix)) || !is_label_word(name) {
        return Err(format!("has `{key}`, which is not a label key"));
    }
    Ok(key.to_owned())
}

fn checked_value(value: &str) -> Result<String, String> {
    if value.is_empty() || is_label_word(value) {
        Ok(value.to_owned())
    } else {
        Err(format!("has `{value}`, which is not a label value"))
    }
}

/// The name part of a label key, or a value: at most 63 letters, digits, `-`, `_`, `.`; alphanumeric ends.
fn is_label_word(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Whether a label may have this key: a name of at most 63 characters, optionally after a DNS subdomain and `/`.
pub fn is_label_key(text: &str) -> bool {
    checked_key(text).is_ok()
}

/// RFC 1123 label: at most 63 lower-case letters, digits and inner hyphens.
pub fn is_dns_label(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// RFC 1123 subdomain: labels joined by dots, at most 253 bytes.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}
