//! What a check says: severity, outcome, evidence, fix.

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
    Generic,
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
