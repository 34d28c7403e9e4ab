//! `schedule status`: what is installed, when it runs next, and how it ran last.

use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

use crate::commands::schedule::{home, said, systemd_of_user};
use crate::config::Environment;
use crate::journal::{Journal, RunKind, RunRecord};
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Timestamp};
use crate::report::age;
use crate::schedule::systemd::Systemd;
use crate::schedule::{Installed, cron, launchd, parse_installed};

/// Whatever is installed, by any method.
pub fn all_installed(environment: &Environment, asks: bool) -> Vec<Installed> {
    let mut all = systemd_of_user(environment).map(|user| user.installed(asks)).unwrap_or_default();
    all.extend(Systemd::of_system().installed(asks));
    all.extend(cron::installed_here());
    all.extend(home(environment).map(|home| launchd::installed(&home)).unwrap_or_default());
    all
}

/// Shows what is installed, and how it ran last.
///
/// # Errors
/// Where the journal cannot be read, or nothing can be written.
pub fn status(
    environment: &Environment,
    state: &Path,
    now: Timestamp,
    is_json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let installed = all_installed(environment, true);
    let runs = Journal::at(state).runs()?;
    let last = runs.iter().rfind(|ran| ran.command != RunKind::Undo);
    let written = if is_json {
        write_json(&installed, last, out)
    } else {
        write_text(&installed, last, now, out)
    };
    said(Ok(written.and_then(|()| out.flush())))
}

fn write_text(
    installed: &[Installed],
    last: Option<&RunRecord>,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    if installed.is_empty() {
        writeln!(out, "No timer is installed. Install one with session-warden schedule install.")?;
    }
    for one in installed {
        let state = if one.active { "active" } else { "not active" };
        let user = one.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
        writeln!(out, "{}: {}{}, {state}", one.method.name(), escape(&one.name), escape(&user))?;
        writeln!(out, "  {}", escape(&one.what))?;
        writeln!(out, "  next run  {}", escape(one.next.as_deref().unwrap_or("unknown")))?;
        if let Some(last) = &one.last {
            writeln!(out, "  last run  {}", escape(last))?;
        }
        if let Some(ran) = last_of(one) {
            writeln!(out, "  result    {}", in_words(&ran, now))?;
        }
    }
    let Some(last) = last else { return writeln!(out, "You have no runs yet.") };
    writeln!(out, "Your last run: {}", in_words(last, now))?;
    match &last.warning {
        Some(warning) => writeln!(out, "  {}", escape(warning)),
        None => Ok(()),
    }
}

/// How a run ended.
fn in_words(ran: &RunRecord, now: Timestamp) -> String {
    let count = |name: &str| ran.summary.get(name).map_or("-".to_owned(), ToString::to_string);
    let ago =
        Timestamp::parse(&ran.started).map_or("-".to_owned(), |then| age(then.seconds_until(now)));
    format!(
        "{}, {ago} ago, exit {}: {} checked, {} removed",
        escape(&ran.run),
        ran.exit,
        count("checked"),
        count("removed"),
    )
}

/// The last run of what that starts, by the state folder and the profile that it hands on.
fn last_of(one: &Installed) -> Option<RunRecord> {
    // keepalive status tells of its own.
    let handed = parse_installed(one).filter(|_| !one.is_keep())?;
    let profile = handed.option("--profile");
    let is_of = |ran: &RunRecord| {
        ran.command != RunKind::Undo && (handed.has("--all-profiles") || ran.profile() == profile)
    };
    Journal::at(&handed.state_dir()?).runs().ok()?.into_iter().rfind(is_of)
}

/// A run as JSON has it.
#[derive(Serialize)]
struct LastRun {
    run: String,
    started: String,
    ended: String,
    exit: u8,
    summary: serde_json::Map<String, serde_json::Value>,
    warning: Option<String>,
}

impl From<RunRecord> for LastRun {
    fn from(ran: RunRecord) -> Self {
        let RunRecord { run, started, ended, exit, summary, warning, .. } = ran;
        Self { run, started, ended, exit, summary, warning }
    }
}

fn write_json(
    installed: &[Installed],
    last: Option<&RunRecord>,
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct One<'a> {
        method: &'static str,
        name: &'a str,
        user: Option<&'a str>,
        what: &'a str,
        active: bool,
        next: Option<&'a str>,
        last: Option<&'a str>,
        last_run: Option<LastRun>,
    }
    #[derive(Serialize)]
    struct All<'a> {
        schema: u32,
        version: &'static str,
        installed: Vec<One<'a>>,
        last_run: Option<LastRun>,
    }
    let installed = installed
        .iter()
        .map(|one| One {
            method: one.method.name(),
            name: &one.name,
            user: one.user.as_deref(),
            what: &one.what,
            active: one.active,
            next: one.next.as_deref(),
            last: one.last.as_deref(),
            last_run: last_of(one).map(LastRun::from),
        })
        .collect();
    let all = All {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        installed,
        last_run: last.cloned().map(LastRun::from),
    };
    write_plain(&all, out)
}
