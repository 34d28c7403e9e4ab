//! Whether a process may be released: every condition of a release, in order, as one pure function.
//!
//! Anything unknown keeps the process, without exception. All that is judged was read before, by [`super::look`]; the
//! caller reads it all again right before a signal.

use std::time::Duration;

use super::cpu::Cpu;
use super::kept::KeptReason;
use super::record::{Record, RecordReading};
use super::schedules::Schedules;
use crate::journal::Signalled;
use crate::map::BridgeReaction;
use crate::model::Timestamp;
use crate::process::facts::{
    Facts, InputKind, Machine, OpenElsewhere, Parent, ProcessReading, SigTerm,
};

/// How long before its process started a record may say that it did, and how long after.
const STARTED_BEFORE: Duration = Duration::from_secs(2);
const STARTED_AFTER: Duration = Duration::from_secs(10 * 60);

/// Why the process may be ended at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// None: no mapping has its session.
    None,
    /// The map of this run has its session.
    Mapped,
    /// It was named by its id.
    Named,
    /// It is to be released as one that no bridge has any more, if it is one.
    Leftover,
}

/// The bridge that the process belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bridge {
    /// Its reaction, by the format of its map.
    pub reaction: BridgeReaction,
    /// The worst that the user accepts.
    pub accepted: BridgeReaction,
    /// True if it was seen to start a released session again without a message.
    pub restarts: bool,
}

impl Bridge {
    /// One whose reaction was accepted, whatever it is.
    pub const ACCEPTED: Self = Self {
        reaction: BridgeReaction::Breaks,
        accepted: BridgeReaction::Breaks,
        restarts: false,
    };
}

/// When a session was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastUse {
    /// Then, by the newest evidence.
    At(Timestamp),
    /// Evidence cannot be read, or is in doubt.
    Unknown,
    /// It has no transcript, so nothing could be resumed.
    NoTranscript,
}

/// Whether a hold protects a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// None does.
    None,
    /// One does.
    Held,
    /// Some hold cannot be read, which may.
    Unreadable,
}

/// Whether anything but its own idle processes uses a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherUse {
    None,
    /// That process does; 0 if it is not known which.
    By(u32),
    /// Some sign of use cannot be read.
    Unknown,
}

/// The session that the process has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// When it was last used.
    pub last_use: LastUse,
    /// Whether it is held, or its chat is.
    pub hold: Hold,
    /// True if its mapping is pinned, in whatever way.
    pub is_pinned: bool,
    /// Whether anything but its own idle processes uses it.
    pub other_use: OtherUse,
    /// Whether another process has its temporary files open.
    pub open_elsewhere: OpenElsewhere,
    /// Its schedules and wakeups.
    pub schedules: Schedules,
}

/// Everything that is judged.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub claim: Claim,
    pub bridge: Bridge,
    pub machine: &'a Machine,
    /// The session that is judged.
    pub session_id: &'a str,
    /// The record of the process.
    pub record: &'a RecordReading,
    pub process: &'a ProcessReading,
    /// When its status began as the release was planned; nothing while it is planned.
    pub planned: Option<Timestamp>,
    pub session: Session,
    /// Whether it was asked to end before.
    pub signalled: Signalled,
    /// How much CPU time it used; nothing while that is still to be measured.
    pub cpu: Option<Cpu>,
    /// For how long it must be idle.
    pub release_after: Duration,
    pub now: Timestamp,
}

/// The record and the facts of a case, once both are known to be there.
struct Subject<'a> {
    case: &'a Case<'a>,
    record: &'a Record,
    facts: &'a Facts,
}

/// Returns why the process is kept: the first condition that does not hold, or nothing if all hold and it may be
/// released.
pub fn kept(case: &Case<'_>) -> Option<KeptReason> {
    first_reason(case, &[whose, identity, kind, idle, cpu, owed])
}

/// The same without the use of CPU time, to find the processes for which that is measured.
pub fn kept_before_cpu(case: &Case<'_>) -> Option<KeptReason> {
    first_reason(case, &[whose, identity, kind, idle, owed])
}

type Check = fn(&Subject<'_>) -> Option<KeptReason>;

fn first_reason(case: &Case<'_>, checks: &[Check]) -> Option<KeptReason> {
    if case.claim == Claim::None {
        return Some(KeptReason::NotMapped);
    }
    let facts = match case.process {
        ProcessReading::Seen(facts) => facts,
        ProcessReading::Ended => return Some(KeptReason::Ended),
        ProcessReading::Unreadable => return Some(KeptReason::Unreadable),
    };
    match case.signalled {
        Signalled::No => {}
        Signalled::Yes => return Some(KeptReason::Ending),
        Signalled::Maybe => return Some(KeptReason::MayBeEnding),
    }
    let record = match case.record {
        RecordReading::Whole(record) => record,
        RecordReading::Absent => return Some(KeptReason::NoRecord),
        RecordReading::Torn => return Some(KeptReason::RecordTorn),
        RecordReading::Unreadable => return Some(KeptReason::RecordUnreadable),
    };

    let subject = Subject { case, record, facts };
    checks.iter().find_map(|check| check(&subject))
}

/// The first of these reasons whose condition does not hold.
fn first_failed<const N: usize>(conditions: [(bool, KeptReason); N]) -> Option<KeptReason> {
    conditions.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
}

/// Whose process it is, and how its bridge reacts to its end.
fn whose(subject: &Subject<'_>) -> Option<KeptReason> {
    let Subject { case, facts, .. } = subject;
    if case.claim == Claim::Leftover {
        return first_failed([
            (facts.parent == Parent::Adopter, KeptReason::ParentRuns),
            (facts.stat.session != facts.pid, KeptReason::LeadsSession),
            (!facts.has_session_leader, KeptReason::SessionLeaderRuns),
        ]);
    }

    let Bridge { reaction, accepted, restarts } = case.bridge;
    let reaction = if facts.parent == Parent::Acp { BridgeReaction::Breaks } else { reaction };
    let would = match reaction {
        BridgeReaction::Breaks => KeptReason::WouldBreak,
        BridgeReaction::Quiet | BridgeReaction::Notice => KeptReason::WouldPostError,
    };
    first_failed([(reaction <= accepted, would), (!restarts, KeptReason::IsRestarted)])
}

/// Whether the record is about this very process, and the process is a Claude Code.
fn identity(subject: &Subject<'_>) -> Option<KeptReason> {
    let Subject { case: Case { machine, session_id, .. }, record, facts } = subject;

    let is_of_session =
        record.session.as_ref().is_some_and(|session| session.eq_ignore_ascii_case(session_id));
    let is_in_our_namespace = record.pid_domain.is_some()
        && record.pid_domain == machine.pid_domain
        && facts.status.namespaces == Some(1);
    first_failed([
        (record.pid == Some(facts.pid), KeptReason::OtherProcess),
        (record.start == Some(facts.stat.start), KeptReason::OtherStart),
        (record.session.is_some(), KeptReason::NoSession),
        (is_of_session, KeptReason::OtherSession),
        (is_in_our_namespace, KeptReason::OtherNamespace),
        (machine.has_own_proc, KeptReason::ForeignProc),
        (machine.has_id, KeptReason::NoMachineId),
        (is_of_this_boot(record, facts, machine), KeptReason::OtherBoot),
        (facts.program.is_claude_code(), KeptReason::NotClaudeCode),
        (record.socket.is_some() && facts.is_listening, KeptReason::NoSocket),
    ])
}

fn is_of_this_boot(record: &Record, facts: &Facts, machine: &Machine) -> bool {
    let recorded = record.started.zip(machine.started(facts.stat.start));
    recorded.is_some_and(|(recorded, started)| {
        (started.earlier(STARTED_BEFORE)..=started.after(STARTED_AFTER)).contains(&recorded)
    })
}

/// Whether it is a process that a program keeps for an SDK, and one that a SIGTERM ends in its own way.
fn kind(subject: &Subject<'_>) -> Option<KeptReason> {
    let Subject { case: Case { machine, .. }, record, facts } = subject;

    let is_interactive = record.kind.as_deref() == Some("interactive");
    let is_of_sdk = matches!(record.entrypoint.as_deref(), Some("sdk-ts" | "sdk-py" | "sdk-cli"));
    first_failed([
        (is_interactive, KeptReason::Kind(record.kind.clone())),
        (is_of_sdk, KeptReason::Entrypoint(record.entrypoint.clone())),
        (!record.has_job, KeptReason::HasJob),
        (!record.has_bridge_session, KeptReason::HasRemoteSession),
        (facts.stat.terminal == 0, KeptReason::HasTerminal),
        (facts.input.kind != InputKind::Terminal, KeptReason::InputIsTerminal),
        (!facts.may_be_main_of_unit, KeptReason::MainOfUnit),
        (facts.status.is_of_user(machine.user), KeptReason::OtherUser),
        (matches!(facts.stat.state, b'R' | b'S'), KeptReason::State(facts.stat.state.into())),
        (facts.status.tracer == Some(0), KeptReason::Traced),
        (facts.status.sigterm == Some(SigTerm::Caught), KeptReason::SigTermNotCaught),
    ])
}

/// Whether it has been idle for long enough, by its record and by its session.
fn idle(subject: &Subject<'_>) -> Option<KeptReason> {
    let Subject { case, record, facts } = subject;

    let latest = case.now.earlier(case.release_after);
    let is_unchanged = case.planned.is_none() || case.planned == record.status_updated;
    let is_idle_long = record.status_updated.is_some_and(|since| since <= latest);
    first_failed([
        (record.is_idle(), KeptReason::Status(record.status.clone())),
        (is_unchanged, KeptReason::StatusChanged),
        (is_idle_long, KeptReason::IdleTooShort),
        (case.session.last_use != LastUse::NoTranscript, KeptReason::NoTranscript),
        (case.session.last_use != LastUse::Unknown, KeptReason::LastUseUnknown),
        (is_as_old(case.session.last_use, latest), KeptReason::UsedRecently),
        (!facts.input.may_have_unread(), KeptReason::UnreadInput),
    ])
}

fn is_as_old(last_use: LastUse, latest: Timestamp) -> bool {
    match last_use {
        LastUse::At(time) => time <= latest,
        LastUse::Unknown | LastUse::NoTranscript => false,
    }
}

fn cpu(subject: &Subject<'_>) -> Option<KeptReason> {
    match subject.case.cpu {
        Some(Cpu::Quiet) => None,
        Some(Cpu::AtWork) => Some(KeptReason::UsesCpu),
        Some(Cpu::StatusChanged) => Some(KeptReason::StatusChanged),
        Some(Cpu::Unknown) | None => Some(KeptReason::CpuUnknown),
    }
}

/// Whether it still has work to do, although it is idle.
fn owed(subject: &Subject<'_>) -> Option<KeptReason> {
    let Subject { case: Case { session, .. }, facts, .. } = subject;
    first_failed([
        (session.hold != Hold::Held, KeptReason::Held),
        (session.hold == Hold::None, KeptReason::HoldsUnreadable),
        (!session.is_pinned, KeptReason::Pinned),
    ])
    .or(match session.other_use {
        OtherUse::None => None,
        OtherUse::By(process) => Some(KeptReason::InUse(process)),
        OtherUse::Unknown => Some(KeptReason::UseUnknown),
    })
    .or_else(|| child_at_work(facts))
    .or(match session.open_elsewhere {
        OpenElsewhere::No => None,
        OpenElsewhere::By(_) => Some(KeptReason::FilesOpenElsewhere),
        OpenElsewhere::Hidden(_) => Some(KeptReason::FilesHidden),
    })
    .or(match session.schedules {
        Schedules::None => None,
        Schedules::Durable => Some(KeptReason::DurableSchedule),
        Schedules::Cron => Some(KeptReason::Schedule),
        Schedules::Wakeup => Some(KeptReason::Wakeup),
        Schedules::Unreadable => Some(KeptReason::SchedulesUnreadable),
    })
}

fn child_at_work(facts: &Facts) -> Option<KeptReason> {
    let Some(children) = &facts.children else { return Some(KeptReason::ChildUnreadable) };
    children.iter().find_map(|child| {
        first_failed([
            (child.session == facts.stat.session, KeptReason::BackgroundShell),
            (child.has_claude_pid != Some(true), KeptReason::ChildAtWork),
            (child.has_claude_pid.is_some(), KeptReason::ChildUnreadable),
        ])
    })
}

#[cfg(test)]
mod tests;
