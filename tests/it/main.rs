//! The binary as its users meet it: every test has a home, a map and an environment of its own.
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests make and change the homes that the program must not, and fail by panicking"
)]

mod arbitrary_map;
mod bridge;
mod child;
mod claude;
mod codex;
mod deciding;
mod env;
mod fidelity;
mod fidelity_properties;
mod gemini;
mod in_use;
mod map_attributes;
mod map_changing;
mod map_reading;
mod map_size;
mod map_writing;
mod output;
mod project;
mod report;
mod running;
mod stand_in;
mod undo;
mod usage;
mod vibe;
