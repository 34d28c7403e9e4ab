//! Whether a mapping is kept or removed, why, and the state that it is counted under.

use serde::Serialize;
use std::fmt;

/// The state of a mapping, as the report counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not known when the session was last used.
    Unknown,
    Missing,
    Archived,
    Pinned,
    /// It would be removed, but a live process uses it, or a hold protects it.
    InUse,
    /// It would be removed, but its CLI is alive and idle by its own record.
    Resident,
    Active,
    Idle,
}

impl State {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepReason {
    UnknownModel,
    NotAString,
    /// Its CLI never writes such an id.
    ImpossibleId,
    RootAbsent,
    RootUnreadable,
    RootForeign,
    /// The provider's sessions were not read completely.
    NotReadWhole,
    FileUnread,
    WrongHome,
    Active,
    /// Used within the threshold, but only since the plan was made.
    UsedMeanwhile,
    /// Missing, with `--missing keep`.
    MissingKept,
    /// Archived, with `--missing keep`.
    ArchivedKept,
    /// An undo restored it less than one threshold ago.
    PutBack,
    Pinned,
    /// Its chat was pinned with `pin`.
    PinnedChat,
    /// The process of that id uses it; 0 if it is not known which process does.
    InUse(u32),
    /// A hold protects it. The plan has its reason.
    Held,
    /// It would be removed, but its CLI, the process of that id, is alive and idle by its own record.
    Resident(u32),
    /// It would be removed, but it is not known whether a process uses it.
    InUseUnknown,
    ProviderInDoubt,
    /// It should have been removed, and could not be.
    Failed(RemoveReason),
    /// It would have been removed, but its entry in the map has changed.
    ChangedMeanwhile(RemoveReason),
    /// It would have been removed, but the run's part of the journal is full.
    NextRun(RemoveReason),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveReason {
    Idle,
    /// The same by its records, though its files were written since.
    IdleByRecord,
    Missing,
    /// Its session is archived and cannot be resumed.
    Archived,
    /// It was named to be removed, whatever its state.
    ByHand(State),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Keep(KeepReason),
    Remove(RemoveReason),
}

impl Verdict {
    pub fn removes(self) -> bool {
        matches!(self, Self::Remove(_))
    }

    pub fn state(self) -> State {
        match self {
            Self::Remove(reason)
            | Self::Keep(
                KeepReason::ChangedMeanwhile(reason)
                | KeepReason::Failed(reason)
                | KeepReason::NextRun(reason),
            ) => match reason {
                RemoveReason::Idle | RemoveReason::IdleByRecord => State::Idle,
                RemoveReason::Missing => State::Missing,
                RemoveReason::Archived => State::Archived,
                RemoveReason::ByHand(state) => state,
            },
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

/// A few words, at most 17 characters, so that a row fits a terminal. Warnings have the details.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use KeepReason as K;
        f.write_str(match self {
            Self::Keep(K::InUse(0)) => "another process",
            Self::Keep(K::InUse(process) | K::Resident(process)) => {
                return write!(f, "process {process}");
            }
            Self::Remove(RemoveReason::Idle) => "idle",
            Self::Remove(RemoveReason::IdleByRecord) => "idle by record",
            Self::Remove(RemoveReason::Missing) => "no session file",
            Self::Remove(RemoveReason::Archived) => "cannot be resumed",
            Self::Remove(RemoveReason::ByHand(_)) => "removed by hand",
            Self::Keep(K::UnknownModel) => "unknown model",
            Self::Keep(K::NotAString) => "not a string",
            Self::Keep(K::ImpossibleId) => "not a session id",
            Self::Keep(K::RootAbsent) => "no session folder",
            Self::Keep(K::RootUnreadable) => "folder unreadable",
            Self::Keep(K::RootForeign) => "another user's",
            Self::Keep(K::NotReadWhole) => "not all readable",
            Self::Keep(K::FileUnread) => "file unreadable",
            Self::Keep(K::WrongHome) => "wrong home?",
            Self::Keep(K::Active) => "used recently",
            Self::Keep(K::UsedMeanwhile) => "used meanwhile",
            Self::Keep(K::MissingKept | K::ArchivedKept) => "--missing keep",
            Self::Keep(K::Failed(_)) => "not removed",
            Self::Keep(K::PutBack) => "restored recently",
            Self::Keep(K::Pinned) => "matches --pin",
            Self::Keep(K::PinnedChat) => "pinned",
            Self::Keep(K::ProviderInDoubt) => "CLI in doubt",
            Self::Keep(K::Held) => "held",
            Self::Keep(K::InUseUnknown) => "may be in use",
            Self::Keep(K::ChangedMeanwhile(_)) => "changed meanwhile",
            Self::Keep(K::NextRun(_)) => "in the next run",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name().replace('_', " "))
    }
}
