//! `--log`: the report of every run, appended as text, whatever else is printed.

use crate::child::{NOBODY, bounded, finish, mapped, start, with_mode};
use crate::env::{Ran, TestEnv};
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::process::Command;

fn log(env: &TestEnv) -> String {
    fs::read_to_string(env.path("log")).unwrap_or_default()
}

/// The entries, each without its line with the time, which is looked at here.
#[track_caller]
fn entries(env: &TestEnv) -> Vec<String> {
    let text = log(env);
    assert!(text.starts_with("== ") && text.ends_with("\n\n"), "{text:?}");
    let entries = text.strip_prefix("== ").unwrap().split("\n\n== ").map(|entry| {
        let (time, rest) = entry.split_once('\n').unwrap();
        let shape: String =
            time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00 UTC", "{text}");
        rest.trim_end().to_owned() + "\n"
    });
    entries.collect()
}

#[test]
fn every_run_is_appended_as_it_is_printed() {
    let env = mapped();
    fs::write(env.path("log"), "== 2026-01-01 00:00:00 UTC\nolder\n\n").unwrap();
    let dry = env.run("clean -n --log log");
    let printed = env.run("clean --log log");
    let quiet = env.run("clean -q --log log");
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (0, "", ""));
    let verbose = env.run("clean -v --log log");
    let all = entries(&env);
    assert_eq!(all.len(), 5);
    assert_eq!(all[0], "older\n");
    for (entry, ran) in [(&all[1], &dry), (&all[2], &printed), (&all[4], &verbose)] {
        assert_eq!(entry, &ran.exits(0).out);
    }
    assert!(all[2].contains("Cleaned up: 1 mapping"), "{all:?}");
    assert!(all[3].contains("Sessions checked: 1") && all[3].contains("Cleaned up: 0"), "{all:?}");
}

#[test]
fn it_is_text_without_colours_whatever_is_printed() {
    for line in ["--color always", "--format json", "--format json -q", "--color always -v"] {
        let env = mapped();
        let ran = env.run(&format!("clean --log log {line}"));
        ran.exits(0);
        let logged = log(&env);
        assert!(logged.contains("Cleanup summary") && logged.contains("Cleaned up: 1"), "{logged}");
        assert!(!logged.contains('\u{1b}') && !logged.contains('{'), "{logged}");
        assert_eq!(ran.out.contains('\u{1b}'), line.starts_with("--color"), "{ran:?}");
    }
}

#[test]
fn warnings_are_in_it() {
    for quiet in ["", "-q "] {
        let env = mapped();
        let ran = env.run(&format!("clean {quiet}--log log --pin none-*"));
        ran.exits(0);
        let logged = log(&env);
        assert!(logged.contains("\nwarning: --pin \"none-*\" matches no chat"), "{logged}");
        // Trouble as well, and each as it is printed.
        let env = mapped();
        fs::remove_dir_all(env.home(".claude")).unwrap();
        fs::write(env.home(".claude"), "").unwrap();
        let ran = env.run(&format!("clean {quiet}--log log"));
        ran.exits(3);
        let logged = log(&env);
        assert!(ran.err.contains("warning: ") && ran.err.contains("hint: "), "{ran:?}");
        for line in ran.err.lines().filter(|line| !line.starts_with("hint: ")) {
            assert!(logged.contains(line), "no {line:?} in {logged}");
        }
    }
}

#[test]
fn failed_runs_are_in_it() {
    let env = mapped();
    env.map("no map");
    let ran = env.run("clean -q --log log");
    ran.exits(1);
    let all = entries(&env);
    assert_eq!(all.len(), 1);
    let why = ran.err.lines().next().unwrap().strip_prefix("error: ").unwrap();
    assert_eq!(all[0], format!("failed: {why}\n"));
    // What somebody else wrote into a name does not break out of its line.
    let env = TestEnv::new();
    fs::write(env.path("a\n== b"), "no map").unwrap();
    let map = env.path("a\n== b");
    Ran::of(&mut env.command(["--log=log", "--map", map.to_str().unwrap()])).exits(1);
    assert_eq!(entries(&env).len(), 1, "{}", log(&env));
    // Wrong usage is no run.
    let env = mapped();
    env.run("clean --log log --hours 0").exits(2);
    assert_eq!(log(&env), "");
}

#[test]
fn each_profile_has_an_entry_that_names_it() {
    let env = mapped();
    fs::create_dir(env.path("other")).unwrap();
    fs::write(env.path("other/session_map.json"), "no map").unwrap();
    let text = format!(
        "[clean]\nlog = \"../../../log\"\n[[profile]]\nname = \"one\"\nsession_dir = \"{}\"\n\
         [[profile]]\nname = \"two\"\nsession_dir = \"{}\"\n",
        env.path("bridge").display(),
        env.path("other").display()
    );
    env.file(".config/session-warden/config.toml", text, 0);
    for line in ["--all-profiles", "--all-profiles -q", "--all-profiles --format json"] {
        let _ = fs::remove_file(env.path("log"));
        env.run(line).exits(3);
        let all = entries(&env);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].contains("one · "), "{all:?}");
        assert!(all[1].starts_with("failed: profile two: "), "{all:?}");
    }
}

#[test]
fn a_log_that_cannot_be_written_is_warned_of_and_the_clean_is_done() {
    let places = [
        ("bridge", "is a directory"),
        ("fifo", ""),
        ("nowhere/log", "no such file"),
        ("home/.claude/projects/log/x", ""),
    ];
    for (place, why) in places {
        for line in ["", "-q", "--format json"] {
            let env = mapped();
            let made = Command::new("mkfifo").arg(env.path("fifo")).status().unwrap();
            assert!(made.success());
            let ran =
                bounded(&mut env.command(format!("clean --log {place} {line}").split_whitespace()));
            ran.exits(3).says(&["warning: cannot write the log ", place, why]);
            assert_eq!(env.map_bytes(), crate::child::cleaned().as_bytes(), "{ran:?}");
            // Which is how it is written down.
            let runs = env.home(".local/state/session-warden/runs.jsonl");
            assert!(fs::read_to_string(runs).unwrap().contains("\"exit\":3"));
        }
    }
}

/// Also where somebody reads from it: a log is to be read later.
#[test]
fn a_fifo_is_no_log_although_it_is_read() {
    let env = mapped();
    assert!(Command::new("mkfifo").arg(env.path("fifo")).status().unwrap().success());
    let fifo = env.path("fifo");
    let reader = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let ran = bounded(&mut env.command(["clean", "--log=fifo"]));
    ran.exits(3).says(&["cannot write the log", "not a regular file"]);
    drop(reader);
    assert_eq!(env.map_bytes(), crate::child::cleaned().as_bytes());
}

#[test]
fn what_failed_stays_failed() {
    let env = mapped();
    env.map("no map");
    env.run("clean --log bridge").exits(1).says(&["cannot write the log"]);
    let env = mapped();
    // A log that others may not read stays as it is.
    fs::write(env.path("log"), "").unwrap();
    let _mode = with_mode(env.path("log"), 0o600);
    env.run("clean --log log").exits(0);
    assert_eq!(fs::metadata(env.path("log")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_reports_of_runs_at_once_do_not_mix() {
    let env = mapped();
    let chats: Vec<String> =
        (0..2000).map(|n| format!("\"chat-{n:05}\": \"{}\"", crate::child::ACTIVE)).collect();
    env.map(format!("{{\"claude-cli\": {{{}}}}}", chats.join(",")));
    let alone = env.run("clean -n --log log");
    fs::remove_file(env.path("log")).unwrap();
    let runs: Vec<_> =
        (0..8).map(|_| start(&mut env.command(["clean", "-n", "--log=log"]))).collect();
    for run in runs {
        finish(run).exits(0);
    }
    let lines = alone.out.lines().count();
    let all = entries(&env);
    assert_eq!(all.len(), 8);
    for entry in &all {
        assert_eq!(entry.lines().count(), lines);
        assert!(
            entry.starts_with("Dry run: ") && entry.trim_end().ends_with("mappings"),
            "{entry}"
        );
    }
}

/// Only root can make a file of another user.
#[test]
fn in_a_folder_for_all_neither_a_link_nor_a_file_of_another_user_is_appended_to_s1() {
    let env = mapped();
    let trap = |name: &str| env.path("shared").join(name);
    fs::create_dir(trap("")).unwrap();
    fs::write(env.path("profile"), "alias ll=ls\n").unwrap();
    for mode in [0o1777, 0o777] {
        fs::set_permissions(trap(""), fs::Permissions::from_mode(mode)).unwrap();
        let run = |name: &str| env.run(&format!("clean -n --log shared/{name}"));

        // A second name of a file of ours, as another user can give it one.
        fs::hard_link(env.path("profile"), trap("second")).unwrap();
        run("second").exits(3).says(&["cannot write the log", "another user", "hint: "]);
        fs::remove_file(trap("second")).unwrap();

        if rustix::process::geteuid().is_root() {
            symlink("../profile", trap("link")).unwrap();
            fs::write(trap("theirs"), "").unwrap();
            for name in ["link", "theirs"] {
                lchown(trap(name), Some(NOBODY), Some(NOBODY)).unwrap();
                run(name).exits(3).says(&["cannot write the log", "another user"]);
                fs::remove_file(trap(name)).unwrap();
            }
        }
        assert_eq!(fs::read_to_string(env.path("profile")).unwrap(), "alias ll=ls\n");

        // A link and a file of our own are.
        symlink("../own", trap("link")).unwrap();
        for name in ["link", "file"] {
            run(name).exits(0);
            assert!(fs::read_to_string(trap(name)).unwrap().contains("Cleanup summary"));
            fs::remove_file(trap(name)).unwrap();
        }
    }
}

/// Only root can have a folder of another user.
#[test]
fn as_root_what_the_owner_of_a_folder_put_there_is_not_followed_s1() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let env = mapped();
    let secret = env.path("secret");
    fs::write(&secret, "alias ll=ls\n").unwrap();
    let theirs = |name: &str| env.path("theirs").join(name);
    fs::create_dir_all(theirs("")).unwrap();
    fs::create_dir(env.path("ours")).unwrap();

    // A link to a file, one to a folder, and a second name.
    symlink(&secret, theirs("link")).unwrap();
    symlink(env.path("ours"), theirs("folder")).unwrap();
    fs::hard_link(&secret, theirs("second")).unwrap();
    for path in [env.path("theirs"), theirs("link"), theirs("folder")] {
        lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    for name in ["link", "folder/log", "second"] {
        for option in ["--log", "--metrics"] {
            let ran = env.run(&format!("clean -n {option} theirs/{name}"));
            // The metrics replace a second name, and leave the first as it is.
            if (option, name) != ("--metrics", "second") {
                ran.exits(3).says(&["another user", "hint: "]);
            }
        }
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "alias ll=ls\n");
    assert_eq!(fs::read_dir(env.path("ours")).unwrap().count(), 0);

    // A file of theirs, and a new one, are appended to.
    fs::write(theirs("log"), "").unwrap();
    lchown(theirs("log"), Some(NOBODY), Some(NOBODY)).unwrap();
    for name in ["log", "new"] {
        env.run(&format!("clean -n --log theirs/{name}")).exits(0);
        assert!(fs::read_to_string(theirs(name)).unwrap().contains("Cleanup summary"), "{name}");
    }
}
