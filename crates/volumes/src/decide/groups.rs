//! Which snapshots are cut at one instant: those of claims that share a value of the label that the user
//! chose, in one namespace and of one driver. The application's own objects are never labelled by us.

use super::{ClassChoice, Decision, Method, Storage, choose_group_class};
use crate::api::VolumeSnapshotClass;
use protection::{Problem, code};
use std::collections::{BTreeMap, BTreeSet};

/// A claim in the cluster that carries the group label, selected or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Namespace of the claim.
    pub namespace: String,
    /// UID of the claim.
    pub uid: String,
    /// Value of the group label.
    pub value: String,
}

/// One group to cut.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPlan {
    /// Namespace of the claims.
    pub namespace: String,
    /// Their CSI driver.
    pub driver: String,
    /// The label key.
    pub label: String,
    /// The label value that they share.
    pub value: String,
    /// The class whose parameters ours copies.
    pub source_class: VolumeSnapshotClass,
    /// UIDs of the claims.
    pub members: BTreeSet<String>,
}

/// The groups, and a warning for each that falls back to single snapshots.
pub fn plan_groups(
    decisions: &[Decision],
    label: &str,
    storage: &Storage,
    neighbours: &[Neighbour],
) -> (Vec<GroupPlan>, Vec<Problem>) {
    let mut plans = Vec::new();
    let mut problems = Vec::new();
    for ((namespace, value), members) in wishes(decisions, label) {
        let uids: BTreeSet<String> = members.values().flatten().cloned().collect();
        if uids.len() < 2 {
            continue;
        }
        match group_class(&namespace, &value, &members, &uids, storage, neighbours) {
            Ok((driver, class)) => plans.push(GroupPlan {
                namespace,
                driver,
                label: label.to_owned(),
                value,
                source_class: class.clone(),
                members: uids,
            }),
            Err(why) => problems.push(fell_back(&namespace, label, &value, &why)),
        }
    }
    (plans, problems)
}

/// The warning that a group was not cut at one instant.
pub fn fell_back(namespace: &str, label: &str, value: &str, why: &str) -> Problem {
    Problem::warning(
        code::GROUP_FELL_BACK,
        format!(
            "The claims with {label}={value} in {namespace} were not cut at one instant but one by one: {why}"
        ),
    )
    .about(format!("namespaces/{namespace}"))
    .fix(
        "Make sure that all claims with this label value are selected, bound and of one driver, and that the \
         driver has a VolumeGroupSnapshotClass.",
    )
}

type Members = BTreeMap<String, BTreeSet<String>>;

/// Claims to be snapshotted, by namespace and label value, then by driver.
fn wishes(decisions: &[Decision], label: &str) -> BTreeMap<(String, String), Members> {
    let mut wishes: BTreeMap<(String, String), Members> = BTreeMap::new();
    for decision in decisions {
        let (Method::Snapshot(plan), Some(value)) = (&decision.method, decision.claim.labels.get(label))
        else {
            continue;
        };
        let key = (decision.claim.namespace.clone(), value.clone());
        wishes
            .entry(key)
            .or_default()
            .entry(plan.driver.clone())
            .or_default()
            .insert(decision.claim.uid.clone());
    }
    wishes
}

/// The driver and class of a group, or why there is none.
fn group_class<'a>(
    namespace: &str,
    value: &str,
    members: &Members,
    uids: &BTreeSet<String>,
    storage: &'a Storage,
    neighbours: &[Neighbour],
) -> Result<(String, &'a VolumeSnapshotClass), String> {
    if storage.groups.is_none() {
        return Err("the cluster does not serve group snapshots.".into());
    }
    let outsiders = neighbours
        .iter()
        .filter(|one| one.namespace == namespace && one.value == value && !uids.contains(&one.uid))
        .count();
    if outsiders > 0 {
        return Err(format!(
            "{outsiders} more claims carry the label but are not snapshotted by this backup."
        ));
    }
    let mut drivers = members.keys();
    let (Some(driver), None) = (drivers.next(), drivers.next()) else {
        return Err("the claims belong to several drivers.".into());
    };
    match choose_group_class(driver, &storage.group_classes) {
        ClassChoice::Chosen(class) => Ok((driver.clone(), class)),
        ClassChoice::None | ClassChoice::ConfiguredMissing(_) => {
            Err(format!("the driver {driver} has no VolumeGroupSnapshotClass."))
        }
        ClassChoice::Ambiguous(names) => Err(format!(
            "the driver {driver} has several VolumeGroupSnapshotClasses ({}) and no default.",
            names.join(", ")
        )),
    }
}
