//! The map in `ARCHITECTURE.md` is the territory.

use structure::{arrows_of_the_document, arrows_of_the_workspace, files, root};

#[test]
fn every_arrow_between_crates_stands_in_the_architecture() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();

    let drawn = arrows_of_the_document(&document);
    let real = arrows_of_the_workspace().unwrap();

    let unknown: Vec<_> = real.difference(&drawn).collect();
    let gone: Vec<_> = drawn.difference(&real).collect();
    assert!(!real.is_empty(), "cargo metadata shows no arrows at all");
    assert!(unknown.is_empty(), "arrows that ARCHITECTURE.md does not show: {unknown:?}");
    assert!(gone.is_empty(), "arrows that ARCHITECTURE.md shows and that do not exist: {gone:?}");
}

#[test]
fn a_new_arrow_turns_the_check_red() {
    let drawn = arrows_of_the_document("```arrows\nengine -> storage\n```\n");

    let real = arrows_of_the_workspace().unwrap();

    assert!(real.difference(&drawn).next().is_some(), "a planted omission went unnoticed");
}

#[test]
fn pure_crates_know_no_runtime_cluster_store_or_clock() {
    for pure in ["protection", "repository", "prerequisites", "arm", "identity"] {
        let manifest = std::fs::read_to_string(root().join("crates").join(pure).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();

        for banned in ["tokio", "kube", "object_store", "sqlx", "telemetry", "storage", "reqwest"] {
            assert!(
                !dependencies.lines().any(|line| line.starts_with(banned)),
                "{pure} must not depend on {banned}"
            );
        }
    }
}

#[test]
fn no_source_file_is_longer_than_800_lines() {
    let long: Vec<_> = files()
        .unwrap()
        .into_iter()
        .filter(|path| {
            path.extension().is_some_and(|e| ["rs", "go", "sh", "py", "ts"].iter().any(|x| e == *x))
        })
        .filter_map(|path| {
            let lines = std::fs::read_to_string(&path).ok()?.lines().count();
            (lines > 800).then_some((path, lines))
        })
        .collect();

    assert!(long.is_empty(), "split along a real seam: {long:?}");
}

/// `tests/run` selects test targets by name over the whole workspace.
#[test]
fn every_test_target_has_a_name_of_its_own() {
    let mut seen = std::collections::BTreeMap::new();
    let mut twice = Vec::new();
    for path in files().unwrap() {
        let is_target = path.parent().is_some_and(|folder| folder.ends_with("tests"))
            && path.extension().is_some_and(|extension| extension == "rs")
            && !path.components().any(|part| part.as_os_str() == "src");
        let Some(name) = path.file_stem().filter(|_| is_target) else { continue };
        if let Some(other) = seen.insert(name.to_owned(), path.clone()) {
            twice.push((other, path));
        }
    }

    assert!(seen.len() > 20, "the test targets were not found: {seen:?}");
    assert!(twice.is_empty(), "{twice:?}");
}
