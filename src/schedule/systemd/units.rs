//! The text of the units: the packaged ones, with the command, variables and time of a job.

use std::path::Path;

use crate::model::Failure;
use crate::schedule::quote::{command_word, escaped, unit_word};
use crate::schedule::timer::{Account, Job, Work};

/// The service, its timer, and the unit that reports failures.
type Templates = [&'static str; 3];

const USER: Templates = [
    include_str!("../../../packaging/systemd/user/session-warden.service"),
    include_str!("../../../packaging/systemd/user/session-warden.timer"),
    include_str!("../../../packaging/systemd/user/session-warden-failed@.service"),
];
const USER_KEEPALIVE: Templates = [
    include_str!("../../../packaging/systemd/user/session-warden-keepalive.service"),
    include_str!("../../../packaging/systemd/user/session-warden-keepalive.timer"),
    USER[2],
];
const SYSTEM: Templates = [
    include_str!("../../../packaging/systemd/system/session-warden@.service"),
    include_str!("../../../packaging/systemd/system/session-warden@.timer"),
    include_str!("../../../packaging/systemd/system/session-warden-failed@.service"),
];
const SYSTEM_KEEPALIVE: Templates = [
    include_str!("../../../packaging/systemd/system/session-warden-keepalive@.service"),
    include_str!("../../../packaging/systemd/system/session-warden-keepalive@.timer"),
    SYSTEM[2],
];

/// The files of a job by their path within the folder of units. Exit code 2 if systemd has no way to express
/// the job.
pub(super) fn files(job: &Job) -> Result<Vec<(String, String)>, Failure> {
    job.check_text()?;
    let name = job.name();
    let calendar = job.when.calendar().ok_or_else(|| {
        Failure::usage(format!("systemd cannot run a timer {}", job.when)).hint(
            "use an interval that divides an hour or a day, or --on-calendar (systemd.time(7))",
        )
    })?;
    if calendar.trim().is_empty() || calendar.contains(['\n', '\r']) {
        return Err(Failure::usage("--on-calendar is not one line of text")
            .hint("for example --on-calendar hourly"));
    }

    let time = time(job, &calendar);
    let Some(user) = &job.user else {
        let [service, timer, failed] =
            if job.work == Work::Keepalive { USER_KEEPALIVE } else { USER };
        let service = with_own_failed(service, &name);
        let command: Vec<String> =
            environment(job).chain([exec_start(job), String::new()]).collect();
        return Ok(vec![
            (format!("{name}.service"), set(&service, &[("ExecStart", command.join("\n"))])),
            (format!("{name}.timer"), set(timer, &time)),
            (format!("{name}-failed@.service"), failed.to_owned()),
        ]);
    };

    if name.ends_with("-failed") {
        return Err(Failure::usage(format!("{name}@.service is the name of another unit"))
            .hint("give the profile a name that does not end in -failed"));
    }
    let [service, timer, failed] =
        if job.work == Work::Keepalive { SYSTEM_KEEPALIVE } else { SYSTEM };
    let unit = escaped(&user.name);
    let time: String = time.into_iter().map(|(_, lines)| lines).collect();
    Ok(vec![
        (format!("{name}@.service"), with_own_failed(service, &name)),
        (format!("{name}@.timer"), timer.to_owned()),
        (format!("{name}-failed@.service"), failed.to_owned()),
        (format!("{name}@{unit}.service.d/schedule.conf"), service_drop_in(job, user)),
        (format!("{name}@{unit}.timer.d/schedule.conf"), format!("[Timer]\nOnCalendar=\n{time}")),
    ])
}

/// Each service has its own unit that reports failures.
fn with_own_failed(service: &str, name: &str) -> String {
    service.replace("session-warden-failed@", &format!("{name}-failed@"))
}

fn service_drop_in(job: &Job, user: &Account) -> String {
    // %i would be the name as systemd escapes it.
    let user = format!("User={}", user.name.replace('%', "%%"));
    let mut lines = vec!["[Service]".to_owned(), user];
    lines.extend(environment(job));

    // Keep-alive may write wherever its user may.
    if !job.writes.is_empty() {
        let writes: Vec<String> = job.writes.iter().map(|path| optional(path)).collect();
        lines.push(format!("ReadWritePaths={}", writes.join(" ")));
    }

    // The unit has a /tmp of its own, in which what it needs is mounted.
    for (key, paths) in [("BindReadOnlyPaths", &job.reads), ("BindPaths", &job.writes)] {
        for path in paths {
            if path.starts_with("/tmp") || path.starts_with("/var/tmp") {
                lines.push(format!("{key}={}", optional(path)));
            }
        }
    }

    lines.extend(["ExecStart=".to_owned(), exec_start(job), String::new()]);
    lines.join("\n")
}

/// A path that need not exist.
fn optional(path: &Path) -> String {
    unit_word(&format!("-{}", path.display()))
}

fn exec_start(job: &Job) -> String {
    // In the program's own path, systemd expands no variables.
    let mut words = vec![unit_word(&job.binary.to_string_lossy())];
    words.extend(job.arguments.iter().map(|word| command_word(word)));
    format!("ExecStart={}", words.join(" "))
}

fn environment(job: &Job) -> impl Iterator<Item = String> {
    let variables = job.variables.iter();
    variables.map(|(name, value)| format!("Environment={}", unit_word(&format!("{name}={value}"))))
}

/// The lines that replace those of each key; empty if they are removed.
type Setting = (&'static str, String);

fn time(job: &Job, calendar: &str) -> Vec<Setting> {
    let calendar = ("OnCalendar", format!("OnCalendar={}\n", calendar.replace('%', "%%")));
    let delay = job.when.delay();
    if delay > 0 {
        return vec![calendar, ("RandomizedDelaySec", format!("RandomizedDelaySec={delay}s\n"))];
    }
    let exact = "RandomizedDelaySec=0\nAccuracySec=1s\n".to_owned();
    vec![calendar, ("RandomizedDelaySec", exact), ("FixedRandomDelay", String::new())]
}

/// The unit's text with these settings in place of its own.
fn set(unit: &str, settings: &[Setting]) -> String {
    let mut text = String::new();
    for line in unit.split_inclusive('\n') {
        let key = line.split('=').next().unwrap_or_default();
        let new = settings.iter().find(|(known, _)| *known == key);
        text.push_str(new.map_or(line, |(_, new)| new));
    }
    text
}
