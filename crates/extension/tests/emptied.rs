//! A location that somebody emptied: nobody makes it anew but a person who says so. Against a real directory, with what the
//! cluster keeps.

mod world;

use extension::{
    grants::GrantPurpose,
    locations::{Access, LocationError, Locations, READY, REPOSITORY, Role, STATE},
};
use protection::code;
use resources::{Backup, ValidateForBackup};
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path};
use storage::owner::OWNER_FILE;
use world::{World, location_map};

fn settings(world: &World, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        ("configuration.backupStorageLocation.provider".to_owned(), "local".to_owned()),
        ("configuration.backupStorageLocation.bucket".to_owned(), world.store()),
        ("repositoryKey".to_owned(), "vault".to_owned()),
    ]);
    all.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    all
}

fn backup() -> GrantPurpose {
    GrantPurpose::job::<Backup>("job-1")
}

/// An extension that has used its location, and the world around it.
async fn used(more: &[(&str, &str)]) -> (World, Locations) {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &settings(&world, more)));
    let locations = world.locations("cluster-1").await;
    locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await.unwrap();
    (world, locations)
}

fn empty(place: impl AsRef<Path>) {
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
}

/// The names of all files below a place.
fn files(place: impl AsRef<Path>) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path.display().to_string()) }
    }
    found.sort();
    found
}

/// The codes with which everything is refused that an extension does with its own location.
async fn refusals(locations: &Locations) -> Vec<String> {
    let ways = [
        (Access::Begin, GrantPurpose::Upkeep),
        (Access::Begin, backup()),
        (Access::Write, GrantPurpose::Upkeep),
    ];
    let mut codes = Vec::new();
    for (access, purpose) in ways {
        let error = locations.open("default", access, &purpose).await.unwrap_err();
        assert!(error.problem().recommended_action.len() > 1, "the way on is not named: {error}");
        codes.push(error.problem().code);
    }
    let look = GrantPurpose::job::<ValidateForBackup>("look-1");
    codes.push(locations.inspect("default", &look).await.unwrap_err().problem().code);
    codes.dedup();
    codes
}

#[tokio::test]
async fn an_emptied_location_stays_empty_whoever_opens_it_also_after_a_restart() {
    let (world, locations) = used(&[]).await;

    empty(world.store());
    let before = refusals(&locations).await;
    let restarted = world.locations("cluster-1").await;
    let after = refusals(&restarted).await;
    let read = restarted.open("default", Access::Read, &GrantPurpose::Upkeep).await.unwrap_err();

    assert_eq!(before, [code::REPOSITORY_DAMAGED]);
    assert_eq!(after, [code::REPOSITORY_DAMAGED]);
    assert_eq!(files(world.store()), Vec::<String>::new());
    assert!(matches!(read, LocationError::RepositoryLost { .. }), "{read}");
}

#[tokio::test]
async fn a_repository_that_went_from_beside_its_marker_is_lost_and_nothing_is_written_into_its_rest() {
    for whole in [true, false] {
        let (world, locations) = used(&[]).await;

        let repository = format!("{}/cofferdam", world.store());
        fs::remove_file(format!("{repository}/config")).unwrap();
        if whole {
            fs::remove_dir_all(&repository).unwrap();
        }
        let left = files(world.store());
        let before = refusals(&locations).await;
        let after = refusals(&world.locations("cluster-1").await).await;

        assert_eq!(before, [code::REPOSITORY_DAMAGED], "whole: {whole}");
        assert_eq!(after, [code::REPOSITORY_DAMAGED], "whole: {whole}");
        assert_eq!(files(world.store()), left, "whole: {whole}");
    }
}

#[tokio::test]
async fn a_marker_that_went_is_not_written_again_also_where_other_files_may_lie() {
    let both: [&[(&str, &str)]; 2] = [&[], &[("allowUnrelatedFiles", "true")]];
    for more in both {
        let (world, locations) = used(more).await;

        fs::remove_file(format!("{}/{OWNER_FILE}", world.store())).unwrap();
        let before = refusals(&locations).await;
        let after = refusals(&world.locations("cluster-1").await).await;

        assert_eq!(before, [code::LOCATION_NOT_EMPTY], "{more:?}");
        assert_eq!(after, [code::LOCATION_NOT_EMPTY], "{more:?}");
        assert!(!Path::new(&format!("{}/{OWNER_FILE}", world.store())).exists());
    }
}

#[tokio::test]
async fn what_an_earlier_version_used_counts_as_initialised_also_after_its_note_is_another_one() {
    let (world, _) = used(&[]).await;
    let mut map = location_map("default", Role::Own, &settings(&world, &[]));
    map["metadata"]["annotations"] = json!({STATE: READY});
    world.cluster.put(map);

    empty(world.store());
    let upkeep = GrantPurpose::Upkeep;
    let first = world.locations("cluster-1").await.open("default", Access::Begin, &upkeep).await.unwrap_err();
    let mut map = location_map("default", Role::Own, &settings(&world, &[]));
    map["metadata"]["annotations"] = world.cluster.notes("default");
    map["metadata"]["annotations"][STATE] = "RepositoryDamaged: it is gone".into();
    world.cluster.put(map);
    let later = refusals(&world.locations("cluster-1").await).await;

    assert!(matches!(first, LocationError::RepositoryLost { .. }), "{first}");
    assert_eq!(later, [code::REPOSITORY_DAMAGED]);
    assert_eq!(files(world.store()), Vec::<String>::new());
}

#[tokio::test]
async fn a_person_who_takes_the_note_away_gets_a_new_repository_which_is_noted_again() {
    let (world, _) = used(&[]).await;
    let old = world.cluster.notes("default")[REPOSITORY].clone();

    empty(world.store());
    world.cluster.put(location_map("default", Role::Own, &settings(&world, &[])));
    let begun = world.locations("cluster-1").await.open("default", Access::Begin, &backup()).await;
    let new = world.cluster.notes("default")[REPOSITORY].clone();
    empty(world.store());
    let again = refusals(&world.locations("cluster-1").await).await;

    assert!(begun.is_ok(), "{begun:?}");
    assert!(old.is_string() && new.is_string() && old != new, "{old} and {new}");
    assert_eq!(again, [code::REPOSITORY_DAMAGED]);
}

#[tokio::test]
async fn another_place_is_a_location_that_was_never_used() {
    let (world, _) = used(&[]).await;
    let prefix = [("configuration.backupStorageLocation.prefix", "other")];
    let mut map = location_map("default", Role::Own, &settings(&world, &prefix));
    map["metadata"]["annotations"] = world.cluster.notes("default");
    world.cluster.put(map);

    let locations = world.locations("cluster-1").await;
    let opened = locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await;

    assert!(opened.is_ok(), "{opened:?}");
    assert!(Path::new(&format!("{}/other/{OWNER_FILE}", world.store())).exists());
}

#[tokio::test]
async fn another_repository_in_the_same_place_is_read_and_never_written() {
    let (world, locations) = used(&[]).await;
    let mut map = location_map("default", Role::Own, &settings(&world, &[]));
    map["metadata"]["annotations"] = world.cluster.notes("default");

    empty(world.store());
    world.cluster.put(location_map("default", Role::Own, &settings(&world, &[])));
    world.locations("cluster-1").await.open("default", Access::Begin, &backup()).await.unwrap();
    world.cluster.put(map);
    let left = files(world.store());
    let restarted = world.locations("cluster-1").await;
    let written = refusals(&restarted).await;
    let kept_open = locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await;
    let read = restarted.open("default", Access::Read, &GrantPurpose::Upkeep).await;

    assert_eq!(written, [code::REPOSITORY_DAMAGED]);
    assert!(read.is_ok(), "{read:?}");
    assert!(kept_open.is_err(), "a key that is kept open seals what nobody can open: {kept_open:?}");
    assert_eq!(files(world.store()), left);
}

#[tokio::test]
async fn pruning_and_deleting_never_begin_to_use_a_location() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &settings(&world, &[])));
    let locations = world.locations("cluster-1").await;

    let refused = locations.open("default", Access::Write, &GrantPurpose::Upkeep).await;
    let untouched = files(world.store());
    let begun = locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await;
    let written = locations.open("default", Access::Write, &GrantPurpose::Upkeep).await;

    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(untouched, Vec::<String>::new());
    assert!(begun.is_ok() && written.is_ok(), "{begun:?} {written:?}");
}
