//! C3: a volume of each driver really comes back out of a snapshot.

use crate::verdict::{fails, fails_as, not_applicable, passed, unseen};
use crate::{Check, DeepCheck, Facts, Fix, Observed, Profile, Scope, Severity, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "C3",
    title: "A probe volume comes back out of its snapshot.",
    reason: "Classes, drivers and controllers can all be there and still make no snapshot that can be restored.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::NotApplicable("AKS backup has no such check"),
    observed_by: "a volume that is made, written, snapshot, restored, compared and removed (`--deep`)",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &["P12", "P15", "P29"],
    fixes: &[
        Fix::kubectl("kubectl get volumesnapshotclasses,storageclasses,csidrivers"),
        Fix::kubectl("kubectl -n kube-system logs -l app.kubernetes.io/name=snapshot-controller --tail=50"),
    ],
    tested_by: "unit test; scenario `preflight_active` on a healthy cluster, with a driver that fails, and killed",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    let all = match &facts.deep {
        Observed::NotObservable(why) => return unseen(why),
        Observed::Seen(None) => return not_applicable("a deep check was not asked for (--deep)"),
        Observed::Seen(Some(all)) => all,
    };
    if all.is_empty() {
        return not_applicable("no driver has both a StorageClass and a VolumeSnapshotClass");
    }
    let broken: Vec<&DeepCheck> = all.iter().filter(|one| one.failed.is_some()).collect();
    if !broken.is_empty() {
        let said: Vec<String> = broken.iter().map(|one| problem(one)).collect();
        return fails(super::some(&said)).about(&said);
    }
    let said: Vec<String> = all.iter().map(|one| format!("{}: {}", one.driver, one.times())).collect();
    let left: Vec<String> = all.iter().flat_map(|one| one.left.clone()).collect();
    if !left.is_empty() {
        return fails_as(
            Severity::Warn,
            format!("{}; could not be removed: {}", super::some(&said), super::some(&left)),
        )
        .about(&left);
    }
    let mut verdict = passed(super::some(&said)).about(&said);
    for (step, took) in all.iter().flat_map(|one| &one.took) {
        let most = verdict.evidence.numbers.get(step.name()).copied().unwrap_or_default().max(*took);
        verdict = verdict.number(step.name(), most);
    }
    verdict
}

fn problem(one: &DeepCheck) -> String {
    let Some((step, why)) = &one.failed else { return String::new() };
    let before = if one.took.is_empty() { String::new() } else { format!(" (before it: {})", one.times()) };
    let left = if one.left.is_empty() {
        String::new()
    } else {
        format!("; could not be removed: {}", super::some(&one.left))
    };
    format!(
        "{} with StorageClass {} and VolumeSnapshotClass {}: {}: {why}{before}{left}",
        one.driver,
        one.class,
        one.snapshot_class,
        step.name()
    )
}
