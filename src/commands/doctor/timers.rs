//! The timers that run a clean: an active one is needed, and no second one that does the same. The results and
//! the environment of their runs are checked after them.

use std::path::{Path, PathBuf};

use super::program::problem_of_program;
use super::setup::Setup;
use super::timer::Timer;
use super::{environment, runs};
use crate::commands::schedule::{all_installed, systemd_of_user};
use crate::model::Failure;
use crate::process;
use crate::report::Check;
use crate::schedule::others::{Lines, OLD_SCRIPT, OLD_TIMER, OldTimer, old_timer};
use crate::schedule::systemd::Systemd;
use crate::schedule::{
    Account, Installed, InstalledCommand, Method, cron, lingers, parse_installed,
};

/// Checks the timers, and what depends on them.
pub(super) fn checks(setup: &Setup<'_>) -> Vec<Check> {
    let crontab = cron::read();
    let lines = match &crontab {
        Ok(Some(text)) => Lines::of(text),
        _ => Lines::default(),
    };
    let profile = setup.config.profile.as_deref();
    let (cleans, keepalive) = installed(setup);
    let (timers, others): (Vec<Timer>, Vec<Timer>) =
        all(cleans, &lines).into_iter().partition(|timer| timer.serves(profile));

    let mut checks: Vec<Check> = timers.iter().map(|timer| schedule(setup, timer)).collect();
    if timers.is_empty() {
        checks.push(no_timer(profile, &others));
    }
    checks.extend(linger(&timers));
    checks.extend(duplicates(&timers));
    checks.push(old_script(setup, &lines, crontab.err().as_ref()));

    let commands = || timers.iter().filter_map(|timer| timer.command.as_ref());
    let interval = commands().filter_map(|command| command.every).min();
    let was_started = timers.iter().any(|timer| timer.installed.last.is_some());
    let states: Vec<PathBuf> = commands().filter_map(InstalledCommand::state_dir).collect();
    checks.push(runs::check(setup, &states, interval, was_started));
    checks.extend(environment::checks(setup, &timers, &lines));
    checks.extend(keepalive.into_iter().map(|timer| passes(setup, timer, &lines)));
    checks
}

/// Checks a timer that runs keep-alive.
fn passes(setup: &Setup<'_>, installed: Installed, lines: &Lines) -> Check {
    let timer = Timer { command: parse_installed(&installed), installed, is_ours: true };
    let name = timer.name();
    let problem = timer.command.as_ref().and_then(|command| {
        let is_missing = || environment::missing_clis(setup, &timer.installed, command, lines);
        problem_of_program(command).or_else(is_missing)
    });
    match problem {
        None => Check::ok("keepalive", format!("{name}: its program and its CLIs are there")),
        Some(problem) => Check::warning("keepalive", format!("{name} {problem}")).hint(format!(
            "{} --keepalive uses the program and the PATH of this shell",
            timer.install_command(None)
        )),
    }
}

/// Returns the installed timers, without the system's for other users: those that clean, and those of keep-alive.
fn installed(setup: &Setup<'_>) -> (Vec<Installed>, Vec<Installed>) {
    let us = process::user();
    let user = if us == 0 { setup.owner().unwrap_or(us) } else { us };
    let user = process::name_of(user);
    let mut installed = all_installed(&setup.config.environment, true);
    installed.retain(|one| one.user.is_none() || one.user == user);
    installed.into_iter().partition(|one| !one.is_keepalive())
}

/// Returns everything that may run a clean of this map.
fn all(cleans: Vec<Installed>, lines: &Lines) -> Vec<Timer> {
    let ours = cleans.into_iter().map(|installed| (installed, true));
    let by_hand = lines.by_hand().into_iter().map(|installed| (installed, false));
    ours.chain(by_hand)
        .map(|(installed, is_ours)| Timer {
            command: parse_installed(&installed),
            installed,
            is_ours,
        })
        .collect()
}

fn no_timer(profile: Option<&str>, others: &[Timer]) -> Check {
    let mut message = "no timer runs session-warden".to_owned();
    if let Some(profile) = profile {
        message = format!("{message} for profile {profile}");
    }
    if let Some(other) = others.first() {
        message = format!("{message}; {} is for something else", other.name());
    }
    Check::warning("schedule", message)
        .hint("session-warden schedule install adds one that runs every hour")
}

fn schedule(setup: &Setup<'_>, timer: &Timer) -> Check {
    let (installed, name) = (&timer.installed, timer.name());
    if let Some(problem) = timer.command.as_ref().and_then(problem_of_program) {
        let install = timer.install_command(setup.config.profile.as_deref());
        return Check::warning("schedule", format!("{name} {problem}"))
            .hint(format!("{install} uses the program that runs now"));
    }
    if !installed.active {
        return inactive(setup, timer, &name);
    }

    let mut message = format!("{name}: active");
    if let Some(next) = &installed.next {
        message = format!("{message}, next run {next}");
    }
    if let Some(last) = &installed.last {
        message = format!("{message}, last run {last}");
    }
    Check::ok("schedule", message)
}

fn inactive(setup: &Setup<'_>, timer: &Timer, name: &str) -> Check {
    let systemd = match timer.installed.method {
        Method::SystemdUser => systemd_of_user(&setup.config.environment).ok(),
        Method::SystemdSystem => Some(Systemd::of_system()),
        Method::Cron => {
            return Check::warning("schedule", format!("{name}: cron is not running"))
                .hint("start cron, or session-warden schedule install --method systemd-user");
        }
        Method::Launchd => None,
    };
    if let Some(Err(failure)) = systemd.map(|systemd| systemd.check_running()) {
        return Check::warning("schedule", format!("{name}: {}", failure.message))
            .hint("where systemd does not run, session-warden schedule install --method cron");
    }
    let install = timer.install_command(setup.config.profile.as_deref());
    Check::warning("schedule", format!("{name}: installed, but not active"))
        .hint(format!("{install} starts it"))
}

/// Checks that a timer of the user's runs while the user is not logged in.
fn linger(timers: &[Timer]) -> Option<Check> {
    timers.iter().find(|timer| timer.installed.method == Method::SystemdUser)?;
    let name = process::name_of(process::user())?;
    let us = Account { name, id: process::user(), home: Path::new("/").into() };
    let name = &us.name;
    Some(match lingers(&us) {
        Some(true) => {
            Check::ok("linger", format!("lingering is on for {name}: timers run without a login"))
        }
        Some(false) => Check::warning("linger", format!("it runs only while {name} is logged in"))
            .hint(format!("loginctl enable-linger {name}")),
        None => Check::ok(
            "linger",
            format!("loginctl does not show whether lingering is on for {name}"),
        ),
    })
}

/// Checks that no two timers run the same.
fn duplicates(timers: &[Timer]) -> Option<Check> {
    let names: Vec<String> = timers.iter().map(Timer::name).collect();
    match names.len() {
        0 => None,
        1 => Some(Check::ok("schedulers", "no duplicate timer")),
        _ => {
            let last = timers.iter().rfind(|timer| timer.is_ours);
            let method = last.map_or("cron", |timer| timer.installed.method.name());
            let hint = format!(
                "one is enough: session-warden schedule uninstall --method {method}, or crontab -e \
                 for a line of your own"
            );
            let message = format!("{} run the same", names.join(" and "));
            Some(Check::warning("schedulers", message).hint(hint))
        }
    }
}

/// Checks that the script that session-warden replaces does not run.
fn old_script(setup: &Setup<'_>, lines: &Lines, no_crontab: Option<&Failure>) -> Check {
    let mut found = Vec::new();
    let mut hints = Vec::new();
    let mut notes: Vec<String> = no_crontab.iter().map(|why| why.message.clone()).collect();
    let user = systemd_of_user(&setup.config.environment).ok();
    let system = Some(Systemd::of_system());
    for (systemd, owner, command) in
        [(user, "of the user", "systemctl --user"), (system, "of the system", "sudo systemctl")]
    {
        match systemd.map(|systemd| old_timer(&systemd)) {
            Some(Ok(OldTimer::On)) => {
                found.push(format!("{OLD_TIMER} {owner} is on"));
                hints.push(format!("{command} disable --now {OLD_TIMER}"));
            }
            Some(Ok(OldTimer::Off)) => notes.push(format!("{OLD_TIMER} {owner} is there, and off")),
            Some(Err(why)) => notes.push(why.message),
            Some(Ok(OldTimer::Absent)) | None => {}
        }
    }
    if let Some(line) = lines.old.first() {
        found.push(format!("the crontab runs it: {line}"));
        hints.push(format!("crontab -e, and take out the line with {OLD_SCRIPT}"));
    }

    notes.dedup();
    let notes = [String::new()].into_iter().chain(notes).collect::<Vec<_>>().join("; ");
    if found.is_empty() {
        let message = format!("neither {OLD_TIMER} nor {OLD_SCRIPT} is on{notes}");
        return Check::ok("old-script", message);
    }
    Check::warning("old-script", format!("{}{notes}", found.join("; "))).hint(hints.join("; "))
}
