//! The home whose sessions are looked at, and the sessions that each CLI has in it.

use std::io::ErrorKind;
use std::path::Path;

use super::setup::Setup;
use crate::config::{Home, Origin, absolute};
use crate::model::plan::{Observation, Observations};
use crate::model::{Reading, Timestamp};
use crate::process;
use crate::provider::{Base, PROVIDERS, Provider, observe, unmapped};
use crate::report::{Check, age, counted};

/// Checks the home, and each CLI in it.
pub(super) fn checks(setup: &Setup<'_>) -> Vec<Check> {
    let mut checks = vec![home(setup)];
    let observed = observed(setup);
    for (index, provider) in PROVIDERS.iter().enumerate() {
        // Without a home, the check above has failed.
        let Ok(base) = setup.config.base(provider, setup.owner()) else { continue };
        let observation = observed.providers.get(index).and_then(Option::as_ref);
        checks.push(cli(setup, provider, base, observation, &observed));
    }
    checks
}

fn home(setup: &Setup<'_>) -> Check {
    let found = match setup.config.home.resolve(process::user(), setup.owner()) {
        Ok(home) => home,
        Err(failure) => return Check::failed("home", &failure),
    };
    let message = format!("{}: {}", found.display(), origin(setup));
    if found.is_dir() {
        return Check::ok("home", message);
    }
    Check::error("home", format!("{message}; there is no such folder"))
        .hint("--home DIR names the home whose sessions the bridge uses")
}

/// Returns how the home was found.
fn origin(setup: &Setup<'_>) -> String {
    let origin = setup.shown.iter().find(|shown| shown.name == "home").map(|shown| &shown.origin);
    let text = match (&setup.config.home, origin) {
        (Home::User(_), _) if setup.other_owner().is_some() => {
            "that of the map's owner, by the password file"
        }
        (Home::User(Some(_)), _) => "by $HOME",
        (Home::User(None), _) => "by the password file, since HOME is not set",
        (_, Some(Origin::Flag)) => "by --home",
        (_, Some(Origin::File)) => "by [clean] in the configuration",
        (_, Some(origin)) => return format!("by {origin}"),
        (_, None) => "as given",
    };
    text.to_owned()
}

/// Looks for the sessions of the map on disk.
fn observed(setup: &Setup<'_>) -> Observations {
    let Some(map) = setup.map() else { return Observations::default() };
    observe(
        map,
        |_, model| setup.config.asks_for(model),
        &setup.look_options(),
        // No session counts as active, so that the search looks at all of them.
        |_| Timestamp::MAX,
        None,
        |provider| setup.config.base(provider, setup.owner()),
    )
    .unwrap_or_default()
}

fn cli(
    setup: &Setup<'_>,
    provider: &Provider,
    base: Base,
    observation: Option<&Observation>,
    observed: &Observations,
) -> Check {
    let name = provider.name;
    let root = base.folder.join(provider.roots.first().unwrap_or(&""));
    let shown = format!("{}{}", root.display(), moved_by(setup, provider, &base.folder));
    let (all, problems) =
        unmapped(provider, base, &setup.look_options(), Timestamp::MAX, |_| false);
    let mut sessions = counted(all.len(), "session");
    if let Some(used) = all.iter().filter_map(|(_, activity)| activity.last_used()).max() {
        sessions = format!("{sessions}, newest {} old", age(used.seconds_until(setup.now)));
    }

    let Some(seen) = observation else {
        // No mapping asks for this CLI, so that nothing in its folder is a problem.
        let is_absent = root.metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        return Check::ok(
            name,
            match problems.first() {
                _ if is_absent => format!("not used: there is no {shown}"),
                Some(warning) => format!("{shown}: no mapping uses it; {}", warning.message),
                None => format!("{shown}: {sessions}; no mapping uses it"),
            },
        );
    };

    let mapped = counted(seen.activities.len(), "mapped session");
    let variable = match provider.variable {
        Some((variable, _)) => format!(", or ${variable},"),
        None => String::new(),
    };
    let hint = format!("is this the right home? --home DIR{variable} names another");
    if seen.reading == Reading::Absent {
        return Check::warning(name, format!("{shown} does not exist; {mapped} kept")).hint(hint);
    }
    let problem = observed.warnings.iter().find_map(|warning| {
        let why = warning.message.strip_prefix(name)?.strip_prefix(": ")?;
        let path = warning.path.as_ref().map(|path| format!(": {}", path.display()));
        Some(format!("{why}{}", path.unwrap_or_default()))
    });
    if let Some(problem) = problem {
        return Check::warning(name, format!("{shown}: {sessions}; {problem}"))
            .hint("run as the user whose sessions these are, or as root");
    }
    if seen.activities.iter().any(|one| one.own.is_some() || one.archived.is_some()) {
        return Check::ok(name, format!("{shown}: {sessions}; {mapped}"));
    }
    Check::warning(name, format!("{shown}: {sessions}, and none of the {mapped} is there"))
        .hint(hint)
}

/// Returns the variable that has moved the CLI's folder, in brackets.
fn moved_by(setup: &Setup<'_>, provider: &Provider, base: &Path) -> String {
    let environment = &setup.config.environment;
    let moved = provider.moved_to(|name| environment.get(name));
    let is_moved = moved.and_then(|moved| absolute(&moved).ok()).is_some_and(|moved| moved == base);
    match provider.variable {
        Some((variable, _)) if is_moved => format!(" (by ${variable})"),
        _ => String::new(),
    }
}
