//! What a restore was asked for, and what it may use.

use crate::modifiers::Modifiers;
use jiff::Timestamp;
use protection::selection::{Selection, SelectionFields, TypePattern, is_dns_label};
use resources::{ConflictPolicy, PersistentVolumeRestoreMode, RestoreSpec};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

use crate::ReplayError;

/// A request to restore, validated.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// UID of the restore: the same in every attempt.
    pub uid: String,
    /// When the API server took in the request: `creationTimestamp` of the `Restore` object, so that it can be
    /// compared with those of restored objects.
    pub requested: Timestamp,
    /// Which objects.
    pub selection: Selection,
    /// From original namespace to target namespace.
    pub namespace_mappings: BTreeMap<String, String>,
    /// What happens to an object that exists.
    pub conflict_policy: ConflictPolicy,
    /// Types that `Replace` does not spare.
    pub replace_types: Vec<TypePattern>,
    /// Whether volumes get their data back.
    pub volume_mode: PersistentVolumeRestoreMode,
    /// How objects are changed on their way.
    pub modifiers: Modifiers,
    /// What the restore may use.
    pub budget: Budget,
    /// How long it waits for what.
    pub patience: Patience,
    /// When the whole must be over.
    pub deadline: Option<Instant>,
    /// Whether an earlier attempt of this restore was interrupted.
    pub resumed: bool,
}

/// What a restore may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests to the API server at once.
    pub requests: usize,
    /// Bytes that are read from the recovery point in one piece.
    pub read_bytes: u64,
    /// Pieces that are read ahead.
    pub read_ahead: usize,
    /// Problems kept in the result; all are counted.
    pub problems: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { requests: 16, read_bytes: 2 * 1024 * 1024, read_ahead: 2, problems: 1000 }
    }
}

/// How long a restore waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a definition to be established.
    pub established: Duration,
    /// For an object that is being deleted to be gone.
    pub deletion: Duration,
    /// For the cluster to make the default service account of a new namespace.
    pub account: Duration,
    /// For what serves an admission webhook or an APIService to be ready.
    pub backend: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            established: Duration::from_secs(60),
            deletion: Duration::from_secs(600),
            account: Duration::from_secs(10),
            backend: Duration::from_secs(300),
        }
    }
}

impl RestoreOptions {
    /// What a `Restore` object asks for. Modifiers are loaded separately.
    pub fn new(
        uid: &str,
        requested: Timestamp,
        spec: &RestoreSpec,
        extension_namespace: &str,
    ) -> Result<Self, ReplayError> {
        let fields = SelectionFields {
            included_namespaces: &spec.included_namespaces,
            excluded_namespaces: &spec.excluded_namespaces,
            included_resource_types: &spec.included_resource_types,
            excluded_resource_types: &spec.excluded_resource_types,
            label_selectors: &spec.label_selectors,
            include_cluster_scope_resources: spec.include_cluster_scope_resources,
        };
        let selection = Selection::parse(&fields, extension_namespace)
            .map_err(|errors| ReplayError::Selection(errors.to_string()))?;
        for (original, target) in &spec.namespace_mappings {
            if let Some(wrong) = [original, target].into_iter().find(|name| !is_dns_label(name)) {
                let what = format!(
                    "namespaceMappings: {wrong:?} cannot be the name of a namespace; use at most 63 lower-case letters, \
                     digits and hyphens, with a letter or digit at both ends"
                );
                return Err(ReplayError::Selection(what));
            }
            if selection.namespaces.always_excluded(target) {
                let what = format!("namespaceMappings: {target} is not a namespace to restore into");
                return Err(ReplayError::Selection(what));
            }
        }
        let replace_types = spec
            .replace_resource_types
            .iter()
            .map(|text| TypePattern::parse("replaceResourceTypes", text))
            .collect::<Result<_, _>>()
            .map_err(|error| ReplayError::Selection(error.to_string()))?;
        Ok(Self {
            uid: uid.to_owned(),
            requested,
            selection,
            namespace_mappings: spec.namespace_mappings.clone(),
            conflict_policy: spec.conflict_policy,
            replace_types,
            volume_mode: spec.persistent_volume_restore_mode,
            modifiers: Modifiers::default(),
            budget: Budget::default(),
            patience: Patience::default(),
            deadline: None,
            resumed: false,
        })
    }

    /// The field manager by which the restore knows its own objects.
    pub fn field_manager(&self) -> String {
        format!("cofferdam/{}", self.uid)
    }
}
