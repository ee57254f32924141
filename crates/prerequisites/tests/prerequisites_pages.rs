//! The pages of `docs/prerequisites` are those of the catalogue. `COFFERDAM_WRITE_DOCS=1` writes them.

use prerequisites::{catalogue, mending, page, page_name, table};
use std::{collections::BTreeMap, fs, path::PathBuf};

const BEGIN: &str = "<!-- the table is written by `cargo test --workspace --test prerequisites_pages` with COFFERDAM_WRITE_DOCS=1 -->\n";
const END: &str = "<!-- end of the table -->\n";
const MENDING: &str = "<!-- the table of mending is written by the same test -->\n";
const MENDING_END: &str = "<!-- end of the table of mending -->\n";

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn writes() -> bool {
    std::env::var_os("COFFERDAM_WRITE_DOCS").is_some()
}

#[test]
fn every_check_has_the_page_that_the_catalogue_writes_and_no_page_is_without_a_check() {
    let folder = docs().join("prerequisites");
    let wanted: BTreeMap<String, String> =
        catalogue().iter().map(|check| (page_name(check), page(check))).collect();

    if writes() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &wanted {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let there: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();

    assert_eq!(there.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (name, text) in wanted {
        assert_eq!(there.get(&name), Some(&text), "docs/prerequisites/{name} is not what the catalogue says");
    }
}

/// What stands between two marks of the page is what the catalogue writes, or becomes it.
fn compare(begin: &str, end: &str, wanted: &str) {
    let path = docs().join("prerequisites.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).expect("where it begins");
    let (shown, after) = rest.split_once(end).expect("where it ends");

    if writes() {
        fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }

    assert_eq!(shown, wanted);
}

#[test]
fn the_tables_of_prerequisites_and_of_mending_are_those_of_the_catalogue() {
    compare(BEGIN, END, &table());
    compare(MENDING, MENDING_END, &mending());
}
