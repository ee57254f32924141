//! What an OpenAPI v3 document says about merging: which lists merge, by which key.
//! Everything else in the document is dropped, it is large.

use crate::json;
use serde_json::Value;
use std::collections::HashMap;

const PREFIX: &str = "#/components/schemas/";

/// The merge rules of one group and version.
#[derive(Debug, Clone, Default)]
pub struct Schemas {
    types: HashMap<String, HashMap<String, Field>>,
    kinds: HashMap<(String, String, String), String>,
}

#[derive(Debug, Clone, Default)]
struct Field {
    target: Option<String>,
    merge: bool,
    replace: bool,
    key: Option<String>,
}

/// The merge rules of one type, or of a place of which nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct TypeSchema<'a> {
    schemas: &'a Schemas,
    name: Option<&'a str>,
}

/// The merge rules of one field.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldSchema<'a> {
    /// Of the value, or of each element of the list.
    pub(super) target: TypeSchema<'a>,
    /// The list merges.
    pub(super) merge: bool,
    /// The map is replaced as one.
    pub(super) replace: bool,
    /// Elements are told apart by this key.
    pub(super) key: Option<&'a str>,
}

impl Schemas {
    /// Reads a document that `/openapi/v3/...` returned.
    pub fn read(document: &Value) -> Self {
        let mut schemas = Self::default();
        let all = json::at(document, &["components", "schemas"]).and_then(Value::as_object);
        for (name, schema) in all.into_iter().flatten() {
            for id in json::items(schema, &["x-kubernetes-group-version-kind"]) {
                let part = |key: &str| json::text(id, &[key]).unwrap_or("").to_owned();
                schemas.kinds.insert((part("group"), part("version"), part("kind")), name.clone());
            }
            let properties = json::at(schema, &["properties"]).and_then(Value::as_object);
            let fields: HashMap<String, Field> = properties
                .into_iter()
                .flatten()
                .map(|(field, schema)| (field.clone(), read_field(schema)))
                .collect();
            if !fields.is_empty() {
                schemas.types.insert(name.clone(), fields);
            }
        }
        schemas
    }

    /// The type of a kind, if the document describes it.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeSchema<'_>> {
        let name = self.kinds.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))?;
        Some(TypeSchema { schemas: self, name: Some(name) })
    }
}

fn read_field(schema: &Value) -> Field {
    let strategy = json::text(schema, &["x-kubernetes-patch-strategy"]).unwrap_or("");
    let strategies: Vec<&str> = strategy.split(',').map(str::trim).collect();
    let inner = json::at(schema, &["items"]).or_else(|| json::at(schema, &["additionalProperties"]));
    Field {
        target: reference(schema).or_else(|| inner.and_then(reference)),
        merge: strategies.contains(&"merge"),
        replace: strategies.contains(&"replace"),
        key: json::text(schema, &["x-kubernetes-patch-merge-key"]).map(str::to_owned),
    }
}

/// `{"$ref": …}`, also inside `allOf`.
fn reference(schema: &Value) -> Option<String> {
    let direct = json::text(schema, &["$ref"]);
    let inside = || json::items(schema, &["allOf"]).iter().find_map(|one| json::text(one, &["$ref"]));
    direct.or_else(inside)?.strip_prefix(PREFIX).map(str::to_owned)
}

impl<'a> TypeSchema<'a> {
    /// The rules of one field; of an unknown one: maps merge, lists are replaced.
    pub(super) fn field(&self, name: &str) -> FieldSchema<'a> {
        let known = self.name.and_then(|own| self.schemas.types.get(own)?.get(name));
        let target = known.and_then(|field| field.target.as_deref());
        FieldSchema {
            target: TypeSchema { schemas: self.schemas, name: target },
            merge: known.is_some_and(|field| field.merge),
            replace: known.is_some_and(|field| field.replace),
            key: known.and_then(|field| field.key.as_deref()),
        }
    }
}
