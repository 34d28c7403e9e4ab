//! session-warden, as a library for its own binary, tests and benches.
//!
//! There is no stable API here. What other programs may rely on is the command line, the JSON
//! report and the exit codes; ARCHITECTURE.md shows how the layers below lie.

pub mod clean;
pub mod cli;
pub mod commands;
pub mod config;
pub mod holds;
pub mod journal;
#[cfg(feature = "keepalive")]
pub mod keepalive;
pub mod map;
pub mod model;
pub mod os;
pub mod process;
pub mod provider;
pub mod report;
pub mod schedule;
pub mod ui;
