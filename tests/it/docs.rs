//! Man pages, made from the grammar, so that they know every command and every option; and how
//! `completions` and `man` end.

use clap::{Command, CommandFactory};
use session_warden::cli::Cli;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::child::{bounded, mapped, through_shell, unprivileged};
use crate::env::{Ran, TestEnv};

/// Every command users see, with what is typed behind the program's name for it.
pub fn commands() -> Vec<(String, Command)> {
    fn below(path: &str, command: &Command, into: &mut Vec<(String, Command)>) {
        into.push((path.trim().to_owned(), command.clone()));
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            below(&format!("{path} {}", command.get_name()), command, into);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    below("", &root, &mut found);
    assert!(found.iter().any(|(path, _)| path == "undo"), "the grammar is the real one");
    found
}

/// The long options of that command.
fn options(command: &Command) -> Vec<String> {
    let visible = command.get_arguments().filter(|arg| !arg.is_hide_set());
    visible.filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect()
}

/// The words in there that could be names of options or commands.
fn names(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect()
}

fn page_of(path: &str) -> String {
    let ran = TestEnv::new().run(&format!("man {path}"));
    ran.exits(0);
    assert_eq!(ran.err, "");
    // As it is read, but for what it looks like.
    let marks = [("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\-", "-"), ("\\(ti", "~")];
    marks.iter().fold(ran.out, |text, (mark, shown)| text.replace(mark, shown))
}

/// The sections of a page, in their order.
fn sections(page: &str) -> Vec<(&str, &str)> {
    let sections = page.split("\n.SH ").skip(1);
    sections.map(|s| s.split_once('\n').unwrap()).map(|(t, s)| (t.trim_matches('"'), s)).collect()
}

#[test]
fn every_option_stands_in_its_page_and_in_its_help() {
    for (path, command) in commands() {
        let help = TestEnv::new().run(&format!("{path} --help")).out;
        let page = page_of(&path);
        let told = sections(&page);
        let told = told.iter().find(|(title, _)| *title == "OPTIONS").unwrap().1;
        for option in options(&command) {
            assert!(names(&help).contains(&option.as_str()), "no {option} in {path} --help");
            assert!(names(told).contains(&option.as_str()), "no {option} in {page}");
        }
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let name = below.get_name();
            assert!(help.contains(&format!("\n  {name} ")), "no {name} in {path} --help");
            let page_name = format!("session-warden {path} {name}(1)").replace("  ", " ");
            assert!(page.contains(&page_name.replace(' ', "-")), "no {page_name} in {page}");
        }
    }
}

#[test]
fn pages_have_their_sections_and_no_date() {
    for (path, command) in commands() {
        let page = page_of(&path);
        let name = format!("session-warden {path}").trim().replace(' ', "-");
        let version = env!("CARGO_PKG_VERSION");
        let title = format!(".TH {} 1 \"\" \"session-warden {version}\"", name.to_uppercase());
        assert!(page.contains(&title), "{page}");
        assert!(page.contains(&format!("\n.SH NAME\n{name} - ")), "{page}");
        let titles: Vec<&str> = sections(&page).into_iter().map(|(title, _)| title).collect();
        let order = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "COMMANDS",
            "EXAMPLES",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "SEE ALSO",
        ];
        let known: Vec<_> = order.into_iter().filter(|title| titles.contains(title)).collect();
        assert_eq!(titles, known, "{page}");
        for always in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"] {
            assert!(titles.contains(&always), "no {always} in {page}");
        }
        let has_files = options(&command).iter().any(|option| {
            ["--map", "--home", "--state-dir", "--config"].contains(&option.as_str())
        });
        assert_eq!(titles.contains(&"FILES"), has_files, "{page}");
        assert_eq!(titles.contains(&"ENVIRONMENT"), has_files, "{page}");
    }
}

/// What is said below the help is said in the page, word for word.
#[test]
fn the_text_below_the_help_is_in_the_page() {
    for (path, command) in commands() {
        let page = page_of(&path).replace("\\*(Aq", "'");
        let page: Vec<&str> = page.split_whitespace().collect();
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for block in below.split("\n\n") {
            for word in block.lines().skip(1).flat_map(str::split_whitespace) {
                assert!(page.contains(&word), "no {word:?} in the page of {path:?}");
            }
        }
    }
}

#[test]
fn the_files_of_a_run_are_in_the_page() {
    let env = mapped();
    env.run("clean").exits(0);
    env.run("undo --bridge off").exits(0);
    let page = page_of("clean");
    let files = sections(&page).into_iter().find(|(title, _)| *title == "FILES").unwrap().1;
    for folder in [env.path("bridge"), env.home(".local/state/session-warden")] {
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_own_lock = name.starts_with('.') && !name.contains("session_map");
            assert!(is_own_lock || files.contains(&name), "no {name} in {files}");
        }
    }
}

#[test]
fn a_shell_that_is_none_is_refused_in_a_line_that_names_the_right_ones() {
    for line in ["completions", "completions tcsh", "completions BASH", "completions zsch"] {
        let ran = TestEnv::new().run(line);
        ran.exits(2);
        assert_eq!(ran.out, "");
        let first = ran.err.lines().next().unwrap();
        assert!(first.starts_with("error: "), "{ran:?}");
        assert!(first.contains("bash, elvish, fish, powershell, zsh"), "{ran:?}");
    }
}

#[test]
fn a_command_that_is_none_has_no_page() {
    for (line, says) in [
        ("man nope", "session-warden has no command \"nope\"\nhint: its commands are clean, list"),
        ("man undo now", "session-warden undo has no command \"now\""),
        ("man --dir pages undo", "--dir"),
    ] {
        let env = TestEnv::new();
        let ran = env.run(line);
        ran.exits(2).says(&[says]);
        assert_eq!(ran.out, "");
        assert!(!env.path("pages").exists());
    }
}

#[test]
fn closed_pipes_are_no_errors_and_full_disks_are() {
    let env = TestEnv::new();
    for (line, what) in [("completions bash", "completions"), ("man", "man page")] {
        let ran = bounded(&mut through_shell(&env, "", line, ">/dev/full"));
        let hint = "hint: check the file or pipe that standard output leads to\n";
        let said = format!("error: cannot write the {what}: no space left on device\n{hint}");
        assert_eq!((ran.code, ran.err), (1, said));
        let ran = bounded(&mut through_shell(&env, "", line, "| true"));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        // The code of the writer itself, whose reader is gone before it starts.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = env.command(line.split(' '));
        let child = command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
    // The pages are written all the same.
    let ran = bounded(&mut through_shell(&env, "", "man --dir pages", ">/dev/full"));
    ran.exits(3).says(&["the man pages are written, but this cannot be printed: no space left"]);
    assert_eq!(fs::read_dir(env.path("pages")).unwrap().count(), commands().len());
}

#[test]
fn all_pages_are_written_and_counted() {
    let env = TestEnv::new();
    for (folder, made) in [("new/man/man1", false), ("there", true)] {
        let path = env.path(folder);
        if made {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("session-warden.1"), "an older one").unwrap();
            fs::write(path.join("other.1"), "not ours").unwrap();
        }
        let ran = env.run(&format!("man --dir {folder}"));
        ran.exits(0);
        let count = commands().len();
        assert_eq!(ran.err, "");
        assert_eq!(ran.out, format!("Wrote {count} man pages to {}\n", path.display()));
        for (command, _) in commands() {
            let name = format!("session-warden {command}").trim().replace(' ', "-");
            let page = path.join(format!("{name}.1"));
            let printed = env.run(&format!("man {command}")).out;
            assert_eq!(fs::read_to_string(&page).unwrap(), printed);
            assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o444, 0o444);
        }
        let files = fs::read_dir(&path).unwrap().count();
        assert_eq!(files, count + usize::from(made), "no temporary file stays");
    }
    assert_eq!(fs::read_to_string(env.path("there/other.1")).unwrap(), "not ours");
}

#[test]
fn folders_that_cannot_hold_pages_are_named() {
    let env = TestEnv::new();
    fs::write(env.path("file"), "mine").unwrap();
    fs::create_dir_all(env.path("taken/session-warden.1")).unwrap();
    fs::create_dir(env.path("closed")).unwrap();
    fs::set_permissions(env.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    for (folder, what, why) in [
        ("file", "create the folder", "file exists"),
        ("file/below", "create the folder", "not a directory"),
        ("closed/below", "create the folder", "permission denied"),
        ("closed", "write the man page", "permission denied"),
        ("taken", "write the man page", "is a directory"),
    ] {
        let ran = Ran::of(&mut unprivileged(&env, &format!("man --dir {folder}")));
        ran.exits(1);
        assert_eq!(ran.out, "");
        let path = env.path(folder);
        let said = format!("error: cannot {what} {}", path.display());
        let rest = format!(": {why}\nhint: choose another folder with --dir DIR\n");
        assert!(ran.err.starts_with(&said) && ran.err.ends_with(&rest), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 2, "{ran:?}");
    }
    assert_eq!(fs::read_to_string(env.path("file")).unwrap(), "mine");
    assert_eq!(fs::read_dir(env.path("taken")).unwrap().count(), 1, "no temporary file stays");
}
