//! Reads request bodies: names match in any case, `null` is absent, what is unknown is ignored, and an error names the
//! field by its path.

mod lists;

use crate::ArmError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bytes of a text for which nothing else is said.
const LONGEST_TEXT: usize = 16 * 1_024;
/// Entries of an object whose names are data.
const MOST_ENTRIES: usize = 1_000;

/// One object of a request body.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The body itself.
    pub fn of(body: &'a Value) -> Result<Self, ArmError> {
        match body.as_object() {
            Some(object) => Ok(Self { path: String::new(), object }),
            None => {
                let message = format!("The request content is {}; an object is needed.", kind(body));
                Err(ArmError::new(400, "InvalidRequestContent", message))
            }
        }
    }

    /// A field, if it is there and not `null`.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let exact = self.object.get(name);
        let folded =
            || self.object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        exact.or_else(folded).filter(|value| !value.is_null())
    }

    /// A text, which is never longer than what [`ArmError`] can still speak of.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, ArmError> {
        let text = self.typed(name, "a text", Value::as_str)?;
        if text.is_some_and(|text| text.len() > LONGEST_TEXT) {
            return Err(self.wrong(name, format!("has more than {LONGEST_TEXT} bytes")));
        }
        Ok(text)
    }

    /// A text of at most so many characters.
    pub fn short_text(&self, name: &str, most: usize) -> Result<Option<&'a str>, ArmError> {
        let text = self.text(name)?;
        text.map_or(Ok(()), |text| self.check_length(name, text, most)).map(|()| text)
    }

    /// A text of at most so many characters that must be there and not be empty.
    pub fn required_short_text(&self, name: &str, most: usize) -> Result<&'a str, ArmError> {
        let text = self.required_text(name)?;
        self.check_length(name, text, most).map(|()| text)
    }

    /// A list of texts, so many at most, each of at most so many characters.
    pub fn short_texts(
        &self,
        name: &str,
        entries: usize,
        characters: usize,
    ) -> Result<Option<Vec<&'a str>>, ArmError> {
        let Some(list) = self.listed_within(name, entries)? else { return Ok(None) };
        for (at, text) in list.iter().enumerate() {
            self.check_length(&format!("{name}[{at}]"), text, characters)?;
        }
        Ok(Some(list))
    }

    /// A text that must be there and not be empty.
    pub fn required_text(&self, name: &str) -> Result<&'a str, ArmError> {
        match self.text(name)? {
            Some("") => Err(self.wrong(name, "must not be empty")),
            Some(text) => Ok(text),
            None => Err(self.wrong(name, "is required")),
        }
    }

    /// An object.
    pub fn object(&self, name: &str) -> Result<Option<Self>, ArmError> {
        let object = self.typed(name, "an object", Value::as_object)?;
        Ok(object.map(|object| Self { path: self.path_of(name), object }))
    }

    /// An object that must be there.
    pub fn required_object(&self, name: &str) -> Result<Self, ArmError> {
        self.object(name)?.ok_or_else(|| self.wrong(name, "is required"))
    }

    /// An object of texts; its keys are data and keep their case.
    pub fn texts(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, ArmError> {
        let Some(object) = self.object(name)? else { return Ok(None) };
        if object.object.len() > MOST_ENTRIES {
            let reason = format!("has {} entries; at most {MOST_ENTRIES} are taken", object.object.len());
            return Err(self.wrong(name, reason));
        }
        let mut texts = BTreeMap::new();
        for (key, value) in object.object {
            match value {
                Value::String(text) => texts.insert(key.clone(), text.clone()),
                Value::Null => texts.insert(key.clone(), String::new()),
                other => {
                    let key: String = key.chars().take(100).collect();
                    return Err(object.wrong(&key, format!("is {}; a text is needed", kind(other))));
                }
            };
        }
        Ok(Some(texts))
    }

    /// A list of texts; absent is empty.
    pub fn text_list(&self, name: &str) -> Result<Vec<String>, ArmError> {
        Ok(self.listed(name)?.unwrap_or_default().into_iter().map(str::to_owned).collect())
    }

    /// A list of objects; absent is empty.
    pub fn object_list(&self, name: &str) -> Result<Vec<Self>, ArmError> {
        Ok(self.items(name)?.unwrap_or_default())
    }

    /// The error that says what is wrong with a field.
    pub fn wrong(&self, name: &str, reason: impl std::fmt::Display) -> ArmError {
        ArmError::invalid_field(&self.path_of(name), reason)
    }

    fn typed<T: ?Sized>(
        &self,
        name: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<&'a T>,
    ) -> Result<Option<&'a T>, ArmError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let found = read(value);
        found.map(Some).ok_or_else(|| self.wrong(name, format!("is {}; {wanted} is needed", kind(value))))
    }

    fn check_length(&self, name: &str, text: &str, most: usize) -> Result<(), ArmError> {
        match text.chars().count() {
            number if number > most => {
                Err(self.wrong(name, format!("has {number} characters; at most {most} are taken")))
            }
            _ => Ok(()),
        }
    }

    fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_match_in_any_case_and_null_is_absent() {
        let body = json!({"Location": "here", "tags": null, "properties": {"resourceID": "x"}});
        let fields = Fields::of(&body).unwrap();

        assert_eq!(fields.text("location").unwrap(), Some("here"));
        assert_eq!(fields.texts("tags").unwrap(), None);
        let inside = fields.required_object("properties").unwrap();
        assert_eq!(inside.required_text("resourceId").unwrap(), "x");
    }

    #[test]
    fn an_error_names_the_path() {
        let body = json!({"properties": {"name": 5, "tags": {"a": ["b"]}}});
        let inside = Fields::of(&body).unwrap().required_object("properties").unwrap();

        let errors = [
            inside.text("name").unwrap_err(),
            inside.required_text("scope").unwrap_err(),
            inside.texts("tags").unwrap_err(),
        ];

        let messages = errors.map(|error| error.message);
        assert_eq!(
            messages,
            [
                "properties.name: is a number; a text is needed",
                "properties.scope: is required",
                "properties.tags.a: is a list; a text is needed",
            ]
        );
        assert_eq!(Fields::of(&json!([])).unwrap_err().status, 400);
    }

    #[test]
    fn texts_and_lists_are_bounded_and_what_is_too_long_is_named() {
        let long = "ß".repeat(20_000);
        let many: serde_json::Map<String, Value> = (0..1_001).map(|n| (n.to_string(), json!("x"))).collect();
        let body =
            json!({"properties": {"note": long, "short": "größe", "regions": ["a", "größe"], "tags": many}});
        let inside = Fields::of(&body).unwrap().required_object("properties").unwrap();

        let errors = [
            inside.text("note").unwrap_err(),
            inside.short_text("short", 4).unwrap_err(),
            inside.required_short_text("short", 4).unwrap_err(),
            inside.short_texts("regions", 1, 10).unwrap_err(),
            inside.short_texts("regions", 2, 4).unwrap_err(),
            inside.texts("tags").unwrap_err(),
        ];

        assert_eq!(
            errors.map(|error| error.message),
            [
                "properties.note: has more than 16384 bytes",
                "properties.short: has 5 characters; at most 4 are taken",
                "properties.short: has 5 characters; at most 4 are taken",
                "properties.regions: has 2 entries; at most 1 are taken",
                "properties.regions[1]: has 5 characters; at most 4 are taken",
                "properties.tags: has 1001 entries; at most 1000 are taken",
            ]
        );
        assert_eq!(inside.short_text("short", 5).unwrap(), Some("größe"));
    }
}
