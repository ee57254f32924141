//! Decides for one object whether it goes into the recovery point. Pure.

use crate::discovery::Kind;
use crate::facts::{Accounts, LeftOut};
use crate::object::Metadata;
use protection::Selection;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Decides for the objects of one resource.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub selection: Arc<Selection>,
    /// Namespaces that are being deleted.
    pub closing: Arc<BTreeSet<String>>,
    /// What brings an object along that is not selected by itself.
    pub related: Related,
}

/// What brings an object along that is not selected by itself.
#[derive(Debug, Clone)]
pub(crate) enum Related {
    /// Nothing does.
    No,
    /// Its name stands here.
    Names(BTreeSet<String>),
    /// It is a namespace that holds a captured object (these do), or that somebody asked for.
    Holding(BTreeSet<String>),
    /// It binds a captured service account.
    Binding(Arc<Accounts>),
}

/// What becomes of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is captured.
    Take,
    /// It is not selected.
    Pass,
    /// It would be captured, but for this.
    LeaveOut(LeftOut),
}

impl Filter {
    /// What becomes of this object. The error says that the object is not what its resource says.
    pub(crate) fn judge(
        &self,
        kind: &Kind,
        metadata: &Metadata<'_>,
        bytes: &[u8],
    ) -> Result<Verdict, serde_json::Error> {
        let name = metadata.name.as_str();
        let namespace = match (&metadata.namespace, is_namespace(kind)) {
            (_, true) => Some(name),
            (Some(namespace), false) if kind.namespaced => Some(namespace.as_str()),
            _ => None,
        };
        let reachable = namespace.is_none_or(|name| self.reaches(name));
        if !reachable || !(self.selects(kind, metadata) || self.relates(name, bytes)?) {
            return Ok(Verdict::Pass);
        }
        Ok(if metadata.deletion_timestamp.is_some() {
            Verdict::LeaveOut(LeftOut::Deleting)
        } else if metadata.opts_out() {
            Verdict::LeaveOut(LeftOut::OptedOut)
        } else {
            Verdict::Take
        })
    }

    /// Whether objects in this namespace can be captured.
    pub(crate) fn reaches(&self, namespace: &str) -> bool {
        self.selection.namespaces.selects(namespace) && !self.closing.contains(namespace)
    }

    /// Whether any object of this resource can be captured, and so whether it is worth listing.
    pub(crate) fn can_take(&self, kind: &Kind) -> bool {
        self.selects_kind(kind)
            || match &self.related {
                Related::No => false,
                Related::Names(names) => !names.is_empty(),
                Related::Holding(names) => {
                    !names.is_empty() || !self.selection.namespaces.included().is_empty()
                }
                Related::Binding(accounts) => !accounts.is_empty(),
            }
    }

    /// Label requirements that the server may apply for us.
    pub(crate) fn server_labels(&self) -> String {
        match self.related {
            Related::No => self.selection.labels.to_string(),
            Related::Names(_) | Related::Holding(_) | Related::Binding(_) => String::new(),
        }
    }

    fn selects(&self, kind: &Kind, metadata: &Metadata<'_>) -> bool {
        self.selects_kind(kind) && self.selection.labels.matches(|key| metadata.label(key))
    }

    fn selects_kind(&self, kind: &Kind) -> bool {
        let in_scope = kind.namespaced || is_namespace(kind) || self.selection.cluster_scope;
        in_scope && self.selection.types.selects(kind.named())
    }

    fn relates(&self, name: &str, bytes: &[u8]) -> Result<bool, serde_json::Error> {
        match &self.related {
            Related::No => Ok(false),
            Related::Names(names) => Ok(names.contains(name)),
            Related::Holding(names) => Ok(names.contains(name) || self.selection.namespaces.asked_for(name)),
            Related::Binding(accounts) => accounts.bound_by(bytes),
        }
    }
}

pub(crate) fn is_namespace(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.resource == "namespaces"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Object;
    use protection::SelectionFields;

    fn filter(fields: &SelectionFields<'_>, related: Related) -> Filter {
        let selection = Arc::new(Selection::parse(fields, "dataprotection-microsoft").unwrap());
        Filter { selection, closing: Arc::new(BTreeSet::from(["closing".to_owned()])), related }
    }

    fn verdict(filter: &Filter, kind: &Kind, metadata: &str) -> Verdict {
        let json = format!(r#"{{"metadata":{metadata}}}"#);
        filter.judge(kind, &Object::read(json.as_bytes()).unwrap().metadata, json.as_bytes()).unwrap()
    }

    fn names(names: &[&str]) -> Related {
        Related::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn an_object_needs_its_namespace_its_type_and_its_labels() {
        let (included, excluded, labels) =
            (["shop".to_owned()], ["secrets".to_owned()], ["app=x".to_owned()]);
        let filter = filter(
            &SelectionFields {
                included_namespaces: &included,
                excluded_resource_types: &excluded,
                label_selectors: &labels,
                ..SelectionFields::default()
            },
            Related::No,
        );
        let pods = Kind::core("Pod", "pods", true);
        let secrets = Kind::core("Secret", "secrets", true);

        assert_eq!(
            verdict(&filter, &pods, r#"{"name":"a","namespace":"shop","labels":{"app":"x"}}"#),
            Verdict::Take
        );
        assert_eq!(
            verdict(&filter, &pods, r#"{"name":"a","namespace":"shop","labels":{"app":"y"}}"#),
            Verdict::Pass
        );
        assert_eq!(
            verdict(&filter, &pods, r#"{"name":"a","namespace":"bank","labels":{"app":"x"}}"#),
            Verdict::Pass
        );
        assert_eq!(
            verdict(&filter, &secrets, r#"{"name":"a","namespace":"shop","labels":{"app":"x"}}"#),
            Verdict::Pass
        );
        assert!(!filter.can_take(&secrets));
    }

    #[test]
    fn deleted_and_opted_out_objects_are_left_out_and_told_apart() {
        let filter = filter(&SelectionFields::default(), Related::No);
        let pods = Kind::core("Pod", "pods", true);

        let deleting = r#"{"name":"a","namespace":"shop","deletionTimestamp":"2026-01-01T00:00:00Z"}"#;
        let opted_out =
            r#"{"name":"a","namespace":"shop","annotations":{"velero.io/exclude-from-backup":"true"}}"#;
        let other_namespace =
            r#"{"name":"a","namespace":"kube-system","deletionTimestamp":"2026-01-01T00:00:00Z"}"#;
        let closing = r#"{"name":"a","namespace":"closing"}"#;

        assert_eq!(verdict(&filter, &pods, deleting), Verdict::LeaveOut(LeftOut::Deleting));
        assert_eq!(verdict(&filter, &pods, opted_out), Verdict::LeaveOut(LeftOut::OptedOut));
        assert_eq!(verdict(&filter, &pods, other_namespace), Verdict::Pass);
        assert_eq!(verdict(&filter, &pods, closing), Verdict::Pass);
    }

    #[test]
    fn without_cluster_scope_only_related_cluster_objects_come_along() {
        let fields = SelectionFields { include_cluster_scope_resources: false, ..SelectionFields::default() };
        let volumes = Kind::core("PersistentVolume", "persistentvolumes", false);

        let off = filter(&fields, names(&["pv-1"]));
        let on = filter(&SelectionFields::default(), names(&["pv-1"]));

        assert_eq!(verdict(&off, &volumes, r#"{"name":"pv-1"}"#), Verdict::Take);
        assert_eq!(verdict(&off, &volumes, r#"{"name":"pv-2"}"#), Verdict::Pass);
        assert_eq!(verdict(&on, &volumes, r#"{"name":"pv-2"}"#), Verdict::Take);
        assert!(off.can_take(&volumes) && !filter(&fields, names(&[])).can_take(&volumes));
    }

    #[test]
    fn a_related_object_needs_no_labels_but_may_opt_out() {
        let labels = ["app=x".to_owned()];
        let fields = SelectionFields { label_selectors: &labels, ..SelectionFields::default() };
        let filter = filter(&fields, names(&["fast"]));
        let classes = Kind {
            group: "storage.k8s.io".to_owned(),
            ..Kind::core("StorageClass", "storageclasses", false)
        };

        let opted_out = r#"{"name":"fast","labels":{"velero.io/exclude-from-backup":"true"}}"#;

        assert_eq!(verdict(&filter, &classes, r#"{"name":"fast"}"#), Verdict::Take);
        assert_eq!(verdict(&filter, &classes, r#"{"name":"slow"}"#), Verdict::Pass);
        assert_eq!(verdict(&filter, &classes, opted_out), Verdict::LeaveOut(LeftOut::OptedOut));
        assert_eq!(filter.server_labels(), "");
    }

    #[test]
    fn a_namespace_is_judged_by_its_own_name() {
        let fields = SelectionFields { include_cluster_scope_resources: false, ..SelectionFields::default() };
        let filter = filter(&fields, names(&[]));
        let namespaces = Kind::core("Namespace", "namespaces", false);

        assert_eq!(verdict(&filter, &namespaces, r#"{"name":"shop"}"#), Verdict::Take);
        assert_eq!(verdict(&filter, &namespaces, r#"{"name":"kube-system"}"#), Verdict::Pass);
        assert_eq!(verdict(&filter, &namespaces, r#"{"name":"closing"}"#), Verdict::Pass);
    }
}
