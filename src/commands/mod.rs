//! One recipe for each command.

pub mod clean;
pub mod demo;
pub mod history;
pub mod undo;
