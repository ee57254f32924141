//! What was seen, as a sentence and as data; short, and harmless to print.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Objects that are listed by name.
const LISTED: usize = 20;
/// Characters of a sentence; whoever wants more reads the data.
const LONGEST: usize = 2_000;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// As a sentence.
    pub sentence: String,
    /// The objects that it is about, at most twenty of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// How many objects there are altogether.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: u64,
    /// What was counted or measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, u64>,
    /// The address that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Evidence {
    pub(crate) fn say(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), ..Self::default() }
    }

    pub(crate) fn list(&mut self, objects: &[String]) {
        self.total = objects.len() as u64;
        self.objects = objects.iter().take(LISTED).cloned().collect();
    }

    /// The same without anything that a terminal would obey, and no longer than somebody reads.
    pub(crate) fn made_harmless(self) -> Self {
        Self {
            sentence: shortened(&printable(&self.sentence)),
            objects: self.objects.iter().map(|name| shortened(&printable(name))).collect(),
            address: self.address.as_deref().map(printable),
            ..self
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A text on one line without what a terminal would obey or a reader would not see: what others wrote into names and
/// messages must not look like a line of ours.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\n' | '\r' | '\t' => shown.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                shown.push_str(&format!("\\u{:04x}", u32::from(one)))
            }
            _ if one.is_control() => shown.push_str(&format!("\\u{:04x}", u32::from(one))),
            _ => shown.push(one),
        }
    }
    shown
}

/// At most five names, and how many there are.
pub(crate) fn some(names: &[String]) -> String {
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_one_line_that_no_terminal_obeys() {
        let evil = "a\u{1b}[2Jb\nP6    ok\u{202e}c\u{7}";

        assert_eq!(printable(evil), "a\\u001b[2Jb P6    ok\\u202ec\\u0007");
    }

    #[test]
    fn ten_thousand_objects_are_twenty_names_and_a_number() {
        let names: Vec<String> = (0..10_000).map(|n| format!("namespace/claim-{n}")).collect();
        let mut evidence = Evidence::say(format!("missing: {}", names.join(", ")));
        evidence.list(&names);

        let evidence = evidence.made_harmless();

        assert_eq!((evidence.objects.len(), evidence.total), (20, 10_000));
        assert!(evidence.sentence.chars().count() < 2_010);
        assert_eq!(
            some(&names),
            "namespace/claim-0, namespace/claim-1, namespace/claim-2, namespace/claim-3, namespace/claim-4 and 9995 more"
        );
    }
}
