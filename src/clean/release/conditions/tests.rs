//! One case that passes, and for each condition cases that fail by it alone.

use super::*;
use crate::process::facts::{Child, Input, Program, Status};
use crate::process::stat::Stat;

mod idleness;

const PID: u32 = 4121;
const SESSION_OF_CLI: u32 = 4000;
const SESSION_ID: &str = "7c0d1e2f-3a4b-4c5d-8e6f-708192a3b4c5";

/// A case that owns what it is about.
#[derive(Clone)]
struct Owned {
    claim: Claim,
    bridge: Bridge,
    machine: Machine,
    reading: Option<RecordReading>,
    record: Record,
    process: ProcessReading,
    planned: Option<Timestamp>,
    signalled: Signalled,
    session: Session,
    cpu: Option<Cpu>,
}

fn now() -> Timestamp {
    Timestamp::new(1_800_000_000, 0)
}

fn seconds_ago(seconds: u64) -> Timestamp {
    now().earlier(Duration::from_secs(seconds))
}

const RELEASE_AFTER: u64 = 7200;
const TICKS: u64 = 100;
/// The process started a day after the boot.
const START: u64 = 86_400 * TICKS;
const BOOTED_AGO: u64 = 5 * 86_400;
const STARTED_AGO: u64 = BOOTED_AGO - 86_400;

/// Started by the bridge on a map, and idle for three hours.
fn releasable() -> Owned {
    let domain = "linux:0123:pid:[4026531836]".to_owned();
    let record = Record {
        pid: Some(PID),
        start: Some(START),
        pid_domain: Some(domain.clone()),
        session: Some(SESSION_ID.into()),
        folder: Some("/home/u/shop".into()),
        version: Some("2.1.332".into()),
        started: Some(seconds_ago(STARTED_AGO).after(Duration::from_millis(470))),
        status: Some("idle".into()),
        status_updated: Some(seconds_ago(10_800)),
        kind: Some("interactive".into()),
        entrypoint: Some("sdk-ts".into()),
        has_job: false,
        has_bridge_session: false,
        socket: Some("/tmp/cc-socks/4121.sock".into()),
    };
    let facts = Facts {
        pid: PID,
        stat: Stat {
            state: b'S',
            parent: 3999,
            group: SESSION_OF_CLI,
            session: SESSION_OF_CLI,
            terminal: 0,
            flags: 0,
            cpu_ticks: 500,
            start: START,
        },
        status: Status {
            users: Some([1000; 4]),
            tracer: Some(0),
            sigterm: Some(SigTerm::Caught),
            namespaces: Some(1),
        },
        program: Program { executable: Some("/usr/local/bin/claude".into()), script: None },
        input: Input { kind: InputKind::Socket, unread: Some(0) },
        is_listening: true,
        children: Some(vec![mcp_server()]),
        parent: Parent::Other,
        has_session_leader: true,
        may_be_main_of_unit: false,
        temporary_folder: None,
    };
    Owned {
        claim: Claim::Mapped,
        bridge: Bridge {
            reaction: BridgeReaction::Quiet,
            accepted: BridgeReaction::Quiet,
            restarts: false,
        },
        machine: Machine {
            has_own_proc: true,
            has_id: true,
            pid_domain: Some(domain),
            boot: Some(seconds_ago(BOOTED_AGO)),
            ticks_per_second: TICKS,
            user: 1000,
        },
        reading: None,
        record,
        process: ProcessReading::Seen(Box::new(facts)),
        planned: None,
        signalled: Signalled::No,
        session: Session {
            last_use: LastUse::At(seconds_ago(10_800)),
            hold: Hold::None,
            is_pinned: false,
            other_use: OtherUse::None,
            open_elsewhere: OpenElsewhere::No,
            schedules: Schedules::None,
        },
        cpu: Some(Cpu::Quiet),
    }
}

fn mcp_server() -> Child {
    Child { pid: 4130, session: SESSION_OF_CLI, has_claude_pid: Some(false) }
}

/// What `--leftovers` takes: its bridge has ended, and it is in the session of a shell that has ended too.
fn leftover() -> Owned {
    let mut owned = releasable();
    owned.claim = Claim::Leftover;
    // A leftover has no bridge, so whatever a bridge does is of no concern.
    owned.bridge.reaction = BridgeReaction::Breaks;
    owned.facts().parent = Parent::Adopter;
    owned.facts().has_session_leader = false;
    owned
}

impl Owned {
    fn facts(&mut self) -> &mut Facts {
        match &mut self.process {
            ProcessReading::Seen(facts) => facts,
            other => panic!("{other:?}"),
        }
    }

    fn judged(&self, judge: fn(&Case<'_>) -> Option<KeptReason>) -> Option<KeptReason> {
        let whole = RecordReading::Whole(Box::new(self.record.clone()));
        judge(&Case {
            claim: self.claim,
            bridge: self.bridge,
            machine: &self.machine,
            record: self.reading.as_ref().unwrap_or(&whole),
            process: &self.process,
            planned: self.planned,
            signalled: self.signalled,
            session_id: SESSION_ID,
            session: self.session,
            cpu: self.cpu,
            release_after: Duration::from_secs(RELEASE_AFTER),
            now: now(),
        })
    }
}

#[track_caller]
fn check(expected: impl Into<Option<KeptReason>>, change: impl FnOnce(&mut Owned)) {
    let mut owned = releasable();
    change(&mut owned);
    assert_eq!(owned.judged(kept), expected.into());
}

#[track_caller]
fn passes(change: impl FnOnce(&mut Owned)) {
    check(None, change);
}

#[test]
fn a_process_that_meets_every_condition_may_be_released_p1() {
    passes(|_| {});
    passes(|case| case.claim = Claim::Named);
    passes(|case| case.planned = case.record.status_updated);
    assert_eq!(leftover().judged(kept), None);
}

#[test]
fn whose_it_is_p1() {
    check(KeptReason::NotMapped, |case| case.claim = Claim::None);
    check(KeptReason::Ended, |case| case.process = ProcessReading::Ended);
    check(KeptReason::Unreadable, |case| case.process = ProcessReading::Unreadable);
    check(KeptReason::Ending, |case| case.signalled = Signalled::Yes);
    check(KeptReason::MayBeEnding, |case| case.signalled = Signalled::Maybe);

    let check = |expected: KeptReason, change: fn(&mut Owned)| {
        let mut owned = leftover();
        change(&mut owned);
        assert_eq!(owned.judged(kept), Some(expected));
    };
    check(KeptReason::ParentRuns, |case| case.facts().parent = Parent::Other);
    check(KeptReason::ParentRuns, |case| case.facts().parent = Parent::Acp);
    check(KeptReason::SessionLeaderRuns, |case| case.facts().has_session_leader = true);
    check(KeptReason::MainOfUnit, |case| case.facts().may_be_main_of_unit = true);
    check(KeptReason::LeadsSession, |case| {
        case.facts().stat.session = PID;
        case.facts().children = Some(vec![]);
    });
}

#[test]
fn the_bridge_decides_whether_a_release_is_harmless_p1() {
    use BridgeReaction::{Breaks, Notice, Quiet};
    for (reaction, accepted, expected) in [
        (Quiet, Quiet, None),
        (Quiet, Breaks, None),
        (Notice, Quiet, Some(KeptReason::WouldPostError)),
        (Notice, Notice, None),
        (Notice, Breaks, None),
        (Breaks, Quiet, Some(KeptReason::WouldBreak)),
        (Breaks, Notice, Some(KeptReason::WouldBreak)),
        (Breaks, Breaks, None),
    ] {
        check(expected, |case| case.bridge = Bridge { reaction, accepted, restarts: false });
    }
    check(KeptReason::WouldBreak, |case| case.facts().parent = Parent::Acp);
    passes(|case| {
        case.facts().parent = Parent::Acp;
        case.bridge.accepted = Breaks;
    });
    check(KeptReason::IsRestarted, |case| case.bridge.restarts = true);
}

#[test]
fn without_a_valid_record_nothing_is_ended_p1() {
    check(KeptReason::NoRecord, |case| case.reading = Some(RecordReading::Absent));
    check(KeptReason::RecordTorn, |case| case.reading = Some(RecordReading::Torn));
    check(KeptReason::RecordUnreadable, |case| case.reading = Some(RecordReading::Unreadable));
    check(KeptReason::OtherProcess, |case| {
        case.reading = Some(RecordReading::Whole(Box::default()));
    });

    check(KeptReason::OtherProcess, |case| case.record.pid = Some(PID + 1));
    check(KeptReason::OtherProcess, |case| case.record.pid = None);
    check(KeptReason::OtherStart, |case| case.record.start = Some(START + 1));
    check(KeptReason::OtherStart, |case| case.record.start = None);
    check(KeptReason::NoSession, |case| case.record.session = None);
    check(KeptReason::OtherSession, |case| {
        case.record.session = Some("b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66".to_owned());
    });
    passes(|case| case.record.session = case.record.session.as_ref().map(|id| id.to_uppercase()));
}

#[test]
fn the_record_is_of_our_namespace_p1() {
    let other = || Some("linux:0123:pid:[4026532247]".to_owned());
    check(KeptReason::OtherNamespace, |case| case.record.pid_domain = other());
    check(KeptReason::OtherNamespace, |case| case.machine.pid_domain = other());
    check(KeptReason::OtherNamespace, |case| case.record.pid_domain = None);
    check(KeptReason::OtherNamespace, |case| {
        case.record.pid_domain = None;
        case.machine.pid_domain = None;
    });
    check(KeptReason::OtherNamespace, |case| case.facts().status.namespaces = Some(2));
    check(KeptReason::OtherNamespace, |case| case.facts().status.namespaces = None);
    check(KeptReason::ForeignProc, |case| case.machine.has_own_proc = false);
    check(KeptReason::NoMachineId, |case| case.machine.has_id = false);
}

#[test]
fn the_record_is_of_our_boot_p1() {
    let started = seconds_ago(STARTED_AGO);
    for (recorded, expected) in [
        (started.earlier(Duration::from_secs(2)), None),
        (started.earlier(Duration::from_millis(2001)), Some(KeptReason::OtherBoot)),
        (started.after(Duration::from_secs(600)), None),
        (started.after(Duration::from_millis(600_001)), Some(KeptReason::OtherBoot)),
        (Timestamp::new(0, 0), Some(KeptReason::OtherBoot)),
        (Timestamp::MAX, Some(KeptReason::OtherBoot)),
    ] {
        check(expected, |case| case.record.started = Some(recorded));
    }
    check(KeptReason::OtherBoot, |case| case.record.started = None);
    check(KeptReason::OtherBoot, |case| case.machine.boot = None);
}

#[test]
fn the_program_is_claude_code_with_its_socket_p1() {
    check(KeptReason::NotClaudeCode, |case| case.facts().program = Program::default());
    check(KeptReason::NotClaudeCode, |case| {
        case.facts().program.executable = Some("/usr/bin/ssh-agent".into());
    });
    check(KeptReason::NoSocket, |case| case.facts().is_listening = false);
    check(KeptReason::NoSocket, |case| case.record.socket = None);
}
