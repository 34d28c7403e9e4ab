//! The release of idle CLI processes: which facts are read, whether a process may be ended, and how it is ended.
//!
//! [`look`] finds out, with [`record`], [`schedules`] and [`crate::process::facts`], and [`cpu`] measures;
//! [`conditions`] decides, and [`kept`] has its reasons; [`signal`] ends. When all that happens, and for which
//! processes, is not decided here.

pub mod conditions;
pub mod cpu;
pub mod kept;
pub mod look;
pub mod record;
pub mod schedules;
pub mod signal;
