//! A line in a crontab: every other stays byte for byte, and cron's shell sees what was meant.

use crate::desk::{Desk, by_shell, copy, cron_commands, record, with_nul};
use crate::env::Ran;
use std::fs;
use std::process::Command;

const INSTALL: &str = "install --method cron";
const UNINSTALL: &str = "uninstall --method cron";
const MARK: &str = " # installed by session-warden schedule: session-warden";

/// The lines of ours in the crontab.
fn ours(desk: &Desk) -> Vec<String> {
    let tab = desk.tab().unwrap_or_default();
    tab.lines().filter(|line| line.contains(MARK)).map(str::to_owned).collect()
}

#[test]
fn foreign_lines_stay_byte_for_byte() {
    for foreign in [
        "# only a comment\n",
        "MAILTO=\"me\"\nSHELL=/bin/bash\n\n0 0 * * *\tdate +\\%F % in\\%put%\n\n",
        "0 1 * * * a\r\n# CRLF\r\n\r\n",
        "5 * * * * session-warden clean -q\n@daily x # installed by session-warden\n",
        "# 5 * * * * x # installed by session-warden schedule: session-warden\n",
        "5 * * * * x # installed by session-warden schedule: session-wardens\n",
        "5 * * * * x # installed by session-warden schedule: session-warden and more\n",
        "\u{feff}# \u{e9}\u{2028}  \t \n\n\n",
    ] {
        let desk = Desk::new();
        fs::write(desk.tool("tab"), foreign).unwrap();
        let printed = desk.schedule("print --method cron", &[]).out;
        assert_eq!(desk.tab().unwrap(), foreign, "printing changes nothing");
        let ran = desk.schedule(INSTALL, &[]);
        assert!(ran.exits(0).out.contains("added      crontab: 5 * * * * "), "{ran:?}");
        assert!(!ran.out.contains("missing line break") && !ran.out.contains("demands"), "{ran:?}");
        assert_eq!(desk.tab().unwrap(), format!("{foreign}{printed}"));
        let calls = desk.changes();
        assert_eq!(calls, ["crontab -"]);
        let again = desk.schedule(INSTALL, &[]);
        assert!(again.exits(0).out.contains("unchanged  crontab: "), "{again:?}");
        assert_eq!(desk.tab().unwrap(), format!("{foreign}{printed}"));
        assert_eq!(desk.changes(), [""; 0]);
        let anew = desk.schedule(INSTALL, &["--every=15m"]);
        assert!(anew.exits(0).out.contains("replaced   crontab: */15 * * * * "), "{anew:?}");
        let gone = desk.schedule(UNINSTALL, &[]);
        assert!(gone.exits(0).out.starts_with("removed    crontab: */15 "), "{gone:?}");
        assert_eq!(desk.tab().unwrap(), foreign);
        desk.changes();
        let ran = desk.schedule(UNINSTALL, &[]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (0, "No timer was installed, so none was removed.\n")
        );
        assert_eq!((desk.tab().unwrap().as_str(), desk.changes()), (foreign, vec![]));
    }
}

#[test]
fn bytes_that_are_no_text_stay_as_well() {
    let desk = Desk::new();
    let foreign = b"# \xff\xfe\n0 0 * * * caf\xe9\n";
    fs::write(desk.tool("tab"), foreign).unwrap();
    desk.schedule(INSTALL, &[]).exits(0);
    let with_ours = fs::read(desk.tool("tab")).unwrap();
    assert!(with_ours.starts_with(foreign) && with_ours.len() > foreign.len());
    desk.schedule(UNINSTALL, &[]).exits(0);
    assert_eq!(fs::read(desk.tool("tab")).unwrap(), foreign);
}

#[test]
fn a_last_line_without_an_end_gets_one_and_that_is_said() {
    for foreign in ["0 0 * * * x", "a\r\n# the last"] {
        let desk = Desk::new();
        fs::write(desk.tool("tab"), foreign).unwrap();
        let ran = desk.schedule(INSTALL, &[]);
        assert!(ran.exits(0).out.contains("done       added the missing line break"), "{ran:?}");
        assert!(desk.tab().unwrap().starts_with(&format!("{foreign}\n5 * * * * ")));
        desk.schedule(UNINSTALL, &[]).exits(0);
        assert_eq!(desk.tab().unwrap(), format!("{foreign}\n"));
        // Also where ours was put before it by hand.
        desk.schedule(INSTALL, &[]).exits(0);
        let line = ours(&desk).remove(0);
        fs::write(desk.tool("tab"), format!("{line}\n{foreign}")).unwrap();
        let ran = desk.schedule(UNINSTALL, &[]);
        assert!(ran.exits(0).out.contains("added the missing line break"), "{ran:?}");
        assert_eq!(desk.tab().unwrap(), format!("{foreign}\n"));
    }
}

#[test]
fn without_a_crontab_one_is_made_and_goes_again() {
    let desk = Desk::new();
    let ran = desk.schedule(INSTALL, &[]);
    assert!(ran.exits(0).out.contains("done       created a crontab"), "{ran:?}");
    let printed = desk.schedule("print --method cron", &[]).out;
    assert_eq!(desk.tab().unwrap(), printed);
    assert!(!desk.schedule(INSTALL, &[]).out.contains("created a crontab"));
    assert_eq!(desk.tab().unwrap(), printed);
    desk.schedule(UNINSTALL, &[]).exits(0);
    assert_eq!(desk.tab(), None);
    let ran = desk.schedule(UNINSTALL, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "No timer was installed, so none was removed.\n"));
}

#[test]
fn lines_of_an_older_version_are_found_where_they_stand() {
    let older = format!("7 * * * * HOME=/x /old/session-warden -q{MARK}\r\n");
    let desk = Desk::new();
    fs::write(desk.tool("tab"), format!("# a\n{older}# b\n{older}# c\n")).unwrap();
    desk.schedule(INSTALL, &[]).exits(0);
    let line = ours(&desk);
    assert_eq!(line.len(), 1);
    assert_eq!(
        desk.tab().unwrap(),
        format!("# a\n{}\n# b\n# c\n", line[0]),
        "in its old place, once"
    );
    fs::write(desk.tool("tab"), format!("# a\n{older}# b\n{older}# c\n")).unwrap();
    desk.schedule(UNINSTALL, &[]).exits(0);
    assert_eq!(desk.tab().unwrap(), "# a\n# b\n# c\n");
}

#[test]
fn profiles_have_lines_of_their_own() {
    let desk = Desk::new();
    desk.profiles();
    fs::write(desk.tool("tab"), "# mine\n").unwrap();
    for args in [&[][..], &["--profile=dev"], &["--profile=prod", "--every=1d"]] {
        desk.schedule(INSTALL, args).exits(0);
    }
    let before = ours(&desk);
    assert_eq!(before.len(), 3);
    desk.schedule(INSTALL, &["--profile=dev", "--every=6h"]).exits(0);
    let after = ours(&desk);
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert!(after[1].starts_with("5 */6 * * * ") && after[1].ends_with("session-warden-dev"));
    desk.schedule(UNINSTALL, &["--profile=dev"]).exits(0);
    assert_eq!(ours(&desk), [before[0].clone(), before[2].clone()]);
    desk.schedule(UNINSTALL, &[]).exits(0);
    assert_eq!(desk.tab().unwrap(), "# mine\n");
}

/// What cron runs is what was typed: the very words and variables, seen by the program itself.
#[test]
fn the_shell_that_cron_starts_calls_it_as_it_was_meant() {
    let desk = Desk::new();
    let program = desk.env.path("my $x 50% tools/it's/session-warden");
    let own = desk.command([] as [&str; 0]).get_program().to_owned();
    copy(own.as_ref(), &program);
    let odd = "a b'c\"d$HOME`id`\\\\%\\%%;#*";
    let mut command = Command::new(&program);
    command.args(["schedule", "install", "--method=cron", "--pin", odd, "--pin=-x", "--map=a b"]);
    command.env_clear().env("PATH", desk.env.path("tools")).current_dir(desk.env.path(""));
    command.env("HOME", desk.env.path("home")).env("CODEX_HOME", format!("/srv/{odd}"));
    command.env("NO_COLOR", odd).env("XDG_STATE_HOME", "/state").env("FOO", "not this");
    crate::child::bounded(&mut command).exits(0);
    record(&program);
    let (line, home) = (ours(&desk).remove(0), desk.env.path("home"));
    for command in cron_commands(&line) {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(&command).env_clear().env("HOME", "/wrong").env("LOGNAME", "me");
        Ran::of(&mut shell).exits(0);
        let seen = |file: &str| with_nul(&fs::read(program.with_file_name(file)).unwrap());
        let map = format!("--map={}", desk.env.path("a b").display());
        let wanted = ["clean", "-q", &format!("--pin={odd}"), "--pin=-x", &map];
        assert_eq!(seen("arguments"), wanted);
        let mut variables = seen("variables");
        // The shell's own, and cron's.
        let others = ["PWD=", "OLDPWD=", "_=", "SHLVL=", "PATH=", "LOGNAME="];
        variables.retain(|variable| !others.iter().any(|other| variable.starts_with(other)));
        variables.sort();
        let wanted = [
            format!("CODEX_HOME=/srv/{odd}"),
            format!("HOME={}", home.display()),
            format!("NO_COLOR={odd}"),
            "XDG_STATE_HOME=/state".to_owned(),
        ];
        assert_eq!(variables, wanted);
    }
}

#[test]
fn cron_mails_only_what_went_wrong_unless_it_is_to_say_more() {
    let desk = Desk::new();
    for (args, said) in [
        (&[][..], " clean -q # "),
        (&["-q"], " clean --quiet # "),
        (&["-v"], " clean --verbose # "),
        (&["--format=json"], " clean -q --format=json # "),
    ] {
        let printed = desk.schedule("print --method cron", args).out;
        assert!(printed.contains(said), "{printed}");
    }
    for (every, fields) in
        [("1h", "5 * * * *"), ("15m", "*/15 * * * *"), ("6h", "5 */6 * * *"), ("7d", "5 0 * * 0")]
    {
        let printed = desk.schedule("print --method cron", &["--every", every]).out;
        assert!(printed.starts_with(&format!("{fields} ")) && printed.lines().count() == 1);
    }
}

#[test]
fn what_no_crontab_can_hold_is_refused() {
    let desk = Desk::new();
    fs::write(desk.tool("tab"), "# mine\n").unwrap();
    for (args, says) in [
        (["--pin=a\nb".to_owned()], "line break"),
        (["--log=a\rb".to_owned()], "line break"),
        // Most crons cut off what is longer, without a word.
        ([format!("--pin={}", "x".repeat(1000))], "at most 998"),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        desk.schedule(INSTALL, &args).exits(2).says(&[says]);
        desk.schedule("print --method cron", &args).exits(2).says(&[says]);
    }
    let mut command = desk.command(["schedule", "install", "--method=cron"]);
    Ran::of(command.env("CODEX_HOME", "/a\nb")).exits(2).says(&["line break"]);
    assert_eq!((desk.tab().unwrap().as_str(), desk.changes()), ("# mine\n", vec![]));
}

#[test]
fn a_crontab_that_cannot_be_read_or_written_is_left_alone() {
    let desk = Desk::new();
    fs::write(desk.tool("tab"), "# mine\n").unwrap();
    // Whatever it is that fails, it is not "none".
    desk.fail("crontab -l");
    for line in [INSTALL, UNINSTALL] {
        desk.schedule(line, &[]).exits(1).says(&["crontab -l failed: this fails"]);
    }
    assert_eq!((desk.tab().unwrap().as_str(), desk.changes()), ("# mine\n", vec![]));
    desk.fail("");
    let line = desk.schedule("print --method cron", &[]).out;
    desk.schedule(INSTALL, &[]).exits(0);
    // A call that is just that, and not the start of one.
    desk.fail("crontab -$");
    desk.schedule(INSTALL, &["--every=6h"]).exits(1).says(&["crontab failed: this fails"]);
    desk.schedule(UNINSTALL, &[]).exits(1).says(&["crontab failed: this fails"]);
    let ran =
        Ran::of(desk.command(["schedule", "uninstall", "--method=cron"]).env("PATH", "/nowhere"));
    ran.exits(1).says(&["cannot run crontab"]);
    assert_eq!(desk.tab().unwrap(), format!("# mine\n{line}"));
}

/// Each cron has its own words, and dcron even the exit code of a success.
#[test]
fn in_the_words_of_every_cron_no_crontab_is_none() {
    for (words, code) in [
        ("no crontab for me", 1),
        ("crontab: can't open 'me': No such file or directory", 1),
        ("no crontab for me", 0),
    ] {
        let desk = Desk::new();
        fs::write(desk.tool("none"), format!("echo \"{words}\" >&2; exit {code}\n")).unwrap();
        let ran = desk.schedule(UNINSTALL, &[]);
        assert_eq!(ran.exits(0).out, "No timer was installed, so none was removed.\n", "{words}");
        let ran = desk.schedule(INSTALL, &[]);
        assert!(ran.exits(0).out.contains("done       created a crontab"), "{ran:?}");
        assert_eq!(ours(&desk).len(), 1);
        // dcron cannot remove a crontab by -r.
        desk.fail("crontab -r");
        desk.schedule(UNINSTALL, &[]).exits(0);
        assert_eq!(desk.tab().as_deref(), Some(""), "{words}");
    }
    let desk = Desk::new();
    let denied = "echo \"crontab: can't open 'me': Permission denied\" >&2; exit 1\n";
    fs::write(desk.tool("none"), denied).unwrap();
    desk.schedule(INSTALL, &[]).exits(1).says(&["crontab -l failed", "Permission denied"]);
    assert_eq!(desk.tab(), None);
}

/// Whatever `SHELL=` the crontab has, and whatever its `PATH=` is.
#[test]
fn every_shell_reads_the_same_line() {
    const SHELLS: [&[&str]; 7] = [
        &["/bin/sh"],
        &["/bin/bash"],
        &["/bin/dash"],
        &["/bin/zsh"],
        &["/usr/bin/fish"],
        &["/bin/tcsh"],
        &["/bin/busybox", "sh"],
    ];
    let desk = Desk::new();
    for odd in [
        "a b",
        "it's",
        "50%",
        "a\\b",
        "\\'\\%\\\\",
        "$HOME `id`",
        "#x !y",
        "{a,b}~*?[x]",
        "\u{e4}=\u{1f980}",
    ] {
        let keep = format!("--pin={}", odd.replace(['[', ']'], ""));
        let mut print = desk.command(["schedule", "print", "--method=cron", &keep]);
        let ran = Ran::of(print.env("CODEX_HOME", format!("/srv/{odd}")));
        let line = ran.exits(0).out.strip_suffix('\n').unwrap();
        // busybox takes what follows a number sign for a comment, wherever it is.
        assert_eq!(line.matches('#').count(), 1, "{line}");
        for shell in SHELLS.iter().filter(|shell| fs::exists(shell[0]).unwrap()) {
            for command in cron_commands(line) {
                let read = by_shell(shell, &command);
                assert_eq!(read.words[1..], ["clean", "-q", &keep], "{shell:?}: {command}");
                let set = format!("CODEX_HOME=/srv/{odd}");
                assert!(read.variables.contains(&set), "{shell:?}: {read:?}");
            }
        }
    }
}
