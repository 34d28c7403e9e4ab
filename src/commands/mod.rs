//! One recipe for each command.

pub mod clean;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
mod held;
pub mod history;
pub mod hold;
mod job;
pub mod keepalive;
pub mod keepalive_timer;
pub mod list;
pub mod man;
mod page;
mod retention;
pub mod schedule;
mod second_look;
pub mod status;
pub mod undo;
