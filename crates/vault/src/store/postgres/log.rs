//! Audited changes. Each record of the audit log stands on the one before it, so they come one after the other, of all replicas;
//! those that wait together go in one transaction, and share its way to the disk.

use super::transact::{self, Lent, Refusal, append, apply, unheard, wait_for_turn};
use crate::store::{AuditEntry, StoreError, Stores, sql::Statement};
use sqlx::{Connection, PgConnection, PgPool};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::oneshot, time::timeout};

/// Changes that go together: so many that their way to the disk counts little, so few that the first does not wait for long.
const TOGETHER: usize = 32;

/// Where audited changes queue.
#[derive(Debug, Clone)]
pub struct Log {
    pool: PgPool,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether somebody works it off.
    is_served: bool,
}

#[derive(Debug)]
struct Waiting {
    statements: Vec<Statement>,
    audit: AuditEntry,
    told: oneshot::Sender<Stores<()>>,
}

impl Log {
    /// Over a pool of which it needs one connection.
    pub fn over(pool: PgPool) -> Self {
        Self { pool, queue: Arc::default() }
    }

    /// All statements of a call and its record, or nothing of it. Whoever goes away before its turn leaves nothing.
    pub async fn append(&self, statements: Vec<Statement>, audit: &AuditEntry) -> Stores<()> {
        let (told, answer) = oneshot::channel();
        let starts = {
            let mut queue = self.lock();
            queue.waiting.push_back(Waiting { statements, audit: audit.clone(), told });
            !std::mem::replace(&mut queue.is_served, true)
        };
        if starts {
            // On nobody's behalf: a caller that goes away takes no other's change with it.
            tokio::spawn(Service { log: self.clone(), is_over: false }.work_off());
        }
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the change was given up before it was heard to its end".to_owned()))
        })
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first of those whose callers still wait.
    fn next(&self) -> Vec<Waiting> {
        let mut queue = self.lock();
        queue.waiting.retain(|one| !one.told.is_closed());
        let many = queue.waiting.len().min(TOGETHER);
        queue.waiting.drain(..many).collect()
    }

    /// Ends the service if nothing waits.
    fn rests(&self) -> bool {
        let mut queue = self.lock();
        queue.is_served = !queue.waiting.is_empty();
        !queue.is_served
    }

    fn refuse_all(&self, error: StoreError) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        tell(waiting, &Err(error));
    }
}

/// Works the queue off. However it ends, the change after that starts another.
struct Service {
    log: Log,
    is_over: bool,
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.is_over {
            let mut queue = self.log.lock();
            queue.is_served = false;
            queue.waiting.clear();
        }
    }
}

impl Service {
    async fn work_off(mut self) {
        while !self.log.rests() {
            if let Err(error) = turn(&self.log).await {
                self.log.refuse_all(error);
            }
        }
        self.is_over = true;
    }
}

/// What waits once the log is free. It fails, for all that wait, when that does not come about.
async fn turn(log: &Log) -> Stores<()> {
    let mut taken = Vec::new();
    let ended = {
        let mut lent = Lent::of(&log.pool).await?;
        let ended = timeout(transact::LONGEST, together(&mut lent.connection, log, &mut taken)).await;
        lent.is_sound = ended.is_ok();
        ended
    };
    match ended.unwrap_or_else(|_| Ok(Err(unheard()))) {
        Ok(Ok(())) => tell(taken, &Ok(())),
        Ok(Err(error)) | Err(Refusal::Final(error)) if taken.is_empty() => return Err(error),
        // Whether it was kept is not known, or it was alone.
        Ok(Err(error)) => tell(taken, &Err(error)),
        Err(Refusal::Final(error)) if taken.len() == 1 => tell(taken, &Err(error)),
        // Nothing was kept, and one of them was the cause: each gets its own answer.
        Err(_) => {
            for one in taken {
                let answer = transact::transact(&log.pool, &one.statements, Some(&one.audit)).await;
                tell([one], &answer);
            }
        }
    }
    Ok(())
}

/// All that wait, in one transaction: what refused it before it was to be kept, or how the attempt to keep it ended.
async fn together(
    connection: &mut PgConnection,
    log: &Log,
    taken: &mut Vec<Waiting>,
) -> Result<Stores<()>, Refusal> {
    let mut transaction = connection.begin().await?;
    wait_for_turn(&mut transaction).await?;
    *taken = log.next();
    for one in taken.iter() {
        apply(&mut transaction, &one.statements).await?;
    }
    append(&mut transaction, taken.iter().map(|one| &one.audit)).await?;
    Ok(transaction.commit().await.map_err(super::store_error))
}

fn tell(waiting: impl IntoIterator<Item = Waiting>, answer: &Stores<()>) {
    for one in waiting {
        // Whoever went away does not hear it.
        drop(one.told.send(answer.clone()));
    }
}
