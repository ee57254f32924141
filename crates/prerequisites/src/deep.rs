//! What became of a probe volume: written, snapshot, restored, compared, removed.

/// One driver, tried with a volume of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeepCheck {
    /// The CSI driver.
    pub driver: String,
    /// The StorageClass of the volume.
    pub class: String,
    /// The VolumeSnapshotClass of its snapshot.
    pub snapshot_class: String,
    /// What each step took, in milliseconds, in their order.
    pub took: Vec<(Step, u64)>,
    /// The step that failed, and why.
    pub failed: Option<(Step, String)>,
    /// What could not be removed.
    pub left: Vec<String>,
}

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A volume is made and data written to it.
    Write,
    /// A snapshot is cut and ready.
    Snapshot,
    /// A volume is made of the snapshot, and its data read.
    Restore,
    /// The data is that which was written.
    Compare,
    /// Everything is removed.
    Remove,
}

impl Step {
    /// What is done.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Snapshot => "snapshot",
            Self::Restore => "restore",
            Self::Compare => "compare",
            Self::Remove => "remove",
        }
    }
}

impl DeepCheck {
    /// `write 2.1 s, snapshot 0.8 s, …`.
    pub fn times(&self) -> String {
        let one =
            |(step, took): &(Step, u64)| format!("{} {}.{} s", step.name(), took / 1_000, took % 1_000 / 100);
        self.took.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}
