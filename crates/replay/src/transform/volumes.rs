//! A persistent volume that is restored as it was waits for its claim by name, not by the UID it had.

use super::{Draft, metadata};
use crate::json;
use crate::mapping::Mapping;
use serde_json::Value;

pub(super) fn apply(draft: &mut Draft, mapping: &Mapping) {
    let volume = &mut draft.object;
    json::take(volume, &["spec", "claimRef", "uid"]);
    json::take(volume, &["spec", "claimRef", "resourceVersion"]);
    if let Some(namespace) = json::text(volume, &["spec", "claimRef", "namespace"]) {
        let target = Value::from(mapping.target(namespace));
        json::set(volume, &["spec", "claimRef", "namespace"], target);
    }
    metadata::drop_annotations(volume, &["pv.kubernetes.io/bound-by-controller"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_volume_waits_for_its_claim_in_the_mapped_namespace() {
        let object = json!({
            "metadata": {"name": "nfs", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
            "spec": {"claimRef": {"namespace": "shop", "name": "files", "uid": "1", "resourceVersion": "2"}},
        });
        let mapping = Mapping::new(&BTreeMap::from([("shop".into(), "copy".into())]), &BTreeSet::new());
        let mut draft = Draft { object, notes: Vec::new() };

        apply(&mut draft, &mapping);

        assert_eq!(
            draft.object,
            json!({
                "metadata": {"name": "nfs"},
                "spec": {"claimRef": {"namespace": "copy", "name": "files"}},
            })
        );
    }
}
