//! The session map: its file and how that is replaced safely, or the running bridge that holds it. A
//! clean does not know which of the two it works on.

pub mod api;
mod change;
mod choose;
mod file;
mod format;
mod lock;
pub mod map_file;
pub mod replace;
mod restore;
mod running;
mod store;

pub use api::Address;
pub use choose::{Choice, bridge_process, folder_at, is_silence, may_be_held, open};
pub use file::{Access, FileMap};
pub use format::{BridgeReaction, FORMATS, MapFormat};
pub use restore::{RestoreOutcome, no_map, outcomes};
pub use store::{MANY, MapStore, Rechecked, Removal, RemovalGuard, Source};
