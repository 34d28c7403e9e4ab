//! Locks and transcripts, and for how long a call counts.

use super::*;
use crate::os::interrupt::Interrupt;

const PID: u32 = 4121;

/// A folder with that lock.
#[expect(clippy::disallowed_methods, reason = "a lock is written")]
fn with_lock(content: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".claude")).unwrap();
    std::fs::write(folder.path().join(".claude/scheduled_tasks.lock"), content).unwrap();
    folder
}

#[test]
fn a_durable_schedule_names_its_process() {
    for (lock, expected) in [
        (r#"{"sessionId":"s","pid":4121,"procStart":"1"}"#, Schedules::Durable),
        (r#"{"pid":"4121"}"#, Schedules::Durable),
        (r#"{"pid":4122}"#, Schedules::None),
        (r#"{"pid":null}"#, Schedules::Unreadable),
        (r#"{"sessionId":"s"}"#, Schedules::Unreadable),
        (r#"{"pid":41"#, Schedules::Unreadable),
        ("", Schedules::Unreadable),
    ] {
        assert_eq!(durable(with_lock(lock).path(), PID), expected, "{lock}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a folder stands where the lock is")]
fn a_folder_without_a_lock_has_no_durable_schedule() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(durable(folder.path(), PID), Schedules::None);
    assert_eq!(durable(&folder.path().join("gone"), PID), Schedules::None);
    std::fs::create_dir_all(folder.path().join(".claude/scheduled_tasks.lock")).unwrap();
    assert_eq!(durable(folder.path(), PID), Schedules::Unreadable);
}

#[test]
fn a_call_counts_for_as_long_as_what_it_set_may_be_due() {
    const DAY: u64 = 24 * 3600;
    let now = Timestamp::new(1_800_000_000, 0);
    let folder = tempfile::tempdir().unwrap();
    let check = |tool: &str, age: u64, expected: Schedules| {
        let time = now.earlier(Duration::from_secs(age)).rfc3339().unwrap();
        let path = folder.path().join("s.jsonl");
        #[expect(clippy::disallowed_methods, reason = "a transcript is written")]
        std::fs::write(&path, format!(r#"{{"timestamp":"{time}","name":"{tool}","input":{{}}}}"#))
            .unwrap();
        let mut scan = TranscriptScan::new(path);
        scan.scan(&Interrupt::default()).unwrap();
        let found = Schedules::of(PID, Some(folder.path()), &[scan], now);
        assert_eq!(found, expected, "{tool} {age}");
    };
    check("CronCreate", 30 * DAY, Schedules::Cron);
    check("CronCreate", 30 * DAY + 1, Schedules::None);
    check("ScheduleWakeup", DAY, Schedules::Wakeup);
    check("ScheduleWakeup", DAY + 1, Schedules::None);
    check("CronCreate", 0, Schedules::Cron);
    check("Bash", 0, Schedules::None);
}

#[test]
fn without_a_folder_schedules_are_not_known() {
    let now = Timestamp::new(1_800_000_000, 0);
    assert_eq!(Schedules::of(PID, None, &[], now), Schedules::Unreadable);
    let lock = with_lock(r#"{"pid":4121}"#);
    assert_eq!(Schedules::of(PID, Some(lock.path()), &[], now), Schedules::Durable);
}
