//! Ids of resources, taken apart without minding capitals.

/// What follows a word: `part("/subscriptions/s/resourceGroups/g", "resourcegroups")` is `g`.
pub(super) fn part(id: &str, word: &str) -> Option<String> {
    let mut parts = id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case(word))?;
    parts.next().filter(|next| !next.is_empty()).map(str::to_owned)
}

/// What stands before a word.
pub(super) fn parent(id: &str, word: &str) -> Option<String> {
    let parts: Vec<&str> = id.split('/').collect();
    let at = parts.iter().position(|part| part.eq_ignore_ascii_case(word))?;
    Some(parts.get(..at)?.join("/"))
}

/// The resource group that an id lies in, as an id.
pub(super) fn group(id: &str) -> Option<String> {
    Some(format!(
        "/subscriptions/{}/resourceGroups/{}",
        part(id, "subscriptions")?,
        part(id, "resourceGroups")?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "/subscriptions/s/resourcegroups/g/providers/Microsoft.DataProtection/backupVaults/v/backupInstances/i";

    #[test]
    fn ids_are_taken_apart_without_minding_capitals() {
        assert_eq!(part(ID, "resourceGroups").as_deref(), Some("g"));
        assert_eq!(part(ID, "backupPolicies"), None);
        assert_eq!(group(ID).as_deref(), Some("/subscriptions/s/resourceGroups/g"));
        assert!(parent(ID, "backupInstances").unwrap().ends_with("/backupVaults/v"));
    }
}
