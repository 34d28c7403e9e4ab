//! A command that runs while its session is held.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self as program, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::{check, usage};
use crate::holds::{Hold, Holds, Subject, TTL};
use crate::model::heartbeat::{Effect, Event, Heartbeat, Load};
use crate::model::{Exit, Failure, Timestamp};
use crate::os::create;
use crate::process::{self, Child, NotStarted};

/// What opens the gate for the beat's command.
const OPEN: [&str; 4] = ["1", "true", "yes", "on"];

/// A command, and what is held around it.
pub struct Around<'a> {
    /// The program and its arguments.
    pub command: &'a [OsString],
    /// What is held.
    pub subject: Subject,
    /// Why.
    pub reason: String,
    /// How often it beats.
    pub every: Duration,
    /// What is run at each beat, by a shell.
    pub beat_command: Option<String>,
    /// What the environment says of whether it is, at each beat.
    pub gate: &'a dyn Fn() -> Option<OsString>,
    /// Tells a line of diagnostics.
    pub tell: Option<&'a dyn Fn(&str)>,
    /// Where diagnostics are appended to.
    pub log: Option<PathBuf>,
    /// Prints a warning and its hint: the command matters more.
    pub warn: &'a dyn Fn(&str, &str),
    /// The time now, to be shown and written down. Somebody may set it to another one.
    pub clock: &'a dyn Fn() -> Timestamp,
    /// The time that has passed since any fixed moment. It never goes back.
    pub passed: &'a dyn Fn() -> Duration,
}

/// Runs it, and ends as it does. Without `holds` it is not held, and runs all the same.
///
/// # Errors
/// Where nothing can be started.
pub fn run(holds: Option<&Holds>, around: &Around<'_>) -> anyhow::Result<Exit> {
    let us = program::id();
    let key = format!("run-{us}-{}", process::started(us).unwrap_or_default());
    check(&key, &around.subject)?;
    if let Some(Err(error)) = around.log.as_ref().map(|log| create::append(log, b"")) {
        let why = crate::model::describe(&error);
        (around.warn)(
            &format!("cannot write diagnostics: {why}"),
            "choose another file with --log FILE",
        );
    }
    let mut command = command(holds, around, &key);
    let child = Child::start(&mut command).map_err(|NotStarted { error, code }| {
        let message = format!("cannot start a process: {}", crate::model::describe(&error));
        let failure = Failure::new(message).hint("check the limits on processes and memory");
        Failure { exit: Exit::As(code), ..failure }
    })?;
    let mut hold = hold(around, key, (around.clock)());
    hold.stand_for([child.id()]);
    Ok(Exit::As(Holder::new(holds, around, hold).hold_until_it_ends(&child)))
}

/// What is run: ourselves, to write the hold down and then become the command. So the hold is there before
/// the command begins, and names its process, whatever becomes of us.
fn command(holds: Option<&Holds>, around: &Around<'_>, key: &str) -> Command {
    let mut command = Command::new(process::own_program());
    command.arg0("session-warden").args(["hold", "--become", key]);
    match &around.subject {
        Subject::Session(id) => command.arg(format!("--session={id}")),
        Subject::Chat(id) => command.arg(format!("--chat={id}")),
    };
    command.arg(format!("--reason={}", around.reason));
    command.arg(format!("--beat={}", humantime::format_duration(around.every)));
    if let Some(state) = holds.and_then(|holds| holds.folder().parent()) {
        command.arg("--state-dir").arg(state);
    }
    command.arg("--").args(around.command);
    command
}

/// Writes the hold of that key down on behalf of this process, and then becomes the command.
///
/// # Errors
/// Where it cannot be run. That it cannot be held is a warning.
pub fn become_work(
    holds: Option<&Holds>,
    around: &Around<'_>,
    key: String,
) -> anyhow::Result<Exit> {
    let (name, arguments) = around.command.split_first().ok_or_else(|| {
        usage("there is no command to run").hint("put it after --, as in -- make test")
    })?;
    let mut hold = hold(around, key, (around.clock)());
    hold.stand_for([program::id()]);
    if let Some(Err(failure)) = holds.map(|holds| holds.write(&hold)) {
        (around.warn)(
            &format!("the session is not held: {failure}"),
            "the command runs without a hold; use another folder with --state-dir DIR",
        );
    }
    let NotStarted { error, code } = process::become_command(Command::new(name).args(arguments));
    let why = crate::model::describe(&error);
    let name = if name.is_empty() { "\"\"".into() } else { name.to_string_lossy() };
    let failure = Failure::new(format!("cannot run {name}: {why}"))
        .hint("check that the command exists and is executable");
    Err(Failure { exit: Exit::As(code), ..failure }.into())
}

fn hold(around: &Around<'_>, key: String, now: Timestamp) -> Hold {
    let mut hold = Hold::new(key, around.subject.clone(), around.reason.clone(), now);
    // Where its process cannot be seen, three beats may be missed.
    hold.live_for(TTL.max(3 * around.every));
    hold
}

struct Holder<'a> {
    holds: Option<&'a Holds>,
    around: &'a Around<'a>,
    heart: Heartbeat,
    /// When this began: as a time since 1970, and as one that has passed.
    begun: (Duration, Duration),
    hold: Hold,
    /// The beat's command, where one still runs.
    beating: Option<program::Child>,
}

impl<'a> Holder<'a> {
    fn new(holds: Option<&'a Holds>, around: &'a Around<'a>, hold: Hold) -> Self {
        let begun = ((around.clock)().since_1970(), (around.passed)());
        Self { holds, around, heart: Heartbeat::new(around.every), begun, hold, beating: None }
    }

    fn hold_until_it_ends(&mut self, child: &Child) -> u8 {
        if self.around.beat_command.is_some() {
            self.on(Event::Register);
        }
        let (key, reason) = (self.hold.key.clone(), self.hold.reason.clone());
        self.on(Event::Begin { key, reason });
        self.see_others();
        let code = loop {
            let wait = self.heart.due().map(|due| due.saturating_sub(self.now()));
            if let Some(code) = child.wait(wait) {
                break code;
            }
            self.beat_if_due();
        };
        self.see_others();
        // Its own work counts to the last: the line is to tell how long that went on.
        self.on(Event::Shutdown);
        self.release();
        self.end_beat();
        code
    }

    fn beat_if_due(&mut self) {
        if self.heart.due().is_some_and(|due| due <= self.now()) {
            self.see_others();
            self.on(Event::Tick);
        }
    }

    /// Ends the hold, and takes along those of others that are dead.
    fn release(&self) {
        let Some(holds) = self.holds else { return };
        if let Err(failure) = holds.release(&self.hold.key) {
            let hint = failure.hint.as_deref().unwrap_or("session-warden hold list shows it");
            (self.around.warn)(&failure.message, hint);
        }
        let now = (self.around.clock)();
        if let Ok(found) = holds.read(now) {
            holds.sweep(&found, now);
        }
    }

    /// The time that the heartbeat goes by: since 1970, so that there is room for what began before this,
    /// and from then on by what has passed. A clock that is set back must not silence it.
    fn now(&self) -> Duration {
        let (start, passed) = self.begun;
        start + (self.around.passed)().saturating_sub(passed)
    }

    /// Counts what others hold of the same.
    fn see_others(&mut self) {
        let (clock, now) = ((self.around.clock)(), self.now());
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
        let clock = (self.around.clock)();
        for effect in self.heart.on(event, self.now()) {
            match effect {
                Effect::Beat(load) => {
                    self.hold.beat(clock);
                    // Written anew, should somebody have removed it.
                    if let Some(Err(_)) = self.holds.map(|holds| holds.write(&self.hold)) {
                        self.tell("hold_not_written", &json!({}));
                    }
                    self.tell("session_keepalive_heartbeat", &told(&load, clock));
                }
                Effect::Call => self.call(),
                Effect::Idle => self.tell("session_idle_30s", &json!({})),
                Effect::Last(load) => {
                    self.tell("session_activity_at_shutdown", &told(&load, clock));
                }
            }
        }
    }

    /// Diagnostics name nobody: what is counted, and since when.
    fn tell(&self, event: &str, values: &Value) {
        if let Some(tell) = self.around.tell {
            let mut line = event.to_owned();
            for (name, value) in values.as_object().into_iter().flatten() {
                let _ = write!(line, " {name}={value}");
            }
            tell(&line);
        }
        let Some(log) = &self.around.log else { return };
        let mut line = json!({ "time": (self.around.clock)().rfc3339(), "event": event });
        if let (Some(line), Some(values)) = (line.as_object_mut(), values.as_object()) {
            line.extend(values.clone());
        }
        // The command goes on whether or not its log can be written.
        let _ = create::append(log, format!("{line}\n").as_bytes());
    }

    /// Runs the beat's command, if the gate is open at this moment and the last one has ended.
    fn call(&mut self) {
        let Some(line) = &self.around.beat_command else { return };
        let gate = (self.around.gate)().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if !OPEN.contains(&gate.trim()) {
            return;
        }
        match self.beating.as_mut().map(program::Child::try_wait) {
            Some(Ok(None)) => return self.tell("beat_command_still_runs", &json!({})),
            Some(Ok(Some(status))) if !status.success() => {
                self.tell("beat_command_failed", &json!({ "status": status.to_string() }));
            }
            _ => {}
        }
        let (variable, id) = match &self.hold.subject {
            Subject::Session(id) => ("SESSION_WARDEN_SESSION", id),
            Subject::Chat(id) => ("SESSION_WARDEN_CHAT", id),
        };
        let started = Command::new("/bin/sh")
            .args(["-c", line])
            .env(variable, id)
            .env("SESSION_WARDEN_REASON", &self.hold.reason)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What a terminal sends is for the command, not for this.
            .process_group(0)
            .spawn();
        match started {
            Ok(child) => self.beating = Some(child),
            Err(error) => {
                let why = crate::model::describe(&error);
                self.tell("beat_command_failed", &json!({ "status": why }));
            }
        }
    }

    /// Ends the beat's command, if it still runs: there is nothing to beat for.
    fn end_beat(&mut self) {
        let Some(child) = &mut self.beating else { return };
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        match (child.try_wait(), group) {
            (Ok(None), Some(group)) => _ = kill_process_group(group, Signal::TERM),
            (Ok(Some(status)), _) if !status.success() => {
                self.tell("beat_command_failed", &json!({ "status": status.to_string() }));
            }
            _ => {}
        }
    }
}

/// What the heartbeat knows the work of another hold by: one of the same key that was begun anew is other
/// work.
fn work_of(hold: &Hold) -> String {
    format!("{:?}", (&hold.key, &hold.reason, hold.since()))
}

fn told(load: &Load, clock: Timestamp) -> Value {
    let ago = |span: Option<Duration>| span.map(|span| span.as_millis());
    // Others may have been at work before.
    let busy = load.busy.max(load.oldest).and_then(|span| clock.earlier(span).rfc3339());
    json!({
        "refcount": load.count,
        "active": load.reasons,
        "busy_since": busy,
        "oldest_activity_ms": ago(load.oldest),
    })
}

#[cfg(test)]
mod tests;
