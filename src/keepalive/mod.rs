//! Keep-alive: jobs that keep logins and sessions alive. What is due follows from the stored state of
//! each job; it is done, and the state is stored again.

mod action;
mod check;
mod command;
mod end;
pub mod job;
mod keeper;
#[cfg(not(all(feature = "openclaw", feature = "web-ping")))]
mod missing_features;
#[cfg(feature = "openclaw")]
pub mod openclaw;
#[cfg(feature = "openclaw")]
mod openclaw_touch;
mod pass;
mod redact;
mod run;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "web-ping")]
mod set_key;
mod status;
pub mod store;
mod switch;
mod turn;
pub mod vendor;
pub mod web;
#[cfg(feature = "web-ping")]
mod web_ping;
mod written;

#[cfg(not(feature = "openclaw"))]
use missing_features::openclaw_touch;
#[cfg(not(feature = "web-ping"))]
use missing_features::web_ping;

pub use check::check;
pub use keeper::{Keeper, Limits, NO_JOB_HINT};
pub use run::{Options, Output, run};
#[cfg(feature = "serve")]
pub use serve::{Log, Serve, serve};
#[cfg(feature = "web-ping")]
pub use set_key::{key_file, set_key};
pub use status::status;
pub use switch::{disable, enable};
