//! Where a manifest differs from the one that was expected, in words. What stands in Secrets is not repeated.

use serde_json::Value;

/// More would not be read.
const MOST: usize = 12;
const LONGEST: usize = 160;

/// Every difference, by document and place in it.
pub fn differences(sent: &[Value], expected: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for document in sent {
        match expected.iter().find(|one| key(one) == key(document)) {
            None => found.push(format!("{} is not expected at all", key(document))),
            Some(own) => {
                let secret = document.get("kind").is_some_and(|kind| kind == "Secret");
                compare(&key(document), "", secret, document, own, &mut found);
            }
        }
    }
    for own in expected.iter().filter(|own| !sent.iter().any(|one| key(one) == key(own))) {
        found.push(format!("{} is missing", key(own)));
    }
    if found.len() > MOST {
        let more = found.len() - MOST;
        found.truncate(MOST);
        found.push(format!("and {more} more"));
    }
    found
}

fn key(document: &Value) -> String {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let namespace = document.pointer("/metadata/namespace").and_then(Value::as_str);
    let within = namespace.map(|name| format!("{name}/")).unwrap_or_default();
    shortened(&format!("{} {} {within}{}", text("/apiVersion"), text("/kind"), text("/metadata/name")))
}

fn compare(document: &str, path: &str, secret: bool, sent: &Value, own: &Value, found: &mut Vec<String>) {
    match (sent, own) {
        (Value::Object(sent), Value::Object(own)) => {
            for (name, value) in sent {
                let inner = format!("{path}/{name}");
                compare(document, &inner, secret, value, own.get(name).unwrap_or(&Value::Null), found);
            }
            for (name, value) in own.iter().filter(|(name, _)| !sent.contains_key(*name)) {
                compare(document, &format!("{path}/{name}"), secret, &Value::Null, value, found);
            }
        }
        (Value::Array(sent), Value::Array(own)) => {
            for at in 0..sent.len().max(own.len()) {
                let (one, other) = (sent.get(at), own.get(at));
                let (one, other) = (one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null));
                compare(document, &format!("{path}/{at}"), secret, one, other, found);
            }
        }
        _ if sent == own => {}
        _ if secret => found.push(format!("{document}: {} differs", shortened(path))),
        _ => found.push(format!(
            "{document}: {} is {}, and not {}",
            shortened(path),
            shortened(&sent.to_string()),
            shortened(&own.to_string())
        )),
    }
}

/// One line that no terminal takes for a command.
fn shortened(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if plain.len() < text.len() { format!("{plain}…") } else { plain }
}
