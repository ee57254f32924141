//! Compares answers with the OpenAPI document, as far as the document's words go.

use crate::world::Answer;
use serde_json::Value;
use std::path::Path;

pub struct Document(Value);

impl Document {
    /// The one in the repository.
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/cofferdam.json");
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    /// Whether an answer to a call is one of those that the document names: its status, its kind, its fields.
    pub fn check(&self, pattern: &str, method: &str, answer: &Answer) -> Result<(), String> {
        let known = &self.0["paths"][pattern][method.to_lowercase()]["responses"];
        let named = known.get(answer.status.to_string());
        let response = match named {
            Some(response) => response,
            None if answer.status >= 400 => &known["default"],
            None => return Err(format!("the status {} is not in the document", answer.status)),
        };
        let Some(content) = response.get("content") else {
            let is_empty = answer.body.is_null() || answer.status >= 400;
            return if is_empty { Ok(()) } else { Err(format!("{} has no body", answer.status)) };
        };
        if !answer.header("content-type").starts_with("application/json") {
            return Err(format!("its type is {}", answer.header("content-type")));
        }
        self.fits(&content["application/json"]["schema"], &answer.body, "")
    }

    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(name) = schema["$ref"].as_str() {
            let found =
                self.0.pointer(name.trim_start_matches('#')).ok_or_else(|| format!("{name} is missing"))?;
            return self.fits(found, value, at);
        }
        if schema["nullable"] == true && value.is_null() {
            return Ok(());
        }
        for one in schema["allOf"].as_array().into_iter().flatten() {
            self.fits(one, value, at)?;
        }
        for word in ["oneOf", "anyOf"] {
            let Some(several) = schema[word].as_array() else { continue };
            if !several.iter().any(|one| self.fits(one, value, at).is_ok()) {
                return Err(format!("{at}: {value} is none of {word}"));
            }
        }
        if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
            return Err(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        let is_right = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        if !is_right {
            return Err(format!("{at}: {value} is no {}", schema["type"]));
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                return Err(format!("{at}/{name} is missing"));
            }
        }
        for (name, one) in value.as_object().into_iter().flatten() {
            let own = schema["properties"].get(name);
            if let Some(schema) =
                own.or_else(|| schema.get("additionalProperties").filter(|one| one.is_object()))
            {
                self.fits(schema, one, &format!("{at}/{name}"))?;
            }
        }
        for (number, one) in value.as_array().into_iter().flatten().enumerate() {
            self.fits(&schema["items"], one, &format!("{at}/{number}"))?;
        }
        Ok(())
    }
}
