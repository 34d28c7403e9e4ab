//! `schedule status`: what is installed, by any method, and how it ran last.

use crate::child::{IDLE, both};
use crate::desk::Desk;
use crate::env::{MINUTE, Ran};
use serde_json::{Value, json};
use std::fs;

fn status(desk: &Desk) -> String {
    let ran = desk.schedule("status", &[]);
    ran.exits(0);
    assert_eq!(ran.err, "");
    ran.out
}

fn json_of(desk: &Desk) -> Value {
    let ran = desk.schedule("status --format json", &[]);
    assert_eq!(ran.exits(0).err, "");
    serde_json::from_str(&ran.out).unwrap()
}

/// What is installed of this user; the machine's own is none of ours.
fn installed(desk: &Desk) -> Vec<Value> {
    let all = json_of(desk)["installed"].as_array().unwrap().clone();
    all.into_iter().filter(|one| one["method"] != "systemd-system").collect()
}

#[test]
fn where_nothing_is_scheduled_it_says_so() {
    let desk = Desk::new();
    let told = json_of(&desk);
    assert_eq!((&told["schema"], &told["last_run"]), (&json!(1), &Value::Null));
    assert_eq!(installed(&desk), [] as [Value; 0]);
    let shown = status(&desk);
    assert!(shown.ends_with("You have no runs yet.\n"), "{shown}");
    if told["installed"] == json!([]) {
        assert!(
            shown.starts_with(
                "No timer is installed. Install one with session-warden schedule install"
            ),
            "{shown}"
        );
    }
    // A run that was started by hand is one as well.
    desk.env.map("{}");
    desk.run(&["clean"]).exits(0);
    assert!(status(&desk).contains("exit 0: 0 checked, 0 removed"));
}

#[test]
fn every_method_is_shown_with_its_next_run() {
    let desk = Desk::new();
    desk.profiles();
    fs::write(
        desk.tool("timer"),
        "ActiveState=active\nNextElapseUSecRealtime=Sat 2026-11-21 12:00:00 UTC\n\
         LastTriggerUSec=Sat 2026-11-21 11:00:00 UTC\n",
    )
    .unwrap();
    desk.schedule("install --method systemd-user --profile dev", &[]).exits(0);
    desk.schedule("install --method cron", &[]).exits(0);
    desk.schedule("install --method launchd", &[]).exits(0);
    let before = (desk.units(), desk.tab());
    desk.changes();
    let all = installed(&desk);
    assert_eq!(desk.changes(), [""; 0], "it only asks");
    let one = |method: &str| {
        all.iter().find(|one| one["method"] == method).unwrap_or_else(|| panic!("{all:#?}"))
    };
    assert_eq!(all.len(), 3);
    let systemd = one("systemd-user");
    assert_eq!(systemd["name"], "session-warden-dev");
    assert_eq!(systemd["what"], desk.unit("session-warden-dev.timer").to_str().unwrap());
    assert_eq!((&systemd["active"], &systemd["user"]), (&json!(true), &Value::Null));
    assert_eq!(systemd["next"], "Sat 2026-11-21 12:00:00 UTC");
    assert_eq!(systemd["last"], "Sat 2026-11-21 11:00:00 UTC");
    let cron = one("cron");
    assert_eq!(cron["what"], desk.tab().unwrap().trim_end());
    // A crontab runs nothing where no cron does.
    assert_eq!(cron["active"] == true, cron["next"].is_string(), "{cron}");
    assert_eq!(one("launchd")["active"], true);
    let shown = status(&desk);
    for line in [
        "systemd-user: session-warden-dev, active\n",
        "  next run  Sat 2026-11-21 12:00:00 UTC\n",
        "  last run  Sat 2026-11-21 11:00:00 UTC\n",
        "cron: session-warden, ",
        "launchd: session-warden, active\n",
    ] {
        assert!(shown.contains(line), "no {line:?} in {shown}");
    }
    // What systemd does not know, or does not say.
    for timer in ["ActiveState=inactive\nNextElapseUSecRealtime=\nLastTriggerUSec=n/a\n", ""] {
        fs::write(desk.tool("timer"), timer).unwrap();
        let shown = status(&desk);
        assert!(shown.contains("systemd-user: session-warden-dev, not active\n"), "{shown}");
        assert!(shown.contains("  next run  unknown\n"), "{shown}");
    }
    desk.fail("systemctl\nlaunchctl");
    let shown = status(&desk);
    assert!(shown.contains("session-warden-dev, not active"), "{shown}");
    assert!(shown.contains("launchd: session-warden, not active"), "{shown}");
    assert_eq!((desk.units(), desk.tab()), before);
}

#[test]
fn the_last_run_is_told_whatever_started_it() {
    let desk = Desk::new();
    desk.schedule("install --method cron", &[]).exits(0);
    desk.env.session("claude", IDLE, 180 * MINUTE);
    desk.env.session("claude", crate::child::ACTIVE, MINUTE);
    desk.env.map(both());
    desk.run(&["clean", "-q"]).exits(0);
    let shown = status(&desk);
    assert!(shown.contains(" ago, exit 0: 2 checked, 1 removed\n"), "{shown}");
    let last = &json_of(&desk)["last_run"];
    assert_eq!((&last["exit"], &last["summary"]["removed"]), (&json!(0), &json!(1)));
    assert!(shown.contains(last["run"].as_str().unwrap()), "{shown}");
    // A dry run is none; a failed one is, with why it failed.
    desk.env.map("no map");
    desk.run(&["clean", "-n"]).exits(1);
    assert!(status(&desk).contains("exit 0:"));
    desk.run(&["clean"]).exits(1);
    let shown = status(&desk);
    assert!(shown.contains("exit 1: - checked, - removed\n  "), "{shown}");
    assert!(shown.contains("session_map.json"), "{shown}");
    assert_eq!(json_of(&desk)["last_run"]["exit"], 1);
    // Elsewhere, where that was asked for.
    let state = desk.env.path("state");
    desk.env.map("{}");
    desk.run(&["clean", "--state-dir", "state"]).exits(0);
    let ran = desk.schedule("status --state-dir", &[state.to_str().unwrap()]);
    assert!(ran.exits(0).out.contains("exit 0: 0 checked"), "{ran:?}");
    assert!(status(&desk).contains("exit 1:"));
}

#[test]
fn wrong_usage_of_the_other_commands_is_refused() {
    let desk = Desk::new();
    for line in ["", "status --hours 2", "uninstall --hours 2", "uninstall --method at", "remove"] {
        let ran = desk.schedule(line, &[]);
        ran.exits(2);
        assert_eq!(ran.out, "", "{line}");
    }
    assert_eq!(desk.changes(), [""; 0]);
    // A name with control characters reaches no terminal.
    fs::write(desk.tool("timer"), "ActiveState=active\nNextElapseUSecRealtime=\u{1b}[1m\n")
        .unwrap();
    desk.schedule("install --method systemd-user", &[]).exits(0);
    assert!(!status(&desk).contains('\u{1b}'));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = desk.command(["schedule", "status"]);
    let ran = Ran::from(
        command
            .stdout(full)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap(),
    );
    ran.exits(3).says(&["cannot write the output: no space left"]);
}
