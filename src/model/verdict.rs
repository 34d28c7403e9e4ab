//! What becomes of a mapping, why, and the state that it is counted under.

use serde::Serialize;
use std::fmt;

/// The state of a mapping, as the report counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It cannot be told when the session was last used.
    Unknown,
    /// The session has no file.
    Missing,
    /// Only an archived copy is left.
    Archived,
    /// It would go, but is to be kept.
    Pinned,
    /// It would be removed, but a live process uses it, or a hold protects it.
    InUse,
    /// It would be removed, but its CLI is alive and idle by its own record.
    Resident,
    /// Used within the threshold.
    Active,
    /// Last used before the threshold.
    Idle,
}

impl State {
    /// All of them, in the order of the summary.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Idle,
        Self::Missing,
        Self::InUse,
        Self::Pinned,
        Self::Resident,
        Self::Archived,
        Self::Unknown,
    ];

    /// Its name for programs, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Archived => "archived",
            Self::Pinned => "pinned",
            Self::InUse => "in_use",
            Self::Resident => "resident",
            Self::Active => "active",
            Self::Idle => "idle",
        }
    }
}

/// Why a mapping stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepReason {
    /// No provider has its model.
    UnknownModel,
    /// Its session id is no string.
    NotAString,
    /// Its CLI never writes such an id.
    ImpossibleId,
    /// The provider's folder of sessions is absent.
    RootAbsent,
    /// The provider's folder of sessions cannot be opened.
    RootUnreadable,
    /// The provider's folder of sessions is somebody else's.
    RootForeign,
    /// The provider's folder of sessions was not read whole.
    NotReadWhole,
    /// A file that may be the session's could not be read.
    FileUnread,
    /// Every judged mapping of the provider is missing.
    WrongHome,
    /// Used within the threshold.
    Active,
    /// Used within the threshold, but only since the plan was made.
    UsedMeanwhile,
    /// Missing, and missing ones are to be kept.
    MissingKept,
    /// Archived, and missing ones are to be kept.
    ArchivedKept,
    /// Put back by an undo, less than one threshold ago.
    PutBack,
    /// A pattern says that it is never let go.
    Pinned,
    /// Its chat was pinned with `pin`.
    PinnedChat,
    /// The process of that id uses it; 0 where only that there is one can be told.
    InUse(u32),
    /// Somebody holds it: work is in flight. The plan tells why, and since when.
    Held,
    /// It would be removed, but its CLI, the process of that id, is alive and idle by its own record.
    Resident(u32),
    /// It would be removed, but it is not known whether a process uses it.
    InUseUnknown,
    /// Its CLI seems to keep its sessions somewhere else.
    ProviderInDoubt,
    /// It should have gone, and its holder did not let it go.
    Failed(RemoveReason),
    /// It would have gone, but the map no longer holds it as it was judged.
    ChangedMeanwhile(RemoveReason),
}

impl KeepReason {
    /// The process that the mapping is kept for, if one is known.
    pub fn process(self) -> Option<u32> {
        match self {
            Self::InUse(process) | Self::Resident(process) => Some(process).filter(|id| *id != 0),
            _ => None,
        }
    }
}

/// Why a mapping goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveReason {
    /// Last used before the threshold.
    Idle,
    /// The same by its records, though its files were written since.
    IdleByRecord,
    /// Its session has no file.
    Missing,
    /// Its session is archived and cannot be resumed.
    Archived,
    /// It was named to be removed, whatever its state.
    ByHand(State),
}

/// What becomes of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep(KeepReason),
    /// It goes.
    Remove(RemoveReason),
}

impl Verdict {
    /// Whether the mapping goes.
    pub fn removes(self) -> bool {
        matches!(self, Self::Remove(_))
    }

    /// The state that the report counts it under.
    pub fn state(self) -> State {
        match self {
            Self::Remove(reason)
            | Self::Keep(KeepReason::ChangedMeanwhile(reason) | KeepReason::Failed(reason)) => {
                match reason {
                    RemoveReason::Idle | RemoveReason::IdleByRecord => State::Idle,
                    RemoveReason::Missing => State::Missing,
                    RemoveReason::Archived => State::Archived,
                    RemoveReason::ByHand(state) => state,
                }
            }
            Self::Keep(reason) => match reason {
                KeepReason::Active | KeepReason::UsedMeanwhile => State::Active,
                KeepReason::MissingKept => State::Missing,
                KeepReason::ArchivedKept => State::Archived,
                KeepReason::PutBack | KeepReason::Pinned | KeepReason::PinnedChat => State::Pinned,
                KeepReason::InUse(_) | KeepReason::Held => State::InUse,
                KeepReason::Resident(_) => State::Resident,
                _ => State::Unknown,
            },
        }
    }
}

/// A few words, at most 17 characters, so that a row fits a terminal; warnings tell more.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use KeepReason as K;
        match self {
            Self::Keep(KeepReason::InUse(0)) => return f.write_str("another process"),
            Self::Keep(KeepReason::InUse(process) | KeepReason::Resident(process)) => {
                return write!(f, "process {process}");
            }
            _ => {}
        }
        f.write_str(match self {
            Self::Remove(RemoveReason::Idle) => "idle",
            Self::Remove(RemoveReason::IdleByRecord) => "idle by record",
            Self::Remove(RemoveReason::Missing) => "no session file",
            Self::Remove(RemoveReason::Archived) => "cannot be resumed",
            Self::Remove(RemoveReason::ByHand(_)) => "removed by hand",
            Self::Keep(reason) => match reason {
                K::UnknownModel => "unknown model",
                K::NotAString => "not a string",
                K::ImpossibleId => "not a session id",
                K::RootAbsent => "no session folder",
                K::RootUnreadable => "folder unreadable",
                K::RootForeign => "another user's",
                K::NotReadWhole => "not all readable",
                K::FileUnread => "file unreadable",
                K::WrongHome => "wrong home?",
                K::Active => "used recently",
                K::UsedMeanwhile => "used meanwhile",
                K::MissingKept | K::ArchivedKept => "--missing keep",
                K::Failed(_) => "not removed",
                K::PutBack => "restored recently",
                K::Pinned => "matches --pin",
                K::PinnedChat => "pinned",
                K::InUse(_) => "in use",
                K::Resident(_) => "resident",
                K::ProviderInDoubt => "CLI in doubt",
                K::Held => "held",
                K::InUseUnknown => "may be in use",
                K::ChangedMeanwhile(_) => "changed meanwhile",
            },
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Archived => "archived",
            Self::Pinned => "pinned",
            Self::InUse => "in use",
            Self::Resident => "resident",
            Self::Active => "active",
            Self::Idle => "idle",
        })
    }
}
