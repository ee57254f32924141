//! Where a store's credentials come from: a directory with one file per key, or the environment. Never the command line.

use std::{collections::BTreeMap, path::Path, sync::Arc};
use storage::{
    credential::{CredentialSource, MountedSecret, StaticCredential},
    location::LocationSettings,
};

/// The source for a store. Files are read again at every use; the environment once.
pub fn source(
    store: &str,
    location: &LocationSettings,
    directory: Option<&Path>,
) -> Result<Arc<dyn CredentialSource>, String> {
    let account = location.storage_account().map(str::to_owned);
    if let Some(directory) = directory {
        return Ok(Arc::new(MountedSecret::new(directory, location.provider, account)));
    }
    let given = from_environment(
        store,
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    let found = StaticCredential::from_secret(location.provider, account.as_deref(), &given);
    found.map(|found| Arc::new(found) as Arc<dyn CredentialSource>).map_err(|error| {
        format!(
            "{error} Name a directory that holds it with ?credentials=DIR, or set it in the environment with {} before the key's name.",
            prefix(store)
        )
    })
}

fn prefix(store: &str) -> String {
    format!("COFFERDAM_STORE_{}_", store.to_uppercase().replace('-', "_"))
}

fn from_environment(
    store: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> BTreeMap<String, Vec<u8>> {
    let prefix = prefix(store);
    let own =
        |(name, value): (String, String)| Some((name.strip_prefix(&prefix)?.to_owned(), value.into_bytes()));
    variables.filter_map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_store_sees_its_own_variables_alone() {
        let variables = [
            ("COFFERDAM_STORE_COLD_1_AWS_ACCESS_KEY_ID", "a"),
            ("COFFERDAM_STORE_COLD_1_AWS_SECRET_ACCESS_KEY", "b"),
            ("COFFERDAM_STORE_HOT_AWS_ACCESS_KEY_ID", "c"),
            ("AWS_ACCESS_KEY_ID", "d"),
        ];

        let own =
            from_environment("cold-1", variables.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter());

        assert_eq!(
            own.keys().map(String::as_str).collect::<Vec<_>>(),
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        );
    }
}
