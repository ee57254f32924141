//! Notes which cluster a step needed, so that the replica that holds its tunnel goes on with the work. It is noted where the
//! cluster is called, whatever the kind of work, and is only a preference: calls reach a cluster from every replica.

use std::{cell::RefCell, future::Future};

tokio::task_local! {
    static CONNECTION: RefCell<Option<String>>;
}

/// The step that is under way needs the cluster of this connection. Outside a step nothing is noted.
pub fn needs(connection: &str) {
    // There is no step where a person asked; that is no error.
    let noted = CONNECTION.try_with(|noted| *noted.borrow_mut() = Some(connection.to_owned()));
    if noted.is_err() {
        tracing::trace!(connection, "a cluster is called outside any work");
    }
}

/// Runs a step, and tells which cluster it needed last.
pub(super) async fn noting<T>(step: impl Future<Output = T>) -> (T, Option<String>) {
    CONNECTION
        .scope(RefCell::new(None), async {
            let ended = step.await;
            (ended, CONNECTION.with(RefCell::take))
        })
        .await
}
