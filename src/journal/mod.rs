//! The records of runs in the state folder: removed and restored mappings, the runs themselves, the maps
//! that were found, and the pinned chats. Removals are recorded before the map changes (W10).

mod by_run;
mod chat_pins;
mod files;
mod map_of_run;
mod path;
mod recently_restored;
mod releases;
mod removals;
mod runs;
mod store;
mod trim;

pub use by_run::{RunRemoval, RunRemovals};
pub use chat_pins::{ChatPin, PinStore, PinnedChats};
pub use files::Journal;
pub use map_of_run::MapOfRun;
pub use path::JournalPath;
pub use recently_restored::RecentlyRestored;
pub use releases::{PastReleases, ReleaseEvent, ReleaseRecord, Signalled};
pub use removals::{
    LARGEST_RUN, Layout, MappingKey, RemovalRecord, RestoreRecord, Restored, is_old,
};
pub use runs::{LATEST, RunKind, RunRecord, profile_of, run_id, run_named};
