//! A line in the user's crontab. Every other line stays byte for byte.

use super::quote::cron_word;
use super::{Installed, Job, Method, NAME, Step, Tool, When, Work};
use crate::model::Failure;
use crate::process::Processes;
use chrono::{DateTime, Datelike, TimeDelta, TimeZone, Timelike};
use std::fmt::Display;

/// What a line of ours ends with, and then its name. cron hands it to the shell, for which it is a
/// comment.
const MARK: &str = " # installed by session-warden schedule: ";

/// As long as a command may be: what is longer, most crons cut off without a word.
const LONGEST: usize = 998;

/// What to do about a crontab that cannot be read or written.
const CRONTAB_HINT: &str = "check that you may use cron (cron.allow, cron.deny)";

const CRONTAB: Tool<'static> = Tool(&["crontab"]);

/// Whether there is a cron to ask.
pub fn is_there() -> bool {
    CRONTAB.exists()
}

const PACKAGED: &str = include_str!("../../packaging/cron/session-warden.crontab");

/// When the packaged line runs: hourly.
fn packaged_fields() -> String {
    let line = PACKAGED.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    line.split(' ').take(5).collect::<Vec<_>>().join(" ")
}

/// The line for that job, without its end.
///
/// # Errors
/// Exit code 2 where no crontab can say it.
pub fn line(job: &Job) -> Result<String, Failure> {
    let usage = |message: String| Failure::usage(message);
    let packaged = (job.when == When::Every(3600)).then(packaged_fields);
    let Some(fields) = packaged.or_else(|| job.when.cron()) else {
        return Err(usage(format!("cron cannot run a command {}", job.when)).hint(
            "use minutes that divide an hour, hours that divide a day, a day or a week, or use \
             --method systemd-user",
        ));
    };
    let mut words: Vec<String> = Vec::new();
    for (name, value) in &job.variables {
        words.push(format!("{name}={}", cron_word(value)));
    }
    words.push(cron_word(&job.binary.to_string_lossy()));
    words.extend(job.arguments.iter().map(|argument| cron_word(argument)));
    let command = words.join(" ");
    if command.contains(['\n', '\r']) {
        return Err(usage(
            "a crontab cannot hold an option or variable with a line break".to_owned(),
        )
        .hint("remove the line break, or use --method systemd-user"));
    }
    let command = format!("{command}{MARK}{}", job.name());
    if command.len() > LONGEST {
        let message = format!(
            "the command has {} bytes, but a crontab takes at most {LONGEST}",
            command.len()
        );
        let hint = match job.work {
            Work::Clean { .. } => "put options into the configuration file instead",
            Work::Keep => {
                "most of it is PATH: set a shorter one that has the CLIs, and install again"
            }
        };
        return Err(usage(message).hint(hint));
    }
    Ok(format!("{fields} {command}"))
}

/// The user's crontab; nothing where there is none.
///
/// # Errors
/// Where crontab cannot be asked.
pub fn read() -> Result<Option<Vec<u8>>, Failure> {
    let said = CRONTAB.ask(&["-l"])?;
    if said.ok {
        return Ok(Some(said.out));
    }
    if said.err.contains("no crontab for") {
        return Ok(None);
    }
    Err(Failure::new(format!("crontab -l failed: {}", said.err)).hint(CRONTAB_HINT))
}

fn write(new: &[u8]) -> Result<(), Failure> {
    let said = if new.is_empty() {
        CRONTAB.run(&["-r"], None)?
    } else {
        CRONTAB.run(&["-"], Some(new))?
    };
    if said.ok {
        return Ok(());
    }
    Err(Failure::new(format!("crontab failed: {}", said.err)).hint(CRONTAB_HINT))
}

/// Puts the job's line in, in place of an older one of its name.
///
/// # Errors
/// Where the crontab cannot be changed; it is then as it was.
pub fn install(job: &Job) -> Result<Vec<Step>, Failure> {
    let line = line(job)?;
    let before = read()?;
    let (new, mut steps) = with(before.as_deref().unwrap_or_default(), &line, &job.name());
    if before.as_deref() != Some(&new) {
        write(&new)?;
    }
    if !matches!(steps.first(), Some(Step::Unchanged(_))) && before.is_none() {
        steps.push(Step::Did("created a crontab, since there was none".to_owned()));
    }
    Ok(steps)
}

/// Removes the lines of that name, or all of ours. A dry run changes nothing, and returns the steps that it
/// leaves out.
///
/// # Errors
/// Where the crontab cannot be changed; it is then as it was.
pub fn uninstall(name: Option<&str>, is_dry: bool) -> Result<Vec<Step>, Failure> {
    let Some(before) = read()? else { return Ok(Vec::new()) };
    let (new, steps) = without(&before, name);
    if is_dry {
        return Ok(steps.into_iter().map(Step::planned).collect());
    }
    if !steps.is_empty() {
        write(&new)?;
    }
    Ok(steps)
}

/// Our lines in the crontab, each with its name.
///
/// # Errors
/// Where crontab cannot be asked.
pub fn installed() -> Result<Vec<(String, String)>, Failure> {
    let text = read()?.unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    let ours = lines.filter_map(|line| Some((name_of(line)?, line)));
    Ok(ours.map(|(name, line)| (name, String::from_utf8_lossy(line).into_owned())).collect())
}

/// The same, as installed things are shown. Where crontab cannot be asked, there is nothing to show.
pub fn installed_here() -> Vec<Installed> {
    shown(installed().unwrap_or_default().into_iter())
}

/// Lines of a crontab, each with its name, as installed things are shown.
pub(super) fn shown(lines: impl Iterator<Item = (String, String)>) -> Vec<Installed> {
    // A crontab alone runs nothing.
    let runs = Processes::of_users(&[0]);
    let active = runs.all().iter().any(|process| matches!(&process.name[..], b"cron" | b"crond"));
    let one = |(name, line): (String, String)| Installed {
        method: Method::Cron,
        name,
        user: None,
        active,
        next: if active { next(&line, &chrono::Local::now()) } else { None },
        last: None,
        what: line,
    };
    lines.map(one).collect()
}

/// When a line of ours runs next, for people; nothing where somebody has put other times into it.
fn next<Z: TimeZone<Offset: Display>>(line: &str, now: &DateTime<Z>) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().take(5).collect();
    let [minute, hour, "*", "*", day] = fields[..] else { return None };
    let fits = |field: &str, value: u32| match field.strip_prefix("*/") {
        Some(step) => {
            step.parse().ok().filter(|step| *step > 0).map(|step: u32| value.is_multiple_of(step))
        }
        None if field == "*" => Some(true),
        None => field.parse().ok().map(|own: u32| own == value),
    };
    let start = now.with_second(0)?.with_nanosecond(0)?;
    for minutes in 1..=MINUTES_OF_A_WEEK {
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

const MINUTES_OF_A_WEEK: i64 = 7 * 24 * 60 + 60;

/// The name in a line of ours. A line that somebody has commented out is theirs.
pub(super) fn name_of(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (_, name) = line.rsplit_once(MARK)?;
    let is_ours = name == NAME || name.strip_prefix(NAME)?.starts_with('-');
    (is_ours && !line.trim_start().starts_with('#')).then(|| name.to_owned())
}

fn with(text: &[u8], line: &str, name: &str) -> (Vec<u8>, Vec<Step>) {
    let mut new = Vec::new();
    let mut steps = Vec::new();
    for old in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = old.strip_suffix(b"\n").unwrap_or(old);
        if name_of(bare).as_deref() != Some(name) {
            new.extend_from_slice(old);
        } else if steps.is_empty() {
            let is_same = bare == line.as_bytes();
            let step = if is_same { Step::Unchanged } else { Step::Replaced };
            steps.push(step(format!("crontab: {line}")));
            new.extend_from_slice(line.as_bytes());
            new.push(b'\n');
        }
    }
    if new.last().is_some_and(|byte| *byte != b'\n') {
        // crontab takes no last line without an end.
        new.push(b'\n');
        steps.push(Step::Did("added the missing line break at the end of the crontab".to_owned()));
    }
    if !steps.iter().any(|step| matches!(step, Step::Unchanged(_) | Step::Replaced(_))) {
        new.extend_from_slice(line.as_bytes());
        new.push(b'\n');
        steps.insert(0, Step::Added(format!("crontab: {line}")));
    }
    (new, steps)
}

fn without(text: &[u8], name: Option<&str>) -> (Vec<u8>, Vec<Step>) {
    let mut new = Vec::new();
    let mut steps = Vec::new();
    for old in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = old.strip_suffix(b"\n").unwrap_or(old);
        match name_of(bare) {
            Some(ours) if name.is_none_or(|name| name == ours) => {
                steps.push(Step::Removed(format!("crontab: {}", String::from_utf8_lossy(bare))));
            }
            _ => new.extend_from_slice(old),
        }
    }
    if !steps.is_empty() && new.last().is_some_and(|byte| *byte != b'\n') {
        new.push(b'\n');
        steps.push(Step::Did("added the missing line break at the end of the crontab".to_owned()));
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
        }
    }

    #[test]
    fn a_line_says_all_of_it() {
        assert_eq!(
            line(&job(Some("dev"))).unwrap(),
            "5 * * * * CLAUDE_SESSION_DIR='/srv/it'\\''s here' '/opt/my tools/session-warden' clean -q \
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
            let (once, steps) = with(before, &ours, "session-warden");
            assert!(matches!(steps[..], [Step::Added(_)]), "{steps:?}");
            assert_eq!(once, format!("{foreign}{ours}\n").as_bytes());
            let (twice, steps) = with(&once, &ours, "session-warden");
            assert!(matches!(steps[..], [Step::Unchanged(_)]), "{steps:?}");
            assert_eq!(twice, once);
            let (both, _) = with(&twice, &dev, "session-warden-dev");
            let (other, steps) = with(&both, &ours.replace("-q", "-v"), "session-warden");
            assert!(matches!(steps[..], [Step::Replaced(_)]), "{steps:?}");
            assert_eq!(without(&other, Some("session-warden-dev")).1.len(), 1);
            assert_eq!(without(&other, None).0, before);
            assert_eq!(without(before, None), (before.to_vec(), vec![]));
        }
        // A last line without an end gets one, and that is said.
        let (new, steps) = with(b"a", &ours, "session-warden");
        assert_eq!((new, steps.len()), (format!("a\n{ours}\n").into_bytes(), 2));
    }
}
