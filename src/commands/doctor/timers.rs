//! What runs a clean again and again: whether it is there and on, whether something else does the
//! same, and then how the runs went and what they see.

use std::path::Path;

use super::{Patient, environment, runs};
use crate::commands::schedule::{all_installed, systemd_of_user};
use crate::model::Failure;
use crate::process;
use crate::report::Check;
use crate::schedule::others::{Lines, OLD_SCRIPT, OLD_TIMER, OldTimer, old_timer};
use crate::schedule::systemd::Systemd;
use crate::schedule::{
    Account, Installed, InstalledCommand, Method, cron, lingers, name, parse_installed,
};

/// A timer or a line, and what it hands on.
pub(super) struct Timer {
    pub(super) installed: Installed,
    pub(super) handed: Option<InstalledCommand>,
    /// Whether it was installed here, and not written by hand.
    pub(super) is_ours: bool,
}

/// All that runs on a timer, and how it goes.
pub(super) fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let crontab = cron::read();
    let lines = match &crontab {
        Ok(Some(text)) => Lines::of(text),
        _ => Lines::default(),
    };
    let all = all(patient, &lines);
    let (timers, others): (Vec<Timer>, Vec<Timer>) =
        all.into_iter().partition(|timer| timer.serves(patient.config.profile.as_deref()));
    let mut checks: Vec<Check> = timers.iter().map(|timer| schedule(patient, timer)).collect();
    if timers.is_empty() {
        checks.push(nothing(patient, &others));
    }
    checks.extend(linger(&timers));
    checks.extend(second(&timers));
    checks.push(old_script(patient, &lines, crontab.err().as_ref()));
    let every = timers.iter().filter_map(|timer| timer.handed.as_ref()?.every).min();
    let was_started = timers.iter().any(|timer| timer.installed.last.is_some());
    let states: Vec<_> =
        timers.iter().filter_map(|timer| timer.handed.as_ref()?.state_dir()).collect();
    checks.push(runs::check(patient, &states, every, was_started));
    checks.extend(environment::checks(patient, &timers, &lines));
    checks
}

/// Everything that may run a clean of this map: what other users have of the system's is not asked
/// about.
fn all(patient: &Patient<'_>, lines: &Lines) -> Vec<Timer> {
    let us = process::user();
    let whose = if us == 0 { patient.owner().unwrap_or(us) } else { us };
    let whose = process::name_of(whose);
    let is_theirs = |one: &Installed| one.user.is_none() || one.user == whose;
    let timer = |is_ours| {
        move |installed: Installed| Timer {
            handed: parse_installed(&installed),
            installed,
            is_ours,
        }
    };
    // keep-alive cleans nothing.
    let is_clean = |one: &Installed| !one.is_keepalive() && is_theirs(one);
    let ours = all_installed(&patient.config.environment, true).into_iter().filter(is_clean);
    ours.map(timer(true)).chain(lines.by_hand().into_iter().map(timer(false))).collect()
}

impl Timer {
    /// Whether it runs a clean of that profile, or of all.
    fn serves(&self, profile: Option<&str>) -> bool {
        let Some(handed) = &self.handed else { return self.installed.name == name(profile) };
        handed.has("--all-profiles") || handed.option("--profile") == profile
    }

    /// What it is called, for people.
    pub(super) fn what(&self) -> String {
        let method = self.installed.method.name();
        match (self.is_ours, &self.installed.user) {
            (false, _) => "a line in the crontab".to_owned(),
            (true, Some(user)) => format!("{} of {method} as {user}", self.installed.name),
            (true, None) => format!("{} of {method}", self.installed.name),
        }
    }

    /// The command that installs it again.
    pub(super) fn again(&self, profile: Option<&str>) -> String {
        let user = self.installed.user.as_ref().map(|user| format!(" --user {user}"));
        let profile = profile.map(|profile| format!(" --profile {profile}"));
        format!(
            "session-warden schedule install --method {}{}{}",
            self.installed.method.name(),
            user.unwrap_or_default(),
            profile.unwrap_or_default()
        )
    }
}

fn nothing(patient: &Patient<'_>, others: &[Timer]) -> Check {
    let what = patient.config.profile.as_ref();
    let what = what.map_or_else(String::new, |profile| format!(" for profile {profile}"));
    let mut others = others.iter().map(Timer::what);
    let beside = others.next().map(|other| format!("; {other} is for something else"));
    Check::warning(
        "schedule",
        format!("no timer runs session-warden{what}{}", beside.unwrap_or_default()),
    )
    .hint("session-warden schedule install adds one that runs every hour")
}

fn schedule(patient: &Patient<'_>, timer: &Timer) -> Check {
    let (one, what) = (&timer.installed, timer.what());
    let profile = patient.config.profile.as_deref();
    let binary = timer.handed.as_ref().and_then(|handed| handed.binary.as_deref());
    if let Some(gone) = binary.filter(|binary| binary.is_absolute() && !binary.exists()) {
        let message = format!("{what} runs {}, which is not there", gone.display());
        return Check::warning("schedule", message)
            .hint(format!("{} uses the program that runs now", timer.again(profile)));
    }
    if !one.active {
        return inactive(patient, timer, &what);
    }
    let next = one.next.as_ref().map(|next| format!(", next run {next}"));
    let last = one.last.as_ref().map(|last| format!(", last run {last}"));
    let (next, last) = (next.unwrap_or_default(), last.unwrap_or_default());
    Check::ok("schedule", format!("{what}: active{next}{last}"))
}

fn inactive(patient: &Patient<'_>, timer: &Timer, what: &str) -> Check {
    let systemd = match timer.installed.method {
        Method::SystemdUser => systemd_of_user(&patient.config.environment).ok(),
        Method::SystemdSystem => Some(Systemd::of_system()),
        Method::Cron => {
            return Check::warning("schedule", format!("{what}: cron is not running"))
                .hint("start cron, or session-warden schedule install --method systemd-user");
        }
        Method::Launchd => None,
    };
    if let Some(Err(failure)) = systemd.map(|systemd| systemd.check_running()) {
        return Check::warning("schedule", format!("{what}: {}", failure.message))
            .hint("where systemd does not run, session-warden schedule install --method cron");
    }
    let hint = format!("{} starts it", timer.again(patient.config.profile.as_deref()));
    Check::warning("schedule", format!("{what}: installed, but not active")).hint(hint)
}

/// Whether a timer of the user's runs while the user is not logged in.
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

/// Whether more than one runs the same.
fn second(timers: &[Timer]) -> Option<Check> {
    let names: Vec<String> = timers.iter().map(Timer::what).collect();
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

/// Whether the script that session-warden replaces is still at work.
fn old_script(patient: &Patient<'_>, lines: &Lines, no_crontab: Option<&Failure>) -> Check {
    let mut found = Vec::new();
    let mut notes: Vec<String> = no_crontab.iter().map(|why| why.message.clone()).collect();
    let user = systemd_of_user(&patient.config.environment).ok();
    let system = Some(Systemd::of_system());
    for (systemd, whose, command) in
        [(user, "of the user", "systemctl --user"), (system, "of the system", "sudo systemctl")]
    {
        match systemd.map(|systemd| old_timer(&systemd)) {
            Some(Ok(OldTimer::On)) => found.push((
                format!("{OLD_TIMER} {whose} is on"),
                format!("{command} disable --now {OLD_TIMER}"),
            )),
            Some(Ok(OldTimer::Off)) => notes.push(format!("{OLD_TIMER} {whose} is there, and off")),
            Some(Err(why)) => notes.push(why.message),
            Some(Ok(OldTimer::Absent)) | None => {}
        }
    }
    if let Some(line) = lines.old.first() {
        let hint = format!("crontab -e, and take out the line with {OLD_SCRIPT}");
        found.push((format!("the crontab runs it: {line}"), hint));
    }
    notes.dedup();
    let notes = [String::new()].into_iter().chain(notes).collect::<Vec<_>>().join("; ");
    if found.is_empty() {
        let message = format!("neither {OLD_TIMER} nor {OLD_SCRIPT} is on{notes}");
        return Check::ok("old-script", message);
    }
    let (found, hints): (Vec<String>, Vec<String>) = found.into_iter().unzip();
    Check::warning("old-script", format!("{}{notes}", found.join("; "))).hint(hints.join("; "))
}
