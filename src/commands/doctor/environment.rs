//! The environment of a timer's runs, compared with that of this one.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::setup::Setup;
use super::timer::Timer;
use crate::commands::schedule::timer_environment;
use crate::config::{Environment, absolute};
use crate::process;
use crate::report::Check;
use crate::schedule::others::Lines;
use crate::schedule::{Installed, InstalledCommand};

/// Variables, and the options of a clean that replace them.
const REPLACED: [(&str, &[&str]); 8] = [
    ("CLAUDE_SESSION_DIR", &["--session-dir", "--map"]),
    ("CLAUDE_BRIDGE_PORT", &["--bridge", "--map"]),
    ("XDG_CONFIG_HOME", &["--config"]),
    ("XDG_STATE_HOME", &["--state-dir"]),
    ("CLAUDE_CONFIG_DIR", &["--home"]),
    ("CODEX_HOME", &["--home"]),
    ("GEMINI_CLI_HOME", &["--home"]),
    ("VIBE_HOME", &["--home"]),
];

/// Checks each timer or line whose environment is known.
pub(super) fn checks(setup: &Setup<'_>, timers: &[Timer], lines: &Lines) -> Vec<Check> {
    let checks: Vec<Check> = timers.iter().filter_map(|timer| check(setup, timer, lines)).collect();
    if !checks.is_empty() {
        return checks;
    }

    let names: Vec<&str> = setup
        .config
        .environment
        .settings()
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "HOME" && is_relevant(name, &[]))
        .collect();
    let message = if names.is_empty() {
        "no variable is set that a timer would need".to_owned()
    } else {
        format!("schedule install would pass on {}", names.join(", "))
    };
    vec![Check::ok("environment", message)]
}

fn check(setup: &Setup<'_>, timer: &Timer, lines: &Lines) -> Option<Check> {
    let command = timer.command.as_ref()?;
    let here = &setup.config.environment;
    let (theirs, home) = timer_environment(&timer.installed, command, here, lines)?;
    let ours = match &timer.installed.user {
        Some(_) if process::user() == 0 => here.of_home(&home),
        _ => here.clone(),
    };

    let differences = differences(&ours, &theirs, &home, &command.arguments);
    let name = timer.name();
    if differences.is_empty() {
        return Some(Check::ok("environment", format!("{name}: variables match")));
    }
    let install = timer.install_command(setup.config.profile.as_deref());
    let effect = if timer.is_ours {
        "with the same options passes on what is set now"
    } else {
        "passes on what is set now; then remove your own line"
    };
    let message = format!("{name} has different variables: {}", differences.join("; "));
    Some(Check::warning("environment", message).hint(format!("{install} {effect}")))
}

/// Returns that the timer's runs do not find a CLI that a keep-alive job runs.
pub(super) fn missing_clis(
    setup: &Setup<'_>,
    timer: &Installed,
    command: &InstalledCommand,
    lines: &Lines,
) -> Option<String> {
    let (theirs, _) = timer_environment(timer, command, &setup.config.environment, lines)?;
    let path = theirs.get("PATH")?;
    let clis = setup.clis.iter().copied();
    let missing: Vec<&str> = clis.filter(|name| !process::is_on_path(&path, name)).collect();
    (!missing.is_empty())
        .then(|| format!("does not find {} on its PATH, {}", missing.join(" and "), path.display()))
}

/// Returns true if it matters that a variable has another value for a timer with these arguments.
fn is_relevant(variable: &str, arguments: &[String]) -> bool {
    let replaced = REPLACED.iter().find(|(name, _)| *name == variable);
    let mut options = replaced.into_iter().flat_map(|(_, options)| *options);
    let is_replaced = options
        .any(|option| arguments.iter().any(|argument| argument.split('=').next() == Some(*option)));
    // A timer has no terminal, so its reports have no colours either way.
    variable != "NO_COLOR" && !is_replaced
}

/// Describes every variable that a clean reads and that has another value for the timer.
fn differences(
    ours: &Environment,
    theirs: &Environment,
    home: &Path,
    arguments: &[String],
) -> Vec<String> {
    let (here, there) = (ours.settings(), theirs.settings());
    let names: BTreeSet<&str> = here.iter().chain(&there).map(|(name, _)| *name).collect();
    names
        .into_iter()
        .filter(|name| is_relevant(name, arguments))
        .filter_map(|name| difference(name, value(ours, name, home), value(theirs, name, home)))
        .collect()
}

fn value(of: &Environment, name: &str, home: &Path) -> Option<OsString> {
    // Without HOME, the password file has the home.
    of.get(name).or_else(|| (name == "HOME").then(|| home.into()))
}

fn difference(name: &str, here: Option<OsString>, there: Option<OsString>) -> Option<String> {
    match (here, there) {
        (Some(here), Some(there)) => (!is_same(name, &here, &there))
            .then(|| format!("{name} is {} here and {} there", here.display(), there.display())),
        (Some(here), None) => Some(format!("{name} is {} here only", here.display())),
        (None, Some(there)) => Some(format!("{name} is {} there only", there.display())),
        (None, None) => None,
    }
}

/// Returns true if both values mean the same. Timers get absolute paths.
fn is_same(name: &str, here: &OsStr, there: &OsStr) -> bool {
    if name == "CLAUDE_BRIDGE_PORT" {
        return here == there;
    }
    whole_path(here) == whole_path(there)
}

fn whole_path(value: &OsStr) -> PathBuf {
    absolute(Path::new(value)).unwrap_or_else(|_| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &'static [(&'static str, &'static str)]) -> Environment {
        Environment::from(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn what_differs_is_reported_unless_it_does_not_matter() {
        let ours = environment(&[
            ("CODEX_HOME", "/a/"),
            ("CLAUDE_CONFIG_DIR", "/b"),
            ("CLAUDE_SESSION_DIR", "/c"),
            ("NO_COLOR", "1"),
            ("TERM", "x"),
        ]);
        let theirs = environment(&[
            ("HOME", "/home/u"),
            ("CODEX_HOME", "/a"),
            ("CLAUDE_SESSION_DIR", "/d"),
            ("CLAUDE_BRIDGE_PORT", "9000"),
        ]);
        let shown = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            differences(&ours, &theirs, Path::new("/home/u"), &arguments)
        };
        assert_eq!(
            shown(&["clean", "-q"]),
            [
                "CLAUDE_BRIDGE_PORT is 9000 there only",
                "CLAUDE_CONFIG_DIR is /b here only",
                "CLAUDE_SESSION_DIR is /c here and /d there",
            ]
        );
        assert_eq!(shown(&["--map=/m", "--home", "/h"]), Vec::<String>::new());
        assert_eq!(differences(&ours, &theirs, Path::new("/v"), &[]).len(), 4, "another home");
    }
}
