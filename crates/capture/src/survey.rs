//! Which namespaces the cluster has, before and after the objects are read.

use crate::api::{Api, Failure};
use crate::discovery::{Kind, fatal};
use crate::list::{ListError, ListRequest, Paging, Receive, Refusal, list};
use crate::object::Object;
use crate::{Budget, CaptureError, problems};
use bytes::Bytes;
use protection::selection::NamespaceRule;
use protection::{ClusterUid, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// The cluster's namespaces.
#[derive(Debug, Default, Clone)]
pub(crate) struct Namespaces(BTreeMap<String, Seen>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    uid: String,
    closing: bool,
}

impl Namespaces {
    /// Asks the API server.
    pub(crate) async fn read(api: &Api, budget: &Budget) -> Result<Self, CaptureError> {
        let kind = Kind::core("Namespace", "namespaces", false);
        collect(api, &kind, budget, Self::default).await
    }

    /// Namespaces for tests of other modules.
    #[cfg(test)]
    pub(crate) fn of(names: &[&str]) -> Self {
        let seen = |name: &&str| ((*name).to_owned(), Seen { uid: (*name).to_owned(), closing: false });
        Self(names.iter().map(seen).collect())
    }

    /// The cluster's id: the UID of `kube-system`.
    pub(crate) fn cluster(&self) -> Option<ClusterUid> {
        self.0.get("kube-system").map(|seen| ClusterUid::new(seen.uid.clone()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Namespaces that are being deleted.
    pub(crate) fn closing(&self) -> BTreeSet<String> {
        self.0.iter().filter(|(_, seen)| seen.closing).map(|(name, _)| name.clone()).collect()
    }

    /// Whether any namespace is selected.
    pub(crate) fn any_selected(&self, rule: &NamespaceRule) -> bool {
        self.0.iter().any(|(name, seen)| !seen.closing && rule.selects(name))
    }

    /// Included entries that lead nowhere, and selected namespaces that are being deleted.
    pub(crate) fn problems(&self, rule: &NamespaceRule) -> Vec<Problem> {
        let mut problems = Vec::new();
        for entry in rule.included() {
            if entry.is_literal() && rule.always_excluded(entry.as_str()) {
                problems.push(problems::never_backed_up(entry.as_str()));
            } else if !self.0.keys().any(|name| entry.matches(name)) {
                problems.push(problems::no_namespace(entry.as_str(), !entry.is_literal()));
            }
        }
        let closing = self.0.iter().filter(|(name, seen)| seen.closing && rule.selects(name));
        problems.extend(closing.map(|(name, _)| problems::closing(name, rule.asked_for(name))));
        problems
    }

    /// Selected namespaces that were there and are gone, or on their way, in `later`.
    pub(crate) fn vanished(&self, later: &Self, rule: &NamespaceRule) -> Vec<Problem> {
        let stays = |name: &str, seen: &Seen| later.0.get(name).is_some_and(|now| now == seen);
        self.0
            .iter()
            .filter(|(name, seen)| !seen.closing && rule.selects(name) && !stays(name, seen))
            .map(|(name, _)| problems::vanished(name))
            .collect()
    }
}

impl Receive for Namespaces {
    async fn item(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        let object = Object::read(&bytes).map_err(|error| Refusal::Nonsense(error.to_string()))?;
        let metadata = object.metadata;
        let seen = Seen {
            uid: metadata.uid.as_ref().map(|uid| uid.as_str().to_owned()).unwrap_or_default(),
            closing: metadata.deletion_timestamp.is_some(),
        };
        self.0.insert(metadata.name.as_str().to_owned(), seen);
        Ok(())
    }
}

/// Reads a whole list without which nothing can be captured, with a new receiver whenever it begins again.
pub(crate) async fn collect<R: Receive>(
    api: &Api,
    kind: &Kind,
    budget: &Budget,
    receiver: impl Fn() -> R,
) -> Result<R, CaptureError> {
    let request =
        ListRequest { path: kind.path(None), labels: String::new(), api_version: kind.api_version() };
    let tried = format!("list {}", kind.name());
    let mut last = String::new();
    for paging in [Paging::Pages, Paging::Pages, Paging::Whole] {
        let mut receiver = receiver();
        match list(api, &request, paging, budget, &mut receiver).await {
            Ok(_) => return Ok(receiver),
            Err(ListError::Restart(reason)) => last = reason,
            Err(ListError::Failed(failure)) => return Err(fatal(&tried, failure)),
            Err(ListError::Refused(Refusal::Stop(error))) => return Err(error),
            Err(ListError::Refused(Refusal::Nonsense(what))) => {
                return Err(fatal(&tried, Failure::Nonsense(what)));
            }
            Err(ListError::Refused(Refusal::Scattered)) => {
                last = "its objects do not stand together".to_owned()
            }
        }
    }
    Err(fatal(&tried, Failure::Cut(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protection::{Selection, SelectionFields, Severity, code};

    fn namespaces(entries: &[(&str, &str, bool)]) -> Namespaces {
        let seen = |(name, uid, closing): &(&str, &str, bool)| {
            ((*name).to_owned(), Seen { uid: (*uid).to_owned(), closing: *closing })
        };
        Namespaces(entries.iter().map(seen).collect())
    }

    fn rule(included: &[&str]) -> NamespaceRule {
        let included: Vec<String> = included.iter().map(|entry| (*entry).to_owned()).collect();
        let fields = SelectionFields { included_namespaces: &included, ..SelectionFields::default() };
        Selection::parse(&fields, "dataprotection-microsoft").unwrap().namespaces
    }

    #[test]
    fn configured_namespaces_that_lead_nowhere_are_named() {
        let world = namespaces(&[("shop", "1", false), ("old", "2", true), ("kube-system", "3", false)]);

        let problems = world.problems(&rule(&["shop", "shpo", "team-*", "old", "kube-system"]));

        let targets: Vec<&str> = problems.iter().filter_map(|problem| problem.target.as_deref()).collect();
        assert_eq!(
            targets,
            ["namespaces/shpo", "namespaces/team-*", "namespaces/kube-system", "namespaces/old"]
        );
        assert!(problems.iter().all(|problem| problem.code == code::NAMESPACE_NOT_FOUND));
        assert!(problems.iter().all(|problem| problem.severity == Severity::Warning));
        assert_eq!(world.cluster(), Some(ClusterUid::new("3")));
    }

    #[test]
    fn a_namespace_on_its_way_out_is_only_worth_knowing_when_nobody_asked_for_it() {
        let world = namespaces(&[("old", "2", true)]);

        let problems = world.problems(&rule(&[]));

        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].severity, Severity::Information);
        assert!(!world.any_selected(&rule(&[])));
    }

    #[test]
    fn namespaces_that_vanish_or_are_replaced_meanwhile_are_named() {
        let entries =
            [("a", "1", false), ("b", "2", false), ("c", "3", false), ("d", "4", false), ("e", "5", false)];
        let before = namespaces(&entries);
        let after =
            namespaces(&[("a", "1", false), ("c", "9", false), ("d", "4", true), ("new", "6", false)]);

        let problems = before.vanished(&after, &rule(&["a", "b", "c", "d"]));

        let targets: Vec<&str> = problems.iter().filter_map(|problem| problem.target.as_deref()).collect();
        assert_eq!(targets, ["namespaces/b", "namespaces/c", "namespaces/d"]);
    }
}
