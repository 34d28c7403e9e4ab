//! The commands: one file or folder for each, with its arguments, its help and its code.

pub mod clean;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod feature;
pub mod help;
pub mod history;
pub mod hold;
#[cfg(feature = "keepalive")]
pub mod keepalive;
pub(crate) mod list;
pub mod man;
pub mod options;
pub(crate) mod owner;
pub(crate) mod pin;
pub(crate) mod release;
pub mod remove;
mod retention;
pub mod schedule;
pub mod undo;
