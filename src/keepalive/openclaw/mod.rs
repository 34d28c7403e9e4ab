//! OpenClaw's own files: where it keeps its sessions, whether its gateway runs, and the touch of a store
//! under the lock that OpenClaw itself takes.
//!
//! `model` knows the meaning of a store, a lock and a policy.

mod container;
mod gateway;
mod lock;
pub mod model;
mod paths;
mod sqlite;
mod touch;

pub use paths::{Folders, Surroundings, VARIABLES};
pub use touch::{Agent, Done, TouchRun, touch};
