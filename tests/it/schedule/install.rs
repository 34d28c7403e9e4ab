//! Units of the user's systemd: they come whole, are found again, and go without a trace.

use super::print;
use crate::child::{bounded, unprivileged};
use crate::desk::{Desk, copy, settings};
use crate::env::Ran;
use std::fs;

const INSTALL: &str = "install --method systemd-user";
const UNINSTALL: &str = "uninstall --method systemd-user";

const OURS: [&str; 3] =
    ["session-warden-failed@.service", "session-warden.service", "session-warden.timer"];

fn names(desk: &Desk) -> Vec<String> {
    desk.units().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn what_is_installed_is_what_print_prints() {
    for args in [vec![], vec!["--every", "15m", "--pin", "50% of 'it'", "--profile=dev"]] {
        let desk = Desk::new();
        desk.profiles();
        let printed = Ran::of(print(&desk, &args).arg("--method=systemd-user"));
        let dry = desk.schedule("install -n --method systemd-user", &args);
        assert_eq!((&printed.out, printed.code), (&dry.out, dry.code));
        assert_eq!((desk.units(), desk.changes()), (vec![], vec![]), "nothing is installed yet");
        desk.schedule(INSTALL, &args).exits(0);
        let mut parts: Vec<String> = desk
            .units()
            .iter()
            .map(|(name, text)| format!("# {}\n{text}", desk.unit(name).display()))
            .collect();
        assert_eq!(parts.len(), 3);
        let mut shown: Vec<String> = Vec::new();
        for line in printed.out.split_inclusive('\n') {
            if line.starts_with("# /") {
                shown.push(String::new());
            }
            shown.last_mut().unwrap().push_str(line);
        }
        // Between two of them is an empty line.
        let last = shown.len() - 1;
        for part in &mut shown[..last] {
            assert_eq!(part.pop(), Some('\n'));
        }
        shown.sort();
        parts.sort();
        assert_eq!(shown, parts);
    }
}

#[test]
fn installing_enables_and_starts_it() {
    let desk = Desk::new();
    let ran = desk.schedule(INSTALL, &[]);
    ran.exits(0);
    assert_eq!(ran.err, "");
    assert_eq!(names(&desk), OURS);
    for file in OURS {
        assert!(
            ran.out.contains(&format!("added      {}\n", desk.unit(file).display())),
            "{ran:?}"
        );
    }
    let calls = ["daemon-reload", "enable session-warden.timer", "restart session-warden.timer"];
    assert_eq!(desk.changes(), calls.map(|call| format!("systemctl --user {call}")));
    let timer = fs::read_to_string(desk.unit("session-warden.timer")).unwrap();
    assert_eq!(settings(&timer, "OnCalendar"), ["hourly"]);
    assert_eq!(settings(&timer, "RandomizedDelaySec"), ["600s"]);
    assert_eq!(settings(&timer, "Persistent"), ["yes"]);
    let service = fs::read_to_string(desk.unit("session-warden.service")).unwrap();
    assert_eq!(settings(&service, "SuccessExitStatus"), ["75"]);
    assert_eq!(settings(&service, "Type"), ["oneshot"]);
    assert_eq!(settings(&service, "ExecStart").len(), 1);
    assert_eq!(settings(&service, "OnFailure"), ["session-warden-failed@%n.service"]);
}

#[test]
fn a_calendar_means_what_it_says() {
    let desk = Desk::new();
    desk.schedule(INSTALL, &["--on-calendar", "Mon *-*-* 03:07:%i"]).exits(0);
    let timer = fs::read_to_string(desk.unit("session-warden.timer")).unwrap();
    assert_eq!(settings(&timer, "OnCalendar"), ["Mon *-*-* 03:07:%%i"]);
    assert_eq!(settings(&timer, "RandomizedDelaySec"), ["0"]);
    assert_eq!(settings(&timer, "AccuracySec"), ["1s"]);
    assert!(settings(&timer, "FixedRandomDelay").is_empty(), "{timer}");
    // Two runs keep some distance, whatever the delay.
    desk.schedule(INSTALL, &["--every", "15m"]).exits(0);
    let timer = fs::read_to_string(desk.unit("session-warden.timer")).unwrap();
    assert_eq!(settings(&timer, "OnCalendar"), ["*:0/15"]);
    assert_eq!(settings(&timer, "RandomizedDelaySec"), ["150s"]);
}

#[test]
fn installing_twice_changes_nothing_and_anew_replaces() {
    let desk = Desk::new();
    desk.schedule(INSTALL, &[]).exits(0);
    let (before, _) = (desk.units(), desk.changes());
    let again = desk.schedule(INSTALL, &[]);
    again.exits(0);
    for file in OURS {
        assert!(
            again.out.contains(&format!("unchanged  {}\n", desk.unit(file).display())),
            "{again:?}"
        );
    }
    assert_eq!(desk.units(), before);
    assert!(!desk.changes().iter().any(|call| call.contains("restart")), "its time goes on");
    let anew = desk.schedule(INSTALL, &["--every", "6h", "--hours=4"]);
    assert!(anew.out.contains("replaced   ") && !anew.out.contains("added"), "{anew:?}");
    assert_eq!(names(&desk), OURS);
    let units = desk.units();
    assert_eq!(settings(&units[2].1, "OnCalendar"), ["0/6:00"]);
    assert!(settings(&units[1].1, "ExecStart")[0].ends_with(" clean --hours=4"), "{units:?}");
    assert!(desk.changes().iter().any(|call| call.ends_with("restart session-warden.timer")));
}

#[test]
fn uninstalling_leaves_what_is_not_ours() {
    let desk = Desk::new();
    let foreign = [
        ("other.timer", "[Timer]\n"),
        ("session-warden-mine.timer", "[Timer]\n# Installed by session-warden schedule\n"),
        ("session-warden.service.d/own.conf", "[Service]\nNice=5\n"),
        ("timers.target.wants/x.timer", "x"),
    ];
    for (file, text) in foreign {
        desk.env.file(&format!(".config/systemd/user/{file}"), text, 0);
    }
    let before = desk.units();
    desk.schedule(INSTALL, &[]).exits(0);
    desk.changes();
    let ran = desk.schedule(UNINSTALL, &[]);
    ran.exits(0);
    for file in OURS {
        assert!(
            ran.out.contains(&format!("removed    {}\n", desk.unit(file).display())),
            "{ran:?}"
        );
    }
    assert_eq!(desk.units(), before);
    let calls = desk.changes();
    assert!(
        calls.contains(&"systemctl --user disable --now session-warden.timer".into()),
        "{calls:?}"
    );
    assert!(calls.contains(&"systemctl --user daemon-reload".into()), "{calls:?}");
    let ran = desk.schedule(UNINSTALL, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "No timer was installed, so none was removed.\n"));
    assert_eq!(desk.changes(), [""; 0]);
}

#[test]
fn what_an_older_version_installed_is_found() {
    let older = "# Installed by session-warden schedule, version 0.0.1: please leave it\n";
    for replaced in [false, true] {
        let desk = Desk::new();
        for file in OURS {
            desk.env.file(&format!(".config/systemd/user/{file}"), format!("{older}[Unit]\n"), 0);
        }
        if replaced {
            let ran = desk.schedule(INSTALL, &[]);
            assert!(ran.exits(0).out.contains("replaced"), "{ran:?}");
            assert!(desk.units().iter().all(|(_, text)| !text.contains("0.0.1")));
        }
        desk.schedule(UNINSTALL, &[]).exits(0);
        assert_eq!(desk.units(), []);
    }
}

#[test]
fn profiles_have_timers_of_their_own() {
    let desk = Desk::new();
    desk.profiles();
    for args in [&[][..], &["--profile=dev"], &["--profile", "prod", "--every=1d"]] {
        desk.schedule(INSTALL, args).exits(0);
    }
    assert_eq!(names(&desk).len(), 9);
    let of = |name: &str| {
        let units = desk.units();
        units.into_iter().filter(|(file, _)| file.starts_with(name)).collect::<Vec<_>>()
    };
    let service = fs::read_to_string(desk.unit("session-warden-dev.service")).unwrap();
    assert!(settings(&service, "ExecStart")[0].ends_with(" clean --profile=dev"), "{service}");
    assert_eq!(settings(&service, "OnFailure"), ["session-warden-dev-failed@%n.service"]);
    let prod = of("session-warden-prod");
    assert_eq!(prod.len(), 3);
    desk.schedule(INSTALL, &["--profile=dev", "--every=6h"]).exits(0);
    assert_eq!(of("session-warden-prod"), prod);
    let ran = desk.schedule(UNINSTALL, &["--profile=dev"]);
    assert!(!ran.out.contains("prod"), "{ran:?}");
    assert_eq!((of("session-warden-prod"), names(&desk).len()), (prod, 6));
    // Without a name, all of them go.
    desk.schedule(UNINSTALL, &[]).exits(0);
    assert_eq!(desk.units(), []);
}

#[test]
fn where_systemd_fails_nothing_is_left_of_it() {
    for call in ["daemon-reload", "enable", "restart"] {
        let desk = Desk::new();
        desk.env.file(".config/systemd/user/other.timer", "x", 0);
        let before = desk.units();
        desk.fail(&format!("systemctl --user {call}"));
        let ran = desk.schedule(INSTALL, &[]);
        let said = format!("systemctl --user {call}");
        ran.exits(1).says(&[&said, "failed: this fails", "the files were restored"]);
        assert_eq!((ran.out.as_str(), desk.units()), ("", before), "{call}");
        let calls = desk.changes();
        // The link that enabling made must not stay.
        let disabled = calls.iter().any(|call| call.contains("disable --now session-warden.timer"));
        assert!(disabled, "{calls:?}");
        assert_eq!(calls.last().unwrap(), "systemctl --user daemon-reload");
    }
}

#[test]
fn where_systemd_fails_what_was_there_is_there_again() {
    for call in ["daemon-reload", "enable", "restart"] {
        let desk = Desk::new();
        desk.schedule(INSTALL, &["--every=6h"]).exits(0);
        // As an older version had it, which knew of two files only.
        fs::remove_file(desk.unit(OURS[0])).unwrap();
        let before = desk.units();
        desk.changes();
        desk.fail(&format!("systemctl --user {call}"));
        desk.schedule(INSTALL, &["--every=1d"]).exits(1).says(&["the files were restored"]);
        assert_eq!(desk.units(), before, "{call}");
        let calls = desk.changes();
        assert!(!calls.iter().any(|call| call.contains("disable")), "{calls:?}");
        assert_eq!(calls.last().unwrap(), "systemctl --user start session-warden.timer");
    }
}

#[test]
fn units_of_somebody_else_are_not_replaced() {
    for foreign in [&b"[Timer]\nOnCalendar=daily\n"[..], b"", b"\xff\xfe not text"] {
        for file in OURS {
            let desk = Desk::new();
            let path = desk.env.file(&format!(".config/systemd/user/{file}"), foreign, 0);
            let ran = desk.schedule(INSTALL, &[]);
            let said = format!("{} was not installed by session-warden", path.display());
            ran.exits(1).says(&[&said, "nothing was changed"]);
            assert_eq!(fs::read(&path).unwrap(), foreign);
            assert_eq!((names(&desk), desk.changes()), (vec![file.to_owned()], vec![]));
        }
    }
}

#[test]
fn the_program_may_lie_anywhere() {
    let desk = Desk::new();
    let program = desk.env.path("my $x % tools/it's/session-warden");
    let own = desk.command([] as [&str; 0]).get_program().to_owned();
    copy(own.as_ref(), &program);
    for method in ["cron", "launchd", "systemd-user"] {
        let mut command = std::process::Command::new(&program);
        command.args(["schedule", "print", &format!("--method={method}")]).env_clear();
        command.env("HOME", desk.env.path("home")).env("PATH", desk.env.path("tools"));
        let ran = bounded(&mut command);
        ran.exits(0);
        let wanted = match method {
            "launchd" => program.to_str().unwrap().to_owned(),
            // No variable is looked for there, so none is to be told apart.
            "systemd-user" => format!("\"{}\" clean", program.to_str().unwrap().replace('%', "%%")),
            _ => continue,
        };
        assert!(ran.out.contains(&wanted), "{ran:?}");
    }
}

#[test]
fn lingering_is_looked_at() {
    for (linger, hints) in [("Linger=no", true), ("Linger=yes", false), ("", false)] {
        let desk = Desk::new();
        fs::write(desk.tool("linger"), linger).unwrap();
        let ran = desk.schedule(INSTALL, &[]);
        ran.exits(0);
        assert_eq!(ran.out.contains("loginctl enable-linger "), hints, "{ran:?}");
        assert!(ran.out.contains("journalctl --user -t session-warden"), "{ran:?}");
    }
}

/// Run by somebody who cannot touch what the machine's own systemd has.
#[test]
fn without_a_method_all_of_it_goes() {
    let desk = Desk::new();
    let run =
        |line: &str| bounded(unprivileged(&desk.env, line).env("PATH", desk.env.path("tools")));
    for method in ["systemd-user", "cron", "launchd"] {
        run(&format!("schedule install --method {method}")).exits(0);
    }
    let hinted = run("schedule install --method cron").out;
    assert!(
        hinted.contains("remove it with session-warden schedule uninstall --method systemd-user"),
        "{hinted}"
    );
    // Who may not use cron has nothing there.
    fs::write(desk.tool("fail"), "crontab -l\n").unwrap();
    let ran = run("schedule uninstall --profile none");
    assert!(ran.exits(0).out.contains("hint       crontab -l failed: this fails"), "{ran:?}");
    fs::write(desk.tool("fail"), "").unwrap();
    let ran = run("schedule uninstall");
    ran.exits(0);
    assert_eq!((desk.units(), desk.tab()), (vec![], None), "{ran:?}");
    assert!(ran.out.contains("session-warden.plist"), "{ran:?}");
}
