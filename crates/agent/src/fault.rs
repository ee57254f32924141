//! Points at which a test ends the agent: before and after every request that changes something.

use crate::error::ActError;
use std::{fmt, sync::Arc};

type Ends = dyn Fn(&str) -> bool + Send + Sync;

/// Where a test ends the agent; nowhere in the product.
#[derive(Clone, Default)]
pub struct FaultPoints(Option<Arc<Ends>>);

impl FaultPoints {
    /// Ends the agent at each point for which `ends` answers yes.
    pub fn ending(ends: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(ends)))
    }

    /// Passes a point.
    pub(crate) fn pass(&self, point: &str) -> Result<(), ActError> {
        match &self.0 {
            Some(ends) if ends(point) => Err(ActError::Ended(point.to_owned())),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for FaultPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultPoints")
    }
}
