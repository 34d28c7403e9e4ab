//! When jobs of keep-alive are due, and how the end of a run changes their state.
//! Pure: the time, the state and an expiry come in; a decision and a new state go out.
//!
//! A pass reads the state, calls [`JobState::settle`] for each job, asks [`due()`], and calls
//! [`JobState::begin`] and [`JobState::end`] around each run, storing the state after each.

pub mod definition;
pub mod due;
pub mod local;
pub mod outcome;
mod pace;
pub mod state;

pub use definition::{
    Action, Agents, Cli, Job, JobWarning, SMALLEST_GAP, Touch, WebPing, When, Which,
};
pub use due::{Due, due};
pub use local::{Minute, Silence, Zone};
pub use outcome::{LastResult, Outcome, OutcomeKind, backoff, retry_pause};
pub use pace::pace;
pub use state::{Conversation, Disabled, JobState};

#[cfg(test)]
mod tests;
