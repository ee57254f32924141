//! People sign in: with a code that a client without a browser shows, or in a browser that a client on the same machine
//! opens. What a client then holds can be refreshed, and taken away as a whole.

mod authorize;
mod device;
mod grants;
mod html;
mod issue;
mod redeem;
mod scopes;

pub use authorize::{authorize, show_authorize};
pub use device::{device_code, device_login, poll_device, show_device_login};
pub use redeem::{redeem_code, refresh};
