//! Clock, logging and metrics: what every part of the product shares and nothing else.

mod clock;
mod logging;

pub use clock::{Clock, FixedClock, SystemClock};
pub use logging::{LogFormat, init_logging};
