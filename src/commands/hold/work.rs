//! A command that runs while its session is held.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self as program, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::{check, usage};
use crate::disk::create;
use crate::domain::heartbeat::{Effect, Event, Heartbeat, Load};
use crate::domain::{Exit, Failure, Timestamp};
use crate::holds::{Hold, Holds, Subject};
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
    /// Tells what goes wrong, in one line: the command matters more.
    pub warn: &'a dyn Fn(&str),
}

/// Runs it, and ends as it does.
///
/// # Errors
/// Where it cannot be started. That it cannot be held is a warning: it runs all the same.
pub fn run(holds: &Holds, around: &Around<'_>, now: Timestamp) -> Result<Exit, Failure> {
    let (name, arguments) =
        around.command.split_first().ok_or_else(|| usage("there is no command to run"))?;
    let us = program::id();
    let key = format!("run-{us}-{}", process::started(us).unwrap_or_default());
    check(&key, &around.subject)?;
    let mut hold = Hold::new(key, around.subject.clone(), around.reason.clone(), now);
    // Held before it begins, by us; and once it has begun, as long as it goes on without us.
    hold.stand_for([us]);
    let written = holds.write(&hold);
    let mut command = Command::new(name);
    let child = Child::start(command.args(arguments)).map_err(|NotStarted { error, code }| {
        let _ = holds.release(&hold.key);
        let why = crate::disk::words(&error);
        let message = format!("cannot run {}: {why}", name.to_string_lossy());
        Failure { exit: Exit::As(code), ..Failure::new(message) }
    })?;
    hold.stand_for([us, child.id()]);
    if let Err(failure) = written.and_then(|()| holds.write(&hold)) {
        (around.warn)(&format!("the session is not held: {failure}"));
    }
    let mut holder = Holder {
        holds,
        around,
        heart: Heartbeat::new(around.every),
        hold,
        start: (now, Instant::now()),
        beating: None,
    };
    Ok(Exit::As(holder.hold_until_it_ends(&child)))
}

struct Holder<'a> {
    holds: &'a Holds,
    around: &'a Around<'a>,
    heart: Heartbeat,
    hold: Hold,
    start: (Timestamp, Instant),
    /// The beat's command, where one still runs.
    beating: Option<program::Child>,
}

impl Holder<'_> {
    fn hold_until_it_ends(&mut self, child: &Child) -> u8 {
        if self.around.beat_command.is_some() {
            self.on(Event::Register);
        }
        let (key, reason) = (self.hold.key.clone(), self.hold.reason.clone());
        self.on(Event::Begin { key: key.clone(), reason });
        let code = loop {
            let wait = self.heart.due().map(|due| due.saturating_sub(self.now()));
            if let Some(code) = child.wait(wait) {
                break code;
            }
            if self.heart.due().is_some_and(|due| due <= self.now()) {
                self.see_others();
                self.on(Event::Tick);
            }
        };
        self.on(Event::End { key });
        self.on(Event::Shutdown);
        if let Err(failure) = self.holds.release(&self.hold.key) {
            (self.around.warn)(&failure.message);
        }
        self.end_beat();
        code
    }

    fn time(&self) -> Timestamp {
        self.start.0.after(self.start.1.elapsed())
    }

    /// The time since 1970, which other holds tell as well.
    fn now(&self) -> Duration {
        self.time().since_1970()
    }

    /// Counts what others hold of the same.
    fn see_others(&mut self) {
        let Ok(found) = self.holds.read(self.time()) else { return };
        let live = found.live.iter().filter(|hold| hold.subject == self.hold.subject);
        let live: Vec<&Hold> = live.filter(|hold| hold.key != self.hold.key).collect();
        let seen: BTreeSet<&str> = live.iter().map(|hold| hold.key.as_str()).collect();
        let known: BTreeSet<String> = self.heart.keys().map(str::to_owned).collect();
        for key in known.iter().filter(|key| **key != self.hold.key) {
            if !seen.contains(key.as_str()) {
                self.heart.on(Event::End { key: key.clone() }, self.now());
            }
        }
        for hold in live.iter().filter(|hold| !known.contains(&hold.key)) {
            let since = hold.since().map_or_else(|| self.now(), Timestamp::since_1970);
            let (key, reason) = (hold.key.clone(), hold.reason.clone());
            self.heart.on(Event::Begin { key, reason }, since);
        }
    }

    fn on(&mut self, event: Event) {
        for effect in self.heart.on(event, self.now()) {
            match effect {
                Effect::Beat(load) => {
                    self.hold.beat(self.time());
                    // Written anew, should somebody have removed it.
                    if let Err(failure) = self.holds.write(&self.hold) {
                        self.tell("hold_not_written", &json!({ "why": failure.message }));
                    }
                    self.tell("session_keepalive_heartbeat", &self.told(&load));
                }
                Effect::Call => self.call(),
                Effect::Idle => self.tell("session_idle_30s", &json!({})),
                Effect::Last(load) => self.tell("session_activity_at_shutdown", &self.told(&load)),
            }
        }
    }

    fn told(&self, load: &Load) -> Value {
        let ago = |span: Option<Duration>| span.map(|span| span.as_millis());
        let busy = load.busy.and_then(|span| {
            let since = self.now().saturating_sub(span);
            Timestamp::new(0, 0).after(since).rfc3339()
        });
        json!({
            "refcount": load.count,
            "active": load.reasons,
            "busy_since": busy,
            "oldest_activity_ms": ago(load.oldest),
        })
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
        let mut line = json!({ "time": self.time().rfc3339(), "event": event });
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
                let why = crate::disk::words(&error);
                self.tell("beat_command_failed", &json!({ "status": why }));
            }
        }
    }

    /// Ends the beat's command, if it still runs: there is nothing to beat for.
    fn end_beat(&mut self) {
        let Some(child) = &mut self.beating else { return };
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let (Ok(None), Some(group)) = (child.try_wait(), group) {
            let _ = kill_process_group(group, Signal::TERM);
        }
    }
}
