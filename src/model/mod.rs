//! Pure values and decisions: mappings, the evidence of their sessions, and the verdicts.
//!
//! Nothing in here reads the clock, the environment or the disk; all three come in as parameters.

pub mod activity;
pub mod cli_process;
pub mod clock;
pub mod escape;
pub mod exposition;
pub mod failure;
pub mod heartbeat;
pub mod ids;
mod json_error;
pub mod naming;
pub mod pattern;
pub mod plain_json;
pub mod plain_text;
pub mod plan;
pub mod policy;
pub mod session_map;
pub mod threshold;
pub mod timestamp;
pub mod verdict;
pub mod warning;

pub use activity::{Activity, Reading, SessionFile};
pub use cli_process::{CliProcess, Connections, Holdings, Memory, ProcessDetails, Release};
pub use clock::Clock;
pub use failure::{Advice, Exit, Failure, describe};
pub use ids::{ChatId, IdKind, MappingIdx, ProviderIdx, SessionId, SessionIdx};
pub use json_error::json_error;
pub use pattern::Patterns;
pub use plan::{Action, Decision, HeldFor, Plan};
pub use policy::{Missing, Policies, Policy};
pub use session_map::{Form, Mapping, SessionMap};
pub use threshold::{IdleThreshold, Thresholds};
pub use timestamp::{Timestamp, Zone};
pub use verdict::{KeepReason, RemoveReason, State, Verdict};
pub use warning::{Warning, WarningCode};

#[cfg(test)]
mod tests;
