//! The conditions of the process's kind, of its idleness, and of what it owes.

use super::*;

#[test]
fn what_kind_of_process_it_is_p1() {
    let text = |text: &str| Some(text.to_owned());
    check(KeptReason::Kind(text("bg")), |case| case.record.kind = text("bg"));
    check(KeptReason::Kind(None), |case| case.record.kind = None);
    for entrypoint in ["sdk-ts", "sdk-py", "sdk-cli"] {
        passes(|case| case.record.entrypoint = text(entrypoint));
    }
    for entrypoint in [text("cli"), text("claude-desktop"), text("sdk"), None] {
        check(KeptReason::Entrypoint(entrypoint.clone()), |case| {
            case.record.entrypoint = entrypoint;
        });
    }
    check(KeptReason::HasJob, |case| case.record.has_job = true);
    check(KeptReason::HasRemoteSession, |case| case.record.has_bridge_session = true);
    check(KeptReason::HasTerminal, |case| case.facts().stat.terminal = 34_816);
    check(KeptReason::InputIsTerminal, |case| case.facts().input.kind = InputKind::Terminal);
    check(KeptReason::MainOfUnit, |case| case.facts().may_be_main_of_unit = true);
}

#[test]
fn whether_a_signal_ends_it_in_its_own_way_p1() {
    check(KeptReason::OtherUser, |case| case.machine.user = 0);
    check(KeptReason::OtherUser, |case| case.facts().status.users = Some([1000, 0, 1000, 1000]));
    check(KeptReason::OtherUser, |case| case.facts().status.users = None);
    passes(|case| case.facts().stat.state = b'R');
    for state in [b'T', b't', b'D', b'Z', b'X', b'I', b'?'] {
        check(KeptReason::State(state.into()), |case| case.facts().stat.state = state);
    }
    check(KeptReason::Traced, |case| case.facts().status.tracer = Some(1));
    check(KeptReason::Traced, |case| case.facts().status.tracer = None);
    for sigterm in [Some(SigTerm::Default), Some(SigTerm::Ignored), Some(SigTerm::Blocked), None] {
        check(KeptReason::SigTermNotCaught, |case| case.facts().status.sigterm = sigterm);
    }
}

#[test]
fn how_long_it_is_idle_p1() {
    for status in [Some("busy"), Some("waiting"), Some("shell"), Some("Idle"), None] {
        let status = status.map(str::to_owned);
        check(KeptReason::Status(status.clone()), |case| case.record.status = status);
    }
    passes(|case| case.record.status_updated = Some(seconds_ago(RELEASE_AFTER)));
    for recent in [seconds_ago(RELEASE_AFTER - 1), now(), now().after(Duration::from_secs(1))] {
        check(KeptReason::IdleTooShort, |case| case.record.status_updated = Some(recent));
        check(KeptReason::UsedRecently, |case| case.session.last_use = LastUse::At(recent));
    }
    check(KeptReason::IdleTooShort, |case| case.record.status_updated = None);
    check(KeptReason::StatusChanged, |case| case.planned = Some(seconds_ago(10_801)));
    check(KeptReason::StatusChanged, |case| {
        case.planned = case.record.status_updated;
        case.record.status_updated = None;
    });
    passes(|case| case.session.last_use = LastUse::At(seconds_ago(RELEASE_AFTER)));
    check(KeptReason::LastUseUnknown, |case| case.session.last_use = LastUse::Unknown);
    check(KeptReason::NoTranscript, |case| case.session.last_use = LastUse::NoTranscript);
}

#[test]
fn nothing_waits_to_be_read_p1() {
    for kind in [InputKind::Pipe, InputKind::File, InputKind::Null, InputKind::Closed] {
        passes(|case| case.facts().input.kind = kind);
    }
    check(KeptReason::UnreadInput, |case| case.facts().input.unread = Some(1));
    check(KeptReason::UnreadInput, |case| case.facts().input.unread = None);
    check(KeptReason::UnreadInput, |case| {
        case.facts().input = Input { kind: InputKind::Unknown, unread: None };
    });
}

#[test]
fn it_uses_no_cpu_time_p1() {
    for (cpu, expected) in [
        (Some(Cpu::AtWork), KeptReason::UsesCpu),
        (Some(Cpu::StatusChanged), KeptReason::StatusChanged),
        (Some(Cpu::Unknown), KeptReason::CpuUnknown),
        (None, KeptReason::CpuUnknown),
    ] {
        check(expected, |case| case.cpu = cpu);
        let mut owned = releasable();
        owned.cpu = cpu;
        assert_eq!(owned.judged(kept_before_cpu), None);
    }
    let mut owned = releasable();
    owned.session.is_pinned = true;
    assert_eq!(owned.judged(kept_before_cpu), Some(KeptReason::Pinned));
}

#[test]
fn nothing_is_owed_p1() {
    check(KeptReason::Held, |case| case.session.hold = Hold::Held);
    check(KeptReason::HoldsUnreadable, |case| case.session.hold = Hold::Unreadable);
    check(KeptReason::Pinned, |case| case.session.is_pinned = true);
    check(KeptReason::InUse(7), |case| case.session.other_use = OtherUse::By(7));
    check(KeptReason::UseUnknown, |case| case.session.other_use = OtherUse::Unknown);
    for (open, expected) in [
        (OpenElsewhere::By(1), KeptReason::FilesOpenElsewhere),
        (OpenElsewhere::Hidden(1), KeptReason::FilesHidden),
    ] {
        check(expected, |case| case.session.open_elsewhere = open);
    }
    for (schedules, expected) in [
        (Schedules::Durable, KeptReason::DurableSchedule),
        (Schedules::Cron, KeptReason::Schedule),
        (Schedules::Wakeup, KeptReason::Wakeup),
        (Schedules::Unreadable, KeptReason::SchedulesUnreadable),
    ] {
        check(expected, |case| case.session.schedules = schedules);
    }
}

#[test]
fn every_child_is_like_an_mcp_server_p1() {
    let with = |change: fn(&mut Child)| {
        let mut other = mcp_server();
        change(&mut other);
        Some(vec![mcp_server(), other])
    };
    passes(|case| case.facts().children = Some(vec![]));
    check(KeptReason::BackgroundShell, |case| {
        case.facts().children = with(|child| child.session = child.pid);
    });
    check(KeptReason::ChildAtWork, |case| {
        case.facts().children = with(|child| child.has_claude_pid = Some(true));
    });
    check(KeptReason::ChildUnreadable, |case| {
        case.facts().children = with(|child| child.has_claude_pid = None);
    });
    check(KeptReason::ChildUnreadable, |case| case.facts().children = None);
}

#[test]
fn conditions_are_checked_in_their_order_p1() {
    let mut owned = releasable();
    owned.session.is_pinned = true;
    assert_eq!(owned.judged(kept), Some(KeptReason::Pinned));
    owned.cpu = Some(Cpu::AtWork);
    assert_eq!(owned.judged(kept), Some(KeptReason::UsesCpu));
    owned.record.status = None;
    assert_eq!(owned.judged(kept), Some(KeptReason::Status(None)));
    owned.facts().stat.terminal = 1;
    assert_eq!(owned.judged(kept), Some(KeptReason::HasTerminal));
    owned.record.pid = None;
    assert_eq!(owned.judged(kept), Some(KeptReason::OtherProcess));
    owned.bridge.reaction = BridgeReaction::Breaks;
    assert_eq!(owned.judged(kept), Some(KeptReason::WouldBreak));
    owned.reading = Some(RecordReading::Torn);
    assert_eq!(owned.judged(kept), Some(KeptReason::RecordTorn));
    owned.claim = Claim::None;
    assert_eq!(owned.judged(kept), Some(KeptReason::NotMapped));
}
