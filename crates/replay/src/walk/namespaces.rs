//! Namespaces that objects go into, and the account that a cluster makes in each new one.

use super::Walk;
use super::settle::{Settled, Subject};
use super::state::Prepared;
use crate::decide::Class;
use crate::item::{Item, Place};
use crate::row::Action;
use crate::stop::Stopped;
use crate::target::core;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(50);

impl Walk<'_> {
    /// In a plan: why the server cannot check what goes into this namespace.
    pub(super) fn absent_namespace(&self, place: &Place) -> Option<String> {
        let namespace = place.namespace.as_deref()?;
        let absent = self.write.dry_run && !self.world.namespaces.contains_key(namespace);
        absent.then(|| "its namespace does not exist yet".to_owned())
    }

    /// Makes target namespaces of which the recovery point has no Namespace object to restore.
    pub(super) async fn make_bare_namespaces(&self) -> Result<(), Stopped> {
        let has_object = |name: &str| {
            self.items
                .iter()
                .any(|item| item.kind.is("", "namespaces") && self.facts.mapping.target(&item.name) == name)
        };
        let originals: BTreeSet<&Arc<str>> =
            self.items.iter().filter_map(|item| item.namespace.as_ref()).collect();
        for original in originals {
            let target = self.facts.mapping.target(original);
            let made = self.state.lock().fresh_namespaces.contains(target);
            let foreign =
                self.world.namespaces.contains_key(target) && !self.world.made_here.contains(target);
            if made || foreign || has_object(target) {
                continue;
            }
            let kind = Arc::new(core("Namespace", "namespaces", false));
            let item = Item {
                kind: kind.clone(),
                namespace: None,
                name: original.clone(),
                uid: Arc::from(""),
                offset: 0,
                length: 0,
                owners: Box::default(),
                only_if_absent: true,
            };
            let prepared = Prepared {
                place: Place { kind, namespace: None, name: Arc::from(target) },
                object: json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": target}}),
                references: Vec::new(),
                notes: Vec::new(),
                not_checkable: None,
                claim: None,
            };
            let settled = self.settle_plain(&item, &prepared, Class::Namespace).await?;
            self.report(usize::MAX, &item, prepared, settled, false);
        }
        Ok(())
    }

    /// The cluster makes the account `default` by itself: what the recovery point adds is merged into it.
    pub(super) async fn settle_default_account(
        &self,
        subject: Subject<'_>,
        uncheckable: Option<String>,
    ) -> Result<Settled, Stopped> {
        if let Some(reason) = uncheckable {
            let made = json!({"metadata": {"name": "default"}});
            let difference = crate::diff::account_difference(subject.desired, &made);
            let action = match difference.is_empty() {
                true => Action::Unchanged,
                false => Action::Patch { fields: difference.fields },
            };
            return Ok(Settled::unchecked(action, reason));
        }
        let until = Instant::now() + self.options.patience.account;
        while Instant::now() < until {
            if let Ok(Some(live)) = self.api.get(subject.place).await {
                return self.meet(&subject, &live).await;
            }
            self.stop.sleep(POLL).await?;
        }
        self.settle(subject).await
    }

    pub(super) fn is_fresh_default_account(&self, place: &Place) -> bool {
        let fresh = |namespace: &str| {
            !self.world.namespaces.contains_key(namespace)
                || self.state.lock().fresh_namespaces.contains(namespace)
        };
        place.kind.is("", "serviceaccounts")
            && &*place.name == "default"
            && place.namespace.as_deref().is_some_and(fresh)
    }
}
