//! When jobs of keep-alive are due, and what follows from how they ended.
//! Pure: the time, the state and an expiry come in; what to do and a new state go out.
//!
//! A pass reads the state, calls [`JobState::settle`] for each job, asks [`due()`], and brackets what
//! it runs with [`JobState::begin`] and [`JobState::end`], written down after each.

pub mod definition;
pub mod due;
pub mod local;
pub mod outcome;
mod pace;
pub mod state;
mod text;

pub use definition::{
    Action, Agents, Cli, Job, JobWarning, SMALLEST_GAP, Touch, WebPing, When, Which,
};
pub use due::{Due, due};
pub use local::{Minute, Silence, Zone};
pub use outcome::{Outcome, backoff, retry_pause};
pub use pace::pace;
pub use state::{Conversation, Disabled, JobState};

#[cfg(test)]
mod tests;
