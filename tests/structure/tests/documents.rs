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
fn each_statement_of_the_founding_document_says_where_it_lives_and_which_test_shows_it() {
    let page = std::fs::read_to_string(root().join("docs/statements.md")).unwrap();

    let faults = statements::faults(&page, &root());

    assert!(faults.is_empty(), "docs/statements.md: {faults:#?}");
}
