//! Lists a folder in the order of names, from any place on: folders that lie before it are not opened.

use super::files::{at_fault, found_of, is_gone, plain};
use crate::{
    BlobError, Found, Item, Listing, Page,
    names::{RESERVED, is_blob},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    fs::{self, File},
    path::Path,
};

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum After {
    /// Behind this name.
    Blob(String),
    /// Behind everything that begins so.
    Folder(String),
}

impl After {
    fn read(marker: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
        match text.split_once(':')? {
            ("b", name) => Some(Self::Blob(name.to_owned())),
            ("f", name) => Some(Self::Folder(name.to_owned())),
            _ => None,
        }
    }

    fn of(item: &Item) -> String {
        URL_SAFE_NO_PAD.encode(match item {
            Item::Blob(name, _) => format!("b:{name}"),
            Item::Folder(name) => format!("f:{name}"),
        })
    }

    fn is_past(&self, name: &str) -> bool {
        match self {
            Self::Blob(after) => name <= after.as_str(),
            Self::Folder(after) => name.starts_with(after.as_str()) || name < after.as_str(),
        }
    }

    /// Whether everything that begins with `folder` lies before.
    fn is_past_all(&self, folder: &str) -> bool {
        match self {
            Self::Blob(after) => after.as_str() > folder && !after.starts_with(folder),
            Self::Folder(after) => {
                folder.starts_with(after.as_str()) || (after.as_str() > folder && !after.starts_with(folder))
            }
        }
    }
}

/// One page.
pub(super) fn page(root: &Path, listing: &Listing) -> Result<Page, BlobError> {
    let after = match &listing.marker {
        Some(marker) => Some(
            After::read(marker)
                .ok_or_else(|| BlobError::parameter("marker", "is not one that a list ended with"))?,
        ),
        None => None,
    };
    if !root.is_dir() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(at_fault("list", root, &error));
    }
    let mut walk = Walk { listing, after, items: Vec::new(), more: false };
    walk.folder(root, "")?;
    let next = walk.items.last().filter(|_| walk.more).map(After::of);
    Ok(Page { items: walk.items, next })
}

struct Walk<'a> {
    listing: &'a Listing,
    after: Option<After>,
    items: Vec<Item>,
    more: bool,
}

impl Walk<'_> {
    /// Goes through a folder whose blobs' names begin with `base`.
    fn folder(&mut self, folder: &Path, base: &str) -> Result<(), BlobError> {
        for (name, is_folder) in children(folder, base, self.listing.own)? {
            if self.more {
                return Ok(());
            }
            let path = folder.join(name.strip_prefix(base).unwrap_or(&name));
            if is_folder { self.enter(&path, &name)? } else { self.blob(&path, name)? }
        }
        Ok(())
    }

    fn enter(&mut self, path: &Path, name: &str) -> Result<(), BlobError> {
        let prefix = &self.listing.prefix;
        let inside = name.starts_with(prefix.as_str());
        let before = self.listing.from.as_deref().is_some_and(|from| from > name && !from.starts_with(name));
        if before
            || !(inside || prefix.starts_with(name))
            || self.after.as_ref().is_some_and(|after| after.is_past_all(name))
        {
            return Ok(());
        }
        if !(self.listing.folders && inside && name.len() > prefix.len()) {
            return self.folder(path, name);
        }
        if holds_a_blob(path, name, self.listing.own)? {
            self.push(|| Ok(Some(Item::Folder(name.to_owned()))))?;
        }
        Ok(())
    }

    fn blob(&mut self, path: &Path, name: String) -> Result<(), BlobError> {
        if !name.starts_with(self.listing.prefix.as_str())
            || self.listing.from.as_ref().is_some_and(|from| name < *from)
            || self.after.as_ref().is_some_and(|after| after.is_past(&name))
        {
            return Ok(());
        }
        let properties = self.listing.properties;
        self.push(|| Ok(look(path, properties)?.map(|found| Item::Blob(name, found))))
    }

    fn push(&mut self, item: impl FnOnce() -> Result<Option<Item>, BlobError>) -> Result<(), BlobError> {
        if self.items.len() >= self.listing.most {
            self.more = true;
        } else if let Some(item) = item()? {
            self.items.push(item);
        }
        Ok(())
    }
}

/// What is in a folder, in the order in which full names sort: a folder sorts as its name with a slash.
fn children(folder: &Path, base: &str, own: bool) -> Result<Vec<(String, bool)>, BlobError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(at_fault("list", folder, &error)),
    };
    let mut children = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| at_fault("list", folder, &error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // The server's own are all below names at the top.
        let shown = if base.is_empty() { name.starts_with(RESERVED) == own } else { true };
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(at_fault("list", folder, &error)),
        };
        if !shown || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        let full = format!("{base}{name}{}", if kind.is_dir() { "/" } else { "" });
        if own || is_blob(full.trim_end_matches('/')) {
            children.push((full, kind.is_dir()));
        }
    }
    children.sort_unstable();
    Ok(children)
}

/// Whether there is any blob below. A crash may leave an empty folder.
fn holds_a_blob(folder: &Path, base: &str, own: bool) -> Result<bool, BlobError> {
    for (name, is_folder) in children(folder, base, own)? {
        let path = folder.join(name.strip_prefix(base).unwrap_or(&name));
        if !is_folder || holds_a_blob(&path, &name, own)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn look(path: &Path, properties: bool) -> Result<Option<Found>, BlobError> {
    if properties {
        return match File::open(path) {
            Ok(file) => found_of(path, &file).map(Some),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(at_fault("look at", path, &error)),
        };
    }
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(plain(&metadata))),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(at_fault("look at", path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The same from all names at once, as Azure describes it.
    fn told(names: &BTreeSet<String>, prefix: &str, folders: bool) -> Vec<String> {
        let mut told = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(prefix)) {
            let shown = match name[prefix.len()..].find('/') {
                Some(at) if folders => name[..=prefix.len() + at].to_owned(),
                _ => name.clone(),
            };
            if told.last() != Some(&shown) {
                told.push(shown);
            }
        }
        told
    }

    fn shown(item: &Item) -> String {
        match item {
            Item::Blob(name, _) | Item::Folder(name) => name.clone(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pages_of_any_size_make_the_list_that_names_alone_make(
            given in prop::collection::vec("[ab-]{1,2}(/[ab.]x?){0,3}", 0..24),
            prefix in "([ab-]{0,2}|a/|a/[ab])",
            folders: bool,
            most in 1_usize..5,
        ) {
            let root = tempfile::tempdir().unwrap();
            let mut names = BTreeSet::new();
            for name in given {
                let path = root.path().join(&name);
                let clear = is_blob(&name) && !path.exists() && fs::create_dir_all(path.parent().unwrap()).is_ok();
                if clear && fs::write(&path, "x").is_ok() {
                    names.insert(name);
                }
            }
            fs::create_dir_all(root.path().join("empty/folder")).unwrap();
            fs::create_dir_all(root.path().join(".cofferdam-blocks")).unwrap();

            let mut seen = Vec::new();
            let mut listing = Listing { prefix: prefix.clone(), folders, most, ..Listing::default() };
            loop {
                let page = page(root.path(), &listing).unwrap();
                prop_assert!(page.items.len() <= most);
                seen.extend(page.items.iter().map(shown));
                listing.marker = page.next;
                if listing.marker.is_none() {
                    break;
                }
            }

            prop_assert_eq!(seen, told(&names, &prefix, folders));
        }
    }
}
