//! `schedule install` and `print`: installs a timer, or prints its files.

use std::io::Write;
use std::path::PathBuf;

use super::clean_timer::{clean_timer, prepare};
use super::context::RunContext;
#[cfg(feature = "keepalive")]
use super::keepalive_timer::keepalive_timer;
use super::methods::{
    all_installed, best_method, home, printed_method, sudo_user, systemd_of_user,
};
use super::output::{finish, show};
use super::request::InstallRequest;
use crate::config::Environment;
use crate::model::escape::escape;
use crate::model::{Exit, Failure};
use crate::process;
use crate::schedule::systemd::{Systemd, service};
use crate::schedule::{Account, Installed, Job, Method, Step, Work, cron, launchd, lingers};
use crate::ui;

/// Installs the timer; with `prints`, prints its files instead. After a failure, nothing of it is left.
pub(super) fn install(
    request: &InstallRequest,
    environment: &Environment,
    prints: bool,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let sudo = sudo_user(environment);
    let method = match request.args.method {
        Some(method) => method,
        None => best_method(environment, sudo.as_deref()).or_else(|failure| {
            let is_print = prints && !request.args.dry_run;
            is_print.then(|| printed_method(sudo.as_deref())).ok_or(failure)
        })?,
    };
    check_user(request, method, sudo.as_deref(), prints)?;

    let context = RunContext::read(request, method, environment, sudo)?;
    #[cfg(feature = "keepalive")]
    let job = if request.is_keepalive {
        keepalive_timer(request, environment, context)?
    } else {
        clean_timer(request, method, environment, context)?
    };
    #[cfg(not(feature = "keepalive"))]
    let job = clean_timer(request, method, environment, context)?;
    if matches!(method, Method::SystemdUser | Method::SystemdSystem) {
        Systemd::check(&job)?;
    }
    if prints {
        let text = text_of(&job, method, environment)?;
        for (label, text) in Step::lines(&job.remarks) {
            if label == "warning" { ui::warn(text) } else { ui::hint(text) }
        }
        return finish(out.write_all(text.as_bytes()), out);
    }

    let mut steps = match method {
        Method::SystemdUser => systemd_of_user(environment)?.install(&job)?,
        Method::SystemdSystem => {
            prepare(&job)?;
            Systemd::of_system().install(&job)?
        }
        Method::Cron => cron::install(&job)?,
        Method::Launchd => launchd::install(&job, &home(environment)?)?,
    };
    steps.extend(job.remarks.iter().cloned());
    steps.extend(hints(&job, method, environment));

    finish(show(&steps, out), out)
}

/// Checks that this user may install a timer by that method, for the user that is named.
fn check_user(
    request: &InstallRequest,
    method: Method,
    sudo: Option<&str>,
    prints: bool,
) -> Result<(), Failure> {
    let name = method.name();

    if method == Method::SystemdSystem {
        if prints || process::user() == 0 {
            return Ok(());
        }
        return Err(Failure::new("only root can install system units")
            .hint("run it with sudo; schedule print shows what it would install"));
    }

    if request.args.user.is_some() {
        return Err(Failure::usage(format!("--user cannot be used with {name}"))
            .hint("add --method systemd-system, or remove --user"));
    }
    if let Some(sudo) = sudo {
        let message = format!("with sudo, {name} would run as root and use root's home");
        let hint = format!("run it without sudo, or use --method systemd-system to run as {sudo}");
        return Err(Failure::new(message).hint(hint));
    }
    Ok(())
}

/// The text of the files, each after its path, or the line for a crontab.
fn text_of(job: &Job, method: Method, environment: &Environment) -> anyhow::Result<String> {
    let files = match method {
        Method::SystemdUser => systemd_of_user(environment)?.files(job)?,
        Method::SystemdSystem => Systemd::of_system().files(job)?,
        Method::Launchd => vec![launchd::file(job, &home(environment)?)?],
        Method::Cron => return Ok(cron::line(job)? + "\n"),
    };
    let texts = files.iter().map(|file| {
        format!("# {}\n{}\n", escape(&file.path.to_string_lossy()), file.text.trim_end())
    });
    Ok(texts.collect::<Vec<String>>().join("\n"))
}

/// Hints for the user after an installation.
fn hints(job: &Job, method: Method, environment: &Environment) -> Vec<Step> {
    let mut hints = Vec::new();
    let us = process::name_of(process::user());
    if method == Method::SystemdUser
        && let Some(name) = us.clone()
    {
        let us = Account { name, id: process::user(), home: PathBuf::new() };
        if lingers(&us) == Some(false) {
            hints.push(format!(
                "the timer only runs while you are logged in; to change that, run loginctl \
                 enable-linger {}",
                us.name
            ));
        }
    }

    let user = job.user.as_ref().map(|user| user.name.clone()).or(us);
    let is_same = |other: &Installed| {
        other.name == job.name()
            && other.method != method
            && (other.user.is_none() || other.user == user)
    };
    for other in all_installed(environment, false).into_iter().filter(is_same) {
        hints.push(format!(
            "{} runs the same command; remove it with session-warden schedule uninstall --method {}",
            other.what,
            other.method.name()
        ));
    }

    hints.push(match method {
        _ if job.work == Work::Keepalive => {
            "session-warden keepalive status shows the state of the jobs".to_owned()
        }
        Method::SystemdUser => "journalctl --user -t session-warden shows its reports".to_owned(),
        Method::SystemdSystem => format!("journalctl -u {} shows its reports", service(job)),
        Method::Cron | Method::Launchd => "session-warden history shows its runs".to_owned(),
    });
    hints.into_iter().map(Step::Hint).collect()
}
