//! OpenClaw's session store, as far as it is touched: its entries, the resets of a session, and whether a
//! lock is stale. Pure: bytes, times and settings come in.
//!
//! The facts are those of OpenClaw 2026.2.12 to 2026.7.1, from its packages and from running it.

pub mod lock;
pub mod settings;
pub mod store;
mod touch;

pub use lock::{Life, is_stale};
pub use settings::{Settings, Stale};
pub use store::{Entry, Era, Field, Store};
pub use touch::{Touched, touch};

#[cfg(test)]
mod tests;
