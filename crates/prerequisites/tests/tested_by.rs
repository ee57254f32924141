//! What the catalogue says of how a check is tested, is so: each test that it names exists, and something of the check fails
//! in it.

use prerequisites::{Check, catalogue};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// How much of a text beside an id belongs to it.
const NEAR: usize = 60;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn is_source(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs")
}

/// Every file of tests outside of this crate by its name, with the text of its modules.
fn tests() -> BTreeMap<String, String> {
    let parts = ["apps", "crates"].map(|part| entries(&root().join(part))).concat();
    let mut folders: Vec<PathBuf> = parts.iter().map(|part| part.join("tests")).collect();
    folders.push(root().join("tests/scenarios/tests"));
    let mut found = BTreeMap::new();
    for file in folders.iter().flat_map(|folder| entries(folder)).filter(|file| is_source(file)) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = with_modules(&file, &name);
        found.insert(name, text);
    }
    found
}

/// A file of tests, and what lies in a folder of its name or of a module's that it has.
fn with_modules(file: &Path, name: &str) -> String {
    let mut text = read(file);
    let modules = text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let folders: Vec<PathBuf> = modules
        .chain([name])
        .map(|module| file.with_file_name(module))
        .filter(|folder| folder.is_dir())
        .collect();
    for part in folders.iter().flat_map(|folder| entries(folder)).filter(|part| is_source(part)) {
        text.push_str(&read(&part));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn units() -> String {
    let folder = root().join("crates/prerequisites/src/evaluate");
    let all: String = entries(&folder).iter().filter(|file| is_source(file)).map(|file| read(file)).collect();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the check fails somewhere in this text: its id in quotes stands beside a failure, or begins or ends the row of a
/// table of what is broken. That it is seen to pass is not enough.
fn breaks(text: &str, id: &str) -> bool {
    let quoted = format!("\"{id}\"");
    text.match_indices(&quoted).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + quoted.len()..]);
        let near = before.chars().rev().take(NEAR).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        let next: String = after.chars().take(NEAR).collect();
        let fails =
            |text: &str| text.contains("ailed") || text.contains("BLOCKED") || text.contains("WARNED");
        let begins_row = ["[(", " (", "(("].iter().any(|end| before.ends_with(end)) && next.starts_with(", ");
        let ends_row = before.ends_with("=> ") || next.contains("\"UserError");
        let passes =
            next.starts_with(", \"Passed") || next.starts_with(", \"Skipped") || next.starts_with(", \"Not");
        !passes && (fails(&near) || fails(&next) || begins_row || ends_row)
    })
}

/// What stands in backticks.
fn named(check: &Check) -> Vec<&'static str> {
    check.tested_by.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_test_that_a_check_names_exists_and_the_check_fails_in_it() {
    let tests = tests();
    assert!(tests.len() > 50, "the tests are looked for in the wrong place: {tests:?}");

    for check in catalogue() {
        for name in named(check) {
            let text = tests.get(name).unwrap_or_else(|| panic!("{}: there is no test {name}", check.id));
            assert!(breaks(text, check.id), "nothing of {} fails in {name}", check.id);
        }
    }
}

#[test]
fn every_check_is_broken_by_a_unit_test_and_says_so_plainly_where_nothing_else_breaks_it() {
    let units = units();

    for check in catalogue() {
        assert!(breaks(&units, check.id), "no unit test breaks {}", check.id);
        let alone = check.tested_by.starts_with("unit tests alone");
        assert!(alone || check.tested_by.starts_with("unit test; "), "{}: {}", check.id, check.tested_by);
        assert_eq!(alone, named(check).is_empty(), "{}: {}", check.id, check.tested_by);
    }
}

#[test]
fn a_test_that_only_sees_a_check_pass_is_not_taken_for_one_that_breaks_it() {
    for text in [
        r#"assert!(true); seen.expect("P5", "Passed", "as it should");"#,
        r#"const SEEN: [&str; 2] = ["P5", "P7"]; for id in SEEN { assert_eq!(found.check(id)["result"], "Passed"); }"#,
        r#"behind(&full, "P50", "P28"); seen.expect("P5", "Skipped", "P28")"#,
        r#"for id in ["P5", "P8", "P14"] { assert_eq!(seen.result(id), "Passed", "{:#}", seen.check(id)); }"#,
    ] {
        assert!(!breaks(text, "P5"), "{text}");
    }
    for text in [
        r#"seen.expect("P5", "Failed Block", "it has none");"#,
        r#"assert_eq!(seen.failed(), ["P5"], "{seen:?}");"#,
        r#"let rows = [("P5", "none of 0 bindings", &|| world.delete())];"#,
        r#"assert_eq!(outcome(&facts, Profile::Aks, "P5"), BLOCKED);"#,
    ] {
        assert!(breaks(text, "P5"), "{text}");
    }
}
