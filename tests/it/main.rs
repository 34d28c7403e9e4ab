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
mod bridge_calls;
mod bridge_process;
mod bridge_proof;
mod child;
mod claude;
mod clean_properties;
mod clock;
mod codex;
mod config;
mod config_command;
mod config_options;
mod deciding;
mod desk;
mod docs;
mod doctor;
mod doubt;
mod env;
mod fidelity;
mod fidelity_properties;
mod fuzz_seeds;
mod gemini;
mod hold;
mod hold_beat;
mod hold_clean;
mod hold_hooks;
mod in_use;
mod invented_layouts;
mod keepalive_jobs;
mod killed;
mod last_look;
mod list;
mod log;
mod map_attributes;
mod map_changing;
mod map_reading;
mod map_size;
mod map_writing;
mod metrics;
mod openclaw;
mod output;
mod packaging;
mod packaging_release;
mod pin;
mod profiles;
mod profiles_apart;
mod project;
mod prometheus_rules;
mod report;
mod running;
mod schedule;
mod schedule_cron;
mod schemas;
mod second_look;
mod second_look_properties;
mod serve;
mod stand_in;
mod trees;
mod undo;
mod usage;
mod vibe;
mod web_ping;
