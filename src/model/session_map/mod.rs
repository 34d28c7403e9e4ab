//! The bridge's map, kept as the very bytes that were read: parsed strictly, and cut without touching the
//! rest.

mod document;
mod edit;
pub(crate) mod outline;
mod parse;
mod unique;

pub use document::{Addition, Form, Mapping, SessionMap};
pub use parse::ParseError;
