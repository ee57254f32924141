//! Writes the objects of one list into the recovery point while they arrive: one file per namespace, and their
//! lines of the index.

mod batch;
mod file;
mod index;

pub(crate) use batch::small_file;
pub(crate) use index::join;

use crate::discovery::Kind;
use crate::facts::{Facts, target};
use crate::filter::{Filter, Verdict};
use crate::list::{Receive, Refusal};
use crate::object::{Metadata, Object};
use crate::{Budget, Progress};
use bytes::Bytes;
use engine::{EngineError, FileContent, Writer};
use file::ListFile;
use index::IndexLines;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::{JoinError, JoinSet};

/// Objects that progress hears of at once.
const REPORT_EVERY: u64 = 200;
/// Files that wait for their last bytes to be stored while the list is read on.
const CLOSING: usize = 16;

/// How the objects of a list stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Namespace by namespace, as the API server has them: one file is open at a time.
    ByNamespace,
    /// Anyhow, as some aggregated APIs have them: every file stays open to the end.
    Any,
}

/// What a recording may use and whom it tells.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub writer: Writer,
    pub budget: Budget,
    pub progress: Arc<dyn Progress>,
}

/// Records one list. Files are named by their namespace; that of cluster-scoped objects by the empty name.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    desk: &'a Desk,
    kind: &'a Kind,
    filter: &'a Filter,
    order: Order,
    open: BTreeMap<String, ListFile>,
    /// Every place that was closed, and the files that are not stored to their ends yet.
    closed: BTreeSet<String>,
    closing: JoinSet<(String, Result<FileContent, EngineError>)>,
    index: IndexLines,
    recorded: Recorded,
    reported: (u64, u64),
}

/// What became of one list.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The list files by namespace; that of cluster-scoped objects has the empty name.
    pub files: BTreeMap<String, FileContent>,
    /// The lines of the index.
    pub index: Option<FileContent>,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What they say about others.
    pub facts: Facts,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(desk: &'a Desk, kind: &'a Kind, filter: &'a Filter, order: Order) -> Self {
        Self {
            desk,
            kind,
            filter,
            order,
            open: BTreeMap::new(),
            closed: BTreeSet::new(),
            closing: JoinSet::new(),
            index: IndexLines::new(&desk.writer, desk.budget.batch_bytes()),
            recorded: Recorded::default(),
            reported: (0, 0),
        }
    }

    /// Closes all files.
    pub(crate) async fn finish(mut self) -> Result<Recorded, EngineError> {
        self.report();
        while let Some((place, file)) = self.open.pop_first() {
            self.close(place, file).await?;
        }
        while let Some(stored) = self.closing.join_next().await {
            self.stored(stored)?;
        }
        self.recorded.index = self.index.finish().await?;
        Ok(self.recorded)
    }

    async fn take(&mut self, metadata: &Metadata<'_>, bytes: &[u8]) -> Result<(), Refusal> {
        let place = self.place(metadata)?;
        let refuse =
            |error: serde_json::Error| Refusal::Nonsense(format!("{}: {error}", target(self.kind, metadata)));
        self.recorded.facts.learn(self.kind, metadata, bytes).map_err(refuse)?;
        let offset = self.file(place).await?.add(bytes).await.map_err(stop)?;
        let length = bytes.len() as u64;
        self.index.add(self.kind, metadata, offset, length).await.map_err(stop)?;
        self.recorded.objects += 1;
        self.recorded.bytes += length;
        if self.recorded.objects - self.reported.0 >= REPORT_EVERY {
            self.report();
        }
        Ok(())
    }

    /// The file of this place, opened when it is not.
    async fn file(&mut self, place: &str) -> Result<&mut ListFile, Refusal> {
        if !self.open.contains_key(place) {
            if self.closed.contains(place) {
                return Err(Refusal::Scattered);
            }
            if self.order == Order::ByNamespace
                && let Some((earlier, file)) = self.open.pop_first()
            {
                self.close(earlier, file).await.map_err(stop)?;
            }
            let (writer, batch_bytes) = (&self.desk.writer, self.desk.budget.batch_bytes());
            let file = ListFile::open(writer, batch_bytes, self.kind).await.map_err(stop)?;
            self.open.insert(place.to_owned(), file);
        }
        self.open.get_mut(place).ok_or(Refusal::Scattered)
    }

    /// Ends a file. Its last bytes are stored beside the reading of what follows: the next namespace does not wait.
    async fn close(&mut self, place: String, file: ListFile) -> Result<(), EngineError> {
        if self.closing.len() >= CLOSING
            && let Some(stored) = self.closing.join_next().await
        {
            self.stored(stored)?;
        }
        self.closed.insert(place.clone());
        self.closing.spawn(async move { (place, file.close().await) });
        Ok(())
    }

    fn stored(
        &mut self,
        ended: Result<(String, Result<FileContent, EngineError>), JoinError>,
    ) -> Result<(), EngineError> {
        let (place, content) = ended?;
        self.recorded.files.insert(place, content?);
        Ok(())
    }

    /// Where an object belongs. A namespace becomes a file's name, so it must look like one.
    fn place<'m>(&self, metadata: &'m Metadata<'_>) -> Result<&'m str, Refusal> {
        if !self.kind.namespaced {
            return Ok("");
        }
        let namespace = metadata.namespace.as_ref().map_or("", |text| text.as_str());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if namespace.is_empty() || namespace.len() > 63 || !namespace.chars().all(plain) {
            let message = format!("{} is in a namespace that cannot be", target(self.kind, metadata));
            return Err(Refusal::Nonsense(message));
        }
        Ok(namespace)
    }

    fn report(&mut self) {
        let (objects, bytes) = self.reported;
        self.reported = (self.recorded.objects, self.recorded.bytes);
        self.desk.progress.captured(self.reported.0 - objects, self.reported.1 - bytes);
    }
}

impl Receive for Recorder<'_> {
    async fn item(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        let refuse =
            |error: serde_json::Error| Refusal::Nonsense(format!("an object cannot be read: {error}"));
        let object = Object::read(&bytes).map_err(refuse)?;
        match self.filter.judge(self.kind, &object.metadata, &bytes).map_err(refuse)? {
            Verdict::Pass => Ok(()),
            Verdict::LeaveOut(why) => {
                self.recorded.facts.leave_out(why, self.kind, &object.metadata);
                Ok(())
            }
            Verdict::Take => self.take(&object.metadata, &bytes).await,
        }
    }
}

fn stop(error: EngineError) -> Refusal {
    Refusal::Stop(error.into())
}
