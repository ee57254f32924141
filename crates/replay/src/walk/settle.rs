//! One object meets the target: created if absent, otherwise decided upon. In a plan every write is a dry run;
//! everything else is the same.

use super::Walk;
use super::state::{self, Need};
use super::world::is_terminating;
use crate::api::{ApiError, Refusal, Write, Written};
use crate::codes;
use crate::decide::{self, Class, Conflict, Decision, Origin};
use crate::diff::Difference;
use crate::item::{Item, Place};
use crate::json;
use crate::row::{Action, Checked};
use crate::stop::Stopped;
use crate::transform;
use protection::selection;
use protection::{Problem, code};
use serde_json::Value;

/// Why some servers cannot be asked beforehand.
pub(super) const SIDE_EFFECTS: &str = "an admission webhook has side effects";
/// Patches and creates that raced with others are made again this often.
const RACES: u32 = 3;

/// How an object came out.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) action: Action,
    pub(super) checked: Checked,
    /// UID in the target, where it exists.
    pub(super) uid: Option<String>,
    /// Whether this restore created the object, in this attempt or an earlier one.
    pub(super) created: bool,
    pub(super) notes: Vec<Problem>,
}

impl Settled {
    fn new(action: Action, uid: Option<String>) -> Self {
        let created = action == Action::Create;
        Self { action, checked: Checked::ByServer, uid, created, notes: Vec::new() }
    }

    pub(super) fn unchecked(action: Action, reason: impl Into<String>) -> Self {
        let checked = Checked::NotCheckable { reason: reason.into() };
        Self { checked, ..Self::new(action, None) }
    }

    /// It was deleted and created anew.
    pub(super) fn replaced(fields: Vec<String>, uid: String) -> Self {
        Self { created: true, ..Self::new(Action::Replace { fields }, Some(uid)) }
    }

    pub(super) fn blocked(problem: Problem) -> Self {
        Self::new(Action::blocked(problem), None)
    }
}

/// An object that is ready to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) item: &'a Item,
    pub(super) place: &'a Place,
    pub(super) desired: &'a Value,
    pub(super) class: Class,
}

impl Subject<'_> {
    pub(super) fn is_secretive(&self) -> bool {
        self.place.kind.is("", "secrets") || self.place.kind.is("", "configmaps")
    }
}

impl Walk<'_> {
    /// Creates the object, or does what the conflict rules say.
    pub(super) async fn settle(&self, subject: Subject<'_>) -> Result<Settled, Stopped> {
        let mut uncheckable = None;
        for _ in 0..RACES {
            match self.api.create(subject.place, subject.desired, &self.write_of(&subject)).await {
                Ok(written) => return Ok(self.created(&subject, written)),
                Err(error) => match error.refusal {
                    Refusal::AlreadyExists => {}
                    Refusal::DryRunNotSupported => uncheckable = Some(SIDE_EFFECTS),
                    _ => return self.refused_unless_there(&subject, &error).await,
                },
            }
            match self.api.get(subject.place).await {
                Err(error) => return Ok(self.refused(&subject, &error)),
                Ok(None) => {
                    if let Some(reason) = uncheckable {
                        return Ok(Settled::unchecked(Action::Create, reason));
                    }
                }
                Ok(Some(live)) if is_terminating(&live) => {
                    if self.write.dry_run {
                        let reason = "an object of this name is being deleted; the restore waits for its end";
                        return Ok(Settled::unchecked(Action::Create, reason));
                    }
                    if let Err(problem) = self.wait_until_gone(subject.place, &live).await? {
                        return Ok(Settled::blocked(problem));
                    }
                }
                Ok(Some(live)) => return self.meet(&subject, &live).await,
            }
        }
        Ok(Settled::blocked(
            Problem::error(codes::REFUSED, format!("{} comes and goes while it is restored.", subject.place))
                .fix("Find out what deletes it, then restore it again."),
        ))
    }

    fn created(&self, subject: &Subject<'_>, written: Written) -> Settled {
        let mut notes = self.notes_of(subject, &written);
        notes.extend(self.may_have_been_replaced(subject));
        let uid = (!self.write.dry_run).then_some(written.uid);
        Settled { notes, ..Settled::new(Action::Create, uid) }
    }

    /// The object exists.
    pub(super) async fn meet(&self, subject: &Subject<'_>, live: &Value) -> Result<Settled, Stopped> {
        let uid = json::text(live, &["metadata", "uid"]).map(str::to_owned);
        let origin = decide::origin(live, &self.write.manager, self.options.requested);
        match self.decision_about(subject, live) {
            Decision::CreatedBefore => Ok(Settled::new(Action::Create, uid)),
            Decision::ReplacedBefore => Ok(Settled::replaced(Vec::new(), uid.unwrap_or_default())),
            // An earlier attempt made it what it is.
            Decision::Unchanged if origin == Origin::Changed => {
                Ok(Settled::new(Action::Patch { fields: Vec::new() }, uid))
            }
            Decision::Unchanged => Ok(Settled::new(Action::Unchanged, uid)),
            Decision::Skip(fields) => Ok(Settled::new(Action::Skip { fields }, uid)),
            Decision::SharedLeftAlone(fields) => Ok(Settled::new(Action::SharedLeftAlone { fields }, uid)),
            Decision::DataNotRestored => Ok(Settled::new(Action::DataNotRestored, uid)),
            Decision::Patch(difference) => Ok(self.patch(subject, live, difference, uid).await),
            Decision::Replace(fields) => self.replace(subject, live, fields).await,
        }
    }

    /// The decision about an object that exists.
    pub(super) fn decision_about(&self, subject: &Subject<'_>, live: &Value) -> Decision {
        let origin = decide::origin(live, &self.write.manager, self.options.requested);
        let kind = &subject.place.kind;
        let normal = transform::normalise(kind, live.clone());
        let named = self.is_named(subject.place);
        let conflict = Conflict {
            class: subject.class,
            desired: subject.desired,
            live: &normal,
            origin,
            shared: !kind.namespaced && subject.class != Class::Namespace && self.facts.mapping.shares(),
            only_if_absent: subject.item.only_if_absent,
            named,
        };
        decide::decide(self.options.conflict_policy, &conflict)
    }

    /// Whether the type is one that `Replace` does not spare.
    pub(super) fn is_named(&self, place: &Place) -> bool {
        let kind = &place.kind;
        self.options.replace_types.iter().any(|pattern| {
            pattern.matches(selection::ResourceType {
                group: &kind.group,
                kind: &kind.kind,
                resource: &kind.resource,
            })
        })
    }

    async fn patch(
        &self,
        subject: &Subject<'_>,
        live: &Value,
        difference: Difference,
        uid: Option<String>,
    ) -> Settled {
        let fields = difference.fields;
        let write = self.write_of(subject);
        let write = Write { whole: write.whole || write.dry_run, ..write };
        let mut last = None;
        for _ in 0..RACES {
            match self.api.patch(subject.place, &difference.patch, &write).await {
                // The server understands both spellings as the same.
                Ok(written) if is_as_before(live, &written, write.dry_run) => {
                    return Settled::new(Action::Unchanged, uid);
                }
                Ok(written) => {
                    let notes = self.notes_of(subject, &written);
                    return Settled { notes, ..Settled::new(Action::Patch { fields }, uid) };
                }
                Err(error) => match error.refusal {
                    Refusal::Conflict => last = Some(error),
                    Refusal::DryRunNotSupported => {
                        let reason = SIDE_EFFECTS;
                        let patched = Settled::unchecked(Action::Patch { fields }, reason);
                        return Settled { uid, ..patched };
                    }
                    Refusal::Invalid => {
                        let blocked = Settled::blocked(immutable(subject, &error, &fields));
                        return Settled { uid, ..blocked };
                    }
                    _ => return Settled { uid, ..self.refused(subject, &error) },
                },
            }
        }
        match last {
            Some(error) => Settled { uid, ..self.refused(subject, &error) },
            None => Settled::new(Action::Unchanged, uid),
        }
    }

    /// The server would not take the object anew. One that is there is met all the same: its Service may hold the
    /// very port that it asks for, and a policy against new objects does not concern what exists.
    async fn refused_unless_there(
        &self,
        subject: &Subject<'_>,
        error: &ApiError,
    ) -> Result<Settled, Stopped> {
        match self.api.get(subject.place).await {
            Ok(Some(live)) if !is_terminating(&live) => self.meet(subject, &live).await,
            _ => Ok(self.refused(subject, error)),
        }
    }

    /// The server said no.
    fn refused(&self, subject: &Subject<'_>, error: &ApiError) -> Settled {
        match self.waits_for(subject, error) {
            Some(reason) => Settled::unchecked(Action::Create, reason),
            None => Settled::blocked(refusal(subject, error)),
        }
    }

    /// In a plan, a refusal may only be because what the object needs is not there yet: what that is.
    pub(super) fn waits_for(&self, subject: &Subject<'_>, error: &ApiError) -> Option<String> {
        let depends = matches!(error.refusal, Refusal::NotFound | Refusal::Forbidden | Refusal::Invalid);
        if !self.write.dry_run || !depends {
            return None;
        }
        let needs = state::needs(subject.place, subject.desired);
        let state = self.state.lock();
        let Need { resource, name, .. } = needs.into_iter().find(|need| state.made.contains(need))?;
        Some(format!("{resource}/{name} is created by this restore"))
    }
}

/// Whether a patch changed nothing. A dry run keeps the resource version, so that only the content tells.
fn is_as_before(live: &Value, written: &Written, dry_run: bool) -> bool {
    let content = |object: &Value| {
        let mut object = object.clone();
        for field in ["managedFields", "resourceVersion", "generation"] {
            json::take(&mut object, &["metadata", field]);
        }
        object
    };
    match &written.object {
        Some(object) if dry_run => content(object) == content(live),
        _ => Some(written.resource_version.as_str()) == json::text(live, &["metadata", "resourceVersion"]),
    }
}

fn immutable(subject: &Subject<'_>, error: &ApiError, fields: &[String]) -> Problem {
    let named = if error.fields.is_empty() { fields } else { &error.fields };
    Problem::error(
        codes::IMMUTABLE,
        format!(
            "The live object differs in {}, and the API server does not accept the change: {}.",
            named.join(", "),
            sentence(&error.explain(subject.is_secretive()))
        ),
    )
    .fix("Keep the live object, or use conflict policy Replace for it.")
}

/// The problem of an object that the server refused.
pub(super) fn refusal(subject: &Subject<'_>, error: &ApiError) -> Problem {
    let explained = error.explain(subject.is_secretive());
    let said = sentence(&explained);
    match &error.refusal {
        Refusal::WebhookUnreachable => Problem::error(
            codes::WEBHOOK_WITHOUT_BACKEND,
            format!("An admission webhook that the API server asks cannot be reached: {said}."),
        )
        .fix("Start what serves the webhook, or delete its configuration, then restore this object again."),
        Refusal::NamespaceTerminating => {
            Problem::error(code::OBJECT_NOT_RESTORED, "Its namespace is being deleted.")
                .fix("Wait until the namespace is gone, then start the restore again.")
        }
        Refusal::Forbidden => {
            Problem::error(codes::REFUSED, format!("The API server does not allow it: {said}."))
                .fix("If a policy forbids it, change the object with a resource modifier or the policy.")
        }
        Refusal::Busy(_) | Refusal::Unavailable(_) => {
            Problem::error(codes::REFUSED, format!("The API server did not take it: {said}."))
                .fix("Start the restore again: objects that exist are not created twice.")
        }
        _ => Problem::error(codes::REFUSED, format!("The API server refused it: {said}."))
            .fix("Change what it complains about with a resource modifier."),
    }
}

fn sentence(text: &str) -> &str {
    text.trim_end_matches(['.', '\n', ' '])
}
