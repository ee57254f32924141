//! Which of a driver's snapshot classes is used: the usual order of the ecosystem, without the annotations
//! and labels of other backup products.

use crate::{api::VolumeSnapshotClass, api::is_default, labels};
use std::collections::BTreeMap;

/// What the order came to.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassChoice<'a> {
    /// This one.
    Chosen(&'a VolumeSnapshotClass),
    /// The driver has no class.
    None,
    /// Several, and nothing tells them apart.
    Ambiguous(Vec<String>),
    /// The settings name one that the driver does not have.
    ConfiguredMissing(String),
}

/// The class that the settings name for the driver, else the driver's default class, else its only class.
/// Classes that Cofferdam made are never chosen.
pub fn choose_class<'a>(
    driver: &str,
    classes: &'a [VolumeSnapshotClass],
    configured: &BTreeMap<String, String>,
) -> ClassChoice<'a> {
    let candidates: Vec<&VolumeSnapshotClass> =
        classes.iter().filter(|class| class.driver == driver && !is_ours(class)).collect();
    if let Some(name) = configured.get(driver) {
        let found = candidates.iter().find(|class| class.metadata.name.as_deref() == Some(name));
        return found.map_or_else(
            || ClassChoice::ConfiguredMissing(name.clone()),
            |class| ClassChoice::Chosen(class),
        );
    }
    let defaults: Vec<&VolumeSnapshotClass> =
        candidates.iter().copied().filter(|class| is_default(class)).collect();
    match (defaults.as_slice(), candidates.as_slice()) {
        ([one], _) | ([], [one]) => ClassChoice::Chosen(one),
        ([], []) => ClassChoice::None,
        (several, all) => ClassChoice::Ambiguous(names(if several.is_empty() { all } else { several })),
    }
}

/// The same order for group snapshot classes, which no setting names.
pub fn choose_group_class<'a>(driver: &str, classes: &'a [VolumeSnapshotClass]) -> ClassChoice<'a> {
    choose_class(driver, classes, &BTreeMap::new())
}

fn is_ours(class: &VolumeSnapshotClass) -> bool {
    let labels = class.metadata.labels.as_ref();
    labels.and_then(|all| all.get(labels::MANAGED_BY)).is_some_and(|value| value == labels::COFFERDAM)
}

fn names(classes: &[&VolumeSnapshotClass]) -> Vec<String> {
    let mut names: Vec<String> = classes.iter().filter_map(|class| class.metadata.name.clone()).collect();
    names.sort();
    names
}
