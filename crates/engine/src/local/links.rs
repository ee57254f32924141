//! Files with several names are read once.

use parking_lot::Mutex;
use repository::FileContent;
use rustix::fs::Stat;
use std::collections::HashMap;

/// Contents of files that have names we have not met yet.
#[derive(Debug, Default)]
pub(super) struct HardLinks {
    seen: Mutex<HashMap<Key, (FileContent, u64)>>,
}

type Key = (u64, u64, i64, i64);

fn key(stat: &Stat) -> Key {
    (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime)
}

impl HardLinks {
    /// The content of this file when another name of it was saved already.
    pub(super) fn find(&self, stat: &Stat) -> Option<FileContent> {
        if stat.st_nlink < 2 {
            return None;
        }
        let mut seen = self.seen.lock();
        let (content, left) = seen.get_mut(&key(stat))?;
        *left = left.saturating_sub(1);
        let (content, last) = (content.clone(), *left == 0);
        if last {
            seen.remove(&key(stat));
        }
        Some(content)
    }

    /// Remembers the content of a file that has more names.
    pub(super) fn remember(&self, stat: &Stat, content: &FileContent) {
        if stat.st_nlink > 1 {
            #[allow(clippy::useless_conversion)] // narrower on other processors
            let left = u64::from(stat.st_nlink) - 1;
            self.seen.lock().entry(key(stat)).or_insert_with(|| (content.clone(), left));
        }
    }
}
