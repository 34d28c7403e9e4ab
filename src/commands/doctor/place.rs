//! Whose sessions are looked at, and what each CLI has of them.

use std::path::Path;

use super::{Patient, count};
use crate::config::{Home, Origin, absolute};
use crate::model::plan::{Observation, Observations};
use crate::model::{Reading, Timestamp, Warning};
use crate::process;
use crate::provider::{Base, PROVIDERS, Provider, observe, unmapped};
use crate::report::{Check, age};

/// The home, and a check for each CLI.
pub(super) fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = vec![home(patient)];
    let observed = observed(patient);
    for (place, provider) in PROVIDERS.iter().enumerate() {
        // Without a home, the check above has said so.
        let Ok(base) = patient.config.base(provider, patient.owner()) else { continue };
        let observation = observed.providers.get(place).and_then(Option::as_ref);
        checks.push(cli(patient, provider, base, observation, &observed.warnings));
    }
    checks
}

fn home(patient: &Patient<'_>) -> Check {
    let found = match patient.config.home.resolve(process::user(), patient.owner()) {
        Ok(home) => home,
        Err(failure) => {
            let hint = failure.hint.unwrap_or_default();
            return Check::error("home", failure.message).hint(hint);
        }
    };
    let message = format!("{}: {}", found.display(), how(patient));
    if found.is_dir() {
        return Check::ok("home", message);
    }
    Check::error("home", format!("{message}; there is no such folder"))
        .hint("--home DIR names the home whose sessions the bridge uses")
}

/// How the home was found.
fn how(patient: &Patient<'_>) -> String {
    let said = patient.shown.iter().find(|shown| shown.name == "home").map(|shown| &shown.origin);
    let is_theirs = process::user() == 0 && patient.owner().is_some_and(|owner| owner != 0);
    match (&patient.config.home, said) {
        (Home::User(_), _) if is_theirs => {
            "that of the map's owner, by the password file".to_owned()
        }
        (Home::User(Some(_)), _) => "by $HOME".to_owned(),
        (Home::User(None), _) => "by the password file, since HOME is not set".to_owned(),
        (_, Some(Origin::Flag)) => "by --home".to_owned(),
        (_, Some(Origin::File)) => "by [clean] in the configuration".to_owned(),
        (_, Some(origin)) => format!("by {origin}"),
        (_, None) => "as given".to_owned(),
    }
}

/// What is on disk of the sessions that the map asks for.
fn observed(patient: &Patient<'_>) -> Observations {
    let Some(map) = patient.map() else { return Observations::default() };
    let owner = patient.owner();
    observe(
        map,
        |_, model| patient.config.asks_for(model),
        &patient.look_options(),
        // Nothing is taken for active, so that all of it is looked at.
        |_| Timestamp::MAX,
        None,
        |provider| patient.config.base(provider, owner),
    )
    .unwrap_or_default()
}

fn cli(
    patient: &Patient<'_>,
    provider: &Provider,
    base: Base,
    observation: Option<&Observation>,
    warnings: &[Warning],
) -> Check {
    let root = base.folder.join(provider.roots.first().unwrap_or(&""));
    let how = moved_by(patient, provider, &base.folder);
    let (all, trouble) =
        unmapped(provider, base, &patient.look_options(), Timestamp::MAX, |_| false);
    let newest = all.iter().filter_map(|(_, activity)| activity.last_used()).max();
    let newest =
        newest.map(|used| format!(", newest {} old", age(used.seconds_until(patient.now))));
    let sessions = format!("{}{}", count(all.len(), "session"), newest.unwrap_or_default());
    let shown = format!("{}{how}", root.display());
    let Some(seen) = observation else {
        return unasked(provider, &root, &shown, &sessions, &trouble);
    };
    let mapped = count(seen.activities.len(), "mapped session");
    let hint = format!("is this the right home? --home DIR{} names another", or_variable(provider));
    if seen.reading == Reading::Absent {
        let message = format!("{shown} does not exist; {mapped} kept");
        return Check::warning(provider.name, message).hint(hint);
    }
    let prefix = format!("{}: ", provider.name);
    let mut own = warnings.iter().filter_map(|warning| {
        Some((warning.message.strip_prefix(&prefix)?, warning.path.as_deref()))
    });
    if let Some((why, path)) = own.next() {
        let path = path.map(|path| format!(": {}", path.display())).unwrap_or_default();
        return Check::warning(provider.name, format!("{shown}: {sessions}; {why}{path}"))
            .hint("run as the user whose sessions these are, or as root");
    }
    let is_there = seen.activities.iter().any(|one| one.own.is_some() || one.archived.is_some());
    if !is_there {
        let message = format!("{shown}: {sessions}, and none of the {mapped} is there");
        return Check::warning(provider.name, message).hint(hint);
    }
    Check::ok(provider.name, format!("{shown}: {sessions}; {mapped}"))
}

/// A CLI that no mapping asks for: whatever is there is no trouble.
fn unasked(
    provider: &Provider,
    root: &Path,
    shown: &str,
    sessions: &str,
    trouble: &[Warning],
) -> Check {
    let is_absent =
        root.metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let message = match trouble.first() {
        _ if is_absent => format!("not used: there is no {shown}"),
        Some(warning) => format!("{shown}: no mapping uses it; {}", warning.message),
        None => format!("{shown}: {sessions}; no mapping uses it"),
    };
    Check::ok(provider.name, message)
}

/// Which variable has moved the CLI's folder, for people.
fn moved_by(patient: &Patient<'_>, provider: &Provider, base: &Path) -> String {
    let environment = &patient.config.environment;
    let moved = provider.moved_to(|name| environment.get(name));
    let is_moved = moved.and_then(|moved| absolute(&moved).ok()).is_some_and(|moved| moved == base);
    match provider.variable {
        Some((variable, _)) if is_moved => format!(" (by ${variable})"),
        _ => String::new(),
    }
}

fn or_variable(provider: &Provider) -> String {
    provider.variable.map_or_else(String::new, |(variable, _)| format!(", or ${variable},"))
}
