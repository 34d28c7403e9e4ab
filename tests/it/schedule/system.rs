//! Under sudo, and units of the system: whose sessions are looked at, and with whose settings.

use super::print;
use crate::child::{bounded, set_mode, unprivileged};
use crate::desk::{Desk, files, settings, told};
use crate::env::Ran;
use rustix::process::geteuid;
use std::fs;
use std::os::unix::fs::lchown;
use std::process::Command;

#[test]
fn under_sudo_no_timer_is_made_for_root() {
    for method in ["systemd-user", "cron", "launchd"] {
        let desk = Desk::new();
        let mut command = desk.command(["schedule", "install", "--method", method]);
        let ran = Ran::of(command.env("SUDO_USER", "nobody"));
        if geteuid().is_root() {
            let said = format!("with sudo, {method} would run as root");
            ran.exits(1).says(&[&said, "without sudo", "--method systemd-system", "nobody"]);
            assert_eq!((ran.out.as_str(), desk.changes()), ("", vec![]));
            assert_eq!((files(&desk.env.home("")), desk.tab()), (vec![], None));
        } else {
            // For anybody else, that variable is only left over.
            ran.exits(0);
        }
        // Root by root is nobody behind sudo.
        Ran::of(print(&desk, &["--method", method]).env("SUDO_USER", "root")).exits(0);
    }
}

#[test]
fn auto_under_sudo_is_the_system_as_the_one_behind_it() {
    let desk = Desk::new();
    let ran = Ran::of(print(&desk, &[]).env("SUDO_USER", "nobody"));
    ran.exits(0);
    let is_system =
        ran.out.contains("/etc/systemd/system/session-warden@nobody.timer.d/schedule.conf");
    assert_eq!(is_system, geteuid().is_root(), "{ran:?}");
    assert_eq!(ran.out.contains("systemd/user"), !is_system, "{ran:?}");
}

#[test]
fn the_user_must_be_known_and_said() {
    let desk = Desk::new();
    for command in ["install", "print", "install -n"] {
        if command == "install" && !geteuid().is_root() {
            // They could not if there were one.
            continue;
        }
        let line = format!("{command} --method systemd-system");
        let ran = desk.schedule(&line, &["--user", "nobody-of-that-name"]);
        ran.exits(2).says(&["there is no user nobody-of-that-name"]);
        desk.schedule(&line, &[]).exits(2).says(&["--user NAME"]);
    }
    assert_eq!(desk.changes(), [""; 0]);
}

#[test]
fn the_timer_of_another_user_sees_that_users_home() {
    let desk = Desk::new();
    let other = nix_user("nobody");
    let print = |args: &[&str]| {
        let mut command = print(&desk, &["--user", "nobody"]);
        command
            .args(args)
            .env("XDG_CONFIG_HOME", "/mine/config")
            .env("XDG_STATE_HOME", "/mine/state");
        command.env("CODEX_HOME", "/srv/codex");
        command
    };
    let told = told("systemd-system", &mut print(&["--pin=50% of $it"]));
    let bridge = desk.env.path("bridge");
    let wanted = [
        "CLAUDE_BRIDGE_PORT=1".to_owned(),
        format!("CLAUDE_SESSION_DIR={}", bridge.display()),
        "CODEX_HOME=/srv/codex".to_owned(),
        format!("HOME={other}"),
    ];
    assert_eq!(told.variables, wanted);
    assert_eq!(told.words[1..], ["clean", "--pin=50% of $it"]);
    let ran = Ran::of(print(&["--log=/var/log/my warden/x"]).arg("--method=systemd-system"));
    assert!(!ran.out.contains("/mine/"), "{ran:?}");
    let home = desk.env.home("");
    assert!(!ran.out.contains(home.to_str().unwrap()), "{ran:?}");
    // It may write where its map is, its log and its state, and each of these may be missing.
    let writes = settings(&ran.out, "ReadWritePaths").join(" ");
    for folder in [
        format!("-{}", bridge.display()),
        "\"-/var/log/my warden\"".to_owned(),
        format!("-{}/.local/state/session-warden", other.trim_end_matches('/')),
    ] {
        assert!(writes.contains(&folder), "no {folder} in {writes}");
    }
    for line in ["User=%i", "OnFailure=session-warden-failed@%n.service", "OnCalendar=hourly"] {
        assert!(ran.out.contains(line), "no {line} in {ran:?}");
    }
}

#[test]
fn a_profile_whose_units_would_be_those_of_others_is_refused() {
    let desk = Desk::new();
    let text = "[[profile]]\nname = \"failed\"\n[[profile]]\nname = \"dev-failed\"\n";
    desk.env.file("config.toml", text, 0);
    for profile in ["failed", "dev-failed"] {
        let config = desk.env.home("config.toml");
        let args = ["--config", config.to_str().unwrap(), "--profile", profile, "--user", "nobody"];
        desk.schedule("print --method systemd-system", &args)
            .exits(2)
            .says(&["does not end in -failed"]);
    }
}

#[test]
fn a_linked_map_is_written_where_it_leads_to() {
    let desk = Desk::new();
    fs::create_dir(desk.env.path("data")).unwrap();
    fs::write(desk.env.path("data/session_map.json"), "{}").unwrap();
    std::os::unix::fs::symlink(desk.env.path("data/session_map.json"), desk.env.map_path())
        .unwrap();
    let ran = desk.schedule("print --method systemd-system --user nobody", &[]);
    let mut lines = ran.exits(0).out.lines().filter(|line| line.starts_with("ReadWritePaths="));
    let line = lines.find(|line| line.contains("/data"));
    let line = line.unwrap_or_else(|| panic!("{ran:?}"));
    for folder in ["bridge", "data"] {
        assert!(line.contains(desk.env.path(folder).to_str().unwrap()), "no {folder} in {line}");
    }
}

#[test]
fn only_root_installs_units_of_the_system() {
    let desk = Desk::new();
    let line = "schedule install --method systemd-system --user root";
    let mut command = unprivileged(&desk.env, line);
    let ran = bounded(command.env("PATH", desk.env.path("tools")));
    ran.exits(1).says(&["only root", "sudo"]);
    assert_eq!(desk.changes(), [""; 0]);
}

/// The home of that user, by the password file.
fn nix_user(name: &str) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split(':').nth(5).unwrap().to_owned()
}

/// Makes a system of its own, as far as its units and its users go: only what `in_system` runs sees
/// them. Whether that can be done: only by root, and not on every machine.
fn own_system(desk: &Desk) -> bool {
    fs::create_dir_all(desk.env.path("etc/units")).unwrap();
    let home = desk.env.path("home of alice");
    fs::create_dir(&home).unwrap();
    let user = |name, id| format!("{name}:x:{id}:{id}::{}:/bin/sh\n", home.display());
    let passwd =
        format!("root:x:0:0::/root:/bin/sh\n{}{}", user("alice", 12_345), user("bob-x", 12_346));
    fs::write(desk.env.path("etc/passwd"), passwd).unwrap();
    if !geteuid().is_root() {
        return false;
    }
    lchown(&home, Some(12_345), Some(12_345)).unwrap();
    set_mode(&home, 0o777);
    set_mode(&desk.env.path(""), 0o755);
    // What it makes as that user, it makes with the system's own mkdir.
    for tool in ["mkdir", "test"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), desk.tool(tool)).unwrap();
    }
    // And they must be able to run the program.
    fs::copy(desk.command(&[] as &[&str]).get_program(), desk.env.path("session-warden")).unwrap();
    in_system(desk, &["--version"]).code == 0
}

fn in_system(desk: &Desk, args: &[&str]) -> Ran {
    let own = desk.command(args);
    let mut command = Command::new("unshare");
    command.args(["-m", "/bin/sh", "-c"]).arg(
        "mount --bind etc/units /etc/systemd/system && mount --bind etc/passwd /etc/passwd && \
         PATH=$PWD/tools exec \"$@\"",
    );
    command
        .arg("sh")
        .arg(desk.env.path("session-warden"))
        .args(args)
        .current_dir(desk.env.path(""));
    command.env_clear().envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bounded(command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("SUDO_USER", "alice"))
}

#[test]
fn units_of_the_system_come_are_shown_and_go() {
    let desk = Desk::new();
    if !own_system(&desk) {
        // What there is to see without one.
        let ran = desk.schedule("print --method systemd-system --user nobody", &[]);
        assert!(ran.exits(0).out.contains("/session-warden@nobody.service.d/schedule.conf"));
        return;
    }
    let units = || files(&desk.env.path("etc/units"));
    desk.env.file("../etc/units/session-warden@alice.timer.d/own.conf", "[Timer]\n", 0);
    let before = units();
    let printed = in_system(&desk, &["schedule", "print"]);
    let ran = in_system(&desk, &["schedule", "install"]);
    ran.exits(0);
    assert_eq!(ran.err, "");
    let here = |file: &str| format!("/etc/systemd/system/{file}");
    let files: Vec<_> = units().into_iter().filter(|unit| !before.contains(unit)).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for (name, text) in &files {
        assert!(ran.out.contains(&format!("added      {}\n", here(name))), "{ran:?}");
        let shown = format!("# {}\n{text}", here(name));
        assert!(printed.out.contains(&shown), "no {shown} in {printed:?}");
    }
    // The state folder is there before the unit may write to it, and alice's own.
    let state = fs::metadata(desk.env.path("home of alice/.local/state/session-warden")).unwrap();
    let about = |meta: &fs::Metadata| {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        (meta.uid(), meta.gid(), meta.permissions().mode() & 0o777)
    };
    assert_eq!(about(&state), (12_345, 12_345, 0o700));
    let timer = "session-warden@alice.timer";
    let calls = ["daemon-reload".into(), format!("enable {timer}"), format!("restart {timer}")];
    assert_eq!(desk.changes(), calls.map(|call| format!("systemctl {call}")));
    assert!(in_system(&desk, &["schedule", "install"]).exits(0).out.contains("unchanged"));
    // What the unit is to be: that user, and what it needs of a /tmp of its own.
    let conf = files.iter().find(|(name, _)| name.ends_with("service.d/schedule.conf")).unwrap();
    assert!(conf.1.contains("\nUser=alice\n"), "{}", conf.1);
    assert!(conf.1.contains("BindReadOnlyPaths=-/tmp/") || !desk.env.path("").starts_with("/tmp"));
    // Another user has the same template, and what is that user's beside it.
    in_system(&desk, &["schedule", "install", "--user=bob-x", "--every=1d"]).exits(0);
    let names: Vec<String> = units().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"session-warden@bob\\x2dx.timer.d/schedule.conf".into()), "{names:?}");
    let shown = in_system(&desk, &["schedule", "status"]).out;
    assert!(shown.contains("systemd-system: session-warden as alice"), "{shown}");
    assert!(shown.contains("systemd-system: session-warden as bob-x"), "{shown}");
    let gone = ["schedule", "uninstall", "--method=systemd-system", "--user=bob-x"];
    in_system(&desk, &gone).exits(0);
    let left: Vec<_> = units().into_iter().filter(|unit| !before.contains(unit)).collect();
    assert_eq!(left, files, "alice's stays as it was");
    assert_eq!(in_system(&desk, &gone).out, "No timer was installed, so none was removed.\n");
    // Under sudo, it is the timer of the user behind it that goes.
    in_system(&desk, &["schedule", "install", "--user=bob-x"]).exits(0);
    // A dry run removes nothing; the template stays for bob-x.
    let dry = in_system(&desk, &["schedule", "uninstall", "-n"]).exits(0).out.clone();
    assert!(dry.contains("would      stop and disable session-warden@alice.timer\n"), "{dry}");
    assert!(dry.contains("session-warden@alice.timer.d/schedule.conf\n"), "{dry}");
    assert!(!dry.contains("session-warden@.timer\n"), "{dry}");
    assert!(units().iter().any(|(name, _)| name.starts_with("session-warden@alice")));
    in_system(&desk, &["schedule", "uninstall"]).exits(0);
    let names: Vec<String> = units().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"session-warden@bob\\x2dx.timer.d/schedule.conf".into()), "{names:?}");
    assert!(!names.contains(&"session-warden@alice.timer.d/schedule.conf".into()), "{names:?}");
    in_system(&desk, &gone).exits(0);
    assert_eq!(units(), before, "and so does what alice has put there");
    // What would do nothing is not installed.
    let state = ["schedule", "install", "--state-dir=/proc/warden"];
    in_system(&desk, &state).exits(1).says(&["cannot create /proc/warden as user alice"]);
    set_mode(&desk.env.path("session-warden"), 0o700);
    in_system(&desk, &["schedule", "install"]).exits(1).says(&["alice may not run"]);
    set_mode(&desk.env.path("session-warden"), 0o755);
    assert_eq!(units(), before);
    // Where systemd fails, nothing is left of it.
    desk.fail("systemctl restart");
    in_system(&desk, &["schedule", "install"]).exits(1).says(&["the files were restored"]);
    assert_eq!(units(), before);
    assert!(!desk.env.path("etc/units/session-warden@alice.service.d").exists());
}
