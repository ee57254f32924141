//! Remedies: each helps against what was seen, and those that the original knows are there.

use super::*;
use crate::{BrokenWebhook, ClusterVolume, Observed, SnapshotApi, SnapshotClassFacts, VolumeKind, offers};

fn class(driver: &str) -> SnapshotClassFacts {
    SnapshotClassFacts {
        name: driver.into(),
        driver: driver.into(),
        default: false,
        ours: false,
        velero: false,
    }
}

/// What is to be done about claims on volumes of these kinds.
fn remedy(kinds: &[VolumeKind]) -> String {
    let mut facts = Facts::unseen("not asked");
    let claims = kinds.iter().enumerate().map(|(n, kind)| ClusterVolume::new(format!("a/{n}"), kind.clone()));
    facts.volumes = Observed::Seen(claims.collect());
    let classes = vec![class("two.example"), class("two.example")];
    facts.snapshots =
        Observed::Seen(SnapshotApi { served: Vec::new(), controller: None, stopped: None, classes });
    let check = catalogue().iter().find(|check| check.id == "P13").unwrap();
    let shared = Arc::new(facts);
    let verdict = contained(check, &shared, Profile::Cofferdam, LONGEST);
    verdict.fix.unwrap()
}

#[test]
fn each_kind_of_volume_gets_the_remedy_that_helps_it_and_no_other() {
    let in_tree = VolumeKind::InTree("azureDisk".into());
    let (classless, undecided) =
        (VolumeKind::Csi("none.example".into()), VolumeKind::Csi("two.example".into()));

    let (old, new, both) = (
        remedy(std::slice::from_ref(&in_tree)),
        remedy(std::slice::from_ref(&classless)),
        remedy(std::slice::from_ref(&undecided)),
    );
    let all = remedy(&[undecided, classless, in_tree]);

    assert!(
        old.starts_with("Migrate volumes of the kind azureDisk to a CSI driver: docs/volumes.md#"),
        "{old}"
    );
    assert!(!old.contains("fileCopyVolumes"), "files of such volumes are not copied: {old}");
    assert!(
        new.starts_with("Give none.example a VolumeSnapshotClass") && new.contains("fileCopyVolumes"),
        "{new}"
    );
    assert!(both.starts_with("Give exactly one class of two.example the annotation"), "{both}");
    assert_eq!(all, [old, new, both].join(" "));
}

/// Statements 34, 35, 37 and 40 of the founding document.
#[test]
fn the_remedies_of_the_original_are_offered_as_fixes() {
    let texts = |id: &str| {
        let check = catalogue().iter().find(|check| check.id == id).unwrap();
        check.fixes.iter().map(|fix| fix.text).collect::<Vec<_>>().join("; ")
    };

    for (id, remedy) in [
        ("P13", "Migrate in-tree volumes to CSI: docs/volumes.md#from-an-in-tree-volume-to-csi"),
        ("P14", "az aks update --name {cluster} -g {group} --enable-managed-identity"),
        ("P14", "cofferdam cluster update -n {cluster} -g {group} --enable-managed-identity"),
        ("P12", "--enable-disk-driver --enable-snapshot-controller"),
        ("P17", "--dry-run=server"),
    ] {
        assert!(texts(id).contains(remedy), "{id}: {}", texts(id));
    }
    for id in ["P12", "P14", "P17"] {
        assert!(offers().iter().any(|offer| offer.check == id), "{id} is mended in one step");
    }
}

#[test]
fn names_are_filled_in_and_the_braces_of_json_stay() {
    let names = Names([("namespace", "backup".to_owned())].into());

    let filled = names.fill(r#"az a -g {group} --params '{"excluded": {"value": ["{namespace}"]}}'"#);

    assert_eq!(filled, r#"az a -g GROUP --params '{"excluded": {"value": ["backup"]}}'"#);
}

#[test]
fn a_webhook_of_something_that_is_gone_is_taken_away_and_one_whose_service_is_there_is_looked_at() {
    let hook = |name: &str, service_exists| BrokenWebhook {
        name: name.into(),
        service: "shop/hook".into(),
        service_exists,
        refuses: false,
    };
    let fix = |hooks: Vec<BrokenWebhook>| {
        let facts = Facts { webhooks: Observed::Seen(hooks), ..super::tests::healthy() };
        let report = evaluate(&facts, Profile::Cofferdam, Purpose::Preflight);
        report.findings.into_iter().find(|one| one.id == "P44").and_then(|one| one.fix).unwrap()
    };

    let gone = fix(vec![
        hook("mutating/b/x", false),
        hook("validating/a/y", false),
        hook("validating/a/z", false),
        hook("validating/c/z", true),
    ]);
    let there = fix(vec![hook("validating/c/z", true)]);

    let both = "kubectl delete mutatingwebhookconfiguration/b validatingwebhookconfiguration/a # ";
    assert!(gone.starts_with(both), "{gone}");
    assert_eq!(there, "kubectl get endpointslices -n shop -l kubernetes.io/service-name=hook");
}
