//! `schedule` says what could not be done, touches nobody else's, and tells each timer's own runs.

use crate::desk::Desk;
use serde_json::Value;
use std::fs;

const INSTALL: &str = "install --method systemd-user";

#[test]
fn a_timer_that_cannot_be_stopped_is_told_of() {
    let desk = Desk::new();
    desk.schedule(INSTALL, &[]).exits(0);
    // As systemctl enable does, and a systemd that cannot be asked does not undo.
    let wants = desk.unit("timers.target.wants/session-warden.timer");
    fs::create_dir_all(wants.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(desk.unit("session-warden.timer"), &wants).unwrap();
    desk.fail("systemctl --user disable");
    let ran = desk.schedule("uninstall", &[]);
    assert!(ran.exits(3).out.contains("problem    session-warden.timer could not be stopped"));
    assert!(!ran.out.contains("stopped and disabled"), "{ran:?}");
    assert!(!wants.is_symlink() && desk.units().is_empty(), "{:?}", desk.units());
}

#[test]
fn a_dry_uninstall_names_what_the_real_one_removes_and_changes_nothing() {
    for method in ["systemd-user", "cron", "launchd"] {
        let desk = Desk::new();
        let uninstall = ["schedule", "uninstall", "--method", method];
        let none = desk.run(&[&uninstall[..], &["-n"]].concat());
        assert_eq!(none.exits(0).out, "No timer is installed, so none would be removed.\n");

        desk.schedule("install --method", &[method]).exits(0);
        let all = || (desk.units(), desk.tab(), crate::desk::files(&desk.env.home("Library")));
        let before = all();
        desk.calls();
        let dry = desk.run(&[&uninstall[..], &["--dry-run"]].concat());
        assert!(dry.exits(0).out.starts_with("Dry run: nothing will be changed.\n"), "{dry:?}");
        assert_eq!((all(), desk.changes()), (before, vec![]), "{method}");

        let real = desk.run(&uninstall);
        let named = |out: &str, label: &str| -> Vec<String> {
            out.lines().filter_map(|line| line.strip_prefix(label)).map(str::to_owned).collect()
        };
        let removed = named(&real.exits(0).out, "removed    ");
        assert_eq!(named(&dry.out, "would      remove "), removed, "{method}");
        assert!(!removed.is_empty(), "{real:?}");
        if method == "systemd-user" {
            let stops = named(&dry.out, "would      stop and disable ");
            assert_eq!(stops, named(&real.out, "done       stopped and disabled "), "{dry:?}");
        }
    }
}

#[test]
fn only_our_own_failures_are_forgotten() {
    let desk = Desk::new();
    desk.schedule(INSTALL, &[]).exits(0);
    desk.calls();
    desk.schedule("uninstall", &[]).exits(0);
    let calls = desk.changes();
    let forgets: Vec<_> = calls.iter().filter(|call| call.contains("reset-failed")).collect();
    assert_eq!(forgets, ["systemctl --user reset-failed session-warden*"]);
}

#[test]
fn a_systemd_that_reads_another_folder_is_found_out() {
    let desk = Desk::new();
    fs::write(desk.tool("fragment"), "/home/other/.config/systemd/user/session-warden.timer\n")
        .unwrap();
    let ran = desk.schedule(INSTALL, &[]);
    ran.exits(1).says(&["systemd reads /home/other/", "the files were restored"]);
    assert_eq!(desk.units(), []);
    let ours = desk.unit("session-warden.timer");
    fs::write(desk.tool("fragment"), format!("{}\n", ours.display())).unwrap();
    desk.schedule(INSTALL, &[]).exits(0);
}

#[test]
fn what_runs_often_runs_in_time() {
    let desk = Desk::new();
    for (every, exact) in
        [("15s", true), ("1m", true), ("10m", true), ("15m", false), ("1h", false)]
    {
        let ran = desk.schedule("print --method systemd-user --every", &[every]);
        ran.exits(0);
        assert_eq!(ran.out.contains("AccuracySec=1s"), exact, "{every}: {}", ran.out);
        assert_eq!(ran.out.contains("RandomizedDelaySec=0\n"), exact, "{every}: {}", ran.out);
    }
}

#[test]
fn each_timer_tells_its_own_last_run() {
    let desk = Desk::new();
    let config = "[[profile]]\nname = \"dev\"\nsession_dir = \"~/dev\"\n\
                  [[profile]]\nname = \"prod\"\nsession_dir = \"~/prod\"\n";
    desk.env.file(".config/session-warden/config.toml", config, 0);
    desk.env.file("dev/session_map.json", "{}", 0);
    desk.env.file("prod/session_map.json", "{\"broken\": ", 0);
    let state = desk.env.path("elsewhere");
    let state = format!("--state-dir={}", state.display());
    for profile in ["dev", "prod"] {
        desk.schedule(INSTALL, &["--profile", profile, &state]).exits(0);
    }
    desk.run(&["clean", "--profile", "prod", &state]).exits(1);
    desk.run(&["clean", "--profile", "dev", &state]).exits(0);
    let ran = desk.schedule("status --format json", &[]);
    let told: Value = serde_json::from_str(&ran.exits(0).out).unwrap();
    let exit = |name: &str| {
        let all = told["installed"].as_array().unwrap();
        let one = all.iter().find(|one| one["name"] == format!("session-warden-{name}")).unwrap();
        one["last_run"]["exit"].clone()
    };
    assert_eq!((exit("dev"), exit("prod")), (0.into(), 1.into()), "{told:#}");
    let text = desk.schedule("status", &[]).out;
    assert!(text.contains("  result    ") && text.contains("-prod, "), "{text}");
    assert!(text.contains("You have no runs yet."), "the usual state folder: {text}");
}

#[test]
fn a_unit_file_that_is_none_does_not_hold_up() {
    let desk = Desk::new();
    fs::create_dir_all(desk.unit("")).unwrap();
    let fifo = desk.unit("session-warden.service");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    desk.schedule(INSTALL, &[]).exits(1).says(&["was not installed by session-warden schedule"]);
    desk.schedule("uninstall", &[]).exits(0);
    assert!(fifo.exists());
}

#[test]
fn doctor_reads_the_runs_where_the_timer_remembers_them() {
    let desk = Desk::new();
    desk.env.map("{}");
    let state = format!("--state-dir={}", desk.env.path("elsewhere").display());
    desk.schedule("install --method cron", &[&state]).exits(0);
    let runs = || {
        let ran = desk.run(&["doctor", "--format", "json"]);
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        let checks = told["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "runs").unwrap();
        check["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(runs(), "none yet");
    desk.run(&["clean", &state]).exits(0);
    assert!(runs().starts_with("last success "), "{}", runs());
}
