//! `list`: mappings, or sessions without a mapping, with what was written first in each. It reads
//! conversations and the CLIs' settings, and changes nothing.

pub(crate) mod args;

use clap::ValueEnum;
use std::collections::HashSet;
use std::path::Path;

use super::retention::{self, Retentions};
use crate::clean::{self, Run};
use crate::config::{Clean, pings_in};
use crate::model::{
    Exit, IdKind, KeepReason, Policies, SessionMap, State, Timestamp, Verdict, Warning,
    WarningCode, describe,
};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process;
use crate::provider::{LookOptions, Looked, Owners, PROVIDERS, Provider, look_into, unmapped};
use crate::report::{Holder, List, Listed, Row, Totals};

/// What to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Only mappings in these states; all if there are none.
    pub(crate) states: Vec<State>,
    /// Sessions without a mapping, instead of mappings.
    pub(crate) unmapped: bool,
    pub(crate) sort: Sort,
    /// How many are shown at most.
    pub(crate) limit: Option<usize>,
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
pub(crate) fn run(
    config: &Clean,
    options: &Options,
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<(List, Exit)> {
    let dry = Clean { dry_run: true, max_remove: None, ..config.clone() };
    let run = clean::run(&dry, now, interrupt)?;
    let retentions = Retentions::read(config, run.map_owner());

    // What would become of mappings does not matter for sessions without one.
    let (mut warnings, mut exit) = if options.unmapped {
        (Vec::new(), Exit::Done)
    } else {
        (run.warnings().to_vec(), run.exit())
    };
    let mut all = if options.unmapped {
        of_disk(config, &run, &retentions, now, interrupt, &mut warnings)?
    } else {
        of_map(&run, options, &retentions, interrupt, &mut warnings)?
    };
    if warnings.iter().any(|warning| warning.code.is_trouble()) {
        exit = Exit::Partly;
    }

    match options.sort {
        Sort::Idle => all.sort_by_key(idle),
        Sort::Model => all.sort_by(|a, b| a.model.cmp(&b.model).then(idle(a).cmp(&idle(b)))),
        Sort::Size => all.sort_by_key(|one| std::cmp::Reverse(one.looked.size)),
    }
    warnings.extend(deleted_soon(&all, now));
    let totals = Totals::of(&all);
    all.truncate(options.limit.unwrap_or(usize::MAX));

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
        warnings,
    };
    Ok((list, exit))
}

/// Returns a warning if a CLI will soon delete sessions of these mappings.
fn deleted_soon(all: &[Listed], now: Timestamp) -> Option<Warning> {
    let mut due: Vec<(Timestamp, &str, &'static str)> = all
        .iter()
        .filter_map(|one| Some((one.deletion?, one.state?, one.chat.as_deref()?)))
        .filter(|(deletion, state, _)| retention::is_due(*state, *deletion, now))
        .map(|(deletion, _, chat)| (deletion.after, chat, deletion.cli))
        .collect();
    let message = retention::message(&mut due)?;
    Some(Warning::new(WarningCode::DeletedSoon, message))
}

fn idle(one: &Listed) -> (bool, Option<Timestamp>) {
    (one.last_used.is_none(), one.last_used)
}

fn of_map(
    run: &Run,
    options: &Options,
    retentions: &Retentions,
    interrupt: &Interrupt,
    warnings: &mut Vec<Warning>,
) -> anyhow::Result<Vec<Listed>> {
    let report = run.report();
    let is_asked = |state| options.states.is_empty() || options.states.contains(&state);
    let rows = || report.rows().filter(|row| is_asked(row.state));
    let progress = interrupt.progress();
    progress.begin(Phase::Conversations, rows().count());
    rows()
        .map(|row| {
            stop_if_asked(interrupt)?;
            progress.add(Phase::Conversations, 1);
            let provider = of_model(row.mapping.model);
            let looked =
                provider.zip(row.file).map(|(provider, file)| look(provider, file, warnings));
            let looked = looked.unwrap_or_default();
            let session = row.mapping.session.map(|id| id.0.to_owned());
            // Of a missing session there is nothing to resume, and an archived one cannot be.
            let is_there = row.file.is_some() && row.state != State::Archived;
            let resume = provider.zip(session.as_deref()).filter(|_| is_there);
            Ok(Listed {
                provider: provider.map(|provider| provider.name),
                model: row.mapping.model.to_owned(),
                chat: Some(row.mapping.chat.0.to_owned()),
                session: session.clone(),
                state: Some(row.state),
                last_used: row.last_used,
                idle_seconds: row.idle_seconds,
                file: row.file.map(Path::to_owned),
                resume: resume.map(|(provider, session)| provider.resume_command(session)),
                deletion: retentions.deletion(row.mapping.model, looked.written),
                process: holder(&row),
                looked,
            })
        })
        .collect()
}

fn holder(row: &Row<'_>) -> Option<Holder> {
    let Verdict::Keep(reason) = row.reason else { return None };
    let pid = KeepReason::process(reason)?;
    Some(Holder { pid, name: row.process.map(str::to_owned) })
}

fn of_disk(
    config: &Clean,
    run: &Run,
    retentions: &Retentions,
    now: Timestamp,
    interrupt: &Interrupt,
    warnings: &mut Vec<Warning>,
) -> anyhow::Result<Vec<Listed>> {
    let report = run.report();
    let mapped: HashSet<(&str, String)> = report
        .map
        .into_iter()
        .flat_map(SessionMap::mappings)
        .filter_map(|mapping| Some((mapping.model, mapping.session?.0)))
        .filter_map(|(model, id)| Some((model, key(of_model(model)?, id))))
        .collect();
    let owner = run.map_owner();
    let options = LookOptions {
        owners: Owners { us: process::user(), map: owner },
        clock: config.clock,
        interrupt: interrupt.clone(),
    };
    let progress = interrupt.progress();
    let policies = Policies::new(now, &config.idle, PROVIDERS.len(), config.missing);
    // The sessions that keep-alive makes are of no interest. Without a state folder it makes none.
    let pings = config.state_dir().ok().map(|state| pings_in(&state));
    let mut all = Vec::new();
    let asked = PROVIDERS.iter().enumerate().filter(|(_, one)| config.asks_for(one.model));
    for (place, provider) in asked {
        let base = config.base(provider, owner)?;
        let is_mapped = |id: &str| mapped.contains(&(provider.model, key(provider, id)));
        let cutoff = policies.of(place).cutoff;
        progress.begin(Phase::Listing, 0);
        let (sessions, more) = unmapped(provider, base, &options, cutoff, is_mapped);
        stop_if_asked(interrupt)?;
        warnings.extend(more);
        progress.begin(Phase::Conversations, sessions.len());
        for (id, activity) in sessions {
            stop_if_asked(interrupt)?;
            progress.add(Phase::Conversations, 1);
            let last_used = activity.last_used();
            let file = activity.file().map(|file| file.path.clone());
            let looked = file.as_ref().map(|file| look(provider, file, warnings));
            let is_below = |pings| looked.as_ref().is_some_and(|looked| looked.was_below(pings));
            if pings.as_deref().is_some_and(is_below) {
                continue;
            }
            let looked = looked.unwrap_or_default();
            all.push(Listed {
                provider: Some(provider.name),
                model: provider.model.to_owned(),
                chat: None,
                resume: file.as_ref().map(|_| provider.resume_command(&id)),
                session: Some(id),
                state: None,
                last_used,
                idle_seconds: last_used.map(|used| used.seconds_until(now)),
                file,
                deletion: retentions.deletion(provider.model, looked.written),
                process: None,
                looked,
            });
        }
    }
    Ok(all)
}

fn of_model(model: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.model == model)
}

/// What two ids have in common that name the same session: UUIDs are compared without regard to case.
fn key(provider: &Provider, id: &str) -> String {
    match provider.ids {
        IdKind::Uuid => id.to_ascii_lowercase(),
        IdKind::Word => id.to_owned(),
    }
}

fn look(provider: &Provider, file: &Path, warnings: &mut Vec<Warning>) -> Looked {
    look_into(provider, file).unwrap_or_else(|error| {
        let message = format!("cannot look into a session: {}", describe(&error));
        warnings.push(Warning::at(WarningCode::NotLookedInto, file, message));
        Looked::default()
    })
}

fn stop_if_asked(interrupt: &Interrupt) -> anyhow::Result<()> {
    if interrupt.asked() { Err(crate::map::map_file::stopped().into()) } else { Ok(()) }
}
