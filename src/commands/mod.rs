//! One recipe for each command.

mod bounds;
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
mod no_map;
mod odd_models;
mod page;
pub mod pin;
mod pinned;
pub mod remove;
mod retention;
pub mod schedule;
mod second_look;
pub mod status;
pub mod undo;
