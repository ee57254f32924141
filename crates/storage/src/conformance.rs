//! What every store must do, in executable form. One suite, run against each of them and against a liar.

use crate::{Entry, Store, StoreError, StoreErrorKind as Kind, StorePath};
use bytes::Bytes;
use futures::{StreamExt, future::join_all, stream};
use std::{ops::Range, sync::Arc};

/// A rule that a store broke: the rule as a sentence, and what was seen instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What was seen.
    pub seen: String,
}

type Verdict = Result<(), String>;

/// Runs all rules in an empty store and returns those it broke. `listing` is how many files the listing rule
/// creates; stores page at 1,000 to 5,000, so 10,500 crosses every page size.
pub async fn violations(store: Arc<dyn Store>, listing: usize) -> Vec<Violation> {
    let s = &*store;
    let mut found = Vec::new();
    let mut note = |rule: &'static str, verdict: Verdict| {
        if let Err(seen) = verdict {
            found.push(Violation { rule, seen });
        }
    };
    note("an empty store has no files and no names", empty(s).await);
    note("a created file is read back byte for byte", read_back(s).await);
    note("an empty file and a file of many megabytes are kept whole", extremes(s).await);
    note("a range is exactly the bytes asked for", ranges(s).await);
    note("a range beyond the end is an error, never fewer bytes", beyond(s).await);
    note("creating equal content again succeeds", create_again(s).await);
    note("creating other content under a taken name fails and changes nothing", create_other(s).await);
    note("of concurrent creates of one name exactly one wins", race(s).await);
    note("an absent file is reported as not found, permanently, by name", absent(s).await);
    note("deleting removes a file, and an absent one is no error", delete(s).await);
    note("replacing overwrites", replace(s).await);
    note("a prefix matches whole components, deeply, in order", prefixes(s).await);
    note("unusual names survive", names(s).await);
    note("the top level shows files and folders, at most as many as asked", top_level(s).await);
    note("a long listing is complete", long_listing(s, listing).await);
    found
}

/// Deterministic bytes that do not repeat within a file.
fn content(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    bytes.take(length).collect::<Vec<u8>>().into()
}

fn path(text: &str) -> Result<StorePath, String> {
    StorePath::parse(text).map_err(|bad| bad.to_string())
}

fn words(error: StoreError) -> String {
    error.to_string()
}

fn expect(holds: bool, seen: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(seen()) }
}

fn expect_kind<T: std::fmt::Debug>(result: Result<T, StoreError>, kind: Kind) -> Result<StoreError, String> {
    match result {
        Err(error) if error.kind == kind => Ok(error),
        Err(error) => Err(format!("{:?} instead of {kind:?}: {error}", error.kind)),
        Ok(value) => Err(format!("success instead of {kind:?}: {:.80}", format!("{value:?}"))),
    }
}

fn same(got: &[u8], wanted: &[u8]) -> Verdict {
    expect(got == wanted, || match got.iter().zip(wanted).position(|(a, b)| a != b) {
        Some(at) => format!("byte {at} differs"),
        None => format!("{} bytes instead of {}", got.len(), wanted.len()),
    })
}

async fn empty(s: &dyn Store) -> Verdict {
    let files = s.list(&StorePath::root()).await.map_err(words)?;
    let names = s.top_level(5).await.map_err(words)?;
    expect(files.is_empty() && names.is_empty(), || format!("{} files, names {names:?}", files.len()))
}

async fn read_back(s: &dyn Store) -> Verdict {
    let (at, data) = (path("data/00/0011")?, content(1, 70_000));
    s.create(&at, data.clone()).await.map_err(words)?;
    same(&s.read(&at).await.map_err(words)?, &data)?;
    let size = s.size(&at).await.map_err(words)?;
    expect(size == 70_000, || format!("size {size}"))?;
    let listed = s.list(&path("data")?).await.map_err(words)?;
    let only = listed.first().filter(|_| listed.len() == 1);
    expect(only.is_some_and(|e: &Entry| e.path == at && e.size == 70_000), || format!("{listed:?}"))?;
    expect(only.is_some_and(|e| e.modified > jiff::Timestamp::UNIX_EPOCH), || "no modification time".into())
}

async fn extremes(s: &dyn Store) -> Verdict {
    for (name, length) in [("extremes/none", 0), ("extremes/much", 17 * 1024 * 1024 + 3)] {
        let (at, data) = (path(name)?, content(2, length));
        s.create(&at, data.clone()).await.map_err(words)?;
        same(&s.read(&at).await.map_err(words)?, &data)?;
    }
    Ok(())
}

async fn ranges(s: &dyn Store) -> Verdict {
    let (at, data) = (path("ranges/file")?, content(3, 10_000));
    s.create(&at, data.clone()).await.map_err(words)?;
    for range in [0..1, 0..10_000, 9_999..10_000, 123..4_567, 0..0, 10_000..10_000, 500..500_u64] {
        let wanted = data.slice(range.start as usize..range.end as usize);
        same(&s.read_range(&at, range.clone()).await.map_err(words)?, &wanted)
            .map_err(|seen| format!("{range:?}: {seen}"))?;
    }
    Ok(())
}

async fn beyond(s: &dyn Store) -> Verdict {
    let at = path("beyond/file")?;
    s.create(&at, content(4, 100)).await.map_err(words)?;
    let outside: [Range<u64>; 3] = [90..101, 100..101, 5_000..6_000];
    for range in outside {
        expect_kind(s.read_range(&at, range.clone()).await, Kind::Corrupt)
            .map_err(|seen| format!("{range:?}: {seen}"))?;
    }
    Ok(())
}

async fn create_again(s: &dyn Store) -> Verdict {
    for length in [0, 5_000] {
        let (at, data) = (path(&format!("again/{length}"))?, content(5, length));
        s.create(&at, data.clone()).await.map_err(words)?;
        s.create(&at, data.clone()).await.map_err(words)?;
        same(&s.read(&at).await.map_err(words)?, &data)?;
    }
    Ok(())
}

async fn create_other(s: &dyn Store) -> Verdict {
    let (at, data) = (path("other/file")?, content(6, 1_000));
    s.create(&at, data.clone()).await.map_err(words)?;
    for other in [content(7, 1_000), content(6, 999), Bytes::new()] {
        let error = expect_kind(s.create(&at, other).await, Kind::Exists)?;
        expect(!error.temporary, || "marked temporary".into())?;
        same(&s.read(&at).await.map_err(words)?, &data)?;
    }
    Ok(())
}

async fn race(s: &dyn Store) -> Verdict {
    let at = path("race/file")?;
    let rivals: Vec<Bytes> = (0..8).map(|n| content(100 + n, 3_000)).collect();
    let results = join_all(rivals.iter().map(|data| s.create(&at, data.clone()))).await;
    let winners: Vec<&Bytes> =
        rivals.iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(data, _)| data).collect();
    let [winner] = winners[..] else { return Err(format!("{} winners: {results:?}", winners.len())) };
    same(&s.read(&at).await.map_err(words)?, winner)
}

async fn absent(s: &dyn Store) -> Verdict {
    let at = path("absent/file")?;
    for result in
        [s.read(&at).await.map(drop), s.read_range(&at, 0..1).await.map(drop), s.size(&at).await.map(drop)]
    {
        let error = expect_kind(result, Kind::NotFound)?;
        expect(!error.temporary && error.to_string().contains("absent/file"), || error.to_string())?;
    }
    let listed = s.list(&path("absent")?).await.map_err(words)?;
    expect(listed.is_empty(), || format!("{listed:?}"))
}

async fn delete(s: &dyn Store) -> Verdict {
    let at = path("delete/file")?;
    s.create(&at, content(8, 10)).await.map_err(words)?;
    for _ in 0..2 {
        s.delete(&at).await.map_err(words)?;
        expect_kind(s.read(&at).await, Kind::NotFound)?;
    }
    let left = s.list(&path("delete")?).await.map_err(words)?;
    expect(left.is_empty(), || format!("{left:?}"))?;
    s.create(&at, content(9, 10)).await.map_err(words)
}

async fn replace(s: &dyn Store) -> Verdict {
    let at = path("replace/file")?;
    for data in [content(10, 2_000), content(11, 100), Bytes::new()] {
        s.replace(&at, data.clone()).await.map_err(words)?;
        same(&s.read(&at).await.map_err(words)?, &data)?;
    }
    Ok(())
}

async fn prefixes(s: &dyn Store) -> Verdict {
    for name in ["pre/b", "pre/a/deep/er", "pre/a-1", "prefix/x"] {
        s.create(&path(name)?, content(12, 1)).await.map_err(words)?;
    }
    let listed = s.list(&path("pre")?).await.map_err(words)?;
    let names: Vec<&str> = listed.iter().map(|entry| entry.path.as_str()).collect();
    expect(names == ["pre/a-1", "pre/a/deep/er", "pre/b"], || format!("{names:?}"))
}

async fn names(s: &dyn Store) -> Verdict {
    let mut unusual = ["a b", "plus+percent%20=and@", "ünïcode-猫", "#?&~'()", ".hidden", "-dash"];
    for name in unusual {
        s.create(&path(&format!("names/{name}"))?, Bytes::from(name)).await.map_err(words)?;
    }
    unusual.sort_unstable();
    let listed = s.list(&path("names")?).await.map_err(words)?;
    let seen: Vec<&str> = listed.iter().map(|entry| entry.path.name()).collect();
    expect(seen == unusual, || format!("{seen:?}"))?;
    for entry in &listed {
        same(&s.read(&entry.path).await.map_err(words)?, entry.path.name().as_bytes())?;
        s.delete(&entry.path).await.map_err(words)?;
    }
    Ok(())
}

async fn top_level(s: &dyn Store) -> Verdict {
    s.create(&path("zz-file")?, content(13, 1)).await.map_err(words)?;
    let all = s.top_level(100).await.map_err(words)?;
    let has = |name: &str| all.iter().any(|found| found == name);
    expect(has("zz-file") && has("prefix/") && has("pre/"), || format!("{all:?}"))?;
    let two = s.top_level(2).await.map_err(words)?;
    expect(two.len() == 2, || format!("{two:?}"))
}

async fn long_listing(s: &dyn Store, count: usize) -> Verdict {
    let wanted: Result<Vec<StorePath>, String> =
        (0..count).map(|n| path(&format!("long/{:02x}/{n:08}", n % 256))).collect();
    let mut wanted = wanted?;
    let mut creates =
        stream::iter(&wanted).map(|at| s.create(at, Bytes::from_static(b"x"))).buffer_unordered(32);
    while let Some(created) = creates.next().await {
        created.map_err(words)?;
    }
    drop(creates);
    wanted.sort_unstable();
    let listed: Vec<StorePath> =
        s.list(&path("long")?).await.map_err(words)?.into_iter().map(|e| e.path).collect();
    expect(listed == wanted, || format!("{} of {count} files listed, or in another order", listed.len()))
}
