//! The watcher of a command that `hold` has become: a process apart, which renews the hold, runs the
//! command of each beat and writes diagnostics, and removes the hold once the command has ended. The
//! hold does not depend on it: should the watcher be killed, the hold ends with its process.

use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::holds::{Hold, Holds, NoHold, Subject};
use crate::model::heartbeat::{BEAT_EVERY, Effect, Event, Heartbeat, Load};
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::create;
use crate::process::{self, Watched};
use crate::ui;

/// The hidden subcommand that runs a watcher.
pub(super) const SUBCOMMAND: &str = "__watch";

/// The values of `SESSION_WARDEN_SEND_KEEPALIVES` that allow the command of a beat.
const OPEN: [&str; 4] = ["1", "true", "yes", "on"];

/// How a hold beats while its command runs.
#[derive(Debug, Default, Args)]
pub(super) struct BeatOptions {
    /// How often to renew the hold while COMMAND runs [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    beat: Option<Duration>,

    #[arg(
        long,
        value_name = "LINE",
        help = "Shell command to run at each renewal, if the environment allows it (see below)"
    )]
    beat_command: Option<String>,

    /// Append diagnostics to FILE as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,

    /// Print diagnostics on standard error
    #[arg(short, long)]
    verbose: bool,
}

impl BeatOptions {
    /// Returns the time between two beats.
    pub(super) fn every(&self) -> Duration {
        self.beat.unwrap_or(BEAT_EVERY)
    }

    /// Starts a watcher of that hold, which is no child of this process and has none of its files open
    /// but standard error, if it is to print there.
    pub(super) fn start_watcher(&self, hold: &Hold, holds: Option<&Holds>) -> io::Result<()> {
        let mut command = process::own_command();
        command.args(["hold", SUBCOMMAND]);
        command.arg(format!("--beat={}", humantime::format_duration(self.every())));
        command.args(self.beat_command.iter().map(|line| format!("--beat-command={line}")));
        command.args(self.log.iter().map(|log| option("--log=", log.into())));
        let state = holds.and_then(|holds| holds.folder().parent());
        command.args(state.map(|state| option("--state-dir=", state.into())));

        if self.verbose {
            command.arg("--verbose");
        } else {
            command.stderr(Stdio::null());
        }
        process::start_detached(&mut command, &hold.bytes())
    }
}

fn option(name: &str, value: OsString) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

/// Runs the watcher of the hold on standard input. `gate` is `SESSION_WARDEN_SEND_KEEPALIVES`.
pub(super) fn run(
    holds: Option<&Holds>,
    options: &BeatOptions,
    gate: Option<OsString>,
    clock: fn() -> Timestamp,
) -> anyhow::Result<Exit> {
    if !process::detach().context("cannot detach the watcher")? {
        return Ok(Exit::Done);
    }

    let mut hold = Vec::new();
    io::stdin().lock().read_to_end(&mut hold).context("cannot read standard input")?;
    let hold = Hold::parse(&hold).map_err(NoHold::why).map_err(Failure::usage)?;
    let Some(work) = hold.processes.first() else {
        return Err(Failure::usage("the hold names no process").into());
    };

    let watched = Watched::new(work.pid, work.started);
    process::is_ready().context("cannot write to standard output")?;
    let gate = gate.unwrap_or_default().to_string_lossy().trim().to_ascii_lowercase();
    let is_open = OPEN.contains(&&*gate);
    Watcher::new(holds, options, hold, &clock, &process::passed).watch(&watched, is_open);
    Ok(Exit::Done)
}

struct Watcher<'a> {
    holds: Option<&'a Holds>,
    options: &'a BeatOptions,
    /// The time now, to be shown and written. Another user may set it.
    clock: &'a dyn Fn() -> Timestamp,
    /// The time since any fixed moment. It never goes back.
    passed: &'a dyn Fn() -> Duration,
    /// When this began: since 1970, and by `passed`.
    begun: (Duration, Duration),
    heart: Heartbeat,
    hold: Hold,
    /// The last command of a beat.
    beating: Option<Child>,
}

impl<'a> Watcher<'a> {
    fn new(
        holds: Option<&'a Holds>,
        options: &'a BeatOptions,
        hold: Hold,
        clock: &'a dyn Fn() -> Timestamp,
        passed: &'a dyn Fn() -> Duration,
    ) -> Self {
        let begun = (clock().since_1970(), passed());
        let heart = Heartbeat::new(options.every());
        Self { holds, options, clock, passed, begun, heart, hold, beating: None }
    }

    /// Beats until the process has ended, and then removes the hold.
    fn watch(&mut self, process: &Watched, is_open: bool) {
        if self.options.beat_command.is_some() && is_open {
            self.on(Event::Register);
        }
        self.begin();
        self.count_others();
        while !process.ends_within(self.time_to_next_beat()) {
            self.beat_if_due();
        }

        self.count_others();
        // The work itself is still counted, so that the last line shows how long it went on.
        self.on(Event::Shutdown);
        self.release();
        self.end_beat_command();
    }

    fn begin(&mut self) {
        let (key, reason) = (self.hold.key.clone(), self.hold.reason.clone());
        self.on(Event::Begin { key, reason });
    }

    fn time_to_next_beat(&self) -> Duration {
        let due = self.heart.due().map(|due| due.saturating_sub(self.now()));
        due.unwrap_or(self.options.every())
    }

    fn beat_if_due(&mut self) {
        if self.heart.due().is_some_and(|due| due <= self.now()) {
            self.count_others();
            self.on(Event::Tick);
        }
    }

    /// Ends the hold, and removes other holds that are dead.
    fn release(&self) {
        let Some(holds) = self.holds else { return };
        if holds.release(&self.hold.key).is_err() {
            self.report("hold_not_removed", &json!({}));
        }

        let now = (self.clock)();
        if let Ok(found) = holds.read(now) {
            holds.sweep(&found, now);
        }
    }

    /// The time of the heartbeat: since 1970, so that work that began before this has a time too, and
    /// from then on by the time that has passed. A clock that is set back must not silence it.
    fn now(&self) -> Duration {
        let (start, passed) = self.begun;
        start + (self.passed)().saturating_sub(passed)
    }

    /// Counts the other holds on the same session or chat.
    fn count_others(&mut self) {
        let (clock, now) = ((self.clock)(), self.now());
        let Some(Ok(found)) = self.holds.map(|holds| holds.read(clock)) else { return };
        let same = found.all().filter(|hold| hold.subject.is_same(&self.hold.subject));
        let others = same.filter(|hold| hold.key != self.hold.key && hold.is_alive(clock));
        let live: BTreeMap<String, &Hold> = others.map(|hold| (work_of(hold), hold)).collect();

        let known: BTreeSet<String> = self.heart.keys().map(str::to_owned).collect();
        for key in known.iter().filter(|key| **key != self.hold.key) {
            if !live.contains_key(key) {
                self.heart.on(Event::End { key: key.clone() }, now);
            }
        }
        for (key, hold) in live.into_iter().filter(|(key, _)| !known.contains(key)) {
            let since = hold.since().unwrap_or(clock).since_1970();
            let age = clock.since_1970().saturating_sub(since);
            let reason = hold.reason.clone();
            self.heart.on(Event::Begin { key, reason }, now.saturating_sub(age));
        }
    }

    fn on(&mut self, event: Event) {
        let clock = (self.clock)();
        for effect in self.heart.on(event, self.now()) {
            match effect {
                Effect::Beat(load) => {
                    self.hold.beat(clock);
                    // Written anew, should another process have removed it.
                    if let Some(Err(_)) = self.holds.map(|holds| holds.write(&self.hold)) {
                        self.report("hold_not_written", &json!({}));
                    }
                    self.report("session_keepalive_heartbeat", &values_of(&load, clock));
                }
                Effect::Call => self.run_beat_command(),
                Effect::Idle => self.report("session_idle_30s", &json!({})),
                Effect::Last(load) => {
                    self.report("session_activity_at_shutdown", &values_of(&load, clock));
                }
            }
        }
    }

    /// Writes a line of diagnostics. It has no names: only counts, and since when.
    fn report(&self, event: &str, values: &Value) {
        if self.options.verbose {
            let mut line = format!("session-warden: {event}");
            for (name, value) in values.as_object().into_iter().flatten() {
                let _ = write!(line, " {name}={value}");
            }
            ui::note(&line);
        }

        let Some(log) = &self.options.log else { return };
        let mut line = json!({ "time": (self.clock)().rfc3339(), "event": event });
        if let (Some(line), Some(values)) = (line.as_object_mut(), values.as_object()) {
            line.extend(values.clone());
        }
        // The command goes on whether or not its log can be written.
        let _ = create::append(log, format!("{line}\n").as_bytes());
    }

    /// Runs the command of a beat, unless the last one still runs.
    fn run_beat_command(&mut self) {
        let Some(line) = &self.options.beat_command else { return };
        match self.beating.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => return self.report("beat_command_still_runs", &json!({})),
            Some(Ok(Some(status))) => self.report_failure(status),
            _ => {}
        }

        let variable = match &self.hold.subject {
            Subject::Session(_) => "SESSION_WARDEN_SESSION",
            Subject::Chat(_) => "SESSION_WARDEN_CHAT",
        };
        let started = Command::new("/bin/sh")
            .args(["-c", line])
            .env(variable, self.hold.subject.id())
            .env("SESSION_WARDEN_REASON", &self.hold.reason)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // So that it can be ended with all that it has started.
            .process_group(0)
            .spawn();
        match started {
            Ok(child) => self.beating = Some(child),
            Err(error) => {
                self.report("beat_command_failed", &json!({ "status": describe(&error) }));
            }
        }
    }

    /// Ends the command of a beat, if it still runs: there is nothing to beat for.
    fn end_beat_command(&mut self) {
        let Some(child) = &mut self.beating else { return };
        let group = Pid::from_child(child);

        match child.try_wait() {
            Ok(None) => _ = kill_process_group(group, Signal::TERM),
            Ok(Some(status)) => self.report_failure(status),
            Err(_) => {}
        }
    }

    fn report_failure(&self, status: ExitStatus) {
        if !status.success() {
            self.report("beat_command_failed", &json!({ "status": status.to_string() }));
        }
    }
}

/// Returns the name of another hold's work in the heartbeat. If its key is begun anew, that is other work.
fn work_of(hold: &Hold) -> String {
    format!("{:?}", (&hold.key, &hold.reason, hold.since()))
}

fn values_of(load: &Load, clock: Timestamp) -> Value {
    // Other work may have begun before.
    let busy = load.busy.max(load.oldest).and_then(|span| clock.earlier(span).rfc3339());
    json!({
        "refcount": load.count,
        "active": load.reasons,
        "busy_since": busy,
        "oldest_activity_ms": load.oldest.map(|span| span.as_millis()),
    })
}

/// Parses a duration between a second and a year.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let example = "for example 30s, 15m or 1h";
    let span = humantime::parse_duration(text)
        .map_err(|error| format!("not a duration ({error}); {example}"))?;
    let range = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 3600);
    if range.contains(&span) {
        return Ok(span);
    }
    Err(format!("not between 1 second and 1 year; {example}"))
}

#[cfg(test)]
mod tests;
