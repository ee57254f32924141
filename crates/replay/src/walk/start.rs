//! Prepares a walk: selects, observes the target, checks the modifiers against both, orders.

use super::state::State;
use super::world::{self, World};
use super::{Sink, Walk};
use crate::api::{ClusterApi, Shape, Write};
use crate::mapping::Mapping;
use crate::modifiers::{ModifierError, Schemas};
use crate::options::RestoreOptions;
use crate::order;
use crate::row::{Action, Checked, Row};
use crate::select::{Selected, select};
use crate::source::PointSource;
use crate::stop::Stop;
use crate::target::{grouped, if_served};
use crate::volumes::VolumeRestorer;
use crate::{ReplayError, codes};
use parking_lot::{Mutex, RwLock};
use protection::point::Manifest;
use protection::{Problem, code};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// Everything that a walk needs from outside.
pub(crate) struct Start<'a> {
    pub(crate) api: &'a dyn ClusterApi,
    pub(crate) source: &'a dyn PointSource,
    pub(crate) options: &'a RestoreOptions,
    pub(crate) restorer: &'a dyn VolumeRestorer,
    pub(crate) sink: &'a dyn Sink,
    pub(crate) stop: Stop,
    pub(crate) dry_run: bool,
}

impl<'a> Start<'a> {
    /// Reads what there is to read before the first object is touched.
    pub(crate) async fn walk(self) -> Result<(Walk<'a>, Manifest), ReplayError> {
        let Self { api, source, options, restorer, sink, stop, dry_run } = self;
        let manifest = source.manifest().await?;
        let selected = select(source, &options.selection, &options.budget).await?;
        let world = World::observe(api, options).await?;
        let discovery = api.discover().await?;
        let mapping = Mapping::new(&options.namespace_mappings, &world.namespace_names());
        let schemas = schemas(api, options, &selected).await?;
        let facts = world::facts(api, source, options, mapping, &selected.items, &manifest.volumes).await?;
        let Selected { items, never, namespaces, .. } = selected;
        let walk = Walk {
            write: Write { manager: options.field_manager(), dry_run, whole: false },
            joins_namespaces: joins(&namespaces, &facts.mapping),
            by_uid: items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| Some((item.uid.clone(), u32::try_from(index).ok()?)))
                .collect(),
            by_name: OnceLock::new(),
            referenced: items
                .iter()
                .flat_map(|item| item.owners.iter().map(|owner| owner.uid.clone()))
                .collect(),
            discovery: RwLock::new(discovery),
            promised: RwLock::default(),
            state: Mutex::new(State::default()),
            waves: Vec::new(),
            circular: HashSet::new(),
            api,
            source,
            options,
            restorer,
            sink,
            stop,
            facts,
            world,
            items,
            schemas,
        };
        let order::Waves { waves, circular } = order::waves(&walk.items);
        let walk = Walk { waves, circular: circular.into_iter().collect(), ..walk };
        for (item, rule) in never {
            sink.row(Row {
                place: walk.target_place(&item),
                original_namespace: item.namespace.clone(),
                stage: order::stage(&item.kind),
                action: Action::Leave { why: rule.reason() },
                checked: Checked::NothingToCheck,
                with_data: false,
                notes: Vec::new(),
            });
        }
        walk.forewarn(&namespaces);
        Ok((walk, manifest))
    }
}

impl Walk<'_> {
    /// What can be said before anything is tried.
    fn forewarn(&self, namespaces: &BTreeSet<Arc<str>>) {
        for pattern in self.options.selection.namespaces.included() {
            if !namespaces.iter().any(|namespace| pattern.matches(namespace)) {
                self.sink.problem(
                    Problem::warning(
                        code::NAMESPACE_NOT_FOUND,
                        format!("The recovery point has no namespace that matches {}.", pattern.as_str()),
                    )
                    .fix("Correct includedNamespaces, or choose another recovery point."),
                );
            }
        }
        for (from, to) in self.facts.mapping.moved() {
            if namespaces.contains(from) && self.world.namespaces.contains_key(to) {
                self.sink.problem(
                    Problem::information(
                        codes::TARGET_NAMESPACE_EXISTS,
                        format!(
                            "Namespace {to}, into which {from} is mapped, exists: objects of the same name \
                             are treated by the conflict policy {:?}.",
                            self.options.conflict_policy
                        ),
                    )
                    .about(format!("namespaces/{to}")),
                );
            }
        }
        let kinds: BTreeSet<_> = self.items.iter().map(|item| item.kind.clone()).collect();
        let targets: Vec<_> = namespaces
            .iter()
            .filter(|namespace| self.options.selection.namespaces.selects(namespace))
            .map(|namespace| {
                let target = self.facts.mapping.target(namespace);
                let mut labels = self.world.namespaces.get(target).cloned().unwrap_or_default();
                labels.insert("kubernetes.io/metadata.name".to_owned(), target.to_owned());
                labels
            })
            .collect();
        for hazard in &self.world.webhooks.hazards {
            if let Some(problem) = hazard.problem(&kinds, &targets) {
                self.sink.problem(problem);
            }
        }
    }
}

/// Whether two original namespaces become one.
fn joins(namespaces: &BTreeSet<Arc<str>>, mapping: &Mapping) -> bool {
    let targets: HashSet<&str> = namespaces.iter().map(|namespace| mapping.target(namespace)).collect();
    targets.len() < namespaces.len()
}

/// The merge rules that strategic patches need; refuses rules that would meet a custom resource.
async fn schemas(
    api: &dyn ClusterApi,
    options: &RestoreOptions,
    selected: &Selected,
) -> Result<HashMap<String, Schemas>, ReplayError> {
    let mut custom: Option<HashSet<String>> = None;
    let mut schemas = HashMap::new();
    for item in &selected.items {
        let lines = options.modifiers.strategic_rules(&item.kind, item.namespace.as_deref(), &item.name);
        let Some(line) = lines.first() else { continue };
        let definitions = match custom.take() {
            Some(known) => known,
            None => definitions(api, selected).await?,
        };
        let name = item.kind.group_resource();
        if definitions.contains(&name) {
            let what = format!(
                "strategicPatches cannot change the custom resource {name}: no merge rules exist for it. Use \
                 patches or mergePatches"
            );
            return Err(ModifierError { line: Some(*line), what }.into());
        }
        custom = Some(definitions);
        let version = item.kind.api_version();
        if !schemas.contains_key(&version)
            && let Some(document) = if_served(api.openapi(&version).await)?
        {
            schemas.insert(version, Schemas::read(&document));
        }
    }
    Ok(schemas)
}

/// Names of all definitions, captured and live.
async fn definitions(api: &dyn ClusterApi, selected: &Selected) -> Result<HashSet<String>, ReplayError> {
    let kind =
        grouped("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false);
    let live = if_served(api.list(&kind, None, Shape::Metadata).await)?.unwrap_or_default();
    let names = live.iter().filter_map(|one| crate::json::text(one, &["metadata", "name"]));
    Ok(names.map(str::to_owned).chain(selected.definitions.iter().cloned()).collect())
}
