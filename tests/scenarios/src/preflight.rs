//! What `cofferdam preflight` says, check by check.

use crate::{Cluster, Ran};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The check that counts the cluster's objects.
const OBJECTS: &str = "P31";

/// The checks of one run.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// The exit code.
    pub code: i32,
    /// The printed document.
    pub document: Value,
}

impl Preflight {
    /// Runs the checks with these arguments; once more where a probe of a run that only looks had no answer within its
    /// deadline: the machine may have had other work.
    pub fn run(cluster: &Cluster, arguments: &[&str]) -> Self {
        let mut all = vec!["preflight", "-o", "json"];
        all.extend(arguments);
        let found = Self::of(&cluster.cofferdam(&all));
        let only_looks = !arguments.iter().any(|one| ["--fix", "--active", "--deep"].contains(one));
        match only_looks && found.document["checks"].to_string().contains("no answer within 3 s") {
            true => Self::of(&cluster.cofferdam(&all)),
            false => found,
        }
    }

    /// What a run printed.
    pub fn of(ran: &Ran) -> Self {
        Self { code: ran.code, document: ran.json() }
    }

    /// One check.
    pub fn check(&self, id: &str) -> &Value {
        let checks = self.document["checks"].as_array().expect("a list of checks");
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id} in {self:?}"))
    }

    /// `Passed`, `Failed Block`, `Failed Warn`, `Skipped`, `NotObservable` or `NotApplicable`.
    pub fn result(&self, id: &str) -> String {
        let check = self.check(id);
        let result = check["result"].as_str().unwrap_or_default();
        match result {
            "Failed" => format!("Failed {}", check["severity"].as_str().unwrap_or_default()),
            other => other.to_owned(),
        }
    }

    /// Ids of the checks that failed.
    pub fn failed(&self) -> Vec<&str> {
        let checks = self.document["checks"].as_array().expect("a list of checks");
        let failed = checks.iter().filter(|check| check["result"] == "Failed");
        failed.filter_map(|check| check["id"].as_str()).collect()
    }

    /// Ids of the checks that passed with something to know.
    pub fn informed(&self) -> BTreeSet<&str> {
        let checks = self.document["checks"].as_array().expect("a list of checks");
        let informed = checks.iter().filter(|check| check["information"] == true);
        informed.filter_map(|check| check["id"].as_str()).collect()
    }

    /// The result of each check.
    pub fn results(&self) -> BTreeMap<&str, String> {
        let checks = self.document["checks"].as_array().expect("a list of checks");
        checks.iter().filter_map(|check| check["id"].as_str()).map(|id| (id, self.result(id))).collect()
    }

    /// Ids of the checks that ended otherwise than in an earlier run. Each is printed as it was and as it is, for whoever did
    /// not expect it. That the count of objects alone went past its thousand, or back, is what other stories left on the
    /// cluster, events above all, and no difference.
    pub fn changed_since(&self, before: &Self) -> BTreeSet<&str> {
        let earlier = before.results();
        let mut changed = self.results();
        changed.retain(|id, result| earlier.get(id) != Some(result));
        if self.has_many_objects().zip(before.has_many_objects()).is_some_and(|(now, then)| now != then) {
            changed.remove(OBJECTS);
        }
        for id in changed.keys() {
            println!("{id} before: {:#}\n{id} now: {:#}", before.check(id), self.check(id));
        }
        changed.into_keys().collect()
    }

    /// Whether more objects were counted than the rules of AKS let pass unseen; nothing when the check did not end by that
    /// count.
    fn has_many_objects(&self) -> Option<bool> {
        let many = self.check(OBJECTS)["details"]["numbers"]["objects"].as_u64()? > 1_000;
        (self.result(OBJECTS) == if many { "Failed Warn" } else { "Passed" }).then_some(many)
    }

    /// The commands for one client that mend a check, in their order.
    pub fn commands(&self, id: &str, by: &str) -> Vec<&str> {
        let fixes = self.check(id)["fixes"].as_array().map(Vec::as_slice).unwrap_or_default();
        fixes.iter().filter(|fix| fix["by"] == by).filter_map(|fix| fix["command"].as_str()).collect()
    }

    /// What was seen.
    pub fn evidence(&self, id: &str) -> &str {
        self.check(id)["evidence"].as_str().unwrap_or_default()
    }

    /// What to do.
    pub fn fix(&self, id: &str) -> &str {
        self.check(id)["fix"].as_str().unwrap_or_default()
    }

    /// Panics unless the check failed with this documented code, or has none where there is none for its cause.
    pub fn expect_code<'c>(&self, id: &str, code: impl Into<Option<&'c str>>) {
        assert_eq!(self.check(id)["result"], "Failed", "{:#}", self.check(id));
        let code: Option<&str> = code.into();
        assert_eq!(self.check(id)["code"].as_str(), code, "{:#}", self.check(id));
    }

    /// Panics unless the check ended so, with this in its evidence.
    pub fn expect(&self, id: &str, result: &str, evidence: &str) {
        assert_eq!(self.result(id), result, "{:#}", self.check(id));
        assert!(self.evidence(id).contains(evidence), "{evidence:?} is not in {:#}", self.check(id));
    }
}
