//! One recipe for each command.

pub mod clean;
mod clerk;
pub mod demo;
pub mod history;
pub mod undo;
