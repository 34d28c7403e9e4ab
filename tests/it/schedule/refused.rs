//! What makes no sense is said when it is installed, and not by a timer in the night.

use super::METHODS;
use crate::desk::{Desk, files};

/// Each of these ends with exit code 2, says that, and changes nothing, by any method.
#[track_caller]
fn refused(desk: &Desk, methods: &[&str], args: &[&str], says: &[&str]) {
    let everything = || (files(&desk.env.home("")), desk.tab());
    let before = everything();
    for method in methods {
        for command in ["install", "print", "install -n"] {
            let ran = desk.schedule(&format!("{command} --method {method}"), args);
            ran.exits(2).says(says);
            assert_eq!((ran.out.as_str(), everything()), ("", before.clone()));
        }
    }
    assert_eq!(desk.changes(), [""; 0]);
}

#[test]
fn wrong_options_of_clean_install_nothing() {
    let desk = Desk::new();
    for (args, says) in [
        (&["--pin=["][..], "--pin"),
        (&["--hours=0"], "--hours"),
        (&["--provider", "gpt"], "--provider"),
        (&["--bridge=http://192.0.2.1:1"], "--allow-remote-bridge"),
        (&["--hours=2", "--idle=2h"], "--idle"),
        (&["--profile=none"], "none"),
        (&["--all-profiles"], "no profile"),
        (&["--config=/nowhere/config.toml"], "/nowhere/config.toml"),
        (&["--nope"], "--nope"),
        (&["now"], "now"),
    ] {
        refused(&desk, &METHODS, args, &[says]);
    }
}

#[test]
fn a_wrong_configuration_installs_nothing() {
    let desk = Desk::new();
    desk.profiles();
    let excluded = "--all-profiles and --bridge URL cannot be used together";
    refused(&desk, &METHODS, &["--all-profiles", "--bridge=http://127.0.0.1:9000"], &[excluded]);
    refused(&desk, &METHODS, &["--profile=other"], &["dev, prod"]);
    desk.env.file(".config/session-warden/config.toml", "[clean]\nhuors = 2\n", 0);
    refused(&desk, &METHODS, &[], &["config.toml", "huors"]);
    refused(&desk, &METHODS, &["--all-profiles"], &["huors"]);
    let env = desk.env.file("own.toml", "[clean]\nkeep = [\"[\"]\n", 0);
    refused(&desk, &METHODS, &["--config", env.to_str().unwrap()], &["own.toml"]);
}

#[test]
fn times_that_cannot_be_said_are_refused() {
    let desk = Desk::new();
    for every in ["7m", "90m", "5h", "7s", "2d"] {
        refused(&desk, &["systemd-user", "cron"], &["--every", every], &["every "]);
    }
    refused(&desk, &["cron"], &["--every=30s"], &["cron cannot run a command every 30s"]);
    for every in ["0s", "8d", "hourly", "", "60", "-1h"] {
        refused(&desk, &METHODS, &[&format!("--every={every}")], &["--every"]);
    }
    refused(&desk, &["cron"], &["--on-calendar=hourly"], &["cron cannot run a command at hourly"]);
    refused(
        &desk,
        &["launchd"],
        &["--on-calendar=hourly"],
        &["--on-calendar cannot be used with launchd"],
    );
    refused(
        &desk,
        &["systemd-user"],
        &["--on-calendar=nonsense"],
        &["is not a systemd calendar expression"],
    );
    for blank in ["", " ", "a\nb"] {
        refused(&desk, &["systemd-user"], &[&format!("--on-calendar={blank}")], &["--on-calendar"]);
    }
    refused(&desk, &METHODS, &["--on-calendar=hourly", "--every=1h"], &["--on-calendar"]);
    refused(&desk, &["at", "systemd"], &[], &["systemd-user, systemd-system, cron, launchd"]);
}

/// What begins with a hyphen is a calendar that makes no sense, not an option of the tool that is asked.
#[test]
fn a_calendar_is_no_option_of_systemd_analyze() {
    let desk = Desk::new();
    desk.fail("systemd-analyze calendar -- --help");
    refused(
        &desk,
        &["systemd-user"],
        &["--on-calendar=--help"],
        &["is not a systemd calendar expression"],
    );
}

#[test]
fn a_user_is_for_the_systems_systemd_only() {
    let desk = Desk::new();
    refused(&desk, &METHODS, &["--user", "root"], &["--user cannot be used with"]);
}

#[test]
fn auto_takes_the_first_that_is_there() {
    let crontab =
        |desk: &Desk| desk.schedule("print --method auto", &[]).out.starts_with("5 * * * * ");
    let user =
        |desk: &Desk| desk.schedule("print", &[]).out.contains("systemd/user/session-warden.timer");
    let desk = Desk::new();
    assert!(user(&desk) && !crontab(&desk));
    // A systemd that cannot be asked is none.
    desk.fail("systemctl --user show");
    assert!(crontab(&desk) && !user(&desk));
    let desk = Desk::with(&["crontab"]);
    assert!(crontab(&desk));
    // What the method that is left cannot say is refused.
    desk.schedule("install --on-calendar hourly", &[]).exits(2);
    let desk = Desk::with(&["launchctl", "loginctl", "systemd-analyze"]);
    desk.schedule("install", &[]).exits(1).says(&["no systemd of this user and no crontab"]);
    let desk = Desk::with(&[]);
    for method in ["systemd-user", "cron", "launchd"] {
        let ran = desk.schedule("install", &["--method", method]);
        ran.exits(1).says(&["cannot run "]);
        assert_eq!(files(&desk.env.home("")), [], "{method}");
    }
    // No calendar can be asked for where there is no systemd-analyze, and it is believed.
    desk.schedule("print --method systemd-user --on-calendar hourly", &[]).exits(0);
}

#[test]
fn control_characters_are_refused_by_every_timer() {
    let desk = Desk::new();
    for option in ["--log=/a\u{1b}[31mb", "--pin=a\u{9b}b", "--log=/x\u{7f}"] {
        refused(&desk, &METHODS, &[option], &["control characters", "hint: "]);
    }
}
