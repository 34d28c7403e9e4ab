//! `clean`, from flags to exit code: one run, or one for each profile.

pub mod args;
mod done;
pub(crate) mod profiles;

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Instant;

use crate::clean::Run;
use crate::clean::selection::Selection;
use crate::commands::clean::args::CleanArgs;
use crate::commands::owner::{AsOwner, owner_of, return_to_root, run_as, words_for};
use crate::config::{Clean, Format, Settings, Verbosity, handed};
use crate::model::{Exit, Failure, Timestamp, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::report::{OfProfile, write_json, write_profiles, write_text};
use crate::ui;

use done::{AnyReport, Done, Ran, measure};

/// Runs it. `words` are those that were typed, for a run as the owner of a map.
///
/// # Errors
/// The failure that keeps the run, or all of them, from their work.
pub(crate) fn run(
    args: &CleanArgs,
    settings: &Settings,
    words: &[OsString],
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let flags = args.layer();
    if args.run.all_profiles {
        let configs = profiles::all(settings, &flags)?;
        return Ok(All { settings, words, now, interrupt }.run(&configs));
    }

    let named = args.run.profile.profile.as_deref();
    let (config, _) = settings.resolve(&flags, settings.profile(named))?;
    let Some(user) = owner_of(&config)? else { return one(&config, None, now, interrupt) };
    let ended = run_as(
        &AsOwner { user, words, settings, config: &config, is_captured: false, may_ask: false },
        now,
        interrupt,
    )?;

    let mut done = Done::as_owner(&config, ended, now);
    done.log();
    if !measure(std::slice::from_ref(&done), false) && done.exit == Exit::Done {
        done.exit = Exit::Partly;
    }
    Ok(done.exit)
}

/// One run, of the mappings that the policy chooses or of those that were named.
///
/// # Errors
/// The failure that keeps the run from its work.
pub(crate) fn one(
    config: &Clean,
    selection: Option<&Selection>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let mut done = Done::here(config, selection, now, interrupt);
    let failure = match &done.ran {
        Ran::Here(Ok(run)) => {
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
            None
        }
        Ran::Here(Err(failure)) => Some(failure.clone()),
        Ran::AsOwner(_) => None,
    };

    if handed().is_some() {
        return_to_root(&done.returned());
    } else {
        done.log();
        if !measure(std::slice::from_ref(&done), false) && failure.is_none() {
            done.exit = Exit::Partly;
        }
    }
    done.finish();
    failure.map_or(Ok(done.exit), |failure| Err(failure.into()))
}

/// The runs of all profiles, one after the other.
struct All<'a> {
    settings: &'a Settings,
    words: &'a [OsString],
    now: Timestamp,
    interrupt: &'a Interrupt,
}

impl All<'_> {
    fn run(&self, configs: &[Clean]) -> Exit {
        let began = Instant::now();
        let mut all: Vec<Done<'_>> = Vec::new();
        let mut has_written = false;
        for config in configs {
            let now = self.now.after(began.elapsed());
            let mut done = match self.as_owner(config, now, has_written) {
                Ok(Some(done)) => {
                    has_written |= config.format == Format::Text;
                    done
                }
                Ok(None) => self.here(config, now, &mut has_written),
                Err(failure) => {
                    let name = config.profile.as_deref().unwrap_or_default();
                    ui::fail_of(&format!("profile {name}: "), &failure);
                    Done::failed_to_start(config, failure, now)
                }
            };
            done.log();
            done.finish();
            all.push(done);
        }

        let exit = profiles::exit(all.iter().map(|done| done.exit));
        let exit = print_json(&all, exit);
        if measure(&all, true) { exit } else { Exit::Partly }
    }

    /// Runs that profile as the owner of its map, if that is another user's.
    fn as_owner<'c>(
        &self,
        config: &'c Clean,
        now: Timestamp,
        has_written: bool,
    ) -> Result<Option<Done<'c>>, Failure> {
        let Some(user) = owner_of(config)? else { return Ok(None) };
        if has_written && config.format == Format::Text {
            let _ = ui::print("the report", |out| writeln!(out));
        }

        let words = words_for(self.words, config.profile.as_deref().unwrap_or_default());
        let ended = run_as(
            &AsOwner {
                user,
                words: &words,
                settings: self.settings,
                config,
                is_captured: config.format == Format::Json,
                may_ask: false,
            },
            now,
            self.interrupt,
        )?;
        Ok(Some(Done::as_owner(config, ended, now)))
    }

    fn here<'c>(&self, config: &'c Clean, now: Timestamp, has_written: &mut bool) -> Done<'c> {
        let mut done = Done::here(config, None, now, self.interrupt);
        let name = config.profile.as_deref().unwrap_or_default();
        match &done.ran {
            Ran::Here(Err(failure)) => ui::fail_of(&format!("profile {name}: "), failure),
            Ran::Here(Ok(run)) => {
                if config.verbosity != Verbosity::Quiet || done.exit != Exit::Done {
                    if config.format == Format::Text {
                        let written = ui::print("the report", |out| {
                            if *has_written {
                                writeln!(out)?;
                            }
                            write(run, config, out)
                        });
                        *has_written = true;
                        done.exit = reported(written, done.exit, config.dry_run);
                    }
                    ui::warnings(run.warnings(), &format!("profile {name}: "));
                    if let Some(hint) = run.hint() {
                        ui::hint(&format!("profile {name}: {hint}"));
                    }
                }
                done.exit = stopped_late(run, self.interrupt, done.exit);
            }
            Ran::AsOwner(_) => {}
        }
        done
    }
}

/// Prints the reports of all profiles as one object, if that is asked for. Without a report, standard output stays
/// empty.
fn print_json(all: &[Done<'_>], exit: Exit) -> Exit {
    let is_json = |done: &Done<'_>| done.config.format == Format::Json;
    let is_wanted = |done: &Done<'_>| done.config.verbosity != Verbosity::Quiet;
    let has_report = all.iter().any(|done| is_json(done) && done.has_report());
    if !has_report || !(all.iter().any(is_wanted) || exit != Exit::Done) {
        return exit;
    }

    let reports: Vec<OfProfile<'_, AnyReport<'_>>> = all.iter().map(Done::of_profile).collect();
    let written = ui::print("the report", |out| write_profiles(&reports, out));
    reported(written, exit, all.iter().all(|done| done.config.dry_run))
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

/// Returns the exit code of a run whose report was written so.
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

/// Returns the exit code of a run that a signal has met after it changed the map.
fn stopped_late(run: &Run, interrupt: &Interrupt, exit: Exit) -> Exit {
    if interrupt.asked() && run.has_changed_the_map() && exit != Exit::Partly {
        let message = "stopped by a signal after the map was changed";
        ui::warning(message, WarningCode::Interrupted.hint());
        return Exit::Partly;
    }
    exit
}
