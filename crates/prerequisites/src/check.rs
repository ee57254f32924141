//! What a check is, and what it says: severity, outcome, evidence, fix.

use crate::{Facts, Verdict};
use serde::{Deserialize, Serialize};

/// What a failed check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Backups work, but not for everything or not for ever.
    Warn,
    /// Installation or backup cannot succeed.
    Block,
}

/// Which product's rules apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What this product needs, on any Kubernetes.
    #[default]
    #[serde(alias = "generic")]
    Cofferdam,
    /// What the original demands on AKS: for example no Velero at all.
    Aks,
}

/// What the checks are run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Installing the extension, or seeing whether an installed one can do its work.
    Install,
    /// One backup.
    Backup,
    /// One restore.
    Restore,
    /// Everything that there is to know: the whole catalogue.
    Preflight,
}

/// Where what must hold, holds or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// The subscription.
    Subscription,
    /// The Backup vault.
    Vault,
    /// The cluster that is backed up.
    Cluster,
    /// The object store.
    Storage,
    /// What is restored into.
    Target,
}

impl Scope {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subscription => "Subscription",
            Self::Vault => "Vault",
            Self::Cluster => "Cluster",
            Self::Storage => "Storage",
            Self::Target => "Target",
        }
    }
}

/// What a check that does not hold weighs under a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It blocks.
    Blocks,
    /// It warns.
    Warns,
    /// It is told, and counts as passed.
    Informs,
    /// Nobody asks, and why.
    NotApplicable(&'static str),
}

/// Who carries a fix out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The product's command line.
    Cofferdam,
    /// The Azure CLI.
    Az,
    /// The Kubernetes client.
    Kubectl,
    /// A person; no command can do it.
    Person,
}

/// How to mend what does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    /// Who carries it out.
    pub by: By,
    /// A command, or a sentence. `{cluster}` and its like are filled in where they are known.
    pub text: &'static str,
}

impl Fix {
    pub(crate) const fn cofferdam(text: &'static str) -> Self {
        Self { by: By::Cofferdam, text }
    }

    pub(crate) const fn az(text: &'static str) -> Self {
        Self { by: By::Az, text }
    }

    pub(crate) const fn kubectl(text: &'static str) -> Self {
        Self { by: By::Kubectl, text }
    }

    pub(crate) const fn person(text: &'static str) -> Self {
        Self { by: By::Person, text }
    }
}

/// A cause for which a check fails and that has a documented code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The code.
    pub code: &'static str,
    /// What is wrong then, as half a sentence.
    pub when: &'static str,
}

impl Cause {
    pub(crate) const fn new(code: &'static str, when: &'static str) -> Self {
        Self { code, when }
    }
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// `P<number>` of the original's prerequisite, `C<number>` of our own.
    pub id: &'static str,
    /// What must hold, as a sentence.
    pub title: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Where it holds or not.
    pub scope: Scope,
    /// What a failure weighs under the rules of this product.
    pub cofferdam: Weight,
    /// What it weighs under the rules of AKS backup.
    pub aks: Weight,
    /// How it is observed.
    pub observed_by: &'static str,
    /// The documented code of a failure, where its cause has none of its own: the original's, else ours.
    pub code: Option<&'static str>,
    /// Causes that have codes of their own.
    pub causes: &'static [Cause],
    /// What depends on it, the whole catalogue apart.
    pub purposes: &'static [Purpose],
    /// Checks that must have passed before this one makes sense.
    pub depends_on: &'static [&'static str],
    /// How to mend it.
    pub fixes: &'static [Fix],
    /// How it is tested: files of tests stand in backticks, and in each of them something of it fails, which a test verifies.
    pub tested_by: &'static str,
    /// Whether only Azure itself can prove the rule: it is tested against our resource manager or made-up facts.
    pub only_azure: bool,
    pub(crate) rule: fn(&Facts, Profile) -> Verdict,
}

impl Check {
    /// What a failure weighs.
    pub fn weight(&self, profile: Profile) -> Weight {
        match profile {
            Profile::Cofferdam => self.cofferdam,
            Profile::Aks => self.aks,
        }
    }

    /// The severity that is shown for it: what a failure means at worst.
    pub fn severity(&self, profile: Profile) -> Severity {
        match self.weight(profile) {
            Weight::Blocks => Severity::Block,
            Weight::Warns | Weight::Informs | Weight::NotApplicable(_) => Severity::Warn,
        }
    }

    /// Whether a failure of it can have this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.code == Some(code) || self.causes.iter().any(|cause| cause.code == code)
    }

    pub(crate) fn is_for(&self, purpose: Purpose) -> bool {
        purpose == Purpose::Preflight || self.purposes.contains(&purpose)
    }
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result")]
pub enum Outcome {
    /// What must hold, holds.
    Passed,
    /// It does not hold.
    Failed {
        /// What that means here; under another profile the same finding can weigh differently.
        severity: Severity,
    },
    /// A check that this one depends on did not pass.
    Skipped {
        /// Id of that check.
        because: String,
    },
    /// Nobody could look.
    NotObservable {
        /// Why not.
        why: String,
    },
    /// There is nothing here that it speaks of.
    NotApplicable {
        /// Why not.
        why: String,
    },
}

/// One check, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Id in the catalogue.
    pub id: String,
    /// What must hold, as a sentence.
    pub title: String,
    /// Why it must hold.
    pub reason: String,
    /// What a failure of this check means at worst.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen.
    pub evidence: String,
    /// A command, or a sentence where no command can help; present when something is to be done.
    pub fix: Option<String>,
}

/// All checks, judged, in the order of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One finding per check.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The findings that stop an installation or a backup.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.failed(Severity::Block)
    }

    /// The findings that warn.
    pub fn warning(&self) -> impl Iterator<Item = &Finding> {
        self.failed(Severity::Warn)
    }

    fn failed(&self, wanted: Severity) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |f| matches!(&f.outcome, Outcome::Failed { severity } if *severity == wanted))
    }
}
