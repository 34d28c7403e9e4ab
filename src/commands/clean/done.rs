//! One run that has ended, here or in a child that has become the map's owner; its record, its log and its metrics.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::clean::selection::Selection;
use crate::clean::{self, Run};
use crate::commands::owner::{Ended, Returned};
use crate::config::{Clean, Verbosity};
use crate::model::escape::escape;
use crate::model::plain_text::plain;
use crate::model::{Exit, Failure, Timestamp, WarningCode, describe};
use crate::os::create::append;
use crate::os::interrupt::Interrupt;
use crate::os::publish::update;
use crate::report::{Look, Measured, OfProfile, Report, write_metrics, write_text};
use crate::ui;
use crate::ui::progress;

/// One run, done or failed.
pub(super) struct Done<'c> {
    pub(super) config: &'c Clean,
    is_by_hand: bool,
    now: Timestamp,
    started: Instant,
    /// How long it took, once it has ended.
    took: Option<Duration>,
    pub(super) ran: Ran,
    pub(super) exit: Exit,
}

/// Where it ran.
pub(super) enum Ran {
    Here(Result<Box<Run>, Failure>),
    /// In a child. It has printed its messages, and its report if that is no part of a larger one.
    AsOwner(Box<Ended>),
}

/// The report of a run, as JSON.
pub(super) enum AnyReport<'a> {
    Here(Report<'a>),
    AsOwner(&'a RawValue),
}

impl Serialize for AnyReport<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Here(report) => report.serialize(to),
            Self::AsOwner(report) => report.serialize(to),
        }
    }
}

impl<'c> Done<'c> {
    pub(super) fn here(
        config: &'c Clean,
        selection: Option<&Selection>,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> Self {
        let started = Instant::now();
        let shown = progress::show(interrupt, config.verbosity == Verbosity::Quiet);
        let ran = clean::run_of(config, selection, now, interrupt);
        drop(shown);
        let exit = ran.as_ref().map_or_else(|failure| failure.exit, Run::exit);
        let ran = Ran::Here(ran.map(Box::new));
        Self { config, is_by_hand: selection.is_some(), now, started, took: None, ran, exit }
    }

    /// A run that a child has made. One without an end took too long.
    pub(super) fn as_owner(config: &'c Clean, ended: Ended, now: Timestamp) -> Self {
        let exit = ended.exit.unwrap_or_else(|| {
            ui::error("the run as the map's owner took too long, and was ended");
            Exit::Failed
        });
        let ran = Ran::AsOwner(Box::new(ended));
        let started = Instant::now();
        Self { config, is_by_hand: false, now, started, took: None, ran, exit }
    }

    /// A run that could not be started as the map's owner.
    pub(super) fn failed_to_start(config: &'c Clean, failure: Failure, now: Timestamp) -> Self {
        let (exit, ran) = (failure.exit, Ran::Here(Err(failure)));
        let started = Instant::now();
        Self { config, is_by_hand: false, now, started, took: None, ran, exit }
    }

    /// Records how it ended, last, so that this is how it did end. A child has recorded its own run.
    pub(super) fn finish(&mut self) {
        let Ran::Here(ran) = &self.ran else { return };
        let took = *self.took.get_or_insert_with(|| self.started.elapsed());
        let is_quiet = self.config.verbosity == Verbosity::Quiet && self.exit == Exit::Done;
        match ran {
            Ok(run) => {
                if let Err(failure) = run.record(self.config, self.exit, took)
                    && !is_quiet
                {
                    let hint = WarningCode::NotWrittenDown.hint();
                    ui::warning(&failure.message, failure.hint.as_deref().unwrap_or(hint));
                }
            }
            // A record of a failed run that cannot be written is no news beside the failure.
            Err(failure) => {
                let _ =
                    clean::record_failure(self.config, failure, self.is_by_hand, self.now, took);
            }
        }
    }

    /// Returns the log and the metrics of a run in a child, which root writes.
    pub(super) fn returned(&self) -> Returned {
        let log = self.config.log.as_ref().and_then(|_| self.log_text().ok());
        Returned { log, measured: self.measured() }
    }

    /// Appends its report to the log, if there is to be one, as it would be printed without a terminal.
    pub(super) fn log(&mut self) {
        let Some(path) = &self.config.log else { return };
        let written = self.log_text().and_then(|text| append(path, plain(&text).as_bytes()));
        if let Err(error) = written {
            let message = format!("cannot write the log {}: {}", path.display(), describe(&error));
            ui::warning(&message, "--log FILE names another file");
            if self.exit == Exit::Done {
                self.exit = Exit::Partly;
            }
        }
    }

    fn log_text(&self) -> io::Result<String> {
        let run = match &self.ran {
            Ran::Here(run) => run,
            Ran::AsOwner(ended) => {
                let text = ended.returned.log.clone();
                return Ok(text.unwrap_or_else(|| self.failed("it returned no report")));
            }
        };

        let run = match run {
            Ok(run) => run,
            Err(failure) => return Ok(self.failed(&failure.message)),
        };
        let mut text = Vec::new();
        let times = self.config.verbosity == Verbosity::Verbose;
        let look = Look { all: self.config.dry_run || times, times, ..Look::default() };
        writeln!(text, "== {}", self.now.for_people())?;
        write_text(&run.report(), look, &mut text)?;
        let warnings = run.warnings().iter().map(ui::one_line);
        text.extend(warnings.flat_map(|line| format!("warning: {line}\n").into_bytes()));
        text.push(b'\n');
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn failed(&self, why: &str) -> String {
        let name = self.config.profile.as_ref();
        let of = name.map(|name| format!("profile {name}: ")).unwrap_or_default();
        let time = self.now.for_people();
        format!("== {time}\nfailed: {}\n\n", escape(&format!("{of}{why}")))
    }

    /// Returns the figures for a monitoring system; nothing if another run holds the lock.
    fn measured(&self) -> Option<Measured> {
        if self.exit == Exit::Locked {
            return None;
        }
        let run = match &self.ran {
            Ran::Here(run) => run.as_ref().ok(),
            Ran::AsOwner(ended) if ended.returned.measured.is_some() => {
                return ended.returned.measured.clone();
            }
            Ran::AsOwner(_) => None,
        };

        let took = self.took.unwrap_or_else(|| self.started.elapsed());
        let report = run.map(|run| run.report());
        Some(Measured {
            profile: self.config.profile.clone().unwrap_or_default(),
            at: self.now.after(took),
            took,
            exit: self.exit.code(),
            dry_run: self.config.dry_run,
            threshold_seconds: self.config.idle.usual.seconds(),
            summary: report.as_ref().map(Report::summary),
            oldest_idle_seconds: report.as_ref().map_or(0, Report::oldest_idle_seconds),
        })
    }

    /// Returns true if there is a report.
    pub(super) fn has_report(&self) -> bool {
        match &self.ran {
            Ran::Here(ran) => ran.is_ok(),
            Ran::AsOwner(ended) => !ended.output.is_empty(),
        }
    }

    pub(super) fn of_profile(&self) -> OfProfile<'_, AnyReport<'_>> {
        OfProfile {
            profile: self.config.profile.as_deref().unwrap_or_default(),
            exit: self.exit.code(),
            report: match &self.ran {
                Ran::Here(ran) => ran.as_ref().ok().map(|run| AnyReport::Here(run.report())),
                Ran::AsOwner(ended) => {
                    serde_json::from_slice(&ended.output).ok().map(AnyReport::AsOwner)
                }
            },
        }
    }
}

/// Writes the metrics of these runs, if they are asked for. Returns false if they cannot be written.
pub(super) fn measure(all: &[Done<'_>], are_all: bool) -> bool {
    let Some(path) = all.first().and_then(|done| done.config.metrics.as_ref()) else { return true };
    let runs: Vec<Measured> = all.iter().filter_map(Done::measured).collect();
    if runs.is_empty() {
        return true;
    }
    // While another run cleans one of them, its former figures are kept.
    let only_these = are_all && runs.len() == all.len();
    let written = update(path, 0o644, |before| {
        // A file of another program, named by mistake, must not be lost.
        if !before.trim().is_empty() && !before.contains("session_warden_") {
            return Err(io::Error::other("it has other content; delete it first if you can"));
        }
        let mut text = Vec::new();
        write_metrics(before, &runs, only_these, &mut text)?;
        Ok(text)
    });
    if let Err(error) = &written {
        let path = path.display();
        let message = format!("cannot write metrics to {path}: {}", describe(error));
        ui::warning(&message, "--metrics FILE names another file");
    }
    written.is_ok()
}
