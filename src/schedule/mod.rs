//! Timers: a clean or a pass of keep-alive that runs again and again, by systemd, cron or launchd, with the
//! options and variables it was installed with, so that it looks where the user looked.
//!
//! Every installed file or line has a mark in its first line or at its end. By that mark it is found again,
//! to be replaced, shown and removed, also by a newer version.

pub mod cron;
mod cron_command;
mod installed_command;
mod lasting;
pub mod launchd;
pub mod others;
mod quote;
mod search_path;
pub mod systemd;
mod timer;
mod tool;
mod unit_file;
mod when;

pub use installed_command::{InstalledCommand, parse_installed};
pub use lasting::{Fleeting, is_versioned};
pub use search_path::SearchPath;
pub use systemd::lingers;
pub use timer::{Account, Installed, Job, KEEPALIVE_NAME, Method, Step, Work, name};
pub use tool::version_of;
pub use unit_file::UnitFile;
pub use when::When;
