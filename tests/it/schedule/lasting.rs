//! A timer names paths that outlive the shell that installs it, and the next upgrade.

use super::{METHODS, print};
use crate::child::bounded;
use crate::desk::{Desk, copy};
use crate::env::Ran;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, in a folder of its version, with a link in `bin`.
fn versioned(desk: &Desk, folder: &str) -> PathBuf {
    let program = desk.env.path(folder).join("session-warden");
    copy(Path::new(env!("CARGO_BIN_EXE_session-warden")), &program);
    fs::create_dir_all(desk.env.path("bin")).unwrap();
    symlink(&program, desk.env.path("bin/session-warden")).unwrap();
    program
}

/// `schedule` by that program, which finds `folders` in its `PATH`.
fn by(desk: &Desk, program: &Path, folders: &[&str], line: &str) -> Command {
    let own = desk.command([] as [&str; 0]);
    let folders = folders.iter().map(|folder| desk.env.path(folder));
    let path = std::env::join_paths(folders.chain([desk.env.path("tools")])).unwrap();
    let mut command = Command::new("/usr/bin/env");
    command.env_clear().envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", path).arg(program).arg("schedule").args(line.split(' '));
    command.current_dir(desk.env.path(""));
    command
}

/// The lines of these outputs that warn.
fn warnings(ran: &Ran) -> Vec<String> {
    let lines = ran.out.lines().chain(ran.err.lines());
    let warns = |line: &&str| line.starts_with("warning");
    lines.filter(warns).map(str::to_owned).collect()
}

#[test]
fn the_link_is_named_and_not_what_it_leads_to() {
    for folder in ["Cellar/session-warden/0.1.0/bin", "nix/store/a1-session-warden/bin", "plain"] {
        let desk = Desk::new();
        let program = versioned(&desk, folder);
        let link = desk.env.path("bin/session-warden");
        for method in METHODS {
            let print = format!("print --method {method}");
            // By its name, by the path of the link, and by that of the program.
            for called in [Path::new("session-warden"), &link, Path::new("bin/session-warden")] {
                let ran = bounded(&mut by(&desk, called, &["bin"], &print));
                let text = ran.exits(0).out.clone();
                assert!(text.contains(link.to_str().unwrap()), "{called:?}: {text}");
                assert!(!text.contains(program.to_str().unwrap()), "{called:?}: {text}");
                assert_eq!(warnings(&ran), [""; 0], "{called:?}");
            }
            let ran = bounded(&mut by(&desk, &program, &["bin"], &print));
            let named = if folder == "plain" { &program } else { &link };
            assert!(ran.exits(0).out.contains(named.to_str().unwrap()), "{ran:?}");
        }
    }
}

#[test]
fn where_only_a_version_is_there_it_warns() {
    for folder in [
        "Cellar/session-warden/HEAD-1/bin",
        "nix/store/a1-session-warden/bin",
        ".local/share/mise/installs/session-warden/0.1.0",
        ".asdf/installs/session-warden/0.1.0/bin",
        "opt/session-warden-0.1.0",
    ] {
        let desk = Desk::new();
        let program = versioned(&desk, folder);
        fs::remove_file(desk.env.path("bin/session-warden")).unwrap();
        for line in ["install --method cron", "print --method cron"] {
            let ran = bounded(&mut by(&desk, &program, &["bin"], line));
            ran.exits(0);
            let [warning] = &warnings(&ran)[..] else { panic!("{ran:?}") };
            assert!(warning.contains("which an upgrade removes"), "{warning}");
            assert!(warning.contains(program.to_str().unwrap()), "{warning}");
        }
        assert!(desk.tab().unwrap().contains(program.to_str().unwrap()));
    }
}

#[cfg(feature = "keepalive")]
mod keepalive {
    use super::*;

    const PING: &str =
        "[[keepalive]]\nid = \"w\"\naction = \"cli-ping\"\ncli = \"claude\"\nevery = \"5h\"\n";

    fn with_claude(folder: &str) -> Desk {
        let desk = Desk::new();
        desk.env.file(".config/session-warden/config.toml", PING, 0);
        fs::create_dir_all(desk.env.home(".claude")).unwrap();
        let claude = desk.env.path(folder).join("claude");
        fs::create_dir_all(claude.parent().unwrap()).unwrap();
        copy(Path::new("/bin/true"), &claude);
        desk
    }

    fn with_path(desk: &Desk, line: &str, path: &[&str]) -> Command {
        let mut command = desk.command(line.split(' '));
        let tools = desk.env.path("tools");
        let path: Vec<String> = path
            .iter()
            .map(|entry| entry.replace("HERE", desk.env.path("").to_str().unwrap()))
            .chain([tools.to_str().unwrap().to_owned()])
            .collect();
        command.env("PATH", path.join(":"));
        command
    }

    #[test]
    fn a_link_of_the_shell_is_replaced_by_what_it_leads_to() {
        for link in ["run/fnm_multishells/11_22", "state/4711_1790000000000", "runtime/x"] {
            let desk = with_claude("node/bin");
            let link = desk.env.path(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(desk.env.path("node"), &link).unwrap();
            for method in METHODS {
                let entry = format!("{}/bin", link.display());
                let mut print = with_path(&desk, "schedule print --keepalive", &[&entry]);
                print.env("XDG_RUNTIME_DIR", desk.env.path("runtime"));
                let ran = Ran::of(print.arg(format!("--method={method}")));
                let node = desk.env.path("node/bin").display().to_string();
                assert!(ran.exits(0).out.contains(&format!("{node}:")) || method == "launchd");
                assert!(!ran.out.contains(&entry), "{ran:?}");
                ran.says(&[&format!("hint: PATH has {node} instead of {entry}")]);
            }
            // The shell has ended, and the timer's runs still find it.
            let entry = format!("{}/bin", link.display());
            let install = "schedule install --keepalive --method cron";
            let mut install = with_path(&desk, install, &[&entry]);
            Ran::of(install.env("XDG_RUNTIME_DIR", desk.env.path("runtime"))).exits(0);
            fs::remove_file(&link).unwrap();
            let check = Ran::of(&mut with_path(&desk, "keepalive check", &[]));
            assert!(!check.out.contains("not on the PATH"), "{check:?}");
        }
    }

    #[test]
    fn what_does_not_last_or_is_no_folder_is_reported() {
        let desk = with_claude("node/bin");
        let entries = ["HERE/node/bin", "", "relative/bin", "~/bin", "HERE/node/bin"];
        let mut print = with_path(&desk, "schedule print --keepalive", &entries);
        let ran = Ran::of(print.arg("--method=cron"));
        ran.exits(0).says(&[
            "warning: an empty entry of PATH is left out",
            "warning: relative/bin in PATH is left out",
            "warning: ~/bin in PATH is left out",
        ]);
        assert!(!ran.out.contains("relative"), "{ran:?}");

        // A folder of the session itself, and a link that leads nowhere any more.
        symlink("/nowhere/node", desk.env.path("9_9")).unwrap();
        let entries = ["/run/user/4711/x/bin", "HERE/9_9/bin", "HERE/node/bin"];
        let mut print = with_path(&desk, "schedule print --keepalive", &entries);
        let ran = Ran::of(print.arg("--method=cron"));
        ran.exits(0).says(&[
            "warning: /run/user/4711/x/bin in PATH is temporary",
            "9_9/bin in PATH is left out: it leads to /nowhere/node/bin",
        ]);
        assert!(!ran.out.contains("9_9") && !ran.out.contains("/nowhere"), "{ran:?}");
    }

    #[test]
    fn a_path_without_a_folder_that_lasts_is_the_usual_one() {
        let desk = with_claude("node/bin");
        let mut print = desk.command(["schedule", "print", "--keepalive", "--method=systemd-user"]);
        let ran = Ran::of(print.env("PATH", "bin"));
        ran.exits(0).says(&["bin in PATH is left out"]);
        assert!(ran.out.contains("\nEnvironment=PATH=/usr/local/bin:/usr/bin:/bin\n"), "{ran:?}");
    }

    #[test]
    fn the_clis_are_looked_for_as_the_timer_does() {
        for method in ["cron", "systemd-user"] {
            let desk = with_claude("node/bin");
            let install = format!("schedule install --keepalive --method {method}");
            let ran = Ran::of(&mut with_path(&desk, &install, &[]));
            assert!(ran.exits(0).out.contains("warning    claude is not on the PATH of the timer"));

            // This shell finds it, and the timer does not.
            let check = || Ran::of(&mut with_path(&desk, "keepalive check", &["HERE/node/bin"]));
            let ran = check();
            assert!(ran.out.contains("problem  w: claude is not on the PATH"), "{ran:?}");
            ran.exits(3).says(&["the PATH of the timer, ", "does not have claude"]);
            let doctor = || {
                let line = "doctor --format json";
                let ran = Ran::of(&mut with_path(&desk, line, &["HERE/node/bin"]));
                let found: Value = serde_json::from_str(&ran.out).unwrap();
                let checks = found["checks"].as_array().unwrap();
                checks.iter().find(|check| check["name"] == "keepalive").unwrap().clone()
            };
            let found = doctor();
            assert_eq!(found["state"], "warning", "{found}");
            let message = found["message"].as_str().unwrap();
            assert!(message.contains("does not find claude on its PATH"), "{message}");
            assert!(found["hint"].as_str().unwrap().contains("--keepalive uses the program"));

            // And the other way round.
            Ran::of(&mut with_path(&desk, &install, &["HERE/node/bin"])).exits(0);
            let ran = Ran::of(&mut with_path(&desk, "keepalive check", &[]));
            assert!(!ran.out.contains("not on the PATH"), "{ran:?}");
            assert_eq!(doctor()["state"], "ok", "{method}");
        }
    }
}

#[test]
fn doctor_runs_what_a_timer_names_and_compares_the_version() {
    let desk = Desk::new();
    desk.env.map("{}");
    let program = versioned(&desk, "opt");
    let schedule = || {
        let ran = desk.run(&["doctor", "--format", "json"]);
        let found: Value = serde_json::from_str(&ran.out).unwrap();
        let checks = found["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "schedule").unwrap().clone()
    };
    let message = || schedule()["message"].as_str().unwrap().to_owned();
    for method in ["cron", "systemd-user"] {
        bounded(&mut by(
            &desk,
            Path::new("session-warden"),
            &["bin"],
            &format!("install --method {method}"),
        ))
        .exits(0);
        // A copy of this program is this version.
        assert!(!message().contains("bin/session-warden"), "{}", message());

        let replaced = |script: &str| {
            fs::remove_file(&program).unwrap();
            fs::write(desk.env.path("script"), script).unwrap();
            copy(&desk.env.path("script"), &program);
            message()
        };
        let other = replaced("#!/bin/sh\necho session-warden 0.0.9 '(abc)'\n");
        assert!(other.contains("which is version 0.0.9; this is "), "{other}");
        assert_eq!(schedule()["state"], "warning");
        let wrong = replaced("#!/bin/sh\necho hello\n");
        assert!(wrong.contains("which is not session-warden"), "{wrong}");
        let broken = replaced("#!/bin/sh\necho no >&2; exit 1\n");
        assert!(broken.contains("which does not work: "), "{broken}");
        let slow = replaced("#!/bin/sh\nexec /bin/sleep 60\n");
        assert!(slow.contains("it does not answer"), "{slow}");

        fs::remove_file(&program).unwrap();
        assert!(message().contains("bin/session-warden, which is not there"), "{}", message());
        fs::create_dir(&program).unwrap();
        assert!(message().contains("which is not a program"), "{}", message());
        fs::remove_dir(&program).unwrap();
        copy(Path::new(env!("CARGO_BIN_EXE_session-warden")), &program);
        desk.schedule("uninstall --method", &[method]).exits(0);
    }
}

#[test]
fn what_is_printed_needs_no_scheduler_and_explains_itself_shortly() {
    let desk = Desk::with(&[]);
    let ran = desk.schedule("print", &["--every=15m"]);
    assert!(ran.exits(0).out.contains("systemd/user/session-warden.timer"), "{ran:?}");
    assert_eq!(ran.err, "");
    // What would be installed is not, so a dry run fails as an installation does.
    desk.schedule("install -n", &[]).exits(1).says(&["no systemd of this user and no crontab"]);
    for method in METHODS {
        desk.schedule("print --method", &[method]).exits(0);
    }
    desk.schedule("print --method systemd-system --user nobody", &[]).exits(0);

    let desk = Desk::new();
    for method in ["systemd-user", "systemd-system --user nobody"] {
        let units = Ran::of(print(&desk, &[]).args(format!("--method {method}").split(' '))).out;
        let mut comments = 0;
        for line in units.lines() {
            comments = if line.starts_with('#') { comments + 1 } else { 0 };
            assert!(comments <= 2 && line.len() <= 120, "{line}");
        }
    }
}
