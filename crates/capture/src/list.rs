//! Reads one list page by page, its items as they arrive.

use crate::api::{Answer, Api, Failure};
use crate::items::{SplitError, Splitter};
use crate::page::PageSize;
use crate::{Budget, CaptureError};
use bytes::Bytes;
use http::StatusCode;
use std::future::Future;

/// Tries of a page that does not arrive whole.
const PAGE_TRIES: u32 = 4;
const ACCEPT: &str = "application/json";

/// What to list: `/api/v1/secrets`, or the same in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListRequest {
    /// Path of the list.
    pub path: String,
    /// Label requirements for the server; empty for none.
    pub labels: String,
    /// `apiVersion` that the answer must have.
    pub api_version: String,
}

/// Takes the items of a list.
pub(crate) trait Receive: Send {
    /// Takes the bytes of one item.
    fn item(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// Why an item is not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The capture as a whole ends.
    Stop(CaptureError),
    /// The item is no object, or stands where it must not: nothing of this list can be trusted.
    Nonsense(String),
    /// A namespace's items do not stand together.
    Scattered,
}

/// Why a list could not be read to its end.
#[derive(Debug)]
pub(crate) enum ListError {
    /// What was read so far does not fit what the server would say now: begin again.
    Restart(String),
    /// The server cannot or will not list this.
    Failed(Failure),
    /// The items are refused.
    Refused(Refusal),
}

/// How pages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// Page by page.
    Pages,
    /// Everything in one answer: it cannot expire on the way.
    Whole,
}

/// Reads the whole list and hands every item to `receiver`, once and in order. Returns the list's
/// `resourceVersion`.
pub(crate) async fn list<R: Receive>(
    api: &Api,
    request: &ListRequest,
    paging: Paging,
    budget: &Budget,
    receiver: &mut R,
) -> Result<String, ListError> {
    let mut size = PageSize::new(budget);
    let mut passing = Passing { receiver, skip: 0, skip_at_start: 0, taken: 0, bytes: 0 };
    let mut version: Option<String> = None;
    let mut next = String::new();
    loop {
        let page = whole_page(api, request, paging, budget, &mut size, &next, &mut passing).await?;
        match &version {
            None => version = Some(page.version),
            Some(first) if *first != page.version => {
                return Err(ListError::Restart(format!("the list moved from {first} to {}", page.version)));
            }
            Some(_) => {}
        }
        if page.next.is_empty() {
            return match passing.skip {
                0 => Ok(version.unwrap_or_default()),
                _ => Err(ListError::Restart("a page lost objects when it was read again".to_owned())),
            };
        }
        if page.next == next {
            return Err(ListError::Failed(Failure::Nonsense("every page is followed by itself".to_owned())));
        }
        next = page.next;
    }
}

struct Page {
    version: String,
    next: String,
}

/// Reads one page. One that is cut off is read again, smaller and without its first items, which the receiver
/// has: what follows a continue token never changes. The first page has no token, so the list begins again.
async fn whole_page<R: Receive>(
    api: &Api,
    request: &ListRequest,
    paging: Paging,
    budget: &Budget,
    size: &mut PageSize,
    next: &str,
    passing: &mut Passing<'_, R>,
) -> Result<Page, ListError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let path = request.page(paging, size.limit(), next);
        let answer = api.get(&path, ACCEPT).await.map_err(expired)?;
        match read(answer, request, budget, passing).await {
            Ok(page) => {
                size.saw(passing.taken, passing.bytes);
                passing.page_ended();
                return Ok(page);
            }
            Err(ListError::Failed(Failure::Cut(reason))) if tries < PAGE_TRIES => {
                if next.is_empty() {
                    return Err(ListError::Restart(format!("the answer was cut off: {reason}")));
                }
                tracing::debug!(path, reason, "a page was cut off, reading it again");
                size.shrink();
                passing.page_was_cut();
            }
            Err(error) => return Err(error),
        }
    }
}

/// Passes items on, except for those that an earlier try of a page has passed on.
struct Passing<'r, R> {
    receiver: &'r mut R,
    /// Items that the receiver has already.
    skip: u64,
    /// The same when the current page began.
    skip_at_start: u64,
    /// Items and bytes of the current page that were passed on.
    taken: u64,
    bytes: u64,
}

impl<R: Receive> Passing<'_, R> {
    async fn item(&mut self, bytes: Bytes) -> Result<(), ListError> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        self.taken += 1;
        self.bytes += bytes.len() as u64;
        self.receiver.item(bytes).await.map_err(ListError::Refused)
    }

    fn page_ended(&mut self) {
        (self.skip_at_start, self.taken, self.bytes) = (self.skip, 0, 0);
    }

    fn page_was_cut(&mut self) {
        self.skip_at_start += self.taken;
        (self.skip, self.taken, self.bytes) = (self.skip_at_start, 0, 0);
    }
}

async fn read<R: Receive>(
    mut answer: Answer,
    request: &ListRequest,
    budget: &Budget,
    passing: &mut Passing<'_, R>,
) -> Result<Page, ListError> {
    let mut splitter = Splitter::new(budget.object_bytes());
    let mut items = Vec::new();
    while let Some(piece) = answer.piece().await.map_err(ListError::Failed)? {
        splitter.feed(&piece, &mut items).map_err(nonsense)?;
        drop(piece);
        for item in items.drain(..) {
            passing.item(item).await?;
        }
    }
    let envelope = splitter.finish().map_err(nonsense)?;
    if envelope.api_version != request.api_version {
        let found = envelope.api_version;
        return Err(ListError::Failed(Failure::Nonsense(format!("it is of `{found}`"))));
    }
    Ok(Page { version: envelope.resource_version, next: envelope.next })
}

impl ListRequest {
    fn page(&self, paging: Paging, limit: u32, next: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if paging == Paging::Pages {
            query.append_pair("limit", &limit.to_string());
        }
        if !self.labels.is_empty() {
            query.append_pair("labelSelector", &self.labels);
        }
        if !next.is_empty() {
            query.append_pair("continue", next);
        }
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}

fn nonsense(error: SplitError) -> ListError {
    ListError::Failed(match error {
        SplitError::Truncated => Failure::Cut(error.to_string()),
        SplitError::TooLong { .. } | SplitError::NotAList(_) => Failure::Nonsense(error.to_string()),
    })
}

/// 410: the server has forgotten the instant that this list shows.
fn expired(failure: Failure) -> ListError {
    match failure.code() {
        Some(StatusCode::GONE) => ListError::Restart(failure.to_string()),
        _ => ListError::Failed(failure),
    }
}
