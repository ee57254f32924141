//! What a principal may do with what resources hold, kept for two seconds: a role that was taken away bites at the next
//! write after that.

use crate::store::{Principal, Store, Stores};
use arm::ResourceId;
use identity::{Action, Assignment, Decision, RoleDefinition, decide};
use lru::LruCache;
use parking_lot::Mutex;
use std::{num::NonZeroUsize, sync::Arc, time::Duration, time::Instant};

/// How long a principal and its roles are not read again.
const KEPT: Duration = Duration::from_secs(2);
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Decides about access to data.
#[derive(Debug)]
pub struct Access {
    store: Arc<dyn Store>,
    roles: Vec<RoleDefinition>,
    kept: Mutex<LruCache<String, (Instant, Arc<Known>)>>,
}

/// A principal and what it was assigned.
#[derive(Debug)]
pub struct Known {
    /// `None` when there is none, or none any more.
    pub principal: Option<Principal>,
    /// Everywhere.
    pub assignments: Vec<Assignment>,
}

impl Access {
    /// Over a store.
    pub fn new(store: Arc<dyn Store>, roles: Vec<RoleDefinition>) -> Self {
        Self { store, roles, kept: Mutex::new(LruCache::new(MOST)) }
    }

    /// A principal as it was at most two seconds ago.
    pub async fn known(&self, object_id: &str) -> Stores<Arc<Known>> {
        if let Some((at, known)) = self.kept.lock().get(object_id)
            && at.elapsed() < KEPT
        {
            return Ok(known.clone());
        }
        let read_at = Instant::now();
        let principal = self.store.principal(object_id).await?;
        let assignments = self.store.roles_of(object_id).await?;
        let known = Arc::new(Known { principal, assignments });
        self.kept.lock().put(object_id.to_owned(), (read_at, known.clone()));
        Ok(known)
    }

    /// Whether a principal may do something with what a resource holds.
    pub async fn data(&self, object_id: &str, data_action: &str, on: &ResourceId) -> Stores<Decision> {
        let known = self.known(object_id).await?;
        Ok(of(&known, object_id, data_action, on, &self.roles))
    }
}

/// The same decision, read anew.
pub async fn data_access(
    store: &dyn Store,
    roles: &[RoleDefinition],
    object_id: &str,
    data_action: &str,
    on: &ResourceId,
) -> Stores<Decision> {
    let principal = store.principal(object_id).await?;
    let known = Known { principal, assignments: store.roles_of(object_id).await? };
    Ok(of(&known, object_id, data_action, on, roles))
}

fn of(
    known: &Known,
    object_id: &str,
    data_action: &str,
    on: &ResourceId,
    roles: &[RoleDefinition],
) -> Decision {
    match known.principal {
        Some(_) => decide(object_id, &Action::data(data_action), on, &known.assignments, roles),
        None => Decision::Denied,
    }
}
