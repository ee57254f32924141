//! Protected settings: sealed with a key of their own, which lies among the vault's secrets, so that an exchange of the
//! wrapping key reaches them.

use crate::{
    app::App,
    seal::Wrapping,
    store::{AuditEntry, AuditOutcome, Change, StoreError},
};
use arm::ResourceId;
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The name of the secret that seals them.
const NAME: &str = "key of protected settings";
const LENGTH: usize = 32;

/// Settings in the clear.
pub type Settings = BTreeMap<String, Zeroizing<String>>;

/// Settings at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// Their names, which anyone who may read the extension sees.
    pub names: Vec<String>,
    /// All of them, sealed as one JSON object under the extension's id, base64.
    pub sealed: String,
}

/// Seals the settings of an extension.
pub async fn sealed(
    app: &App,
    id: &ResourceId,
    settings: &Settings,
) -> Result<Option<Protected>, StoreError> {
    if settings.is_empty() {
        return Ok(None);
    }
    let plain: BTreeMap<&str, &str> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let text = Zeroizing::new(serde_json::to_vec(&plain).map_err(|error| damaged(id, &error))?);
    let sealed = key(app).await?.seal(&about(id), &text).map_err(|error| damaged(id, &error))?;
    Ok(Some(Protected { names: settings.keys().cloned().collect(), sealed: STANDARD.encode(sealed) }))
}

/// Opens the settings of an extension.
pub async fn opened(
    app: &App,
    id: &ResourceId,
    protected: Option<&Protected>,
) -> Result<Settings, StoreError> {
    let Some(protected) = protected else { return Ok(Settings::new()) };
    let sealed = STANDARD.decode(&protected.sealed).map_err(|error| damaged(id, &error))?;
    let opened = key(app).await?.open_secret(&about(id), &sealed).map_err(|error| damaged(id, &error))?;
    serde_json::from_slice::<BTreeMap<String, String>>(&opened)
        .map(|all| all.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
        .map_err(|error| damaged(id, &error))
}

/// The key, made if there is none yet. Of two replicas that make one at once, one wins.
async fn key(app: &App) -> Result<Wrapping, StoreError> {
    let broken = |error: &dyn std::fmt::Display| StoreError::Damaged(format!("the {NAME}: {error}"));
    if app.store.secret(NAME).await?.is_none() {
        let mut bytes = Zeroizing::new([0_u8; LENGTH]);
        rand::rng().fill_bytes(bytes.as_mut());
        let text = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let sealed = app.wrapping.seal(NAME, text.as_bytes()).map_err(|error| broken(&error))?;
        let audit = AuditEntry {
            at: app.clock.now(),
            principal: "vault".to_owned(),
            action: format!("make the {NAME}"),
            scope: "/".to_owned(),
            outcome: AuditOutcome::Changed,
            correlation: uuid::Uuid::new_v4().to_string(),
        };
        let keep = Change::Keep(NAME.to_owned(), sealed);
        match app.store.commit(&[app.wrapping.guard(), keep], &audit).await {
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let sealed = app.store.secret(NAME).await?.ok_or_else(|| broken(&"it is missing"))?;
    let opened = app.wrapping.open_secret(NAME, &sealed).map_err(|error| broken(&error))?;
    let text = std::str::from_utf8(&opened).map_err(|error| broken(&error))?;
    Wrapping::from_text(text, NAME).map_err(|error| broken(&error))
}

fn about(id: &ResourceId) -> String {
    format!("protected settings {}", id.folded())
}

fn damaged(id: &ResourceId, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("the protected settings of {id}: {error}"))
}
