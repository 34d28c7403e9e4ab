//! One tiny message on Claude's web page, by the calls that the page itself makes. That is no public
//! interface, and may change or be closed at any time: nothing is done to look like a browser, and
//! nothing to get past a block.
//!
//! What such a ping is for, when it runs, and what is written down of it, is for others to know.

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
mod spelling;
#[cfg(feature = "web-ping")]
mod stream;

#[cfg(feature = "web-ping")]
pub use answer::Trouble;
pub use key::{KeySources, SessionKey, Variable};
pub use origin::origin;
#[cfg(feature = "web-ping")]
pub use reply::Reply;
#[cfg(feature = "web-ping")]
pub use site::{Limits, Site};

/// Where Claude's web page is.
pub const CLAUDE: &str = "https://claude.ai";
