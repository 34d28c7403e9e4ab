//! `undo`: restores what a run removed, without touching newer mappings. It is a run of its own.

pub mod args;
mod choose;
mod request;
mod restore;
