//! The results of commands, and functions that write them: as text for people, as JSON and metrics for
//! programs. They decide nothing.

mod doctor;
mod history;
mod json;
mod list;
mod list_json;
mod look;
mod metrics;
mod past_releases;
mod process;
mod release;
mod rows;
mod run;
mod shorten;
mod size;
mod table;
mod text;
mod undo;

pub use doctor::{Check, Counts, Health, write_checks, write_checks_json};
pub use history::{
    PastMapping, PastRun, write_history, write_history_json, write_past_run, write_past_run_json,
};
pub use json::{OfProfile, write_json, write_profiles};
pub use list::{Deletion, Holder, List, Listed, Totals, write_list};
pub use list_json::write_list_json;
pub use look::{Look, Screen, age, and_more, counted};
pub use metrics::{Measured, write_metrics};
pub use past_releases::PastRelease;
pub use release::{ReleaseReport, ReleaseRow, write_release, write_release_json};
pub use run::{Report, Row, Summary};
pub use shorten::{padded, shortened};
pub use text::write_text;
pub use undo::{Undo, write_undo, write_undo_json};
