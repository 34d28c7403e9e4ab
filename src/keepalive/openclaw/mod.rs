//! OpenClaw's own files: where it keeps its sessions, whether its gateway runs, and the touch of a store
//! under the lock that OpenClaw itself takes.
//!
//! What a store, a lock and a policy mean is in `model`.

mod container;
mod gateway;
mod lock;
pub mod model;
mod place;
mod sqlite;
mod touch;

pub use place::{Folders, Surroundings, VARIABLES};
pub use touch::{Agent, Done, No, Touching, touch};
