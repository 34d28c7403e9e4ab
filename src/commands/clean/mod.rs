//! `clean`, from flags to exit code: one run, or one for each profile.

pub mod args;
pub(crate) mod profiles;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::clean::selection::Selection;
use crate::clean::{self, Run};
use crate::commands::clean::args::CleanArgs;
use crate::config::{Clean, Format, Settings, Verbosity};
use crate::model::escape::escape;
use crate::model::{Exit, Failure, Timestamp, WarningCode, describe};
use crate::os::create::append;
use crate::os::interrupt::Interrupt;
use crate::os::publish::update;
use crate::report::{
    Look, Measured, OfProfile, write_json, write_metrics, write_profiles, write_text,
};
use crate::ui;
use crate::ui::progress;

/// Runs it.
///
/// # Errors
/// Whatever keeps the run, or all of them, from their work.
pub(crate) fn run(
    args: &CleanArgs,
    settings: &Settings,
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let flags = args.layer();
    if !args.run.all_profiles {
        let named = args.run.profile.profile.as_deref();
        let (config, _) = settings.resolve(&flags, settings.profile(named))?;
        return one(&config, None, now, interrupt);
    }
    let configs = profiles::all(settings, &flags)?;
    Ok(all(&configs, now, interrupt))
}

/// One run, of what a policy chooses or of what was named.
///
/// # Errors
/// Whatever keeps the run from its work.
pub(crate) fn one(
    config: &Clean,
    selection: Option<&Selection>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let mut done = Done::of(config, selection, now, interrupt);
    let run = match &done.ran {
        Ok(run) => run,
        Err(failure) => {
            let failure = failure.clone();
            done.log();
            measure(std::slice::from_ref(&done), false);
            done.finish();
            return Err(failure.into());
        }
    };
    let mut exit = done.exit;
    if config.verbosity != Verbosity::Quiet || exit != Exit::Done {
        let written = ui::print("the report", |out| write(run, config, out));
        exit = reported(written, exit, config.dry_run);
        ui::warnings(run.warnings(), "");
        if let Some(hint) = run.hint() {
            ui::hint(hint);
        }
    }
    done.exit = stopped_late(run, interrupt, exit);
    done.log();
    if !measure(std::slice::from_ref(&done), false) {
        done.exit = Exit::Partly;
    }
    done.finish();
    Ok(done.exit)
}

fn all(configs: &[Clean], now: Timestamp, interrupt: &Interrupt) -> Exit {
    let began = Instant::now();
    let mut all: Vec<Done<'_>> = Vec::new();
    let mut has_written = false;
    for config in configs {
        let mut done = Done::of(config, None, now.after(began.elapsed()), interrupt);
        let name = config.profile.as_deref().unwrap_or_default();
        match &done.ran {
            Err(failure) => {
                ui::fail_of(&format!("profile {name}: "), failure);
            }
            Ok(run) if config.verbosity != Verbosity::Quiet || done.exit != Exit::Done => {
                if config.format == Format::Text {
                    let written = ui::print("the report", |out| {
                        if has_written {
                            writeln!(out)?;
                        }
                        write(run, config, out)
                    });
                    has_written = true;
                    done.exit = reported(written, done.exit, config.dry_run);
                }
                ui::warnings(run.warnings(), &format!("profile {name}: "));
                if let Some(hint) = run.hint() {
                    ui::hint(&format!("profile {name}: {hint}"));
                }
                done.exit = stopped_late(run, interrupt, done.exit);
            }
            Ok(run) => done.exit = stopped_late(run, interrupt, done.exit),
        }
        done.log();
        done.finish();
        all.push(done);
    }
    let mut exit = profiles::exit(all.iter().map(|done| done.exit));
    let is_json = |done: &Done<'_>| done.config.format == Format::Json;
    let is_wanted = |done: &Done<'_>| done.config.verbosity != Verbosity::Quiet;
    // Without a report, standard output stays empty.
    if all.iter().any(|done| is_json(done) && done.ran.is_ok())
        && (all.iter().any(is_wanted) || exit != Exit::Done)
    {
        let reports: Vec<OfProfile<'_>> = all.iter().map(Done::of_profile).collect();
        let written = ui::print("the report", |out| write_profiles(&reports, out));
        exit = reported(written, exit, all.iter().all(|done| done.config.dry_run));
    }
    if measure(&all, true) { exit } else { Exit::Partly }
}

/// One run, done or failed.
struct Done<'c> {
    config: &'c Clean,
    is_by_hand: bool,
    now: Timestamp,
    started: Instant,
    /// How long it took, once it has ended.
    took: Option<Duration>,
    ran: Result<Run, Failure>,
    exit: Exit,
}

impl<'c> Done<'c> {
    fn of(
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
        Self { config, is_by_hand: selection.is_some(), now, started, took: None, ran, exit }
    }

    /// Writes down how it ended, last, so that this is how it did end.
    fn finish(&mut self) {
        let took = *self.took.get_or_insert_with(|| self.started.elapsed());
        let is_quiet = self.config.verbosity == Verbosity::Quiet && self.exit == Exit::Done;
        match &self.ran {
            Ok(run) => {
                if let Err(failure) = run.record(self.config, self.exit, took)
                    && !is_quiet
                {
                    let hint = WarningCode::NotWrittenDown.hint();
                    ui::warning(&failure.message, failure.hint.as_deref().unwrap_or(hint));
                }
            }
            // What cannot be written down of a failed run is no news beside its failure.
            Err(failure) => {
                let _ =
                    clean::record_failure(self.config, failure, self.is_by_hand, self.now, took);
            }
        }
    }

    /// Appends its report to the log, where there is to be one, as it would be printed without a
    /// terminal.
    fn log(&mut self) {
        let Some(path) = &self.config.log else { return };
        let time = self.now.for_people();
        let mut text = Vec::new();
        let made = match &self.ran {
            Ok(run) => {
                let times = self.config.verbosity == Verbosity::Verbose;
                let all = self.config.dry_run || times;
                let look = Look { all, times, ..Look::default() };
                let made = writeln!(text, "== {time}")
                    .and_then(|()| write_text(&run.report(), look, &mut text));
                let warnings = run.warnings().iter().map(ui::one_line);
                text.extend(warnings.flat_map(|line| format!("warning: {line}\n").into_bytes()));
                made
            }
            Err(failure) => {
                let name = self.config.profile.as_ref();
                let of = name.map(|name| format!("profile {name}: ")).unwrap_or_default();
                writeln!(text, "== {time}\nfailed: {}", escape(&format!("{of}{}", failure.message)))
            }
        };
        text.push(b'\n');
        if let Err(error) = made.and_then(|()| append(path, &text)) {
            let message = format!("cannot write the log {}: {}", path.display(), describe(&error));
            ui::warning(&message, "--log FILE names another file");
            if self.exit == Exit::Done {
                self.exit = Exit::Partly;
            }
        }
    }

    /// The figures for a monitoring system; nothing if another run holds the lock.
    fn measured(&self) -> Option<Measured> {
        let took = self.took.unwrap_or_else(|| self.started.elapsed());
        (self.exit != Exit::Locked).then(|| Measured {
            profile: self.config.profile.clone().unwrap_or_default(),
            at: self.now.after(took),
            took,
            exit: self.exit.code(),
            dry_run: self.config.dry_run,
            threshold_seconds: self.config.idle.usual.seconds(),
            summary: self.ran.as_ref().ok().map(|run| run.report().summary()),
        })
    }

    fn of_profile(&self) -> OfProfile<'_> {
        OfProfile {
            profile: self.config.profile.as_deref().unwrap_or_default(),
            exit: self.exit.code(),
            report: self.ran.as_ref().ok().map(Run::report),
        }
    }
}

/// Writes down for a monitoring system how these ended, where that is asked for. Whether it could.
fn measure(all: &[Done<'_>], are_all: bool) -> bool {
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

fn write(run: &Run, config: &Clean, out: &mut dyn Write) -> io::Result<()> {
    let report = run.report();
    match config.format {
        Format::Json => write_json(&report, out),
        Format::Text => {
            let times = config.verbosity == Verbosity::Verbose;
            write_text(&report, ui::look(config.color, config.dry_run || times, times), out)
        }
    }
}

/// How a run ends whose report was written so.
fn reported(written: anyhow::Result<()>, exit: Exit, is_dry: bool) -> Exit {
    let Err(error) = written else { return exit };
    let hint = if is_dry {
        ui::CHECK_OUTPUT
    } else {
        "the map was changed as planned; session-warden history shows how"
    };
    ui::warning(&Failure::from(error).message, hint);
    Exit::Partly
}

/// How a run ends that a signal has met after it changed the map.
fn stopped_late(run: &Run, interrupt: &Interrupt, exit: Exit) -> Exit {
    if interrupt.asked() && run.has_changed_the_map() && exit != Exit::Partly {
        let message = "stopped by a signal after the map was changed";
        ui::warning(message, WarningCode::Interrupted.hint());
        return Exit::Partly;
    }
    exit
}
