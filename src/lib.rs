//! session-warden, as a library for its own binary, tests and benches.
//!
//! There is no stable API here. What other programs may rely on is the command line, the JSON
//! report and the exit codes; ARCHITECTURE.md shows how the layers below lie.

pub mod bridge;
pub mod cli;
pub mod commands;
pub mod config;
pub mod disk;
pub mod domain;
pub mod holds;
pub mod journal;
#[cfg(feature = "keepalive")]
pub mod keepalive;
#[cfg(feature = "openclaw")]
pub mod openclaw;
pub mod process;
pub mod provider;
pub mod report;
pub mod schedule;
