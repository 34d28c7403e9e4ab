//! A line in the user's crontab. Every other line stays byte for byte.

use chrono::{DateTime, Datelike, Local, TimeDelta, TimeZone, Timelike};
use std::fmt::Display;

use super::cron_command;
use super::timer::{Installed, Job, Method, NAME, Step, Work};
use super::tool::{Output, Tool};
use super::when::When;
use crate::model::Failure;
use crate::process::Processes;

/// The end of each of our lines, before the timer's name. To the shell that cron starts, it is a comment.
const MARK: &str = " # installed by session-warden schedule: ";

/// The longest command, in bytes. Most crons silently cut off longer ones.
const LONGEST: usize = 998;

const CRONTAB: Tool<'static> = Tool(&["crontab"]);

const PACKAGED: &str = include_str!("../../packaging/cron/session-warden.crontab");

/// Returns true if there is a cron to ask.
pub fn is_available() -> bool {
    CRONTAB.exists()
}

/// The time of the packaged line, which is the only source of it: hourly.
fn packaged_fields() -> String {
    let line = PACKAGED.lines().find(|line| !line.starts_with('#')).unwrap_or_default();

    line.split(' ').take(5).collect::<Vec<_>>().join(" ")
}

/// The line for that job, without a line break. Exit code 2 if a crontab has no way to express it.
pub fn line(job: &Job) -> Result<String, Failure> {
    job.check_text()?;
    let packaged = (job.when == When::Every(3600)).then(packaged_fields);
    let fields = packaged.or_else(|| job.when.cron()).ok_or_else(|| {
        Failure::usage(format!("cron cannot run a command {}", job.when)).hint(
            "use minutes that divide an hour, hours that divide a day, a day or a week, or use \
             --method systemd-user",
        )
    })?;

    let variables = job.variables.iter().map(|(name, value)| format!("{name}={value}"));
    let variables: Vec<String> = variables.collect();
    let program = job.binary.to_string_lossy().into_owned();
    let words: Vec<String> = [program].into_iter().chain(job.arguments.iter().cloned()).collect();

    if variables.iter().chain(&words).any(|word| word.contains(['\n', '\r'])) {
        let message = "a crontab cannot hold an option or variable with a line break";
        return Err(
            Failure::usage(message).hint("remove the line break, or use --method systemd-user")
        );
    }
    let command = format!("{}{MARK}{}", cron_command::command(&variables, &words), job.name());
    if command.len() > LONGEST {
        let hint = match job.work {
            Work::Clean { .. } => "put options into the configuration file instead",
            Work::Keepalive => {
                "most of it is PATH: set a shorter one that has the CLIs, and install again"
            }
        };
        let length = command.len();
        let message =
            format!("the command has {length} bytes, but a crontab takes at most {LONGEST}");
        return Err(Failure::usage(message).hint(hint));
    }

    Ok(format!("{fields} {command}"))
}

/// The user's crontab; nothing if there is none.
pub fn read() -> Result<Option<Vec<u8>>, Failure> {
    let output = CRONTAB.ask(&["-l"])?;

    if output.stdout.is_empty() && means_none(&output.stderr) {
        return Ok(None);
    }
    succeeded("crontab -l", output).map(|output| Some(output.stdout))
}

/// Returns true if `crontab -l` reports that there is no crontab. dcron does so with exit code 0.
fn means_none(message: &str) -> bool {
    let message = message.to_lowercase();
    // Vixie's cron, cronie, systemd-cron and dcron; and busybox, which names the user's file.
    message.contains("no crontab for")
        || message.starts_with("crontab: can't open '")
            && message.ends_with("': no such file or directory")
}

fn write(new: &[u8]) -> Result<(), Failure> {
    // An empty crontab is removed as a whole; dcron has no -r, and gets an empty one.
    if new.is_empty() && CRONTAB.run(&["-r"], b"")?.success {
        return Ok(());
    }
    succeeded("crontab", CRONTAB.run(&["-"], new)?).map(drop)
}

fn succeeded(command: &str, output: Output) -> Result<Output, Failure> {
    if output.success {
        return Ok(output);
    }
    Err(Failure::new(format!("{command} failed: {}", output.stderr))
        .hint("check that you may use cron (cron.allow, cron.deny)"))
}

/// Adds the job's line, in place of an older one of its name. After a failure, the crontab is unchanged.
pub fn install(job: &Job) -> Result<Vec<Step>, Failure> {
    let line = line(job)?;
    let before = read()?;
    let text = before.as_deref().unwrap_or_default();
    let (new, mut steps) = edited(text, Some(&job.name()), Some(&line));

    if before.as_deref() != Some(&new) {
        write(&new)?;
    }
    if before.is_none() {
        steps.push(Step::Did("created a crontab, since there was none".to_owned()));
    }
    Ok(steps)
}

/// Removes the lines of that name, or all of ours. A dry run changes nothing, and returns the steps that it
/// leaves out. After a failure, the crontab is unchanged.
pub fn uninstall(name: Option<&str>, is_dry: bool) -> Result<Vec<Step>, Failure> {
    let Some(before) = read()? else { return Ok(Vec::new()) };

    let (new, steps) = edited(&before, name, None);
    if is_dry {
        return Ok(steps.into_iter().map(Step::planned).collect());
    }
    if !steps.is_empty() {
        write(&new)?;
    }
    Ok(steps)
}

/// Our lines in the crontab; none if it cannot be read.
pub fn installed() -> Vec<Installed> {
    let text = read().ok().flatten().unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    let ours =
        lines.filter_map(|line| Some((name_of(line)?, String::from_utf8_lossy(line).into_owned())));
    timers(ours)
}

/// Returns a timer for each line and its name.
pub(super) fn timers(lines: impl Iterator<Item = (String, String)>) -> Vec<Installed> {
    // A crontab alone runs nothing.
    let processes = Processes::of_users(&[0]);
    let mut names = processes.all().iter().map(|process| &process.name[..]);
    let active = names.any(|name| matches!(name, b"cron" | b"crond"));

    let timers = lines.map(|(name, line)| Installed {
        method: Method::Cron,
        name,
        user: None,
        active,
        next: if active { next(&line, &Local::now()) } else { None },
        last: None,
        what: line,
    });
    timers.collect()
}

/// When a line of ours runs next; nothing if it was edited to have other times.
fn next<Z: TimeZone<Offset: Display>>(line: &str, now: &DateTime<Z>) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().take(5).collect();
    let [minute, hour, "*", "*", day] = fields[..] else { return None };

    let start = now.with_second(0)?.with_nanosecond(0)?;
    for minutes in 1..=MINUTES_TO_SEARCH {
        let then = start.clone() + TimeDelta::minutes(minutes);
        if fits(minute, then.minute())?
            && fits(hour, then.hour())?
            && fits(day, then.weekday().num_days_from_sunday())?
        {
            return Some(then.format("%Y-%m-%d %H:%M %z").to_string());
        }
    }
    None
}

/// Returns true if the value is in the field; nothing if the field is not of our making.
fn fits(field: &str, value: u32) -> Option<bool> {
    match field.strip_prefix("*/") {
        Some(step) => {
            step.parse().ok().filter(|step| *step > 0).map(|step: u32| value.is_multiple_of(step))
        }
        None if field == "*" => Some(true),
        None => field.parse().ok().map(|own: u32| own == value),
    }
}

/// A week, and an hour in case the clocks change.
const MINUTES_TO_SEARCH: i64 = 7 * 24 * 60 + 60;

/// The name in a line of ours. One that was commented out is not ours any more.
pub(super) fn name_of(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (_, name) = line.rsplit_once(MARK)?;
    let is_ours = name == NAME || name.strip_prefix(NAME)?.starts_with('-');
    (is_ours && !line.trim_start().starts_with('#')).then(|| name.to_owned())
}

/// Replaces our lines of that name, or all of ours, by `line`; without a `line`, removes them.
fn edited(text: &[u8], name: Option<&str>, line: Option<&str>) -> (Vec<u8>, Vec<Step>) {
    let (mut new, mut steps) = (Vec::new(), Vec::new());
    for old in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = old.strip_suffix(b"\n").unwrap_or(old);
        let is_it = name_of(bare).is_some_and(|own| name.is_none_or(|name| name == own));
        match line {
            _ if !is_it => new.extend_from_slice(old),
            None => {
                steps.push(Step::Removed(format!("crontab: {}", String::from_utf8_lossy(bare))));
            }
            // A second line of the same name is dropped.
            Some(_) if !steps.is_empty() => {}
            Some(line) => {
                let is_same = bare == line.as_bytes();
                let step = if is_same { Step::Unchanged } else { Step::Replaced };
                steps.push(step(format!("crontab: {line}")));
                new.extend_from_slice(line.as_bytes());
                new.push(b'\n');
            }
        }
    }

    let added = line.filter(|_| steps.is_empty());
    let is_change = added.is_some() || !steps.is_empty();
    if is_change && new.last().is_some_and(|byte| *byte != b'\n') {
        // crontab takes no last line without an end.
        new.push(b'\n');
        steps.push(Step::Did("added the missing line break at the end of the crontab".to_owned()));
    }
    if let Some(line) = added {
        new.extend_from_slice(line.as_bytes());
        new.push(b'\n');
        steps.insert(0, Step::Added(format!("crontab: {line}")));
    }
    (new, steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exit;

    fn job(profile: Option<&str>) -> Job {
        Job {
            work: Work::Clean { profile: profile.map(str::to_owned) },
            binary: "/opt/my tools/session-warden".into(),
            arguments: ["clean", "-q", "--pin=50%*"].map(str::to_owned).to_vec(),
            variables: vec![("CLAUDE_SESSION_DIR".into(), "/srv/it's here".into())],
            when: When::Every(3600),
            user: None,
            reads: vec![],
            states: vec![],
            writes: vec![],
            remarks: vec![],
        }
    }

    #[test]
    fn a_line_says_all_of_it() {
        assert_eq!(
            line(&job(Some("dev"))).unwrap(),
            "5 * * * * /usr/bin/env CLAUDE_SESSION_DIR='/srv/it'\\''s here' '/opt/my tools/session-warden' clean -q \
             '--pin=50'\\%'*' # installed by session-warden schedule: session-warden-dev"
        );
        let mut never = job(None);
        never.when = When::Every(7);
        assert_eq!(line(&never).unwrap_err().exit, Exit::Usage);
        never.when = When::Calendar("hourly".to_owned());
        assert_eq!(line(&never).unwrap_err().exit, Exit::Usage);
        let mut two_lines = job(None);
        two_lines.variables[0].1 = "a\nb".to_owned();
        assert_eq!(line(&two_lines).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn each_cron_reports_in_its_own_words_that_there_is_no_crontab() {
        for none in [
            "no crontab for me",
            "crontab: no crontab for me",
            "crontab: can't open 'me': No such file or directory",
        ] {
            assert!(means_none(none), "{none}");
        }
        for other in [
            "",
            "You (me) are not allowed to use this program (crontab)",
            "crontab: can't open 'me': Permission denied",
            "crontab: can't change directory to '/var/spool/cron': No such file or directory",
            "crontab: error while loading libx.so: No such file or directory",
        ] {
            assert!(!means_none(other), "{other}");
        }
    }

    #[test]
    fn hourly_is_as_it_is_packaged() {
        assert_eq!(Some(packaged_fields()), When::Every(3600).cron());
    }

    #[test]
    fn a_line_tells_when_it_runs_next() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T10:07:30+01:00").unwrap();
        for (fields, then) in [
            ("5 * * * *", Some("2026-11-21 11:05 +0100")),
            ("* * * * *", Some("2026-11-21 10:08 +0100")),
            ("*/15 * * * *", Some("2026-11-21 10:15 +0100")),
            ("5 */6 * * *", Some("2026-11-21 12:05 +0100")),
            ("5 0 * * *", Some("2026-11-22 00:05 +0100")),
            ("5 0 * * 0", Some("2026-11-22 00:05 +0100")),
            ("5 0 * * 6", Some("2026-11-28 00:05 +0100")),
            ("1-5 * * * *", None),
            ("5 * 1 * *", None),
            ("@daily", None),
        ] {
            assert_eq!(next(&format!("{fields} x"), &now).as_deref(), then, "{fields}");
        }
    }

    #[test]
    fn foreign_lines_stay_byte_for_byte() {
        let (ours, dev) = (line(&job(None)).unwrap(), line(&job(Some("dev"))).unwrap());
        for foreign in [
            "",
            "# a comment\n",
            "MAILTO=me\n0 0 * * * date +\\%F\r\n\n  # session-warden by hand\n@daily x\n",
            "5 * * * * session-warden -q\n",
            "# 5 * * * * x # installed by session-warden schedule: session-warden\n",
            "\u{e9}\n",
        ] {
            let before = foreign.as_bytes();
            let (once, steps) = edited(before, Some("session-warden"), Some(&ours));
            assert!(matches!(steps[..], [Step::Added(_)]), "{steps:?}");
            assert_eq!(once, format!("{foreign}{ours}\n").as_bytes());
            let (twice, steps) = edited(&once, Some("session-warden"), Some(&ours));
            assert!(matches!(steps[..], [Step::Unchanged(_)]), "{steps:?}");
            assert_eq!(twice, once);
            let (both, _) = edited(&twice, Some("session-warden-dev"), Some(&dev));
            let (other, steps) =
                edited(&both, Some("session-warden"), Some(&ours.replace("-q", "-v")));
            assert!(matches!(steps[..], [Step::Replaced(_)]), "{steps:?}");
            assert_eq!(edited(&other, Some("session-warden-dev"), None).1.len(), 1);
            assert_eq!(edited(&other, None, None).0, before);
            assert_eq!(edited(before, None, None), (before.to_vec(), vec![]));
        }
        // A last line without an end gets one, and the output mentions it.
        let (new, steps) = edited(b"a", Some("session-warden"), Some(&ours));
        assert_eq!((new, steps.len()), (format!("a\n{ours}\n").into_bytes(), 2));
    }
}
