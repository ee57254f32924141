//! Several that create a repository in one place at the same time.

mod common;

use common::{local_store, quickly, restic, secret};
use engine::{EngineError, Repo};
use futures::future::join_all;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_create_a_repository_at_once_one_wins_and_the_others_leave_no_key() {
    for _ in 0..20 {
        let dir = TempDir::new().unwrap();
        let store = local_store(dir.path()).await;
        let at_once = join_all((0..6).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { Repo::init(store, &secret(), quickly()).await })
        }));
        let ended: Vec<_> = at_once.await.into_iter().map(Result::unwrap).collect();

        let won = ended.iter().filter(|one| one.is_ok()).count();
        let lost = ended.iter().filter(|one| matches!(one, Err(EngineError::AlreadyExists { .. }))).count();
        let keys = std::fs::read_dir(dir.path().join("keys")).unwrap().count();
        assert_eq!((won, lost, keys), (1, 5, 1), "{ended:?}");
        Repo::open(store, &secret()).await.unwrap();
        restic(dir.path(), &["check"]);
    }
}
