//! One check of one instance as the vault keeps it: short, for a vault keeps it of thousands of instances.

use jiff::Timestamp;
use prerequisites::{Check, Weight, catalogue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Characters of the evidence.
const LONGEST: usize = 500;
/// Of a name, and of a way to mend something.
const LONGEST_NAME: usize = 300;
/// Objects that are named.
const MOST_OBJECTS: usize = 20;
/// Ways to mend one thing.
const MOST_FIXES: usize = 6;
/// Checks that a cluster may send.
const MOST_CHECKS: usize = 200;
/// What an extension judges besides the catalogue.
const OF_REQUEST: [&str; 4] = ["location", "specification", "recovery-point", "hooks"];

/// How a check ended. In the order in which people want to read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// It does not hold.
    Failed,
    /// Nobody could look.
    NotObservable,
    /// What it depends on does not hold.
    Skipped,
    /// It holds.
    Passed,
    /// There is nothing here that it speaks of.
    NotApplicable,
}

/// Who looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The vault itself.
    Vault,
    /// The extension, inside the cluster.
    Cluster,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its id.
    pub id: String,
    /// What must hold, as a sentence.
    pub title: String,
    /// Whether a failure blocks backups; it warns otherwise.
    pub blocks: bool,
    /// How it ended.
    pub verdict: Verdict,
    /// The documented code of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was seen, or why nobody could look.
    pub evidence: String,
    /// The objects that it is about, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// How many there are.
    #[serde(default)]
    pub total: u64,
    /// What mends it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<String>,
    /// Who looked.
    pub by: By,
    /// When.
    pub at: Timestamp,
    /// Since when it ends like this.
    pub since: Timestamp,
    /// It was seen before, and could not be looked at again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

impl Row {
    /// One that ended like this, by what the catalogue says of the check.
    pub fn new(id: &str, title: &str, verdict: Verdict, evidence: &str, by: By, at: Timestamp) -> Self {
        let check = known(id);
        Self {
            id: id.to_owned(),
            title: check.map_or(title, |check| check.title).to_owned(),
            blocks: check.is_none_or(|check| matches!(check.cofferdam, Weight::Blocks)),
            verdict,
            code: None,
            evidence: cut(evidence, LONGEST),
            objects: Vec::new(),
            total: 0,
            fixes: Vec::new(),
            by,
            at,
            since: at,
            stale: false,
        }
    }

    /// Whether it keeps backups from succeeding.
    pub fn is_fatal(&self) -> bool {
        self.blocks && self.verdict == Verdict::Failed
    }

    /// With what mends it.
    pub fn mended_by(mut self, fixes: impl IntoIterator<Item = String>) -> Self {
        for fix in fixes {
            let fix = cut(&fix, LONGEST_NAME);
            if self.fixes.len() < MOST_FIXES && !self.fixes.contains(&fix) {
                self.fixes.push(fix);
            }
        }
        self
    }

    /// With the objects that it is about.
    pub fn about(mut self, objects: &[String]) -> Self {
        self.total = objects.len() as u64;
        self.objects = objects.iter().take(MOST_OBJECTS).map(|name| cut(name, LONGEST_NAME)).collect();
        self
    }

    /// What could not be looked at again: how it ended the last time stays readable, and it does not count as seen.
    pub fn not_seen_again(&self, why: &str, now: Timestamp) -> Self {
        if self.verdict == Verdict::NotObservable {
            return self.clone();
        }
        let evidence = format!(
            "{why} When it was last seen, {}, it ended as {:?}: {}",
            self.at, self.verdict, self.evidence
        );
        Self {
            verdict: Verdict::NotObservable,
            evidence: cut(&evidence, LONGEST),
            code: None,
            since: now,
            stale: true,
            ..self.clone()
        }
    }
}

/// The check of the catalogue with this id.
pub fn known(id: &str) -> Option<&'static Check> {
    catalogue().iter().copied().find(|check| check.id == id)
}

/// The checks that a validation in a cluster lists. A cluster may send anything: what has another shape is left out, and
/// so is what is no check of ours, for each can become an alert.
pub fn of_cluster(object: &Value, at: Timestamp) -> Vec<Row> {
    let checks = object.pointer("/status/checks").and_then(Value::as_array).map(Vec::as_slice);
    checks
        .unwrap_or_default()
        .iter()
        .take(MOST_CHECKS)
        .filter_map(|check| one_of_cluster(check, at))
        .collect()
}

fn one_of_cluster(check: &Value, at: Timestamp) -> Option<Row> {
    let text = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
    let texts = |name: &str| -> Vec<String> {
        let all = check.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let id = cut(text("id"), 64);
    let verdict: Verdict = serde_json::from_value(check.get("result")?.clone()).ok()?;
    if known(&id).is_none() && !OF_REQUEST.contains(&id.as_str()) {
        return None;
    }
    let mut fixes = texts("recommendedAction");
    if fixes.is_empty() && !text("fix").is_empty() {
        fixes.push(text("fix").to_owned());
    }
    let objects = texts("objects");
    let row = Row::new(&id, &cut(text("title"), LONGEST_NAME), verdict, text("evidence"), By::Cluster, at);
    let row = row.about(&objects).mended_by(fixes);
    Some(Row {
        blocks: text("severity") == "Block",
        // An extension before this version has the code in front of what it saw.
        code: Some(text("code"))
            .filter(|code| !code.is_empty())
            .or_else(|| text("evidence").split(':').next().filter(|word| word.starts_with("UserError")))
            .filter(|_| verdict == Verdict::Failed)
            .map(|code| cut(code, 128)),
        total: check.get("total").and_then(Value::as_u64).unwrap_or(row.total),
        ..row
    })
}

fn cut(text: &str, longest: usize) -> String {
    let mut one_line = text.chars().map(|one| if one.is_control() { ' ' } else { one });
    let shown: String = one_line.by_ref().take(longest).collect();
    if one_line.next().is_some() { format!("{shown} …") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_cluster_sends_is_bounded_and_what_has_another_shape_is_left_out() {
        let long = "x".repeat(2_000);
        let one = json!({"id": "P4", "title": long, "severity": "Block", "result": "Failed", "evidence": long,
            "code": "UserErrorX", "objects": vec![long.clone(); 30], "total": 10_000,
            "recommendedAction": vec![long.clone(); 20]});
        let mut checks = vec![json!({"id": "../x", "result": "Failed"}), json!({"id": "P5"}), json!(7)];
        checks.extend(
            (0..50).map(|n| json!({"id": format!("mine-{n}"), "severity": "Block", "result": "Failed"})),
        );
        checks.extend(vec![one; 300]);

        let rows = of_cluster(&json!({"status": {"checks": checks}}), Timestamp::UNIX_EPOCH);

        assert!(rows.len() <= MOST_CHECKS && !rows.is_empty());
        assert!(rows.iter().all(|row| row.id == "P4"), "no id of the cluster's own");
        let row = &rows[0];
        assert_eq!((row.id.as_str(), row.total, row.objects.len()), ("P4", 10_000, MOST_OBJECTS));
        assert_eq!(row.code.as_deref(), Some("UserErrorX"));
        assert!(serde_json::to_string(row).unwrap().len() < 10_000);
    }

    #[test]
    fn what_cannot_be_looked_at_again_does_not_count_as_seen_and_says_what_it_was() {
        let row = Row::new("P12", "", Verdict::Passed, "two classes", By::Cluster, Timestamp::UNIX_EPOCH);

        let later = row.not_seen_again("The cluster is away.", Timestamp::UNIX_EPOCH);

        assert_eq!(later.verdict, Verdict::NotObservable);
        assert!(later.evidence.contains("Passed: two classes"), "{}", later.evidence);
        assert_eq!(later.not_seen_again("Still away.", Timestamp::UNIX_EPOCH), later);
    }
}
