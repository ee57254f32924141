//! The API server's strategic merge patch, made locally: the server merges only into objects that exist.
//!
//! Maps merge key by key, `null` removes. Lists are replaced unless the schema says that they merge: by a key
//! for maps, as a set for plain values. Directives in the patch: `$patch` (replace, delete, merge),
//! `$retainKeys`, `$deleteFromPrimitiveList/<field>` and `$setElementOrder/<field>`.

use super::schema::TypeSchema;
use serde_json::{Map, Value};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

/// The patch is not a valid strategic merge patch for this type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A directive has a value of the wrong type, or an unknown word.
    #[error("{directive} has a value that is not allowed")]
    BadDirective {
        /// The directive.
        directive: String,
    },
    /// An element of a list lacks the key by which elements are told apart.
    #[error("an element of {field} lacks its key {key}")]
    NoKey {
        /// The list.
        field: String,
        /// The key.
        key: String,
    },
    /// The patch sets a key that `$retainKeys` does not name.
    #[error("$retainKeys does not name {key}, which the patch sets")]
    NotRetained {
        /// The key.
        key: String,
    },
    /// A list of the patch mixes maps and plain values, or has elements of another type than the object.
    #[error("the elements of {field} are not of one type")]
    MixedElements {
        /// The list.
        field: String,
    },
}

/// Merges a patch into an object of this type.
pub fn merge(object: &mut Value, patch: &Value, schema: &TypeSchema<'_>) -> Result<(), MergeError> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err(bad(PATCH));
    };
    merge_map(object, patch, schema)
}

fn merge_map(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    schema: &TypeSchema<'_>,
) -> Result<(), MergeError> {
    match patch.get(PATCH) {
        None => {}
        Some(Value::String(word)) if word == "replace" => {
            let mut replaced = patch.clone();
            replaced.remove(PATCH);
            *object = replaced;
            return Ok(());
        }
        Some(Value::String(word)) if word == "delete" => {
            object.clear();
            return Ok(());
        }
        Some(_) => return Err(bad(PATCH)),
    }
    retain_keys(object, patch)?;
    for (key, value) in patch {
        if key == RETAIN_KEYS || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER) {
            continue;
        }
        merge_field(object, key, value, patch, schema)?;
    }
    lists_without_values(object, patch, schema)
}

fn merge_field(
    object: &mut Map<String, Value>,
    key: &str,
    value: &Value,
    patch: &Map<String, Value>,
    schema: &TypeSchema<'_>,
) -> Result<(), MergeError> {
    if value.is_null() {
        object.remove(key);
        return Ok(());
    }
    let field = schema.field(key);
    match (object.get_mut(key), value) {
        (Some(Value::Object(existing)), Value::Object(change)) if field.replace => {
            *existing = without_directives(change, &field.target)?;
            Ok(())
        }
        (Some(Value::Object(existing)), Value::Object(change)) => merge_map(existing, change, &field.target),
        (Some(Value::Array(existing)), Value::Array(change)) if field.merge => {
            let deleted = directive_list(patch, DELETE_FROM, key)?;
            existing.retain(|element| !deleted.contains(element));
            let order = directive_list(patch, SET_ORDER, key)?;
            let merged = merge_list(existing, change, order, key, field.key, &field.target)?;
            *existing = merged;
            Ok(())
        }
        // The server takes a list that does not merge as it stands, and drops the directives as unknown fields.
        (Some(Value::Array(_)), Value::Array(_)) => {
            object.insert(key.to_owned(), without_keys(value));
            Ok(())
        }
        _ => {
            object.insert(key.to_owned(), fresh(value, &field.target)?);
            Ok(())
        }
    }
}

/// `$deleteFromPrimitiveList` and `$setElementOrder` may name a list that the patch does not touch otherwise.
fn lists_without_values(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    schema: &TypeSchema<'_>,
) -> Result<(), MergeError> {
    let named =
        patch.keys().filter_map(|key| key.strip_prefix(DELETE_FROM).or_else(|| key.strip_prefix(SET_ORDER)));
    for key in named.filter(|key| !patch.contains_key(*key)) {
        let Some(Value::Array(existing)) = object.get_mut(key) else { continue };
        let deleted = directive_list(patch, DELETE_FROM, key)?;
        existing.retain(|element| !deleted.contains(element));
        let order = directive_list(patch, SET_ORDER, key)?;
        let field = schema.field(key);
        *existing = merge_list(existing, &[], order, key, field.key, &field.target)?;
    }
    Ok(())
}

/// Keys that `$retainKeys` does not name vanish; the patch must not set any of those.
fn retain_keys(object: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), MergeError> {
    let Some(retained) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let Some(retained) = retained.as_array() else { return Err(bad(RETAIN_KEYS)) };
    let names = |key: &str| retained.iter().any(|name| name.as_str() == Some(key));
    let unnamed = patch.iter().find(|(key, value)| !key.starts_with('$') && !value.is_null() && !names(key));
    if let Some((key, _)) = unnamed {
        return Err(MergeError::NotRetained { key: key.clone() });
    }
    object.retain(|key, _| names(key));
    Ok(())
}

fn directive_list<'a>(
    patch: &'a Map<String, Value>,
    directive: &str,
    key: &str,
) -> Result<&'a [Value], MergeError> {
    match patch.get(&format!("{directive}{key}")) {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(bad(&format!("{directive}{key}"))),
    }
}

/// Merges two lists and puts the result in order: what the patch names as it says, the rest as it was.
fn merge_list(
    existing: &[Value],
    change: &[Value],
    order: &[Value],
    field: &str,
    key: Option<&str>,
    element: &TypeSchema<'_>,
) -> Result<Vec<Value>, MergeError> {
    let maps = existing.iter().chain(change).filter(|value| value.is_object()).count();
    if maps == 0 {
        let mut merged = existing.to_vec();
        for value in change {
            if !merged.contains(value) {
                merged.push(value.clone());
            }
        }
        let named = if order.is_empty() { change } else { order };
        return Ok(in_order(merged, existing, named, &Same::Value));
    }
    if maps != existing.len() + change.len() {
        return Err(MergeError::MixedElements { field: field.to_owned() });
    }
    let key = key.ok_or_else(|| MergeError::MixedElements { field: field.to_owned() })?;
    let lacks = |value: &&Value| value.get(PATCH).is_none() && value.get(key).is_none();
    if change.iter().any(|value| lacks(&value)) {
        return Err(MergeError::NoKey { field: field.to_owned(), key: key.to_owned() });
    }
    merge_keyed(existing, change, order, field, key, element)
}

fn merge_keyed(
    existing: &[Value],
    change: &[Value],
    order: &[Value],
    field: &str,
    key: &str,
    element: &TypeSchema<'_>,
) -> Result<Vec<Value>, MergeError> {
    let mut merged = existing.to_vec();
    let mut plain = Vec::new();
    let mut replace = false;
    for value in change {
        match value.get(PATCH).map(|word| word.as_str().unwrap_or("")) {
            None => plain.push(value),
            Some("replace") => replace = true,
            Some("delete") => {
                let gone = value
                    .get(key)
                    .ok_or_else(|| MergeError::NoKey { field: field.to_owned(), key: key.to_owned() })?;
                merged.retain(|element| element.get(key) != Some(gone));
            }
            Some(_) => return Err(bad(PATCH)),
        }
    }
    if replace {
        return plain.into_iter().map(|value| fresh(value, element)).collect();
    }
    for value in &plain {
        let found = merged.iter_mut().find(|element| element.get(key) == value.get(key));
        match (found, value) {
            (Some(Value::Object(found)), Value::Object(change)) => merge_map(found, change, element)?,
            _ => merged.push(fresh(value, element)?),
        }
    }
    let plain: Vec<Value> = plain.into_iter().cloned().collect();
    let named = if order.is_empty() { plain.as_slice() } else { order };
    Ok(in_order(merged, existing, named, &Same::Key(key)))
}

/// How elements are recognised.
enum Same<'a> {
    Value,
    Key(&'a str),
}

impl Same<'_> {
    fn position(&self, list: &[Value], element: &Value) -> Option<usize> {
        list.iter().position(|other| match self {
            Self::Value => other == element,
            Self::Key(key) => other.get(*key) == element.get(*key),
        })
    }
}

/// Elements named by the patch stand in its order, the others in their old order; where the two meet, an old
/// pair keeps its order and everything else lets the named one go first.
fn in_order(merged: Vec<Value>, old: &[Value], named: &[Value], same: &Same<'_>) -> Vec<Value> {
    let (mut ours, mut rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|element| same.position(named, element).is_some());
    ours.sort_by_key(|element| same.position(named, element));
    rest.sort_by_key(|element| same.position(old, element));
    let mut ordered = Vec::with_capacity(ours.len() + rest.len());
    let mut ours = ours.into_iter().peekable();
    let mut rest = rest.into_iter().peekable();
    loop {
        let old_first = match (rest.peek(), ours.peek()) {
            (None, None) => return ordered,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(left), Some(right)) => match (same.position(old, left), same.position(old, right)) {
                (Some(left), Some(right)) => left < right,
                _ => false,
            },
        };
        ordered.extend(if old_first { rest.next() } else { ours.next() });
    }
}

/// A value that comes into the object as a whole carries no directives and no nulls.
fn fresh(value: &Value, schema: &TypeSchema<'_>) -> Result<Value, MergeError> {
    match value {
        Value::Object(map) => Ok(Value::Object(without_directives(map, schema)?)),
        Value::Array(list) => {
            let kept = list.iter().filter(|element| {
                !matches!(element.get(PATCH).and_then(Value::as_str), Some("delete" | "replace"))
            });
            Ok(Value::Array(kept.map(|element| fresh(element, schema)).collect::<Result<_, _>>()?))
        }
        plain => Ok(plain.clone()),
    }
}

/// The value with every element, and without the keys that are directives.
fn without_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !is_directive(key));
            Value::Object(kept.map(|(key, value)| (key.clone(), without_keys(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(without_keys).collect()),
        plain => plain.clone(),
    }
}

fn is_directive(key: &str) -> bool {
    key == PATCH || key == RETAIN_KEYS || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER)
}

fn without_directives(
    map: &Map<String, Value>,
    schema: &TypeSchema<'_>,
) -> Result<Map<String, Value>, MergeError> {
    let kept = map.iter().filter(|(key, value)| !is_directive(key) && !value.is_null());
    kept.map(|(key, value)| Ok((key.clone(), fresh(value, &schema.field(key).target)?))).collect()
}

fn bad(directive: &str) -> MergeError {
    MergeError::BadDirective { directive: directive.to_owned() }
}
