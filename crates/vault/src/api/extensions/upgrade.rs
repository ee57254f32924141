//! Which newer version an extension takes by itself, and when: pure decisions. Source of the modes: `AutoUpgradeMode` of the
//! Microsoft.KubernetesConfiguration API.

use super::{
    catalogue::{Catalogue, Offer, order},
    record::{ExtensionRecord, ExtensionState},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// So often the same package is tried by itself; after that it waits for a word of the owner.
pub const MOST_TRIES: u32 = 3;
/// Failed versions that are remembered.
const MOST_FAILED: usize = 10;

/// What an extension takes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpgradeMode {
    /// Nothing.
    None,
    /// A newer third number.
    Patch,
    /// A newer second or third number.
    Compatible,
}

/// How an extension takes newer versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrades {
    /// The mode that was asked for; `autoUpgradeMinorVersion` decides when absent.
    #[serde(default)]
    pub mode: Option<UpgradeMode>,
    /// The package of the version that is wanted, should it be offered no more.
    #[serde(default)]
    pub package: Option<PackageRef>,
    /// The upgrade that is under way and that nobody asked for.
    #[serde(default)]
    pub running: Option<Running>,
    /// Versions that were tried and did not come up.
    #[serde(default)]
    pub failed: Vec<FailedUpgrade>,
}

/// Where a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PackageRef {
    pub reference: String,
    pub digest: String,
}

/// An upgrade that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// The version before it.
    pub from: String,
    /// Its package.
    pub from_package: Option<PackageRef>,
    /// The generation before it, which is what the agent goes back to.
    pub from_generation: u64,
    /// The digest of what is being installed.
    pub digest: String,
    /// Since when.
    pub since: Timestamp,
}

/// An upgrade that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedUpgrade {
    /// The version.
    pub version: String,
    /// Its package: the same version in another package is another matter.
    pub digest: String,
    /// The generation under which it was tried; none is given twice.
    pub generation: u64,
    /// How often it was tried.
    pub tries: u32,
    /// When it last failed.
    pub at: Timestamp,
    /// Why.
    pub code: String,
    /// In words.
    pub message: String,
}

impl UpgradeMode {
    /// Whether an extension at `from` takes `to`: never an older one, never another first number.
    pub fn reaches(self, from: &str, to: &str) -> bool {
        let (from_numbers, to_numbers) = (numbers(from), numbers(to));
        let common = match self {
            Self::None => return false,
            Self::Patch => 2,
            Self::Compatible => 1,
        };
        order(to, from) == Ordering::Greater
            && from_numbers.iter().take(common).eq(to_numbers.iter().take(common))
            // Who runs a release does not get what comes before one.
            && (!to.contains('-') || from.contains('-'))
    }

    /// As clients write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Compatible => "compatible",
        }
    }

    /// As clients write it, in any letters.
    pub fn read(text: &str) -> Option<Self> {
        [Self::None, Self::Patch, Self::Compatible]
            .into_iter()
            .find(|mode| mode.text().eq_ignore_ascii_case(text))
    }
}

fn numbers(version: &str) -> Vec<u64> {
    let version = version.split_once('-').map_or(version, |(numbers, _)| numbers);
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

impl PackageRef {
    /// For what is to be removed, for which nothing is fetched.
    pub fn nowhere() -> Self {
        Self { reference: String::new(), digest: format!("sha256:{}", "0".repeat(64)) }
    }
}

impl From<&Offer> for PackageRef {
    fn from(offer: &Offer) -> Self {
        Self { reference: offer.reference.clone(), digest: offer.digest.clone() }
    }
}

impl ExtensionRecord {
    /// What it takes by itself. A version that was asked for stays.
    pub fn upgrade_mode(&self) -> UpgradeMode {
        match (&self.pinned_version, self.upgrades.mode) {
            (Some(_), _) => UpgradeMode::None,
            (None, Some(mode)) => mode,
            (None, None) if self.auto_upgrade => UpgradeMode::Compatible,
            (None, None) => UpgradeMode::None,
        }
    }

    /// The newest version that it may take by itself, unless it was tried too often or too lately.
    pub fn newer<'c>(
        &self,
        catalogue: &'c Catalogue,
        now: Timestamp,
        pause: SignedDuration,
    ) -> Option<&'c Offer> {
        let mode = self.upgrade_mode();
        let of_train = catalogue.packages.iter().filter(|one| {
            one.kind.eq_ignore_ascii_case(&self.extension_type)
                && one.release_train.eq_ignore_ascii_case(&self.release_train)
        });
        of_train
            .filter(|one| mode.reaches(&self.wanted_version, &one.version))
            .filter(|one| !self.upgrades.failed.iter().any(|failed| failed.holds_back(one, now, pause)))
            .max_by(|a, b| order(&a.version, &b.version))
    }

    /// Whether an upgrade can begin: what is there is what was wanted, and nothing is under way.
    pub fn may_upgrade(&self) -> bool {
        self.state == ExtensionState::Succeeded
            && self.upgrades.running.is_none()
            && self.current_version.as_ref() == Some(&self.wanted_version)
    }

    /// The greatest generation that was ever given.
    pub fn last_generation(&self) -> u64 {
        let tried = self.upgrades.failed.iter().map(|failed| failed.generation);
        tried.fold(self.generation, u64::max)
    }

    /// The upgrade begins.
    pub fn begin_upgrade(&mut self, offer: &Offer, generation: u64, now: Timestamp) {
        self.upgrades.running = Some(Running {
            from: self.wanted_version.clone(),
            from_package: self.upgrades.package.take(),
            from_generation: self.generation,
            digest: offer.digest.clone(),
            since: now,
        });
        self.upgrades.package = Some(offer.into());
        self.wanted_version.clone_from(&offer.version);
        self.generation = generation;
        self.state = ExtensionState::Updating;
        self.statuses = Vec::new();
        self.operation = None;
    }

    /// The upgrade that is under way did not come up: what was wanted before is wanted again. The agent went back to it by
    /// itself, and finds the generation that it has.
    pub fn upgrade_failed(&mut self, code: &str, message: &str, now: Timestamp) -> bool {
        let Some(running) = self.upgrades.running.take() else { return false };
        let version = std::mem::replace(&mut self.wanted_version, running.from.clone());
        let is_same = |one: &FailedUpgrade| one.version == version && one.digest == running.digest;
        let tries = self.upgrades.failed.iter().find(|one| is_same(one)).map_or(0, |one| one.tries);
        self.upgrades.failed.retain(|one| !is_same(one));
        self.upgrades.failed.push(FailedUpgrade {
            version,
            digest: running.digest,
            generation: self.generation,
            tries: tries.saturating_add(1),
            at: now,
            code: code.to_owned(),
            message: message.to_owned(),
        });
        let surplus = self.upgrades.failed.len().saturating_sub(MOST_FAILED);
        self.upgrades.failed.drain(..surplus);
        self.upgrades.package = running.from_package;
        self.current_version = Some(running.from);
        self.generation = running.from_generation;
        self.state = ExtensionState::Succeeded;
        self.error = None;
        true
    }

    /// A version came up: what failed before it is of no account any more.
    pub fn came_up(&mut self) {
        self.upgrades.running = None;
        let current = self.current_version.clone().unwrap_or_default();
        self.upgrades.failed.retain(|failed| order(&failed.version, &current) == Ordering::Greater);
    }
}

impl FailedUpgrade {
    fn holds_back(&self, offer: &Offer, now: Timestamp, pause: SignedDuration) -> bool {
        self.version == offer.version && self.digest == offer.digest && !self.is_due(now, pause)
    }

    /// Each time it waits twice as long.
    fn is_due(&self, now: Timestamp, pause: SignedDuration) -> bool {
        let pause = pause.saturating_mul(1 << self.tries.min(8));
        self.tries < MOST_TRIES && now.duration_since(self.at) >= pause
    }

    /// As a status of the extension.
    fn status(&self, runs: &str) -> Value {
        let next = if self.tries < MOST_TRIES {
            format!("It was tried {} of {MOST_TRIES} times and is tried again later.", self.tries)
        } else {
            format!(
                "It was tried {MOST_TRIES} times and is not tried again; mend what is in its way and ask for it with version {}, or wait for a newer one.",
                self.version
            )
        };
        json!({
            "code": "AutoUpgradeFailed",
            "displayStatus": "Upgrade failed",
            "level": "Warning",
            "message": format!(
                "Version {} did not come up and version {runs} runs as before. {}: {} {next}",
                self.version, self.code, self.message
            ),
            "time": self.at,
        })
    }
}

/// What an owner is told of upgrades that they did not ask for.
pub fn statuses(record: &ExtensionRecord) -> Vec<Value> {
    let running = record.upgrades.running.iter().map(|running| {
        json!({
            "code": "AutoUpgrading",
            "displayStatus": "Upgrading",
            "level": "Information",
            "message": format!("Version {} takes the place of {}.", record.wanted_version, running.from),
            "time": running.since,
        })
    });
    let runs = record.current_version.as_deref().unwrap_or(&record.wanted_version);
    running.chain(record.upgrades.failed.iter().map(|failed| failed.status(runs))).collect()
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
