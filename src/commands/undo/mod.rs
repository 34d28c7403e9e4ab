//! `undo`: restores the mappings that a run removed, and leaves newer ones alone. It is a run of its own.

pub mod args;
mod choose;
mod request;
mod restore;
