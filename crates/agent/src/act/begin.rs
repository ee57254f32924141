//! The first step: may it be installed, what is it, and what exactly will be applied. Writes nothing to the cluster.

use super::{Actor, Done, gate, stamp};
use crate::{
    error::{ActError, Failure, code},
    objects::{self, Owner},
    record::{EgressSeen, Failed, Record, Release, Work},
    registry,
    run::is_namespace,
};
use packages::{
    Asked, Gate, ObjectKey, Package, Values, judge, render,
    wire::{DesiredExtension, Level, Status},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Objects that a message names.
const NAMED: usize = 10;

impl Actor {
    /// Prepares what is desired. The record that comes back holds all that will be applied.
    pub async fn begin(&self, desired: &DesiredExtension, record: &Record) -> Result<Done, ActError> {
        stays_itself(desired, record)?;
        let asked = Asked { kind: &desired.kind, version: &desired.version };
        let package = registry::fetch(self.registry.as_ref(), &desired.package, &self.trust, &asked).await?;
        let desired =
            &DesiredExtension { namespace: namespace(desired, record, &package)?, ..desired.clone() };
        let judged = judge(&package.settings, &desired.settings, &desired.protected_settings)?;
        let mut statuses = judged.statuses;
        let egress = self.egress_seen(record);
        let values = Values { settings: judged.values, agent: self.values(desired, egress.as_ref()) };
        let rendered = render(&package, &values)?;
        let mut later = Vec::new();
        if record.installed.is_none() {
            let asked = gate::Asked {
                ids: &package.gate.cluster,
                namespace: &desired.namespace,
                place: place(&package.gate, &values),
                objects: &rendered,
                in_place: false,
            };
            let passed = gate::pass(self, &asked).await?;
            statuses.extend(passed.statuses);
            later = passed.later;
        }
        let (objects, made, noticed) = self.places(desired, &package, rendered).await?;
        statuses.extend(noticed);
        let now = self.now();
        stamp(&mut statuses, now);
        let release = Release::new(
            desired.generation,
            &package.version,
            &desired.namespace,
            objects,
            package.health,
            statuses,
        )?
        .with_egress(egress);
        let strays = record.work.as_ref().map(Work::objects).unwrap_or_default();
        let mut made_all = record.made.clone();
        made_all.extend(made);
        // One that the gate stopped stays failed until the gate lets it through.
        let is_same = |failed: &Failed| failed.generation == desired.generation;
        let failed = record.failed.clone().filter(|failed| !later.is_empty() && is_same(failed));
        let record = Record {
            kind: desired.kind.clone(),
            installed: record.installed.clone(),
            work: Some(Work::Apply { release, strays, since: now, later }),
            failed,
            made: made_all,
        };
        Ok(Done::record(record))
    }

    /// The egress proxy of now, with the time at which it came into what is installed.
    fn egress_seen(&self, record: &Record) -> Option<EgressSeen> {
        let digest = self.egress.as_ref()?.digest();
        let known = record.installed.as_ref().and_then(|release| release.egress.clone());
        let same = known.filter(|known| known.digest == digest);
        Some(same.unwrap_or_else(|| EgressSeen { digest, since: self.now() }))
    }

    fn values(
        &self,
        desired: &DesiredExtension,
        egress: Option<&EgressSeen>,
    ) -> BTreeMap<&'static str, String> {
        let mut values = BTreeMap::from([
            ("namespace", desired.namespace.clone()),
            ("extension", desired.name.clone()),
            ("clusterUid", self.cluster_uid.clone()),
            ("vaultUrl", self.vault.url.trim_end_matches('/').to_owned()),
            // Packages end the text themselves.
            ("vaultAuthorities", self.vault.authorities.trim_end().to_owned()),
            ("tenantId", self.vault.tenant_id.clone()),
        ]);
        if let Some(identity) = &desired.identity {
            values.insert("clientId", identity.client_id.clone());
            values.insert("principalId", identity.principal_id.clone());
            values.insert("audience", identity.audience.clone());
        }
        if let (Some(way), Some(seen)) = (&self.egress, egress) {
            way.tell(&mut values);
            values.insert("proxySince", seen.since.to_string());
        }
        values.retain(|_, value| !value.is_empty());
        values
    }

    /// Which of the rendered objects will be applied: not the namespaces of others, and nothing at all when an object
    /// of somebody else is in the way. Also the namespaces that will be made.
    #[allow(clippy::type_complexity)]
    async fn places(
        &self,
        desired: &DesiredExtension,
        package: &Package,
        rendered: Vec<(ObjectKey, Value)>,
    ) -> Result<(Vec<(ObjectKey, Value)>, BTreeSet<String>, Vec<Status>), ActError> {
        let (mut objects, mut made, mut noticed, mut foreign) =
            (Vec::new(), BTreeSet::new(), Vec::new(), Vec::new());
        for (key, object) in rendered {
            match objects::owner(&self.client, &key, &desired.name, &package.adopts).await? {
                Owner::Foreign if key.is_namespace() => {
                    let text = format!("{key} was there already; it is used as it is, and is never removed.");
                    noticed.push(Status::new(
                        "NamespaceExisted",
                        "Namespace existed",
                        Level::Information,
                        text,
                    ));
                    continue;
                }
                Owner::Foreign => foreign.push(key.to_string()),
                Owner::Nobody if key.is_namespace() => drop(made.insert(key.name.clone())),
                Owner::Nobody | Owner::Ours | Owner::Adoptable => {}
            }
            objects.push((key, object));
        }
        if foreign.is_empty() {
            return Ok((objects, made, noticed));
        }
        let more = foreign.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        foreign.truncate(NAMED);
        Err(ActError::Permanent(Failure::new(
            code::EXISTS,
            format!(
                "Objects are there that do not belong to this extension: {}{more}. Remove them, or choose another namespace.",
                foreign.join(", ")
            ),
        )))
    }
}

/// Where in a store the extension will write, if its package says so and its settings name a place.
fn place(gate: &Gate, values: &Values) -> Option<String> {
    let place = gate.place.as_ref()?;
    let text = |key: &str| values.settings.get(key).and_then(Value::as_str).unwrap_or_default();
    let bucket = Some(text(&place.bucket)).filter(|bucket| !bucket.is_empty())?;
    Some(format!("{bucket}/{}", place.prefix.as_deref().map(text).unwrap_or_default()))
}

/// The release that is installed or under way.
fn release_of(record: &Record) -> Option<&Release> {
    record.installed.as_ref().or(match &record.work {
        Some(Work::Apply { release, .. } | Work::Wait { release, .. }) => Some(release),
        _ => None,
    })
}

/// Where the extension lives: where it is wished for, where it is already, or where its package puts it.
fn namespace(desired: &DesiredExtension, record: &Record, package: &Package) -> Result<String, ActError> {
    if !desired.namespace.is_empty() {
        return Ok(desired.namespace.clone());
    }
    let namespace = release_of(record).map_or(&package.namespace, |release| &release.namespace);
    if is_namespace(namespace) {
        return Ok(namespace.clone());
    }
    let message =
        format!("The package would live in {namespace}, a namespace of the cluster's own. Name another one.");
    Err(ActError::Permanent(Failure::new(code::NOT_PERMITTED, message)))
}

/// Type and namespace of an extension that is there cannot change.
fn stays_itself(desired: &DesiredExtension, record: &Record) -> Result<(), ActError> {
    let refused = |code, what: String| Err(ActError::Permanent(Failure::new(code, what)));
    let Some(release) = release_of(record) else { return Ok(()) };
    if record.kind != desired.kind {
        return refused(
            code::TYPE_CHANGED,
            format!(
                "The extension is of type {} and cannot become {}. Remove it first.",
                record.kind, desired.kind
            ),
        );
    }
    if !desired.namespace.is_empty() && release.namespace != desired.namespace {
        return refused(
            code::NAMESPACE,
            format!(
                "The extension lives in namespace {} and cannot move to {}. Remove it first.",
                release.namespace, desired.namespace
            ),
        );
    }
    Ok(())
}
