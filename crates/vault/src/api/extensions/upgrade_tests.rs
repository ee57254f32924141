use super::*;
use crate::api::extensions::agent::tests::record;

fn offers(all: &[(&str, &str)]) -> Catalogue {
    let offer = |(version, train): &(&str, &str)| Offer {
        kind: "t.t".into(),
        version: (*version).into(),
        release_train: (*train).into(),
        reference: format!("r:{version}"),
        digest: format!("digest of {version}"),
    };
    Catalogue { packages: all.iter().map(offer).collect() }
}

fn at(hour: u8) -> Timestamp {
    format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap()
}

fn installed() -> ExtensionRecord {
    ExtensionRecord { current_version: Some("1.0.0".into()), ..record(ExtensionState::Succeeded) }
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn a_mode_says_how_far_an_extension_goes_by_itself() {
    let table = [
        (UpgradeMode::Compatible, "1.2.3", "1.2.4", true),
        (UpgradeMode::Compatible, "1.2.3", "1.10.0", true),
        (UpgradeMode::Compatible, "1.2.3", "2.0.0", false),
        (UpgradeMode::Compatible, "1.2.3", "1.2.3", false),
        (UpgradeMode::Compatible, "1.2.3", "1.2.2", false),
        (UpgradeMode::Compatible, "1.2.3", "1.3.0-rc1", false),
        (UpgradeMode::Compatible, "1.3.0-rc1", "1.3.0-rc2", true),
        (UpgradeMode::Compatible, "1.3.0-rc1", "1.3.0", true),
        (UpgradeMode::Patch, "1.2.3", "1.2.4", true),
        (UpgradeMode::Patch, "1.2.3", "1.3.0", false),
        (UpgradeMode::None, "1.2.3", "1.2.4", false),
    ];

    for (mode, from, to, expected) in table {
        assert_eq!(mode.reaches(from, to), expected, "{mode:?} {from} {to}");
    }
}

#[test]
fn the_newest_of_the_train_is_taken_and_a_pinned_version_stays() {
    let all = offers(&[("1.1.0", "stable"), ("1.4.0", "stable"), ("1.9.0", "preview"), ("2.0.0", "stable")]);
    let version =
        |record: &ExtensionRecord| record.newer(&all, at(0), HOUR).map(|offer| offer.version.clone());
    let mode = |mode| ExtensionRecord {
        upgrades: Upgrades { mode: Some(mode), ..Upgrades::default() },
        ..installed()
    };

    assert_eq!(version(&installed()).as_deref(), Some("1.4.0"));
    assert_eq!(version(&mode(UpgradeMode::Compatible)).as_deref(), Some("1.4.0"));
    assert_eq!(version(&mode(UpgradeMode::Patch)), None);
    assert_eq!(version(&mode(UpgradeMode::None)), None);
    assert_eq!(version(&ExtensionRecord { auto_upgrade: false, ..installed() }), None);
    assert_eq!(version(&ExtensionRecord { pinned_version: Some("1.0.0".into()), ..installed() }), None);
}

#[test]
fn what_failed_is_gone_back_from_and_tried_a_few_times_ever_later_and_no_more() {
    let all = offers(&[("1.1.0", "stable")]);
    let mut record = installed();
    let before = record.clone();

    let mut tried_at = Vec::new();
    for hour in 0..24 {
        if let Some(offer) = record.newer(&all, at(hour), HOUR) {
            let generation = record.last_generation() + 1;
            record.begin_upgrade(offer, generation, at(hour));
            assert_eq!((record.state, record.may_upgrade()), (ExtensionState::Updating, false));
            assert!(record.upgrade_failed("PodsCrash", "It ends.", at(hour)));
            tried_at.push((hour, generation));
        }
    }

    assert_eq!(tried_at, [(0, 4), (2, 5), (6, 6)]);
    let told = statuses(&record);
    assert_eq!(
        (told.len(), &told[0]["code"], &told[0]["level"]),
        (1, &json!("AutoUpgradeFailed"), &json!("Warning"))
    );
    assert!(told[0]["message"].as_str().unwrap().contains("version 1.0.0 runs as before"), "{told:?}");
    record.upgrades.failed.clear();
    assert_eq!(record, before, "all else is as it was");
}

#[test]
fn the_same_version_in_another_package_and_a_newer_version_are_other_matters() {
    let mut record = installed();
    let first = offers(&[("1.1.0", "stable")]);
    record.begin_upgrade(&first.packages[0], 4, at(0));
    record.upgrade_failed("PodsCrash", "It ends.", at(0));

    let mut mended = first.clone();
    mended.packages[0].digest = "another".into();
    let newer = offers(&[("1.1.0", "stable"), ("1.1.1", "stable")]);

    assert!(record.newer(&first, at(0), HOUR).is_none());
    assert!(record.newer(&mended, at(0), HOUR).is_some());
    assert_eq!(record.newer(&newer, at(0), HOUR).unwrap().version, "1.1.1");
    record.current_version = Some("1.1.1".into());
    record.came_up();
    assert!(record.upgrades.failed.is_empty());
}
