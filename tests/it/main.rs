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
mod completions;
mod config;
mod config_command;
mod config_options;
mod deciding;
mod desk;
mod docs;
mod doctor;
mod doubt;
mod env;
mod features;
mod fidelity;
mod fidelity_properties;
mod fuzz_seeds;
mod gemini;
mod history;
mod hold;
mod hold_beat;
mod hold_chat;
mod hold_clean;
mod hold_hooks;
mod hold_turns;
mod hold_watcher;
mod in_use;
mod invented_layouts;
mod journal;
#[cfg(feature = "keepalive")]
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
#[cfg(feature = "openclaw")]
mod openclaw;
mod output;
mod packaging;
mod packaging_release;
mod pages;
mod pin;
mod pins;
#[cfg(target_os = "linux")]
mod poisoned;
mod profiles;
mod profiles_apart;
mod progress;
mod project;
mod prometheus_rules;
#[cfg(target_os = "linux")]
mod release;
mod release_stand_in;
mod remove;
mod report;
#[cfg(target_os = "linux")]
mod resident;
mod running;
mod schedule;
mod schedule_cron;
mod schemas;
mod second_look;
mod second_look_properties;
#[cfg(feature = "serve")]
mod serve;
mod snapshots;
mod stand_in;
mod state_folder;
mod terminal;
mod times;
mod trees;
mod undo;
mod undo_asks;
mod unknown_files;
mod usage;
mod vibe;
#[cfg(feature = "web-ping")]
mod web_ping;
mod words;
