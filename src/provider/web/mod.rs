//! One tiny message on Claude's web page, by the calls that the page itself makes. That is no public
//! interface, and may change or be closed at any time: nothing is done to look like a browser, and
//! nothing to get past a block.
//!
//! What such a ping is for, when it runs, and what is written down of it, is for others to know.

mod answer;
mod ask;
mod key;
mod limits;
mod origin;
mod reply;
mod site;
mod spelling;
mod stream;

pub use answer::Trouble;
pub use key::{KeySources, SessionKey, Variable};
pub use origin::origin;
pub use reply::Reply;
pub use site::{Limits, Site};

/// Where Claude's web page is.
pub const CLAUDE: &str = "https://claude.ai";
