//! What a file is to the repository in whose folder it lies.

use storage::location::REPOSITORY_FOLDER;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Whoever works in the repository writes and deletes it: a lock.
    Passing,
    /// One recovery point begins here, by the id of its snapshot.
    Snapshot(String),
    /// Any recovery point may need it.
    Shared,
}

/// What a file of a container is to the repository of a location with this prefix; `None` when it is no file of it.
pub fn part(prefix: Option<&str>, file: &str) -> Option<Part> {
    let prefix = prefix.map(|prefix| prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
    let below = match prefix {
        Some(prefix) => file.strip_prefix(prefix)?.strip_prefix('/')?,
        None => file,
    };
    let inside = below.strip_prefix(REPOSITORY_FOLDER)?.strip_prefix('/')?;
    Some(match inside.split_once('/') {
        Some(("locks", _)) => Part::Passing,
        Some(("snapshots", id)) => Part::Snapshot(id.to_owned()),
        _ => Part::Shared,
    })
}

/// Whether a file can be part of a repository that must stay, wherever in the container that lies. Backups go on without
/// anybody having to know which repositories there are.
pub fn may_be_part(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    let mut behind = parts.iter().zip(parts.iter().skip(1));
    behind.any(|(folder, below)| *folder == REPOSITORY_FOLDER && *below != "locks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_what_lies_elsewhere_are_told_by_their_names_alone() {
        for file in ["cofferdam/locks/x", "a/cofferdam/locks/x", "a/b", ".cofferdam-blocks/a/b", "cofferdam"]
        {
            assert!(!may_be_part(file), "{file}");
        }
        assert!(may_be_part("a/cofferdam/locks/cofferdam/config"));
    }

    #[test]
    fn a_file_is_of_the_repository_in_whose_folder_it_lies_and_of_no_other() {
        let snapshot = Some(Part::Snapshot("s1".to_owned()));
        let cases = [
            (None, "cofferdam/config", Some(Part::Shared)),
            (None, "cofferdam/data/ab/abcd", Some(Part::Shared)),
            (None, "cofferdam/index/x", Some(Part::Shared)),
            (None, "cofferdam/doomed/x", Some(Part::Shared)),
            (None, "cofferdam/keys/x", Some(Part::Shared)),
            (None, "cofferdam/snapshots/s1", snapshot.clone()),
            (None, "cofferdam/locks/x", Some(Part::Passing)),
            (None, "cofferdam/lockst/x", Some(Part::Shared)),
            (None, "cofferdam", None),
            (None, "cofferdam-owner", None),
            (None, "one/cofferdam/config", None),
            (Some("one"), "one/cofferdam/snapshots/s1", snapshot.clone()),
            (Some("/one/"), "one/cofferdam/snapshots/s1", snapshot),
            (Some("one"), "One/cofferdam/config", None),
            (Some("one"), "oneself/cofferdam/config", None),
            (Some("one"), "cofferdam/config", None),
            (Some(""), "cofferdam/config", Some(Part::Shared)),
        ];

        for (prefix, file, expected) in cases {
            assert_eq!(part(prefix, file), expected, "{prefix:?} {file}");
            let stays = expected.is_some_and(|part| part != Part::Passing);
            assert!(may_be_part(file) || !stays, "{file}");
        }
    }
}
