//! Problems that do not end a run: each has a code, a message and maybe a path.

use serde::Serialize;
use std::path::PathBuf;

/// The kind of a warning; its snake-case name is the `code` in the JSON report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    ModelNotObject,
    RootAbsent,
    RootUnreadable,
    /// A provider's folder of sessions belongs to another user.
    RootForeign,
    NotReadWhole,
    /// A file that may belong to a mapped session could not be read.
    FileUnread,
    /// A sign that a session may be in use could not be read.
    UseUnread,
    ProviderInDoubt,
    /// The second look was always too long before the change.
    TooSlow,
    /// Every judged mapping of a provider is missing, so the home may be wrong.
    WrongHome,
    /// The map was replaced, but a power cut might still undo it.
    NotDurable,
    /// Another process wrote to the old file while it was replaced, and that could not be merged.
    LateWrite,
    /// A file of an earlier run beside the map could not be removed, or may be a newer map.
    StaleFile,
    /// The map is a link that leads nowhere.
    DanglingMap,
    KeepUnmatched,
    /// No mapping has a chat that was pinned or is held.
    NotMapped,
    /// Several live processes have one session open.
    TwoProcesses,
    /// The bridge starts released sessions again without a message.
    BridgeRestarts,
    /// A process was asked to end and still runs.
    StillEnding,
    /// A process could not be asked to end.
    NotReleased,
    /// Processes were ended, but then no mapping was removed.
    NotRemoved,
    /// More mappings were to be removed than one run may record in the journal.
    LeftForNextRun,
    /// A process that was named is not there.
    NoProcess,
    /// The first release for a map ends one process only.
    FirstRelease,
    /// The chats of released sessions see an error.
    ChatSeesError,
    /// Processes are kept because of how their bridge reacts to a release.
    BridgeReacts,
    /// The process of a session whose mapping is removed keeps running.
    StillRunning,
    /// The records of a session have no time, so its mtime counts.
    NoRecordTime,
    /// A list could not read a session's file.
    NotLookedInto,
    /// The settings of a CLI delete mapped sessions soon.
    DeletedSoon,
    NotWrittenDown,
    JournalDamaged,
    /// The bridge that answers has another map.
    OtherBridge,
    /// Another user listens at the bridge's port.
    ForeignBridge,
    /// A bridge seems to run on the map whose file was edited.
    BridgeRuns,
    /// A real undo would be refused.
    UndoRefused,
    /// A bridge did not do all that it was asked.
    BridgeTrouble,
    NotAddressable,
    /// A signal came after the map had been changed.
    Interrupted,
}

impl WarningCode {
    /// Returns one line with the remedy.
    pub fn hint(self) -> &'static str {
        match self {
            Self::ModelNotObject => {
                "the bridge writes an object of chats there; if another program wrote it, correct the map"
            }
            Self::RootAbsent => "set another home with --home DIR or the CLI's variable",
            Self::RootUnreadable | Self::NotReadWhole => {
                "run as the user who owns the sessions, or fix the cause given in the warning"
            }
            Self::RootForeign => "run as the user who owns the sessions",
            Self::FileUnread => {
                "fix the cause given in the warning; until then that CLI's idle mappings are kept"
            }
            Self::UseUnread => {
                "fix the cause given in the warning, or run as the user who owns the processes; until then idle mappings are kept"
            }
            Self::ProviderInDoubt => {
                "check where the CLI keeps its sessions, and set --home DIR or the CLI's own variable"
            }
            Self::TooSlow => "nothing is lost; run again when the machine is less busy",
            Self::WrongHome => "check --home, or use --missing remove to remove them",
            Self::NotDurable => "check the disk; a power cut may bring the old map back",
            Self::LateWrite => "compare the file named here with the map, and restart the bridge",
            Self::StaleFile => "compare the file named here with the map, then delete it",
            Self::DanglingMap => "create the link's target, or name the map with --map FILE",
            Self::KeepUnmatched => "session-warden list shows the chats and sessions of the map",
            Self::NotMapped => {
                "session-warden list shows the chats of the map; a new chat has a mapping once it is answered"
            }
            Self::TwoProcesses
            | Self::BridgeRestarts
            | Self::StillEnding
            | Self::StillRunning
            | Self::NotReleased
            | Self::NotRemoved
            | Self::NoProcess
            | Self::FirstRelease
            | Self::ChatSeesError
            | Self::BridgeReacts => self.hint_about_processes(),
            Self::LeftForNextRun => "nothing to do: the next run removes them",
            Self::NoRecordTime => "nothing to do: the modification time is used instead",
            Self::NotLookedInto => {
                "fix the cause given in the warning; until then its row has no first message"
            }
            Self::DeletedSoon => {
                "use the session, or raise cleanupPeriodDays (Claude Code) or general.sessionRetention.maxAge (Gemini CLI) in its settings.json; a pin does not prevent it"
            }
            Self::NotWrittenDown => "check the state folder; --state-dir DIR names another one",
            Self::JournalDamaged => {
                "nothing else is lost; fix or delete that line to stop this warning"
            }
            Self::OtherBridge
            | Self::ForeignBridge
            | Self::BridgeRuns
            | Self::UndoRefused
            | Self::BridgeTrouble
            | Self::NotAddressable => self.hint_about_bridges(),
            Self::Interrupted => "session-warden undo restores what was removed",
        }
    }

    /// Returns the remedy of a warning about the bridge of a map.
    fn hint_about_bridges(self) -> &'static str {
        match self {
            Self::OtherBridge => {
                "use --bridge URL for this map's bridge, or --bridge off to edit the file"
            }
            Self::ForeignBridge => {
                "use --bridge off, or --bridge URL for the bridge of the map's owner"
            }
            Self::BridgeRuns => "stop the bridge first, or use --bridge URL",
            Self::UndoRefused => "stop the bridge, then run undo again",
            Self::BridgeTrouble => "check the bridge; the next run tries again",
            Self::NotAddressable => "stop the bridge and run again with --bridge off",
            // The others have theirs in `hint`.
            _ => "",
        }
    }

    /// Returns the remedy of a warning about CLI processes and their release.
    fn hint_about_processes(self) -> &'static str {
        match self {
            Self::TwoProcesses => "close all but one of the programs that have the session open",
            Self::BridgeRestarts => {
                "nothing more is released for this map until you run session-warden release by hand"
            }
            Self::StillEnding => {
                "it is not signalled again; a SessionEnd hook may still be running"
            }
            Self::StillRunning => {
                "it gets no more messages; it runs until its bridge stops or you end it"
            }
            Self::NotReleased | Self::NotRemoved => "nothing is lost; the next run tries again",
            Self::NoProcess => {
                "session-warden list shows processes with a mapping, list --unmapped the others"
            }
            Self::FirstRelease => "check that the chat still answers; the next run ends the others",
            Self::BridgeReacts => {
                "if it is not known, name the bridge with map_format in the configuration; release_accepts accepts a known reaction; see docs/release.md"
            }
            _ => "set release_accepts = \"quiet\" to keep the processes of such bridges",
        }
    }

    /// Returns true if a run with this warning is incomplete (exit code 3).
    pub fn is_trouble(self) -> bool {
        !matches!(
            self,
            Self::ModelNotObject
                | Self::StaleFile
                | Self::DanglingMap
                | Self::DeletedSoon
                | Self::NotWrittenDown
                | Self::KeepUnmatched
                | Self::UndoRefused
                | Self::NotMapped
                | Self::TwoProcesses
                | Self::FirstRelease
                | Self::ChatSeesError
                | Self::BridgeReacts
                | Self::StillRunning
                | Self::NoRecordTime
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub code: WarningCode,
    /// One line for people, without the path.
    pub message: String,
    #[serde(serialize_with = "lossy_path")]
    pub path: Option<PathBuf>,
}

impl Warning {
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: None }
    }

    pub fn at(code: WarningCode, path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: Some(path.into()) }
    }
}

/// Paths need not be UTF-8, but JSON strings must: other bytes become U+FFFD.
#[expect(clippy::ref_option, reason = "serde hands over a reference to the field as it is")]
fn lossy_path<S: serde::Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(to)
}
