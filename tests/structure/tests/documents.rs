//! What the documents promise about themselves.

use structure::{files, root, statements};

#[test]
fn the_readme_shows_exactly_two_set_up_commands_and_ci_calls_the_second() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();

    let mut inside = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && !line.is_empty() && !line.starts_with('#') => commands.push(line.to_owned()),
            _ => {}
        }
    }

    let words: Vec<_> = commands.iter().filter_map(|c| c.split('#').next()).map(str::trim).collect();
    assert_eq!(words, ["make demo", "make test"]);
    assert!(ci.lines().any(|line| line.trim() == "make test" || line.trim() == "exec make test"));
}

#[test]
fn relative_links_in_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files().unwrap().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            let base = path.parent().unwrap_or(&path);
            if !base.join(target).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }

    assert!(broken.is_empty(), "broken links: {broken:#?}");
}

#[test]
fn the_architecture_names_every_crate_and_leads_to_paths_that_are_there() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block: Vec<&str> = page.lines().skip_while(|line| *line != "```text").skip(1).collect();
    let block: Vec<&str> = block.into_iter().take_while(|line| *line != "```").collect();

    let mut missing = Vec::new();
    for folder in ["apps", "crates", "testbed", "tests"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let is_crate = entry.path().join("Cargo.toml").exists();
            let is_named = block.iter().any(|line| {
                let first = line.split_whitespace().next().unwrap_or_default();
                first == name || first == format!("{folder}/{name}")
            });
            if is_crate && !is_named {
                missing.push(format!("{folder}/{name}"));
            }
        }
    }
    let quoted = page.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|text| {
        ["apps/", "crates/", "docs/", "testbed/", "tests/"].iter().any(|begin| text.starts_with(begin))
    });
    let gone: Vec<&str> = paths.filter(|path| !root().join(path).exists()).collect();

    assert!(missing.is_empty() && gone.is_empty(), "not named: {missing:?}; not there: {gone:?}");
}

#[test]
fn the_list_of_decisions_names_each_page_by_its_number_and_its_title() {
    let folder = root().join("docs/decisions");
    let list = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name != "README.md");
    names.sort();

    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| [")).collect();
    let expected: Vec<String> = names
        .iter()
        .map(|name| {
            let number: u32 = name.split('-').next().unwrap().parse().unwrap();
            let page = std::fs::read_to_string(folder.join(name)).unwrap();
            let title = page.lines().next().unwrap().strip_prefix(&format!("# {number}. ")).unwrap_or("");
            format!("| [{number}]({name}) | {title} |")
        })
        .collect();

    assert_eq!(rows, expected);
}

#[test]
fn each_statement_of_the_founding_document_says_where_it_lives_and_which_test_shows_it() {
    let page = std::fs::read_to_string(root().join("docs/statements.md")).unwrap();

    let faults = statements::faults(&page, &root());

    assert!(faults.is_empty(), "docs/statements.md: {faults:#?}");
}
