//! A Job loses the selector and the labels that tie it to the UID it had.

use super::{Draft, metadata, workloads};
use crate::json;

const CONTROLLER_LABELS: &[&str] =
    &["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];

pub(super) fn apply(draft: &mut Draft) {
    workloads::apply(draft);
    let job = &mut draft.object;
    if json::is_true(job, &["spec", "manualSelector"]) {
        return;
    }
    json::take(job, &["spec", "selector"]);
    metadata::drop_labels(job, &["metadata"], CONTROLLER_LABELS);
    metadata::drop_labels(job, &["spec", "template", "metadata"], CONTROLLER_LABELS);
    json::drop_if_empty(job, &["metadata", "labels"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(manual: bool) -> Draft {
        let object = json!({
            "metadata": {"name": "load", "labels": {"controller-uid": "u", "app": "load"}},
            "spec": {
                "manualSelector": manual,
                "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
                "template": {"metadata": {"labels": {
                    "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "load",
                    "controller-uid": "u", "job-name": "load", "app": "load",
                }}},
            },
        });
        Draft { object, notes: Vec::new() }
    }

    #[test]
    fn a_job_is_not_tied_to_its_old_uid() {
        let mut draft = job(false);

        apply(&mut draft);

        assert_eq!(
            draft.object,
            json!({
                "metadata": {"name": "load", "labels": {"app": "load"}},
                "spec": {
                    "manualSelector": false,
                    "template": {"metadata": {"labels": {"app": "load"}}},
                },
            })
        );
    }

    #[test]
    fn a_selector_that_a_person_wrote_is_kept() {
        let mut draft = job(true);

        apply(&mut draft);

        assert_eq!(draft.object, job(true).object);
    }
}
