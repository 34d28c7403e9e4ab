//! The binary as its users meet it: every test has a home, a map and an environment of its own.
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests make and change the homes that the program must not, and fail by panicking"
)]

mod claude;
mod codex;
mod deciding;
mod env;
mod gemini;
mod project;
mod report;
mod vibe;
