//! `schedule status`: the installed timers, their next run and their last run.

use clap::Args;
use serde::Serialize;
use std::io::{self, Write};

use super::methods::all_installed;
use super::output::finish;
use crate::commands::options::{ConfigArgs, FormatArgs, StateArgs, own_variables};
use crate::config::{Environment, Format, Layer, Settings};
use crate::journal::{Journal, RunKind, RunRecord};
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Timestamp};
use crate::report::age;
use crate::schedule::{Installed, parse_installed};

pub(super) const STATUS_HELP: &str = concat!(
    "\
Examples:
  session-warden schedule status
  session-warden schedule status --json

Exit codes:
  0  done, whether or not a timer is installed
  1  failed: past runs cannot be read
  2  wrong usage or configuration

Environment:
",
    own_variables!()
);

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl StatusArgs {
    pub(super) fn run(
        &self,
        environment: &Environment,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> anyhow::Result<Exit> {
        let flags = Layer { state: self.state.clone(), ..Layer::default() };
        let settings = Settings::read(self.config.config.as_deref(), environment.clone(), false)?;
        let state = settings.resolve(&flags, None)?.0.state_dir()?;

        let installed = all_installed(environment, true);
        let runs = Journal::at(&state).runs()?;
        let last = runs.iter().rfind(|run| run.command != RunKind::Undo);
        let written = if self.format.format() == Some(Format::Json) {
            write_json(&installed, last, out)
        } else {
            write_text(&installed, last, now, out)
        };
        finish(written, out)
    }
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
    for timer in installed {
        let state = if timer.active { "active" } else { "not active" };
        let user = timer.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
        let (name, user) = (escape(&timer.name), escape(&user));
        writeln!(out, "{}: {name}{user}, {state}", timer.method.name())?;
        writeln!(out, "  {}", escape(&timer.what))?;
        writeln!(out, "  next run  {}", escape(timer.next.as_deref().unwrap_or("unknown")))?;
        if let Some(last) = &timer.last {
            writeln!(out, "  last run  {}", escape(last))?;
        }
        if let Some(run) = last_run(timer) {
            writeln!(out, "  result    {}", in_words(&run, now))?;
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
fn in_words(run: &RunRecord, now: Timestamp) -> String {
    let count = |name: &str| run.summary.get(name).map_or("-".to_owned(), ToString::to_string);
    let started = Timestamp::parse(&run.started);
    let ago = started.map_or("-".to_owned(), |started| age(started.seconds_until(now)));
    format!(
        "{}, {ago} ago, exit {}: {} checked, {} removed",
        escape(&run.run),
        run.exit,
        count("checked"),
        count("removed"),
    )
}

/// The last run of a timer, by the state folder and the profile in its command.
fn last_run(timer: &Installed) -> Option<RunRecord> {
    // Those of keep-alive are shown by keepalive status.
    let command = parse_installed(timer).filter(|_| !timer.is_keepalive())?;
    let profile = command.option("--profile");
    Journal::at(&command.state_dir()?).runs().ok()?.into_iter().rfind(|run| {
        run.command != RunKind::Undo && (command.has("--all-profiles") || run.profile() == profile)
    })
}

/// A run in JSON.
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
    fn from(record: RunRecord) -> Self {
        let RunRecord { run, started, ended, exit, summary, warning, .. } = record;
        Self { run, started, ended, exit, summary, warning }
    }
}

/// A timer in JSON.
#[derive(Serialize)]
struct Timer<'a> {
    #[serde(flatten)]
    installed: &'a Installed,
    last_run: Option<LastRun>,
}

#[derive(Serialize)]
struct Status<'a> {
    schema: u32,
    version: &'static str,
    installed: Vec<Timer<'a>>,
    last_run: Option<LastRun>,
}

fn write_json(
    installed: &[Installed],
    last: Option<&RunRecord>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let timers = installed
        .iter()
        .map(|timer| Timer { installed: timer, last_run: last_run(timer).map(LastRun::from) });
    let status = Status {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        installed: timers.collect(),
        last_run: last.cloned().map(LastRun::from),
    };
    write_plain(&status, out)
}
