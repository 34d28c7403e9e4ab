//! One recipe for each command.

pub mod clean;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod feature;
mod held;
pub mod history;
pub mod hold;
mod job;
#[cfg(feature = "keepalive")]
pub mod keepalive;
#[cfg(feature = "keepalive")]
pub mod keepalive_timer;
pub mod list;
pub mod man;
mod page;
pub mod schedule;
mod second_look;
pub mod status;
pub mod undo;
