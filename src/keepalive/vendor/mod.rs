//! The vendors' CLIs as keep-alive uses them: a turn and its answer, the login on disk and its expiry.

mod answer;
mod credentials;
mod expiry;
mod resets;
mod token;
mod turn;

pub use answer::judge;
pub use expiry::{Expiry, credential_hash, expiry, file_of};
pub use turn::{is_at_work, turn};
