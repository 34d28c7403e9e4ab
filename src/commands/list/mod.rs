//! `list`: mappings, or sessions without a mapping, with the first message of each. It reads conversations
//! and the CLIs' settings, and changes nothing.

pub(crate) mod args;

use clap::ValueEnum;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::Path;

use super::retention::{self, Retentions};
use crate::clean::{self, Run};
use crate::config::{Clean, pings_in};
use crate::map::map_file::stopped;
use crate::model::{
    Activity, Exit, KeepReason, Mapping, Policies, ProviderIdx, SessionMap, State, Timestamp,
    Verdict, Warning, WarningCode, describe,
};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process;
use crate::provider::{Details, LookOptions, Owners, PROVIDERS, Provider, read_details, unmapped};
use crate::report::{Holder, List, Listed, Row, Totals};

/// What to list.
#[derive(Debug, Clone, Default)]
struct Options {
    /// Only mappings in these states; all if there are none.
    states: Vec<State>,
    /// Sessions without a mapping, instead of mappings.
    unmapped: bool,
    sort: Sort,
    /// How many are shown at most.
    limit: Option<usize>,
}

/// The order of a list. Comments of its values would be shown by completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    // The longest idle first, and those without a time last.
    #[default]
    #[value(alias = "age")]
    Idle,
    // By model, then as above.
    Model,
    // The largest first.
    Size,
}

/// Looks at every session that is asked for. The exit code is that of a dry run, or 3 if a session
/// could not be looked into.
fn run(
    config: &Clean,
    options: &Options,
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<(List, Exit)> {
    let dry = config.only_looking();
    let run = clean::run(&dry, now, interrupt)?;
    let retentions = Retentions::read(config, run.map_owner());
    let mut lister = Lister { config, run: &run, retentions, now, interrupt, warnings: Vec::new() };
    let (mut all, mut exit) = if options.unmapped {
        // Problems with mappings do not matter for sessions without one.
        (lister.of_disk()?, Exit::Done)
    } else {
        lister.warnings.extend_from_slice(run.warnings());
        (lister.of_map(&options.states)?, run.exit())
    };
    let mut warnings = lister.warnings;
    if warnings.iter().any(|warning| warning.code.is_trouble()) {
        exit = Exit::Partly;
    }
    warnings.extend(deleted_soon(&all, now));

    match options.sort {
        Sort::Idle => all.sort_by_key(oldest_first),
        Sort::Model => {
            all.sort_by(|a, b| (&a.model, oldest_first(a)).cmp(&(&b.model, oldest_first(b))));
        }
        Sort::Size => all.sort_by_key(|listed| Reverse(listed.looked.size)),
    }
    let totals = Totals::of(&all);
    all.truncate(options.limit.unwrap_or(usize::MAX));

    let processes =
        if options.unmapped { run.unmapped_processes(config, interrupt)? } else { Vec::new() };
    let report = run.report();
    let list = List {
        listed: now,
        profile: config.profile.clone(),
        source: report.source.clone(),
        has_map: report.map.is_some(),
        hint: run.hint().filter(|_| !options.unmapped).map(str::to_owned),
        threshold: report.thresholds.usual.clone(),
        unmapped: options.unmapped,
        with_sizes: options.unmapped || options.sort == Sort::Size,
        sessions: all,
        totals,
        processes,
        warnings,
    };
    Ok((list, exit))
}

/// The sort key of the longest idle first, and those without a time last.
fn oldest_first(listed: &Listed) -> (bool, Option<Timestamp>) {
    (listed.last_used.is_none(), listed.last_used)
}

/// Returns a warning if a CLI will soon delete sessions of these mappings.
fn deleted_soon(all: &[Listed], now: Timestamp) -> Option<Warning> {
    let mut due: Vec<(Timestamp, &str, &'static str)> = all
        .iter()
        .filter_map(|listed| Some((listed.deletion?, listed.state?, listed.chat.as_deref()?)))
        .filter(|(deletion, state, _)| retention::is_due(*state, *deletion, now))
        .map(|(deletion, _, chat)| (deletion.after, chat, deletion.cli))
        .collect();
    let message = retention::message(&mut due)?;
    Some(Warning::new(WarningCode::DeletedSoon, message))
}

/// Makes the rows of a list.
struct Lister<'r> {
    config: &'r Clean,
    run: &'r Run,
    retentions: Retentions,
    now: Timestamp,
    interrupt: &'r Interrupt,
    warnings: Vec<Warning>,
}

impl Lister<'_> {
    /// Returns the mappings in these states, or in any.
    fn of_map(&mut self, states: &[State]) -> anyhow::Result<Vec<Listed>> {
        let report = self.run.report();
        let rows: Vec<Row<'_>> =
            report.rows().filter(|row| states.is_empty() || states.contains(&row.state)).collect();
        self.interrupt.progress().begin(Phase::Conversations, rows.len());
        let mut all = Vec::new();
        for row in rows {
            self.step()?;
            let Mapping { model, chat, session } = row.mapping;
            let provider = of_model(model);
            let looked = provider.zip(row.file).map(|(provider, file)| self.look(provider, file));
            let looked = looked.unwrap_or_default();
            let session = session.map(|id| id.0.to_owned());
            // A missing session cannot be resumed, and neither can an archived one.
            let can_resume = row.file.is_some() && row.state != State::Archived;
            let resume = provider.zip(session.as_deref()).filter(|_| can_resume);
            all.push(Listed {
                provider: provider.map(|provider| provider.name),
                model: model.to_owned(),
                chat: Some(chat.0.to_owned()),
                resume: resume.map(|(provider, session)| provider.resume_command(session)),
                session,
                state: Some(row.state),
                last_used: row.last_used,
                idle_seconds: row.idle_seconds,
                file: row.file.map(Path::to_owned),
                deletion: self.retentions.deletion(model, looked.written),
                process: holder(&row),
                looked,
            });
        }
        Ok(all)
    }

    /// Returns the sessions on disk that no mapping names.
    fn of_disk(&mut self) -> anyhow::Result<Vec<Listed>> {
        let report = self.run.report();
        let mappings = report.map.into_iter().flat_map(SessionMap::mappings);
        let mapped: HashSet<(&str, String)> = mappings
            .filter_map(|mapping| Some((of_model(mapping.model)?, mapping.session?.0)))
            .map(|(provider, id)| (provider.model, provider.session_key(id)))
            .collect();
        let owner = self.run.map_owner();
        let options = LookOptions {
            owners: Owners { us: process::user(), map: owner },
            clock: self.config.clock,
            interrupt: self.interrupt.clone(),
        };
        let (idle, missing) = (&self.config.idle, self.config.missing);
        let policies = Policies::new(self.now, idle, PROVIDERS.len(), missing);
        // The sessions of keep-alive are left out. Without a state folder it has none.
        let pings = self.config.state_dir().ok().map(|state| pings_in(&state));
        let mut all = Vec::new();
        for (index, provider) in (0..).map(ProviderIdx).zip(&PROVIDERS) {
            if !self.config.asks_for(provider.model) {
                continue;
            }
            let base = self.config.base(provider, owner)?;
            self.interrupt.progress().begin(Phase::Listing, 0);
            let (sessions, problems) =
                unmapped(provider, base, &options, policies.of(index).cutoff, |id| {
                    mapped.contains(&(provider.model, provider.session_key(id)))
                });
            stop_if_asked(self.interrupt)?;
            self.warnings.extend(problems);

            self.interrupt.progress().begin(Phase::Conversations, sessions.len());
            for (id, activity) in sessions {
                self.step()?;
                let row = self.unmapped(provider, id, &activity);
                if !pings.as_ref().is_some_and(|pings| row.looked.was_below(pings)) {
                    all.push(row);
                }
            }
        }
        Ok(all)
    }

    fn unmapped(&mut self, provider: &Provider, id: String, activity: &Activity) -> Listed {
        let last_used = activity.last_used();
        let file = activity.file().map(|file| file.path.clone());
        let looked = file.as_ref().map(|file| self.look(provider, file)).unwrap_or_default();
        Listed {
            provider: Some(provider.name),
            model: provider.model.to_owned(),
            chat: None,
            resume: file.as_ref().map(|_| provider.resume_command(&id)),
            session: Some(id),
            state: None,
            last_used,
            idle_seconds: last_used.map(|used| used.seconds_until(self.now)),
            file,
            deletion: self.retentions.deletion(provider.model, looked.written),
            process: None,
            looked,
        }
    }

    /// Counts a session that is looked into.
    fn step(&self) -> anyhow::Result<()> {
        stop_if_asked(self.interrupt)?;
        self.interrupt.progress().add(Phase::Conversations, 1);
        Ok(())
    }

    fn look(&mut self, provider: &Provider, file: &Path) -> Details {
        read_details(provider, file, self.interrupt).unwrap_or_else(|error| {
            let message = format!("cannot look into a session: {}", describe(&error));
            self.warnings.push(Warning::at(WarningCode::NotLookedInto, file, message));
            Details::default()
        })
    }
}

fn holder(row: &Row<'_>) -> Option<Holder> {
    let reason = match row.reason {
        Verdict::Keep(reason) => KeepReason::process(reason),
        Verdict::Remove(_) => None,
    };
    let cli = row.cli_process.filter(|cli| reason.is_none_or(|pid| pid == cli.pid));
    let pid = reason.or(cli.map(|cli| cli.pid))?;
    let name = row.process.map(str::to_owned);
    Some(Holder { pid, name: name.or_else(|| process::program_name(pid)), cli: cli.cloned() })
}

fn of_model(model: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.model == model)
}

fn stop_if_asked(interrupt: &Interrupt) -> anyhow::Result<()> {
    if interrupt.asked() { Err(stopped().into()) } else { Ok(()) }
}
