//! Encoders that keep their buffers, one for each thread that is sealing right now.

use crate::EngineError;
use parking_lot::Mutex;
use repository::{BlobEncoder, BlobKind, Encoded, MasterKey, Nonce};

/// One encoder with the buffer it seals into.
#[derive(Debug)]
pub(super) struct Sealer {
    encoder: BlobEncoder,
    sealed: Vec<u8>,
}

impl Sealer {
    pub(super) fn seal(
        &mut self,
        key: &MasterKey,
        kind: BlobKind,
        plain: &[u8],
    ) -> Result<Encoded, EngineError> {
        self.sealed.clear();
        let nonce = Nonce::random(&mut rand::rng());
        self.encoder
            .encode(key, kind, plain, nonce, &mut self.sealed)
            .map_err(EngineError::format("a new blob"))
    }

    /// The last sealed blob.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.sealed
    }
}

/// Sealers that nobody uses at the moment.
#[derive(Debug)]
pub(super) struct Sealers {
    level: i32,
    idle: Mutex<Vec<Sealer>>,
}

impl Sealers {
    pub(super) fn new(level: i32) -> Self {
        Self { level, idle: Mutex::default() }
    }

    pub(super) fn take(&self) -> Result<Sealer, EngineError> {
        if let Some(sealer) = self.idle.lock().pop() {
            return Ok(sealer);
        }
        let encoder = BlobEncoder::new(self.level).map_err(EngineError::format("compression"))?;
        Ok(Sealer { encoder, sealed: Vec::new() })
    }

    pub(super) fn give_back(&self, sealer: Sealer) {
        self.idle.lock().push(sealer);
    }
}
