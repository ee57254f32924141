//! Captures one resource: begins again when its list expires, and says what cannot be had.

use crate::api::{Api, Failure};
use crate::discovery::{Kind, fatal};
use crate::filter::Filter;
use crate::list::{ListError, ListRequest, Paging, Refusal, list};
use crate::record::{Desk, Order, Recorded, Recorder};
use crate::{CaptureError, problems};
use protection::Problem;
use protection::point::ListRecord;

/// Times that a list is begun; the last time in one piece, which cannot expire.
const ATTEMPTS: u32 = 4;

/// One resource, in one namespace or everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub kind: Kind,
    pub namespace: Option<String>,
    pub filter: Filter,
}

/// What came of a task.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The objects are in the repository.
    Captured(Box<ListRecord>, Box<Recorded>),
    /// Nothing of it is.
    NotListed(Problem),
}

/// Captures one resource. Fails only when the capture as a whole must.
pub(crate) async fn fetch(api: &Api, desk: &Desk, task: &Task) -> Result<Fetched, CaptureError> {
    let request = ListRequest {
        path: task.kind.path(task.namespace.as_deref()),
        labels: task.filter.server_labels(),
        api_version: task.kind.api_version(),
    };
    let mut order = Order::ByNamespace;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let paging = if attempt < ATTEMPTS { Paging::Pages } else { Paging::Whole };
        let mut recorder = Recorder::new(desk, &task.kind, &task.filter, order);
        match list(api, &request, paging, &desk.budget, &mut recorder).await {
            Ok(version) => return captured(desk, task, version, recorder.finish().await?),
            Err(ListError::Restart(reason)) if attempt < ATTEMPTS => {
                tracing::info!(resource = task.kind.name(), reason, "listing again from the start");
            }
            Err(ListError::Restart(reason)) => return missed(task, Failure::Cut(reason)),
            Err(ListError::Refused(Refusal::Scattered)) if order == Order::ByNamespace => {
                tracing::info!(
                    resource = task.kind.name(),
                    "namespaces do not stand together, listing again"
                );
                order = Order::Any;
            }
            Err(ListError::Refused(Refusal::Scattered)) => {
                return missed(task, Failure::Nonsense("its objects cannot be told apart".to_owned()));
            }
            Err(ListError::Refused(Refusal::Nonsense(what))) => return missed(task, Failure::Nonsense(what)),
            Err(ListError::Refused(Refusal::Stop(error))) => return Err(error),
            Err(ListError::Failed(failure)) => return missed(task, failure),
        }
    }
}

fn captured(
    desk: &Desk,
    task: &Task,
    resource_version: String,
    recorded: Recorded,
) -> Result<Fetched, CaptureError> {
    let Kind { group, version, kind, resource, namespaced } = task.kind.clone();
    desk.progress.listed(&task.kind.name(), recorded.objects);
    let record = ListRecord {
        group,
        version,
        kind,
        resource,
        namespaced,
        namespace: task.namespace.clone(),
        resource_version,
        captured: recorded.objects,
        bytes: recorded.bytes,
    };
    Ok(Fetched::Captured(Box::new(record), Box::new(recorded)))
}

/// A failure of one resource is a problem of the result, unless it is the API server itself that fails.
fn missed(task: &Task, failure: Failure) -> Result<Fetched, CaptureError> {
    let of_the_server = match &failure {
        Failure::Cancelled | Failure::Unreachable(_) => true,
        Failure::Cut(_) => task.kind.is_built_in(),
        Failure::Status(status) => {
            task.kind.is_built_in() && (status.code.is_server_error() || status.code.as_u16() == 429)
        }
        Failure::Nonsense(_) => false,
    };
    if of_the_server {
        return Err(fatal(&format!("list {}", task.kind.name()), failure));
    }
    Ok(Fetched::NotListed(problems::not_listed(&task.kind, task.namespace.as_deref(), &failure)))
}
