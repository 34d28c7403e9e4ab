//! `schedule install --keepalive`: a timer for keep-alive, beside those of the cleans and apart from them.

use super::METHODS;
use crate::desk::{Desk, files, settings, told};
use crate::env::Ran;
use std::fs;

const HOURLY: &str = "[[keepalive]]\nid = \"a\"\naction = \"command\"\ncommand = \"true\"\n\
                      every = \"1h\"\n";

fn with_jobs(jobs: &str) -> Desk {
    let desk = Desk::new();
    desk.env.file(".config/session-warden/config.toml", jobs, 0);
    desk
}

#[test]
fn a_timer_is_told_to_run_a_pass_and_where_the_clis_lie() {
    let desk = with_jobs(HOURLY);
    let state = desk.env.path("state");
    for method in METHODS {
        let mut print = desk.command(["schedule", "print", "--keepalive"]);
        print.arg(format!("--state-dir={}", state.display()));
        print.env("CODEX_HOME", "/srv/codex").env("CLAUDE_SESSION_DIR", "/srv/sessions");
        // What is secret stays in the environment.
        print.env("ANTHROPIC_API_KEY", "sk-ant-secret").env("NO_COLOR", "1");
        let told = told(method, &mut print);
        let state = format!("--state-dir={}", state.display());
        assert_eq!(told.words[1..], ["keepalive", "run", "-q", &*state], "{method}");
        let path = format!("PATH={}", desk.env.path("tools").display());
        assert!(told.variables.contains(&path), "{method}: {:?}", told.variables);
        assert!(told.variables.contains(&"CODEX_HOME=/srv/codex".to_owned()));
        let names: Vec<&str> =
            told.variables.iter().map(|set| set.split('=').next().unwrap()).collect();
        assert_eq!(names, ["CODEX_HOME", "HOME", "PATH"], "{method}");
    }
}

#[cfg(feature = "openclaw")]
#[test]
fn where_openclaw_is_goes_with_it_and_no_further() {
    let touch = "[[keepalive]]\nid = \"o\"\naction = \"openclaw-touch\"\nagents = \"all\"\n\
                 active_within = \"10m\"\nevery = \"30m\"\n";
    for (jobs, count) in [(touch, 2), (HOURLY, 0)] {
        let desk = with_jobs(jobs);
        for method in METHODS {
            let mut print = desk.command(["schedule", "print", "--keepalive"]);
            print.env("TMPDIR", "/tmp/user/7").env("OPENCLAW_STATE_DIR", "/srv/claw");
            let told = told(method, &mut print);
            let theirs = ["TMPDIR=/tmp/user/7", "OPENCLAW_STATE_DIR=/srv/claw"];
            let found = told.variables.iter().filter(|set| theirs.contains(&set.as_str())).count();
            assert_eq!(found, count, "{method}: {:?}", told.variables);
        }
    }
}

#[test]
fn it_comes_as_often_as_its_jobs_need_and_at_most_once_a_minute() {
    let daily = HOURLY.replace("every = \"1h\"", "daily = \"09:00\"");
    let often = HOURLY.replace("1h", "2m").replace("\"a\"", "\"b\"");
    for (jobs, args, minutes) in [
        (HOURLY.to_owned(), &[][..], "10"),
        (daily.clone(), &[], "5"),
        (format!("{daily}{often}"), &[], "1"),
        (HOURLY.to_owned(), &["--every", "1m"], "1"),
        (HOURLY.to_owned(), &["--every=30m"], "30"),
    ] {
        let desk = with_jobs(&jobs);
        let units = desk.schedule("print --keepalive --method systemd-user", args);
        units.exits(0);
        assert_eq!(settings(&units.out, "OnCalendar"), [format!("*:0/{minutes}")]);
        let line = desk.schedule("print --keepalive --method cron", args);
        let fields = if minutes == "1" { "* * *".to_owned() } else { format!("*/{minutes} * *") };
        assert!(line.exits(0).out.starts_with(&fields), "{line:?}");
    }
    let desk = with_jobs(HOURLY);
    for method in METHODS {
        let ran = desk.schedule("install --keepalive --every 30s --method", &[method]);
        ran.exits(2).says(&["at most once a minute", "--every 1m"]);
    }
    for often in ["*:*:0/5", "*-*-* *:*:*", "*:*:00,30"] {
        let print = ["--on-calendar", often];
        desk.schedule("print --keepalive --method systemd-user", &print)
            .exits(2)
            .says(&["a minute"]);
    }
    let seldom = ["--on-calendar", "*:0/2:30"];
    desk.schedule("print --keepalive --method systemd-user", &seldom).exits(0);
    // A crontab holds no long PATH.
    let long = (0..60).map(|n| format!("/a/long/folder/{n:03}")).collect::<Vec<_>>().join(":");
    let mut print = desk.command(["schedule", "print", "--keepalive", "--method=cron"]);
    Ran::of(print.env("PATH", long)).exits(2).says(&["at most 998", "most of it is PATH"]);
}

#[test]
fn what_is_not_about_keep_alive_is_refused() {
    let desk = with_jobs(HOURLY);
    let none = Desk::new();
    let before = files(&desk.env.home(""));
    for method in METHODS {
        let install = format!("install --keepalive --method {method}");
        for (args, says) in [
            (&["--hours=4"][..], "--hours is an option of clean"),
            (&["--pin=vip"], "--pin is an option of clean"),
            (&["--profile", "dev"], "--profile is an option of clean"),
            (&["--verbose"], "--verbose is an option of clean"),
            (&["--config=/nowhere.toml"], "/nowhere.toml"),
        ] {
            desk.schedule(&install, args).exits(2).says(&[says]);
        }
        none.schedule(&install, &[])
            .exits(2)
            .says(&["no keep-alive job is configured", "[[keepalive]]"]);
        // With a pattern, it is an option of clean's as ever.
        let printed = desk.schedule("print --pin vip --method", &[method]);
        printed.exits(0);
        assert!(printed.out.contains("clean") && printed.out.contains("--pin=vip"), "{printed:?}");
        assert!(!printed.out.contains("session-warden-keepalive"), "{printed:?}");
    }
    assert_eq!((desk.changes(), files(&desk.env.home(""))), (vec![], before));
}

#[test]
fn a_profile_has_not_its_name() {
    let desk = with_jobs("[[profile]]\nname = \"keepalive\"\n");
    for method in METHODS {
        let install = desk.schedule("install --profile keepalive --method", &[method]);
        install.exits(2).says(&[
            "session-warden-keepalive is the name of the keep-alive timer",
            "another name",
        ]);
        desk.schedule("uninstall --profile keepalive --method", &[method]).exits(2);
    }
    desk.schedule("uninstall --keepalive --profile dev", &[]).exits(2);
    assert_eq!(desk.changes(), [""; 0]);
}

#[test]
fn it_comes_and_goes_beside_the_cleans() {
    for (method, count) in [("systemd-user", 3), ("cron", 1), ("launchd", 1)] {
        let desk = with_jobs(HOURLY);
        let all = || {
            let tab = desk.tab().unwrap_or_default();
            let lines = tab.lines().map(|line| ("crontab".to_owned(), line.to_owned()));
            let agents = files(&desk.env.home("Library"));
            let all = desk.units().into_iter().chain(agents).chain(lines);
            all.filter(|(_, text)| text.contains("nstalled by")).collect::<Vec<_>>()
        };
        desk.schedule("install --method", &[method]).exits(0);
        let clean = all();
        let ran = desk.schedule("install --keepalive --method", &[method]);
        ran.exits(0);
        assert!(ran.out.contains("session-warden keepalive status shows"), "{ran:?}");
        assert_eq!(all().len(), clean.len() + count, "{method}");
        // Again changes nothing.
        let again = desk.schedule("install --keepalive --method", &[method]);
        assert!(again.exits(0).out.contains("unchanged"), "{again:?}");
        // The clean's goes alone, and so does this one.
        desk.schedule("uninstall --keepalive --method", &[method]).exits(0);
        assert_eq!(all(), clean, "{method}");
        desk.schedule("install --keepalive --method", &[method]).exits(0);
        desk.schedule("uninstall --method", &[method]).exits(0);
        assert_eq!(all(), [], "{method}");
    }
}

#[test]
fn it_is_nobodys_clean() {
    let desk = with_jobs(HOURLY);
    desk.env.map("{}");
    desk.run(&["clean"]).exits(0);
    desk.schedule("install --keepalive --method cron", &[]).exits(0);
    // A clean that ran is none of its runs.
    let status = desk.schedule("status", &[]);
    assert!(status.exits(0).out.contains("cron: session-warden-keepalive, "), "{status:?}");
    assert!(!status.out.contains("  ended  "), "{status:?}");
    // And doctor finds nothing that cleans.
    let doctor = desk.run(&["doctor"]);
    assert!(doctor.out.contains("no timer runs session-warden"), "{doctor:?}");
    assert!(doctor.out.contains("session-warden-keepalive of cron: its program"), "{doctor:?}");
    desk.schedule("install --method cron", &[]).exits(0);
    let doctor = desk.run(&["doctor"]);
    assert!(doctor.out.contains("no duplicate timer"), "{doctor:?}");
}

#[test]
fn a_check_says_where_nothing_runs_the_jobs_or_too_seldom() {
    let desk = with_jobs(HOURLY);
    let check = || desk.run(&["keepalive", "check"]).exits(0).err.clone();
    assert!(check().contains("no timer runs these jobs yet"), "{}", check());
    for method in ["cron", "systemd-user"] {
        desk.schedule("install --keepalive --method", &[method]).exits(0);
        assert_eq!(check(), "", "{method}");
        desk.schedule("install --keepalive --every 1h --method", &[method]).exits(0);
        let said = check();
        assert!(said.contains("runs every 1h, but these jobs need it every 10m"), "{said}");
        desk.schedule("uninstall --keepalive", &[]).exits(0);
    }
}

#[test]
fn the_system_runs_it_as_its_user() {
    let desk = Desk::new();
    let Some(us) = own_name() else { return };
    let config = desk.env.file("config.toml", HOURLY, 0);
    let print = format!("print --keepalive --method systemd-system --user {us} --config");
    let ran = desk.schedule(&print, &[config.to_str().unwrap()]);
    ran.exits(0);
    assert_eq!(settings(&ran.out, "User"), ["%i", us.as_str()]);
    let path = settings(&ran.out, "Environment");
    assert!(path.iter().any(|set| set.starts_with("PATH=") && set.contains("/.local/bin:")));
    assert!(ran.out.contains(&format!("session-warden-keepalive@{us}.service.d/schedule.conf")));
    // Nothing that a CLI needs is closed to it.
    for closed in ["ReadWritePaths", "ProtectHome", "MemoryDenyWriteExecute", "BindPaths"] {
        let keep = ran.out.split("session-warden-keepalive-failed@.service\n").next().unwrap();
        assert_eq!(settings(keep, closed), [""; 0]);
    }
}

/// Our own name, where it is one that units can be called by as it is.
fn own_name() -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let us = format!(":{}:", rustix::process::getuid().as_raw());
    let line = passwd.lines().find(|line| line.contains(&us))?;
    line.split(':').next().map(str::to_owned)
}
