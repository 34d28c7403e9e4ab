//! A program that behaves like an idle Claude Code behind a bridge: judged, and ended, by the library's own parts.
//! And variants of it that fail one condition each, for real.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use session_warden::clean::release::conditions::{
    Bridge, Case, Claim, Hold, LastUse, OtherUse, Session, kept,
};
use session_warden::clean::release::cpu::{Cpu, Measured, measure};
use session_warden::clean::release::kept::KeptReason;
use session_warden::clean::release::look::{Candidate, Seen, look};
use session_warden::clean::release::signal::{NotOpened, Outcome, PATIENCE, Target, wait};
use session_warden::journal::Signalled;
use session_warden::map::BridgeReaction;
use session_warden::model::Timestamp;
use session_warden::os::interrupt::Interrupt;
use session_warden::process::facts::Machine;
use session_warden::process::holdings::holdings;
use session_warden::process::tree::Tree;

use crate::resident::Resident;

const SESSION: &str = "7c0d1e2f-3a4b-4c5d-8e6f-708192a3b4c5";

/// A stand-in with a home of its own.
struct StandIn {
    resident: Resident,
    folder: tempfile::TempDir,
}

impl StandIn {
    fn start(variant: &str) -> Self {
        Self::with_input(variant, Stdio::piped())
    }

    fn with_input(variant: &str, input: impl Into<Stdio>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let resident = Resident::with_input(folder.path(), SESSION, variant, input);
        Self { resident, folder }
    }

    fn pid(&self) -> u32 {
        self.resident.pid()
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn candidate(&self) -> Candidate {
        Candidate::new(self.pid(), self.home().to_owned())
    }

    fn seen(&self) -> Seen {
        let mut all = look(&mut [self.candidate()], &Interrupt::default(), now()).unwrap();
        all.remove(0)
    }

    fn kept(&self) -> Option<KeptReason> {
        judge(&self.seen(), Cpu::Quiet)
    }
}

fn now() -> Timestamp {
    Timestamp::from(std::time::SystemTime::now())
}

fn judge(seen: &Seen, cpu: Cpu) -> Option<KeptReason> {
    // A container may have no id of its own.
    let machine = Machine { has_id: true, ..Machine::read() };
    kept(&Case {
        claim: Claim::Mapped,
        bridge: Bridge {
            reaction: BridgeReaction::Quiet,
            accepted: BridgeReaction::Quiet,
            restarts: false,
        },
        machine: &machine,
        record: &seen.record,
        process: &seen.process,
        planned: None,
        signalled: Signalled::No,
        session_id: SESSION,
        session: Session {
            last_use: LastUse::At(Timestamp::new(0, 0)),
            hold: Hold::None,
            is_pinned: false,
            other_use: OtherUse::None,
            open_elsewhere: seen.open_elsewhere,
            schedules: seen.schedules,
        },
        cpu: Some(cpu),
        release_after: Duration::from_secs(2 * 3600),
        now: now(),
    })
}

#[track_caller]
fn check(variant: &str, expected: impl Into<Option<KeptReason>>) {
    assert_eq!(StandIn::start(variant).kept(), expected.into(), "{variant}");
}

#[test]
fn an_idle_stand_in_is_judged_signalled_and_ended_p1() {
    let mut stand_in = StandIn::start("mcp");
    let seen = stand_in.seen();
    let start = seen.process.facts().unwrap().stat.start;
    let held = &holdings(&Tree::read().unwrap(), &[stand_in.pid()]).by_process[&stand_in.pid()];
    assert_eq!((held.processes, held.connections.count), (2, 0));
    assert!(held.memory.bytes > 1 << 20 && held.memory.is_whole);

    let interrupt = Interrupt::default();
    let candidate = stand_in.candidate();
    let measured = Measured { pid: stand_in.pid(), start };
    let cpu = measure(&[measured], Machine::read().ticks_per_second, &interrupt, |_| {
        candidate.idle_since()
    });
    assert_eq!(judge(&seen, cpu[0]), None);

    let target = Target::open(stand_in.pid(), start).unwrap();
    assert_eq!(candidate.recheck(&seen), None);
    let signalled = target.terminate().unwrap().unwrap();
    let outcomes = wait(vec![signalled], PATIENCE, &interrupt);
    assert_eq!(outcomes, [(stand_in.pid(), Outcome::Ended)]);
    assert_eq!(stand_in.resident.child.wait().unwrap().code(), Some(143));
    assert!(candidate.recheck(&seen).is_some());
    assert_eq!(stand_in.kept(), Some(KeptReason::Ended));
}

#[test]
fn a_variant_that_fails_one_condition_is_kept_p1() {
    check("plain", None);
    check("terminal", KeptReason::HasTerminal);
    check("input", KeptReason::InputIsTerminal);
    check("shell", KeptReason::BackgroundShell);
    check("marked", KeptReason::ChildAtWork);
    check("ignores", KeptReason::SigTermNotCaught);
    check("default", KeptReason::SigTermNotCaught);
    check("blocks", KeptReason::SigTermNotCaught);
    check("deaf", KeptReason::NoSocket);
    check("reused", KeptReason::OtherStart);
    check("reboot", KeptReason::OtherBoot);
    check("record", KeptReason::NoRecord);
    check("traced", KeptReason::Traced);
    check("busy", KeptReason::Status(Some("busy".into())));
}

#[test]
fn one_that_is_stopped_is_kept_p1() {
    let stand_in = StandIn::start("plain");
    stand_in.resident.signal(rustix::process::Signal::STOP);
    let mut found = stand_in.kept();
    while found.is_none() {
        found = stand_in.kept();
    }
    assert_eq!(found, Some(KeptReason::State('T')));
    stand_in.resident.signal(rustix::process::Signal::CONT);
}

#[test]
fn one_with_unread_input_is_kept_p1() {
    let mut by_pipe = StandIn::start("plain");
    assert_eq!(by_pipe.kept(), None);
    by_pipe.resident.child.stdin.as_mut().unwrap().write_all(b"{}\n").unwrap();
    assert_eq!(by_pipe.kept(), Some(KeptReason::UnreadInput));

    // As Node.js gives its children.
    let (theirs, mut ours) = UnixStream::pair().unwrap();
    let by_socket = StandIn::with_input("plain", OwnedFd::from(theirs));
    assert_eq!(by_socket.kept(), None);
    ours.write_all(b"{}\n").unwrap();
    assert_eq!(by_socket.kept(), Some(KeptReason::UnreadInput));
    assert_eq!(by_socket.kept(), Some(KeptReason::UnreadInput), "nothing was read");
}

#[test]
fn one_whose_session_owes_something_is_kept_p1() {
    let stand_in = StandIn::start("plain");
    let lock = stand_in.home().join("work/.claude/scheduled_tasks.lock");
    fs::write(&lock, format!(r#"{{"pid":{}}}"#, stand_in.pid())).unwrap();
    assert_eq!(stand_in.kept(), Some(KeptReason::DurableSchedule));
    fs::write(&lock, r#"{"pid":1}"#).unwrap();
    assert_eq!(stand_in.kept(), None);

    let transcript = stand_in.home().join(format!("projects/-work/{SESSION}.jsonl"));
    fs::create_dir_all(transcript.parent().unwrap()).unwrap();
    let time = now().rfc3339().unwrap();
    fs::write(
        &transcript,
        format!("{{\"timestamp\":\"{time}\",\"name\":\"ScheduleWakeup\",\"input\":{{}}}}\n"),
    )
    .unwrap();
    assert_eq!(stand_in.kept(), Some(KeptReason::Wakeup));
    fs::remove_file(&transcript).unwrap();

    let tasks = stand_in.home().join("temporary/claude-0/-work").join(SESSION).join("tasks");
    fs::create_dir_all(&tasks).unwrap();
    let output = fs::File::create(tasks.join("b1.output")).unwrap();
    let mut writer = Command::new("sleep").arg("60").stdout(output).spawn().unwrap();
    let found = stand_in.kept();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(found, Some(KeptReason::FilesOpenElsewhere));
    assert_eq!(stand_in.kept(), None);
}

#[test]
fn one_whose_end_takes_long_is_ending_and_is_not_signalled_again_p1() {
    let stand_in = StandIn::start("slow");
    let seen = stand_in.seen();
    assert_eq!(judge(&seen, Cpu::Quiet), None);
    let start = seen.process.facts().unwrap().stat.start;
    let signalled = Target::open(stand_in.pid(), start).unwrap().terminate().unwrap().unwrap();
    let patience = Duration::from_secs(1);
    let outcomes = wait(vec![signalled], patience, &Interrupt::default());
    assert_eq!(outcomes, [(stand_in.pid(), Outcome::Ending)]);
    // It has removed its record, so nothing would signal it once more.
    assert_eq!(stand_in.kept(), Some(KeptReason::NoRecord));
}

#[test]
fn another_process_of_the_same_id_is_never_signalled_p2() {
    let stand_in = StandIn::start("reused");
    let seen = stand_in.seen();
    let recorded = seen.record.record().unwrap().start.unwrap();
    assert_eq!(Target::open(stand_in.pid(), recorded).unwrap_err(), NotOpened::OtherProcess);
}

#[test]
fn what_changes_before_the_signal_keeps_its_process_p3() {
    let mut stand_in = StandIn::start("plain");
    let (candidate, seen) = (stand_in.candidate(), stand_in.seen());
    let path = stand_in.home().join(format!("sessions/{}.json", stand_in.pid()));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(candidate.recheck(&seen), None);
    for (changed, expected) in [
        (text.replace("\"idle\"", "\"busy\""), KeptReason::Status(Some("busy".into()))),
        (
            text.replace("\"statusUpdatedAt\": 1", "\"statusUpdatedAt\": 2"),
            KeptReason::StatusChanged,
        ),
        (text.replace(SESSION, "b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66"), KeptReason::StatusChanged),
        (text[..text.len() / 2].to_owned(), KeptReason::RecordTorn),
    ] {
        fs::write(&path, &changed).unwrap();
        assert_eq!(candidate.recheck(&seen), Some(expected), "{changed}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(candidate.recheck(&seen), Some(KeptReason::NoRecord));

    fs::write(&path, text).unwrap();
    assert_eq!(candidate.recheck(&seen), None);
    stand_in.resident.child.stdin.as_mut().unwrap().write_all(b"{}\n").unwrap();
    assert_eq!(candidate.recheck(&seen), Some(KeptReason::UnreadInput));
}
