//! Arguments that are files of JSON, or several `key=value`.

use crate::exit::Failure;
use serde_json::Value;
use std::{collections::BTreeMap, io::Read, path::Path};

/// A JSON document; `-` is standard input. The `@` that `az` writes before names of files is taken too.
pub fn json_file(path: &Path) -> Result<Value, Failure> {
    let name = path.to_string_lossy();
    let path = Path::new(name.strip_prefix('@').unwrap_or(&name));
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = read.map_err(|error| {
        Failure::precondition(format!("could not read {}: {error}", path.display()))
            .next("Check the path and its permissions.")
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{} is no JSON: {error}", path.display())).next("Correct the file.")
    })
}

/// Tags from `key=value` arguments; none when there are no such arguments.
pub fn tags(given: &[(String, String)]) -> Result<Option<BTreeMap<String, String>>, Failure> {
    if given.is_empty() { Ok(None) } else { pairs(given).map(Some) }
}

/// A map from `key=value` arguments; a key given twice is an error.
pub fn pairs(given: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
    crate::commands::location::settings(given)
}
