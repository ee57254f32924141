//! Webhooks: alerts are told to receivers that the operator named, signed, at least once. A message is work like any other:
//! it is committed with the alert, so that nothing is lost when the vault ends before it was sent, and of several replicas
//! one sends it.

mod deliver;
mod message;
mod payload;
mod receiver;
mod settings;
mod sign;

pub use deliver::{KIND, step};
pub use message::{Message, messages};
pub use receiver::Receiver;
pub use settings::{ReceiverSettings, WebhookError};

/// The receivers that this replica knows.
#[derive(Debug, Default)]
pub struct Webhooks(Vec<Receiver>);

impl Webhooks {
    /// Looks at all settings, and reads each secret once, so that what is wrong is found at the start.
    pub fn open(settings: &[ReceiverSettings]) -> Result<Self, WebhookError> {
        let mut receivers: Vec<Receiver> = Vec::new();
        for one in settings {
            if receivers.iter().any(|known| known.name() == one.name) {
                return Err(WebhookError::wrong(
                    &one.name,
                    "is named twice; give each receiver its own name",
                ));
            }
            receivers.push(Receiver::open(one)?);
        }
        Ok(Self(receivers))
    }

    /// All.
    pub fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        self.0.iter()
    }

    /// One, by its name.
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.0.iter().find(|one| one.name() == name)
    }
}
