//! One tiny message on Claude's web page, by the calls that the page itself makes. That is not a public
//! interface, and may change or be closed at any time: no browser is imitated, and no block is worked
//! around.
//!
//! When a ping runs, and what is stored of it, is decided by the rest of keep-alive.

#[cfg(feature = "web-ping")]
mod answer;
#[cfg(feature = "web-ping")]
mod ask;
mod key;
#[cfg(feature = "web-ping")]
mod limits;
mod origin;
#[cfg(feature = "web-ping")]
mod reply;
#[cfg(feature = "web-ping")]
mod site;
#[cfg(feature = "web-ping")]
mod stream;

#[cfg(feature = "web-ping")]
pub use answer::{CallError, Refusal};
pub use key::{KeySources, SessionKey, Variable};
pub use origin::origin;
#[cfg(feature = "web-ping")]
pub use reply::Reply;
#[cfg(feature = "web-ping")]
pub use site::{Limits, Site};

pub const CLAUDE: &str = "https://claude.ai";
