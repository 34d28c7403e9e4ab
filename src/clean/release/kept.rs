//! Why a process is kept: one reason for each condition of a release.

use std::fmt;

use crate::model::escape::escape;

/// The first condition that does not hold, in the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptReason {
    // Whose
    /// The process has ended.
    Ended,
    /// The process cannot be read.
    Unreadable,
    /// It was asked to end before, and is not asked again.
    Ending,
    /// A run that was killed may have asked it to end.
    MayBeEnding,
    /// No mapping has its session, and it was not named.
    NotMapped,
    /// The process that started it still runs, so it is not a leftover.
    ParentRuns,
    /// The process that leads its session still runs, so it is not a leftover.
    SessionLeaderRuns,
    /// It leads its session, so it is not a leftover.
    LeadsSession,
    /// Its bridge posts an error into the chat when a CLI ends, which was not accepted.
    WouldPostError,
    /// Its bridge does not recover when a CLI ends, which was not accepted.
    WouldBreak,
    /// Its bridge starts a CLI again that was released.
    IsRestarted,
    /// Another one is the first that is released for this map.
    FirstRelease,
    /// A signal asked the run to stop.
    Interrupted,
    /// The system does not allow the signal, or has no pidfd.
    NotAllowed,

    // Identity
    /// It has no process record.
    NoRecord,
    /// Its record does not parse, which counts as busy.
    RecordTorn,
    /// Its record cannot be read.
    RecordUnreadable,
    /// Its record names another process.
    OtherProcess,
    /// Its record names another start time: the id was used again.
    OtherStart,
    /// Its record names no session.
    NoSession,
    /// Its record names another session than the one that was judged.
    OtherSession,
    /// Its record is of another machine or PID namespace, or it is in one of its own.
    OtherNamespace,
    /// `/proc` numbers processes in another way than the system calls.
    ForeignProc,
    /// The machine has no id, so a record may be of another one.
    NoMachineId,
    /// Its record is older or newer than the process, as one of another boot.
    OtherBoot,
    /// It runs another program.
    NotClaudeCode,
    /// The socket that its record names does not listen in it.
    NoSocket,

    // Kind
    /// Its record is of another kind than `interactive`.
    Kind(Option<String>),
    /// Something other than an SDK started it.
    Entrypoint(Option<String>),
    /// It belongs to a job of Claude Code.
    HasJob,
    /// It serves a remote session.
    HasRemoteSession,
    /// It has a controlling terminal.
    HasTerminal,
    /// Its standard input is a terminal.
    InputIsTerminal,
    /// It is the main process of a systemd service.
    MainOfUnit,
    /// It belongs to another user.
    OtherUser,
    /// It neither runs nor sleeps; `T` is stopped.
    State(char),
    /// Another process traces it.
    Traced,
    /// A SIGTERM would not end it in its own way.
    SigTermNotCaught,

    // Idle
    /// Its status is not `idle`.
    Status(Option<String>),
    /// It is idle, but not for long enough.
    IdleTooShort,
    /// Its status has changed since the release was planned.
    StatusChanged,
    /// Its session was used recently.
    UsedRecently,
    /// When its session was last used is not known.
    LastUseUnknown,
    /// Its session has no transcript, so nothing could be resumed.
    NoTranscript,
    /// Something waits to be read on its standard input.
    UnreadInput,
    /// It uses CPU time.
    UsesCpu,
    /// How much CPU time it uses is not known.
    CpuUnknown,

    // Nothing owed
    /// A hold protects its session.
    Held,
    /// Holds cannot be read.
    HoldsUnreadable,
    /// Its mapping is pinned.
    Pinned,
    /// Another process uses its session; 0 if it is not known which.
    InUse(u32),
    /// Something cannot be read that may show that its session is in use.
    UseUnknown,
    /// A child of its leads a session of its own, as a shell in the background does.
    BackgroundShell,
    /// A child of its has `CLAUDE_PID` in its environment, as background commands do.
    ChildAtWork,
    /// A child of its cannot be read.
    ChildUnreadable,
    /// Another process has temporary files of its session open.
    FilesOpenElsewhere,
    /// A descendant of its hides its open files.
    FilesHidden,
    /// A durable schedule is set in its folder.
    DurableSchedule,
    /// A schedule was set in the last 30 days.
    Schedule,
    /// A wakeup was set in the last 24 hours.
    Wakeup,
    /// Schedules cannot be read.
    SchedulesUnreadable,
}

impl fmt::Display for KeptReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(0) => f.write_str("another process uses the session"),
            Self::InUse(process) => write!(f, "process {process} uses the session"),
            Self::Kind(kind) => named(f, "kind", kind.as_deref()),
            Self::Entrypoint(entrypoint) => named(f, "entrypoint", entrypoint.as_deref()),
            Self::State(state) => named(f, "process state", Some(&state.to_string())),
            Self::Status(status) => named(f, "status", status.as_deref()),
            other => f.write_str(other.text()),
        }
    }
}

impl KeptReason {
    /// The reason in a few words, without a field of its record.
    fn text(&self) -> &'static str {
        match self {
            Self::Ending => "is ending",
            Self::MayBeEnding => "an earlier run may have asked it to end",
            Self::OtherSession => "has another session now",
            Self::NoTranscript => "its session has no transcript to resume",
            Self::FirstRelease => "the first release ends one process only",
            Self::Interrupted => "the run was stopped",
            Self::NotAllowed => "the system does not allow the signal",
            Self::UseUnknown => "unknown whether the session is in use",
            Self::Ended => "the process has ended",
            Self::Unreadable => "the process cannot be read",
            Self::NotMapped => "not mapped",
            Self::ParentRuns => "its parent still runs",
            Self::SessionLeaderRuns => "the leader of its process session still runs",
            Self::LeadsSession => "leads its own process session",
            Self::WouldPostError => "this bridge would post an error",
            Self::WouldBreak => "this bridge would break",
            Self::IsRestarted => "this bridge restarts released sessions",
            Self::NoRecord => "no record",
            Self::RecordTorn => "its record cannot be parsed",
            Self::RecordUnreadable => "its record cannot be read",
            Self::OtherProcess => "its record names another process",
            Self::OtherStart => "its record names another start time",
            Self::NoSession => "its record names no session",
            Self::OtherNamespace => "its record is of another PID namespace",
            Self::ForeignProc => "/proc is of another PID namespace",
            Self::NoMachineId => "this machine has no machine ID",
            Self::OtherBoot => "its record is of another boot",
            Self::NotClaudeCode => "its program is not Claude Code",
            Self::NoSocket => "does not listen on the socket in its record",
            other => other.text_of_work(),
        }
    }

    /// The same of the conditions on its kind, its idleness and its work.
    fn text_of_work(&self) -> &'static str {
        match self {
            Self::HasJob => "belongs to a job",
            Self::HasRemoteSession => "serves a remote session",
            Self::HasTerminal => "has a terminal",
            Self::InputIsTerminal => "has a terminal on standard input",
            Self::MainOfUnit => "may be the main process of a systemd service",
            Self::OtherUser => "belongs to another user",
            Self::Traced => "is being traced",
            Self::SigTermNotCaught => "does not handle SIGTERM",
            Self::IdleTooShort => "not idle long enough",
            Self::StatusChanged => "status has changed",
            Self::UsedRecently => "session used recently",
            Self::LastUseUnknown => "last use of the session is unknown",
            Self::UnreadInput => "has unread input",
            Self::UsesCpu => "uses CPU time",
            Self::CpuUnknown => "CPU time is unknown",
            Self::Held => "held",
            Self::HoldsUnreadable => "holds cannot be read",
            Self::Pinned => "pinned",
            Self::BackgroundShell => "a background shell runs",
            Self::ChildAtWork => "a background process runs",
            Self::ChildUnreadable => "a child process cannot be read",
            Self::FilesOpenElsewhere => "another process has its temporary files open",
            Self::FilesHidden => "open files of it or a child cannot be read",
            Self::DurableSchedule => "a schedule of its folder is set",
            Self::Schedule => "a schedule was set in the last 30 days",
            Self::Wakeup => "a wakeup was set in the last 24 hours",
            Self::SchedulesUnreadable => "schedules cannot be read",
            _ => "a condition does not hold",
        }
    }
}

/// Writes a field of the record, which others may have written.
fn named(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&str>) -> fmt::Result {
    /// Claude Code's own values are shorter.
    const LONGEST: usize = 40;
    match value {
        Some(value) => {
            let value: String = value.chars().take(LONGEST).collect();
            write!(f, "{name} is {}", escape(&value))
        }
        None => write!(f, "{name} is unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_in_a_report() {
        let check = |reason: KeptReason, expected: &str| assert_eq!(reason.to_string(), expected);
        check(KeptReason::Status(Some("busy".into())), "status is busy");
        check(KeptReason::Status(None), "status is unknown");
        check(KeptReason::BackgroundShell, "a background shell runs");
        check(KeptReason::HasTerminal, "has a terminal");
        check(KeptReason::NoRecord, "no record");
        check(KeptReason::WouldBreak, "this bridge would break");
        check(KeptReason::State('T'), "process state is T");
    }

    #[test]
    fn what_a_record_has_is_escaped_and_cut_s3() {
        let status = format!("a\x1b[31m{}", "x".repeat(100));
        let shown = KeptReason::Status(Some(status)).to_string();
        assert_eq!(shown, format!("status is a\\u{{1b}}[31m{}", "x".repeat(34)));
    }
}
