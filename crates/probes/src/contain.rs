//! A probe that hangs or breaks is a fact that was not seen, and nothing more.

use futures::FutureExt;
use prerequisites::Observed;
use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

/// How long one probe may take: one question to the API server or the store, one page of a list.
pub(crate) const PROBE: Duration = Duration::from_secs(3);
/// How long those may take together that ask many questions or turn many pages; each of these has [`PROBE`].
pub(crate) const MANY: Duration = Duration::from_secs(30);
/// How long those may take that ask a resource manager two or three questions.
pub(crate) const FEW: Duration = Duration::from_secs(9);
/// How long all operations on the store may take together; each of them has [`PROBE`].
pub(crate) const STORE: Duration = Duration::from_secs(20);

/// What the probe saw within its time. The probe lies on the heap: a survey holds two dozen of them at once, and their
/// states together are more than a thread's stack takes.
pub(crate) fn within<T>(
    what: &str,
    limit: Duration,
    probe: impl Future<Output = Observed<T>>,
) -> impl Future<Output = Observed<T>> {
    let probe = Box::pin(AssertUnwindSafe(probe).catch_unwind());
    async move {
        match tokio::time::timeout(limit, probe).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(_)) => Observed::NotObservable(format!(
                "{what}: the probe itself broke; this is a defect of Cofferdam, report it with this document"
            )),
            Err(_) => Observed::NotObservable(format!("{what}: no answer within {} s", limit.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_probe_that_breaks_or_hangs_says_so_and_the_next_one_looks() {
        let limit = Duration::from_millis(50);

        let broken: Observed<u8> = within("looking", limit, async { panic!("a probe that breaks") }).await;
        let hung: Observed<u8> = within("looking", limit, std::future::pending()).await;
        let sound = within("looking", PROBE, async { Observed::Seen(1) }).await;

        assert!(matches!(broken, Observed::NotObservable(why) if why.contains("broke")));
        assert!(matches!(hung, Observed::NotObservable(why) if why.starts_with("looking: no answer")));
        assert_eq!(sound, Observed::Seen(1));
    }
}
