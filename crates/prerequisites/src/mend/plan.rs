//! Which acts mend a check, by what was seen.

use super::Action;
use crate::{ArmFacts, DryRun, Facts, Observed, Profile, RoleNeed, SnapshotApi, VolumeKind, checks};
use std::collections::BTreeSet;

/// What whoever assigns roles needs.
const ASSIGN: &str = "Microsoft.Authorization/roleAssignments/write";
/// What whoever makes a binding needs.
const BIND: &str = "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write";

/// Drivers whose snapshots are documented, and whose classes need no parameters.
const WITH_SNAPSHOTS: [&str; 4] =
    ["disk.csi.azure.com", "file.csi.azure.com", "ebs.csi.aws.com", "pd.csi.storage.gke.io"];
/// Drivers whose classes name a cluster and its secrets, which nobody can make up.
const WITH_PARAMETERS: [&str; 2] = ["rbd.csi.ceph.com", "cephfs.csi.ceph.com"];

/// The acts that mend a check.
pub(super) fn actions(id: &str, facts: &Facts, profile: Profile) -> Vec<Action> {
    match id {
        "P3" => arm(facts).and_then(let_in).into_iter().collect(),
        "P6" => roles(facts, |need| need.id == "R4"),
        "P7" => providers(facts),
        "P9" => arm(facts).and_then(trust).into_iter().collect(),
        "P12" => arm(facts).and_then(|arm| storage(arm, profile)).into_iter().collect(),
        "P13" => classes(facts),
        "P14" => arm(facts).and_then(identity).into_iter().collect(),
        "P17" => velero(facts),
        "P18" => labels(facts, false),
        "P19" => marks(facts).into_iter().collect(),
        "P20" => pods(facts).into_iter().collect(),
        // R4 is P6's, R13 is P3's.
        "P23" => roles(facts, |need| !["R4", "R13"].contains(&need.id)),
        "P25" => arm(facts).and_then(container).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Why whoever asks cannot do it, as far as that was seen.
pub(super) fn obstacle(action: &Action, facts: &Facts) -> Option<String> {
    let (wanted, at) = match action {
        Action::AssignRole { scope, .. } => (ASSIGN, scope),
        Action::LetVaultIn { cluster, .. } => (BIND, cluster),
        _ => return None,
    };
    let rights = arm(facts)?.rights.seen()?;
    let lacks = rights
        .iter()
        .find(|right| !right.held && right.action == wanted && checks::same_id(&right.scope, at))?;
    Some(format!(
        "you lack {wanted} on {at}; the role {} has it, and an owner can do this for you",
        lacks.role
    ))
}

fn arm(facts: &Facts) -> Option<&ArmFacts> {
    facts.arm.seen()
}

fn providers(facts: &Facts) -> Vec<Action> {
    let providers = arm(facts).and_then(|arm| arm.providers.seen());
    let subscription = facts.names.0.get("subscription");
    let (Some(providers), Some(subscription)) = (providers, subscription) else { return Vec::new() };
    let missing = providers.iter().filter(|(_, state)| state != "Registered");
    missing
        .map(|(provider, state)| Action::RegisterProvider {
            subscription: subscription.clone(),
            provider: provider.clone(),
            state: state.clone(),
        })
        .collect()
}

fn roles(facts: &Facts, is_asked: impl Fn(&RoleNeed) -> bool) -> Vec<Action> {
    let roles = arm(facts).and_then(|arm| arm.roles.seen());
    let missing = roles.into_iter().flatten().filter(|need| need.is_missing() && is_asked(need));
    missing
        .map(|need| Action::AssignRole {
            need: need.id,
            role: need.role,
            identity: need.identity,
            principal: need.principal.clone(),
            scope: need.scope.clone(),
        })
        .collect()
}

/// A binding of the vault that lacks the role gets it; without one, a new one is made.
fn let_in(arm: &ArmFacts) -> Option<Action> {
    let (cluster, vault) = (arm.cluster.seen()?, arm.vault.seen()?.as_ref()?);
    let own = arm.bindings.seen()?.iter().find(|one| checks::same_id(&one.source, &vault.id));
    Some(Action::LetVaultIn {
        cluster: cluster.id.clone(),
        vault: vault.id.clone(),
        binding: own.map(|own| own.name.clone()),
        had: own.map(|own| own.roles.clone()).unwrap_or_default(),
    })
}

/// Only where a rule keeps the vault out: a public endpoint that somebody has switched off stays off.
fn trust(arm: &ArmFacts) -> Option<Action> {
    let (account, vault) = (arm.account.seen()?, arm.vault.seen()?.as_ref()?);
    let is_closed = account.public && account.default_action.as_deref() == Some("Deny");
    let is_known = account.trusted.iter().any(|id| checks::same_id(id, &vault.id));
    (is_closed && !is_known).then(|| Action::TrustVault {
        account: account.id.clone(),
        vault: vault.id.clone(),
        tenant: vault.tenant.clone(),
        trusted: account.trusted.len(),
    })
}

fn container(arm: &ArmFacts) -> Option<Action> {
    let account = arm.account.seen()?;
    let (name, there) = account.container.as_ref()?;
    (!there).then(|| Action::CreateContainer { account: account.id.clone(), container: name.clone() })
}

fn identity(arm: &ArmFacts) -> Option<Action> {
    let cluster = arm.cluster.seen()?;
    Some(Action::UseManagedIdentity {
        cluster: cluster.id.clone(),
        identity: cluster.identity.clone().unwrap_or_else(|| "None".to_owned()),
        principal: cluster.service_principal.clone().unwrap_or_else(|| "msi".to_owned()),
    })
}

fn storage(arm: &ArmFacts, profile: Profile) -> Option<Action> {
    let cluster = arm.cluster.seen()?;
    let off: Vec<String> = cluster.switched_off(profile).iter().map(|part| (*part).to_owned()).collect();
    (!off.is_empty()).then(|| Action::EnableStorage { cluster: cluster.id.clone(), parts: off })
}

/// One class for each driver of a claim that can make snapshots and has no class at all.
fn classes(facts: &Facts) -> Vec<Action> {
    let (Some(volumes), Some(snapshots)) = (facts.volumes.seen(), facts.snapshots.seen()) else {
        return Vec::new();
    };
    if !snapshots.served.iter().any(|name| name == "volumesnapshotclasses") {
        return Vec::new();
    }
    let drivers: BTreeSet<&str> = volumes
        .iter()
        .filter_map(|volume| match &volume.kind {
            VolumeKind::Csi(driver) => Some(driver.as_str()),
            VolumeKind::InTree(_) | VolumeKind::Unbound => None,
        })
        .filter(|driver| has_none(snapshots, driver) && makes_snapshots(facts, driver))
        .collect();
    drivers
        .into_iter()
        .map(|driver| Action::CreateSnapshotClass { name: class_name(driver), driver: driver.to_owned() })
        .collect()
}

fn has_none(snapshots: &SnapshotApi, driver: &str) -> bool {
    !snapshots.classes.iter().any(|class| class.driver == driver && !class.ours)
}

/// It is known to, or its snapshotter was seen at work; and it is installed.
fn makes_snapshots(facts: &Facts, driver: &str) -> bool {
    let is_installed = facts.cluster.seen().is_some_and(|it| it.csi_drivers.iter().any(|one| one == driver));
    let needs_more = WITH_PARAMETERS.iter().any(|name| driver.ends_with(name));
    let works = facts.snapshotters.seen().is_some_and(|seen| seen.iter().any(|one| one == driver));
    is_installed && !needs_more && (works || WITH_SNAPSHOTS.contains(&driver))
}

fn class_name(driver: &str) -> String {
    format!("{driver}-snapshots")
}

/// What Velero left behind, once it is gone itself; and its label on a class of ours, in any case.
fn velero(facts: &Facts) -> Vec<Action> {
    let mut all = labels(facts, true);
    let is_gone = facts.velero.seen().is_some_and(|velero| velero.deployments.is_empty());
    if let (true, Observed::Seen(definitions)) = (is_gone, &facts.definitions) {
        let of = |used: bool| {
            let those = definitions.iter().filter(move |one| one.used == used);
            those.map(|one| one.name.clone()).collect::<Vec<_>>()
        };
        if definitions.iter().any(|one| !one.used) {
            all.push(Action::DeleteDefinitions { names: of(false), kept: of(true) });
        }
    }
    all
}

fn labels(facts: &Facts, ours: bool) -> Vec<Action> {
    let classes = facts.snapshots.seen().map(|snapshots| snapshots.classes.iter());
    let marked = classes.into_iter().flatten().filter(|class| class.velero && class.ours == ours);
    marked.map(|class| Action::UnlabelSnapshotClass { name: class.name.clone() }).collect()
}

/// A Velero that is there reads its marks: then they stay.
fn marks(facts: &Facts) -> Option<Action> {
    let is_gone = facts.velero.seen()?.deployments.is_empty();
    let marks = facts.marks.seen().filter(|marks| is_gone && marks.count > 0)?;
    Some(Action::RemoveMarks { count: marks.count, names: marks.names.clone() })
}

/// Only the step from `restricted` to `baseline`: nothing of ours needs more, and a policy of somebody else is theirs.
fn pods(facts: &Facts) -> Option<Action> {
    let policies = facts.policies.seen()?;
    let DryRun::Rejected(reason) = &policies.dry_run else { return None };
    let is_ours_to_change = reason.contains("violates PodSecurity \"restricted:");
    is_ours_to_change.then_some(())?;
    Some(Action::AllowPods {
        namespace: facts.cluster.seen()?.extension_namespace.clone(),
        from: policies.pod_security.clone(),
        to: "baseline",
    })
}
