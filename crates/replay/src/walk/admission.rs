//! What the target's admission made of an object on its way in, as far as the person should know.

use super::Walk;
use super::settle::Subject;
use crate::api::{Write, Written};
use crate::codes;
use crate::diff::{self, Extent};
use crate::json;
use crate::transform;
use protection::Problem;
use resources::ConflictPolicy;
use serde_json::Value;

impl Walk<'_> {
    /// How an object is written: where a mutating webhook may change it, the server answers with all of it.
    pub(super) fn write_of(&self, subject: &Subject<'_>) -> Write {
        let namespace = subject.place.namespace.as_deref();
        let labels = namespace.and_then(|namespace| self.world.namespaces.get(namespace));
        let mutating = &self.world.webhooks.mutating;
        let whole = mutating.iter().any(|webhook| webhook.is_asked(&subject.place.kind, labels));
        Write { whole, ..self.write.clone() }
    }

    /// What to tell about an object that was written.
    pub(super) fn notes_of(&self, subject: &Subject<'_>, written: &Written) -> Vec<Problem> {
        let dropped = written.warnings.iter().filter(|text| text.contains("unknown field"));
        let mut notes: Vec<Problem> = dropped
            .map(|text| {
                let what = if subject.is_secretive() { "a field that it does not know" } else { text };
                Problem::warning(codes::FIELD_DROPPED, format!("The API server dropped {what}."))
            })
            .collect();
        let fields = written.object.as_ref().map(|object| {
            let normal = transform::normalise(&subject.place.kind, object.clone());
            drift(subject.desired, &normal)
        });
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            notes.push(Problem::information(
                codes::CHANGED_BY_ADMISSION,
                format!("Admission in the target changed {}.", fields.join(", ")),
            ));
        }
        notes
    }

    /// An attempt that was killed between deletion and creation leaves no trace of what it had deleted.
    pub(super) fn may_have_been_replaced(&self, subject: &Subject<'_>) -> Option<Problem> {
        let replaces = self.options.conflict_policy == ConflictPolicy::Replace
            && (!subject.class.is_spared() || self.is_named(subject.place));
        (self.options.resumed && replaces && !self.write.dry_run).then(|| {
            Problem::information(
                codes::MAY_HAVE_BEEN_REPLACED,
                "It was absent when the restore went on after an interruption; it may have been deleted before \
                 that, to be replaced.",
            )
        })
    }
}

/// Fields that came out otherwise than they were sent, labels and annotations that were added. Other fields
/// that were added are not told from defaults.
fn drift(sent: &Value, taken: &Value) -> Vec<String> {
    let mut fields = diff::difference(sent, taken, Extent::Whole).fields;
    for part in ["labels", "annotations"] {
        let added = json::at(taken, &["metadata", part]).and_then(Value::as_object);
        for key in added.into_iter().flatten().map(|(key, _)| key) {
            if json::at(sent, &["metadata", part, key]).is_none() {
                fields.push(diff::path(&format!("metadata.{part}"), key));
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_came_out_otherwise_and_what_was_labelled_is_drift_and_defaults_are_not() {
        let sent = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"image": "one", "list": [1]}});
        let taken = json!({
            "metadata": {"labels": {"a": "1", "x.y/z": "2"}},
            "spec": {"image": "two", "list": [1, 2], "default": true},
        });

        let fields = drift(&sent, &taken);

        assert_eq!(fields, ["spec.image", "spec.list", "metadata.labels[x.y/z]"]);
        assert!(drift(&sent, &sent).is_empty());
    }
}
