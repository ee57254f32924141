//! Why a package or its settings cannot be used.

/// The codes that an extension's status and error carry.
#[allow(missing_docs)] // each is its own explanation; docs/formats/extension-package.md lists them
pub mod code {
    pub const REFERENCE: &str = "PackageReferenceInvalid";
    pub const TOO_LARGE: &str = "PackageTooLarge";
    pub const DIGEST: &str = "PackageDigestMismatch";
    pub const MALFORMED: &str = "PackageMalformed";
    pub const UNSIGNED: &str = "PackageNotSigned";
    pub const SIGNATURE: &str = "PackageSignatureInvalid";
    pub const TYPE: &str = "PackageTypeMismatch";
    pub const VERSION: &str = "PackageVersionMismatch";
    pub const KEY: &str = "PackageKeyInvalid";
    pub const SETTINGS: &str = "InvalidSettings";
    pub const UNKNOWN_SETTING: &str = "UnknownSetting";
    pub const OPEN_SECRET: &str = "ProtectedSettingGivenOpenly";
    pub const RENDER: &str = "PackageCannotBeRendered";
}

/// A package or a set of settings that is refused: code, what was found, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what} {next}")]
pub struct PackageError {
    /// One of [`code`].
    pub code: &'static str,
    /// What was found, as a sentence; never the value of a protected setting.
    pub what: String,
    /// What a person can do, as a sentence.
    pub next: String,
}

impl PackageError {
    pub(crate) fn new(code: &'static str, what: impl Into<String>, next: &str) -> Self {
        Self { code, what: what.into(), next: next.to_owned() }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::new(code::MALFORMED, what, "Ask the package's author for a version that follows the format.")
    }
}
