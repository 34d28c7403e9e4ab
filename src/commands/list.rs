//! `list`: every mapping, or every session that no mapping names, with what it was about. It reads
//! conversations, and changes nothing.

use std::collections::HashSet;
use std::path::Path;

use super::clean::{self, Run};
use crate::config::{Clean, pings_in};
use crate::disk::interrupt::Interrupt;
use crate::disk::words;
use crate::domain::{
    Exit, Failure, IdKind, Policies, SessionMap, State, Timestamp, Warning, WarningCode,
};
use crate::process;
use crate::provider::{Looked, Owners, PROVIDERS, Provider, look_into, unmapped};
use crate::report::{List, Listed};

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only mappings in these states; all where there are none.
    pub states: Vec<State>,
    /// Sessions that no mapping names, instead of mappings.
    pub unmapped: bool,
    /// The order.
    pub sort: Sort,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// The longest unused first; what tells no time last.
    #[default]
    Age,
    /// By model, then by age.
    Model,
    /// The largest first.
    Size,
}

/// Looks at every session that is asked for. The exit code is that of a dry run, or of what
/// could not be looked into.
///
/// # Errors
/// Whatever keeps a dry run from its work.
pub fn run(
    config: &Clean,
    options: &Options,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<(List, Exit), Failure> {
    let dry = Clean { dry_run: true, max_remove: None, ..config.clone() };
    let run = clean::run(&dry, now, interrupt)?;
    // What became of mappings is not asked where those are listed that have none.
    let (mut warnings, mut exit) = if options.unmapped {
        (Vec::new(), Exit::Done)
    } else {
        (run.warnings().to_vec(), run.exit())
    };
    let mut all = if options.unmapped {
        of_disk(config, &run, now, interrupt, &mut warnings)?
    } else {
        of_map(&run, options, interrupt, &mut warnings)?
    };
    if warnings.iter().any(|warning| warning.code.is_trouble()) {
        exit = Exit::Partly;
    }
    match options.sort {
        Sort::Age => all.sort_by_key(age),
        Sort::Model => all.sort_by(|a, b| a.model.cmp(&b.model).then(age(a).cmp(&age(b)))),
        Sort::Size => all.sort_by_key(|one| std::cmp::Reverse(one.looked.size)),
    }
    let report = run.report();
    let list = List {
        listed: now,
        source: report.source.clone(),
        has_map: report.map.is_some(),
        threshold: report.thresholds.usual.clone(),
        unmapped: options.unmapped,
        sessions: all,
        warnings,
    };
    Ok((list, exit))
}

fn age(one: &Listed) -> (bool, Option<Timestamp>) {
    (one.last_used.is_none(), one.last_used)
}

fn of_map(
    run: &Run,
    options: &Options,
    interrupt: &Interrupt,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Listed>, Failure> {
    let report = run.report();
    let is_asked = |state| options.states.is_empty() || options.states.contains(&state);
    let rows = report.rows().filter(|row| is_asked(row.state));
    rows.map(|row| {
        stop_if_asked(interrupt)?;
        let provider = of_model(row.mapping.model);
        let looked = provider.zip(row.file).map(|(provider, file)| look(provider, file, warnings));
        Ok(Listed {
            provider: provider.map(|provider| provider.name),
            model: row.mapping.model.to_owned(),
            chat: Some(row.mapping.chat.0.to_owned()),
            session: row.mapping.session.map(|id| id.0.to_owned()),
            state: Some(row.state),
            last_used: row.last_used,
            idle_seconds: row.idle_seconds,
            file: row.file.map(Path::to_owned),
            looked: looked.unwrap_or_default(),
        })
    })
    .collect()
}

fn of_disk(
    config: &Clean,
    run: &Run,
    now: Timestamp,
    interrupt: &Interrupt,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Listed>, Failure> {
    let report = run.report();
    let mapped: HashSet<(&str, String)> = report
        .map
        .into_iter()
        .flat_map(SessionMap::mappings)
        .filter_map(|mapping| Some((mapping.model, mapping.session?.0)))
        .filter_map(|(model, id)| Some((model, key(of_model(model)?, id))))
        .collect();
    let owner = run.map_owner();
    let owners = Owners { us: process::user(), map: owner };
    let policies = Policies::new(now, &config.idle, PROVIDERS.len(), config.missing);
    // Nobody has asked for the sessions that keep-alive makes. Without a state folder it makes none.
    let pings = config.state_dir().ok().map(|state| pings_in(&state));
    let mut all = Vec::new();
    let asked = PROVIDERS.iter().enumerate().filter(|(_, one)| config.asks_for(one.model));
    for (place, provider) in asked {
        let base = config.base(provider, owner)?;
        let is_mapped = |id: &str| mapped.contains(&(provider.model, key(provider, id)));
        let cutoff = policies.of(place).cutoff;
        let (sessions, more) = unmapped(provider, base, owners, cutoff, config.clock, is_mapped);
        warnings.extend(more);
        for (id, activity) in sessions {
            stop_if_asked(interrupt)?;
            let last_used = activity.last_used();
            let file = activity.file().map(|file| file.path.clone());
            let looked = file.as_ref().map(|file| look(provider, file, warnings));
            let is_below = |pings| looked.as_ref().is_some_and(|looked| looked.was_below(pings));
            if pings.as_deref().is_some_and(is_below) {
                continue;
            }
            all.push(Listed {
                provider: Some(provider.name),
                model: provider.model.to_owned(),
                chat: None,
                session: Some(id),
                state: None,
                last_used,
                idle_seconds: last_used.map(|used| used.seconds_until(now)),
                file,
                looked: looked.unwrap_or_default(),
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
        let message = format!("cannot look into a session: {}", words(&error));
        warnings.push(Warning::at(WarningCode::NotLookedInto, file, message));
        Looked::default()
    })
}

fn stop_if_asked(interrupt: &Interrupt) -> Result<(), Failure> {
    if interrupt.asked() { Err(crate::disk::map_file::stopped()) } else { Ok(()) }
}
