//! What a timer's runs see of the environment, held beside what this one sees.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::Patient;
use super::timers::Timer;
use crate::commands::schedule::systemd_of_user;
use crate::config::{Environment, absolute};
use crate::process;
use crate::report::Check;
use crate::schedule::Method;
use crate::schedule::others::Lines;

/// What an option of the clean makes a variable of no matter.
const MOOT: [(&str, &[&str]); 8] = [
    ("CLAUDE_SESSION_DIR", &["--session-dir", "--map"]),
    ("CLAUDE_BRIDGE_PORT", &["--bridge", "--map"]),
    ("XDG_CONFIG_HOME", &["--config"]),
    ("XDG_STATE_HOME", &["--state-dir"]),
    ("CLAUDE_CONFIG_DIR", &["--home"]),
    ("CODEX_HOME", &["--home"]),
    ("GEMINI_CLI_HOME", &["--home"]),
    ("VIBE_HOME", &["--home"]),
];

/// A check for each timer or line whose environment can be told.
pub(super) fn checks(patient: &Patient<'_>, timers: &[Timer], lines: &Lines) -> Vec<Check> {
    let check = |timer: &Timer| check(patient, timer, lines);
    let checks: Vec<Check> = timers.iter().filter_map(check).collect();
    if !checks.is_empty() {
        return checks;
    }
    let names = patient.config.environment.settings();
    let names = names.iter().map(|(name, _)| *name).filter(|name| is_weighed(name, &[]));
    let names: Vec<&str> = names.filter(|name| *name != "HOME").collect();
    let message = if names.is_empty() {
        "no variable is set that a timer would need".to_owned()
    } else {
        format!("schedule install would pass on {}", names.join(", "))
    };
    vec![Check::ok("environment", message)]
}

fn check(patient: &Patient<'_>, timer: &Timer, lines: &Lines) -> Option<Check> {
    let handed = timer.handed.as_ref()?;
    let (base, home) = base(patient, timer, lines)?;
    let mut there: HashMap<String, String> = base.into_iter().collect();
    there.extend(handed.variables.iter().cloned());
    let ours = &patient.config.environment;
    let ours = match &timer.installed.user {
        Some(_) if process::user() == 0 => ours.of_home(&home),
        _ => ours.clone(),
    };
    let there = Environment::from(|name| there.get(name).map(OsString::from));
    let differences = differences(&ours, &there, &home, &handed.arguments);
    let what = timer.what();
    if differences.is_empty() {
        return Some(Check::ok("environment", format!("{what}: variables match")));
    }
    let profile = patient.config.profile.as_deref();
    let then = if timer.is_ours {
        "with the same options passes on what is set now"
    } else {
        "passes on what is set now; then remove your own line"
    };
    let message = format!("{what} has different variables: {}", differences.join("; "));
    Some(Check::warning("environment", message).hint(format!("{} {then}", timer.again(profile))))
}

/// The variables that systemd or cron sets, and the home of the user that it runs as.
fn base(
    patient: &Patient<'_>,
    timer: &Timer,
    lines: &Lines,
) -> Option<(Vec<(String, String)>, PathBuf)> {
    let user = match &timer.installed.user {
        Some(name) => process::user_called(name).ok()??.1,
        None => process::user(),
    };
    let home = process::home_of(user).unwrap_or_default();
    let mut base = vec![("HOME".to_owned(), home.to_string_lossy().into_owned())];
    match timer.installed.method {
        Method::Cron => base.extend(lines.variables.iter().cloned()),
        Method::SystemdUser => {
            base.extend(systemd_of_user(&patient.config.environment).ok()?.variables());
        }
        Method::SystemdSystem => {}
        Method::Launchd => return None,
    }
    Some((base, home))
}

/// Whether it matters that a variable is another one there.
fn is_weighed(name: &str, arguments: &[String]) -> bool {
    let is_said = |option: &&str| {
        arguments.iter().any(|argument| argument.split('=').next() == Some(*option))
    };
    let moot = MOOT.iter().find(|(variable, _)| *variable == name);
    // A timer has no terminal, so that its reports have no colours either way.
    name != "NO_COLOR" && !moot.is_some_and(|(_, options)| options.iter().any(is_said))
}

/// Every variable that a clean reads and that is another there, in words.
fn differences(
    ours: &Environment,
    theirs: &Environment,
    home: &Path,
    arguments: &[String],
) -> Vec<String> {
    let mut names: Vec<&str> = ours.settings().iter().map(|(name, _)| *name).collect();
    let more = theirs.settings();
    names.extend(more.iter().map(|(name, _)| *name));
    names.sort_unstable();
    names.dedup();
    let value = |of: &Environment, name: &str| {
        // The password file tells what HOME does not.
        of.get(name).or_else(|| (name == "HOME").then(|| home.as_os_str().to_owned()))
    };
    let told = |name: &&str| {
        let shown = |value: &OsStr| value.to_string_lossy().into_owned();
        match (value(ours, name), value(theirs, name)) {
            (Some(here), Some(there)) if is_same(name, &here, &there) => None,
            (Some(here), Some(there)) => {
                Some(format!("{name} is {} here and {} there", shown(&here), shown(&there)))
            }
            (Some(here), None) => Some(format!("{name} is {} here only", shown(&here))),
            (None, Some(there)) => Some(format!("{name} is {} there only", shown(&there))),
            (None, None) => None,
        }
    };
    names.iter().filter(|name| is_weighed(name, arguments)).filter_map(told).collect()
}

/// Whether both mean the same; a path is handed on from the root.
fn is_same(name: &str, here: &OsStr, there: &OsStr) -> bool {
    if name == "CLAUDE_BRIDGE_PORT" {
        return here == there;
    }
    let whole = |value: &OsStr| absolute(Path::new(value)).unwrap_or_else(|_| value.into());
    whole(here) == whole(there)
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
    fn what_differs_is_told_unless_it_does_not_matter() {
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
        let told = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            differences(&ours, &theirs, Path::new("/home/u"), &arguments)
        };
        assert_eq!(
            told(&["clean", "-q"]),
            [
                "CLAUDE_BRIDGE_PORT is 9000 there only",
                "CLAUDE_CONFIG_DIR is /b here only",
                "CLAUDE_SESSION_DIR is /c here and /d there",
            ]
        );
        assert_eq!(told(&["--map=/m", "--home", "/h"]), Vec::<String>::new());
        assert_eq!(differences(&ours, &theirs, Path::new("/v"), &[]).len(), 4, "another home");
    }
}
