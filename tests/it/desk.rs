//! The system's commands for timers, played by a script, and what they are told read as they would.

use crate::env::{Ran, TestEnv};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every tool there is a stand-in for.
pub(crate) const TOOLS: [&str; 5] =
    ["systemctl", "loginctl", "systemd-analyze", "crontab", "launchctl"];

/// A home, and a PATH with these tools and nothing else: the machine's own timers are never touched.
pub(crate) struct Desk {
    pub(crate) env: TestEnv,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(&TOOLS)
    }

    pub(crate) fn with(tools: &[&str]) -> Self {
        let env = TestEnv::new();
        fs::create_dir(env.path("tools")).unwrap();
        for (file, text) in [("calls", ""), ("fail", ""), ("timer", ""), ("linger", "Linger=yes")] {
            fs::write(env.path("tools").join(file), text).unwrap();
        }
        for tool in tools {
            copy(&fake("tool.sh"), &env.path("tools").join(tool));
        }
        Self { env }
    }

    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = self.env.command(args);
        command.env("PATH", self.env.path("tools"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// `schedule` with what is in `line`, split at spaces, and `more`.
    #[track_caller]
    pub(crate) fn schedule(&self, line: &str, more: &[&str]) -> Ran {
        let words = ["schedule"].into_iter().chain(line.split_whitespace());
        self.run(&words.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    pub(crate) fn tool(&self, file: &str) -> PathBuf {
        self.env.path("tools").join(file)
    }

    /// From now on, calls that begin so fail.
    pub(crate) fn fail(&self, calls: &str) {
        fs::write(self.tool("fail"), format!("{calls}\n").trim_start()).unwrap();
    }

    /// What was called since this was asked last.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.tool("calls")).unwrap();
        fs::write(self.tool("calls"), "").unwrap();
        calls.lines().map(str::to_owned).collect()
    }

    /// What was called since that changes anything.
    pub(crate) fn changes(&self) -> Vec<String> {
        let asks = |call: &String| {
            let asking = [
                "crontab -l",
                "crontab --version",
                "loginctl ",
                "systemd-analyze ",
                "launchctl list",
            ];
            asking.iter().any(|start| call.starts_with(start)) || call.contains(" show --property=")
        };
        self.calls().into_iter().filter(|call| !asks(call)).collect()
    }

    /// Everything below the folder of the user's units, by name, with what is in it.
    pub(crate) fn units(&self) -> Vec<(String, String)> {
        files(&self.env.home(".config/systemd/user"))
    }

    pub(crate) fn unit(&self, file: &str) -> PathBuf {
        self.env.home(".config/systemd/user").join(file)
    }

    /// The crontab.
    pub(crate) fn tab(&self) -> Option<String> {
        fs::read_to_string(self.tool("tab")).ok()
    }

    /// A configuration with the profiles `dev` and `prod`.
    pub(crate) fn profiles(&self) -> PathBuf {
        let text = "[[profile]]\nname = \"dev\"\n[[profile]]\nname = \"prod\"\n";
        self.env.file(".config/session-warden/config.toml", text, 0)
    }
}

/// What a timer of that method would be told: variables and words, as its program reads them.
#[track_caller]
pub(crate) fn told(method: &str, command: &mut Command) -> AsRead {
    command.arg(format!("--method={method}"));
    let ran = Ran::of(command);
    ran.exits(0);
    // The tests' own folder may be a temporary one.
    let is_about_path =
        |line: &str| line.contains(" in PATH is ") || line.contains("install again");
    assert!(ran.err.lines().all(is_about_path), "{ran:?}");
    match method {
        "cron" => by_cron(ran.out.strip_suffix('\n').unwrap()),
        "launchd" => by_launchd(&ran.out),
        _ => by_systemd(&ran.out),
    }
}

/// The variables and words of a timer, as its program reads them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AsRead {
    /// `NAME=value`, in alphabetical order.
    pub(crate) variables: Vec<String>,
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
}

fn fake(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fakes").join(file)
}

/// Copies an executable. Another process does: one that was written by this one may be busy, since
/// other tests start processes meanwhile.
#[track_caller]
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let done = Command::new("install").args(["-m", "755", "--"]).arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

/// Puts a script in the place of that program, which writes down what it is called with.
pub(crate) fn record(program: &Path) {
    fs::remove_file(program).unwrap();
    copy(&fake("recorder.sh"), program);
}

/// The words that end with a NUL each.
pub(crate) fn with_nul(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Every file below that folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(file, t)| (format!("{name}/{file}"), t)));
        } else {
            found.push((name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        }
    }
    found.sort();
    found
}

/// The values of that setting, in their order.
pub(crate) fn settings<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    let lines = unit.lines();
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn by_systemd(units: &str) -> AsRead {
    let own: Vec<&str> = settings(units, "ExecStart");
    // That of the unit that logs failures is the last, and only the first two are ours.
    let ours = own
        .iter()
        .rfind(|line| [" clean", " keepalive run"].iter().any(|own| line.contains(own)))
        .unwrap();
    let mut words = systemd_words(ours);
    for word in words.iter_mut().skip(1) {
        assert!(!word.replace("$$", "").contains('$'), "a variable in {ours}");
        *word = word.replace("$$", "$");
    }
    let mut variables: Vec<String> =
        settings(units, "Environment").into_iter().flat_map(systemd_words).collect();
    variables.sort();
    AsRead { variables, words }
}

/// The words in a setting as systemd.syntax(7) has them, with specifiers as systemd.unit(5) does.
#[track_caller]
fn systemd_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = line.chars().peekable();
    while letters.peek().is_some() {
        let mut word = String::new();
        let mut quote = None;
        while let Some(letter) = letters.next() {
            match letter {
                ' ' if quote.is_none() => break,
                '"' | '\'' if quote.is_none() && word.is_empty() => quote = Some(letter),
                _ if quote == Some(letter) => quote = None,
                '"' | '\'' if quote.is_none() => panic!("a quote within a word: {line}"),
                '\\' => word.push(match letters.next().unwrap() {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    same @ ('"' | '\'' | '\\') => same,
                    other => panic!("\\{other} in {line}"),
                }),
                '%' => {
                    assert_eq!(letters.next(), Some('%'), "a specifier in {line}");
                    word.push('%');
                }
                _ => word.push(letter),
            }
        }
        assert_eq!(quote, None, "{line}");
        words.push(word);
    }
    words
}

/// What becomes of a command in a crontab before the shell has it, in three kinds of cron: Debian's, that
/// of ISC and cronie, and the first one, which leaves the backslash.
pub(crate) fn cron_commands(line: &str) -> [String; 3] {
    let command = line.splitn(6, ' ').nth(5).unwrap();
    ["%\\", "%", ""].map(|stripped| {
        let mut out = String::new();
        let mut escaped = false;
        for letter in command.chars() {
            if escaped {
                if stripped.contains(letter) {
                    out.pop();
                }
                escaped = false;
            } else if letter == '%' {
                break;
            } else {
                escaped = letter == '\\';
            }
            out.push(letter);
        }
        out
    })
}

#[track_caller]
fn by_cron(line: &str) -> AsRead {
    let [read, isc, old] = cron_commands(line).map(|command| by_shell(&["/bin/sh"], &command));
    assert_eq!((&read, &read), (&isc, &old), "crons differ about {line}");
    read
}

/// What the program sees of a command that this shell runs.
#[track_caller]
pub(crate) fn by_shell(shell: &[&str], command: &str) -> AsRead {
    let own = env!("CARGO_BIN_EXE_session-warden");
    assert!(command.contains(own), "{command}");
    let folder = tempfile::tempdir().unwrap();
    let recorder = folder.path().join("session-warden");
    copy(&fake("recorder.sh"), &recorder);

    let mut run = Command::new(shell[0]);
    run.args(&shell[1..]).arg("-c").arg(command.replace(own, recorder.to_str().unwrap()));
    let ran = Ran::of(run.env_clear().env("FROM_CRON", "1"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{shell:?}: {command}");

    let seen = |file: &str| with_nul(&fs::read(folder.path().join(file)).unwrap());
    let words = [own.to_owned()].into_iter().chain(seen("arguments")).collect();
    let mut variables = seen("variables");
    // What shells set themselves.
    let before = seen_without(shell);
    variables.retain(|set| !before.contains(&set.split('=').next().unwrap().to_owned()));
    variables.sort();
    AsRead { variables, words }
}

/// The names of the variables that this shell sets itself, and that we set for it. No line sets them, but `HOME` and
/// `PATH`.
fn seen_without(shell: &[&str]) -> Vec<String> {
    let mut run = Command::new(shell[0]);
    run.args(&shell[1..]).args(["-c", "/usr/bin/env"]).env_clear().env("FROM_CRON", "1");
    let out = String::from_utf8(run.output().unwrap().stdout).unwrap();
    let names = out.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned()));
    let more = ["_", "PWD", "OLDPWD", "SHLVL"].map(str::to_owned);
    names.chain(more).filter(|name| !["HOME", "PATH"].contains(&name.as_str())).collect()
}

/// Reads a property list, strictly.
#[track_caller]
fn by_launchd(text: &str) -> AsRead {
    // Where it would lie is said first.
    let text = text.split_once('\n').unwrap().1;
    let plain = |text: &str| {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
        let rest = ["&amp;", "&lt;", "&gt;", "&#13;"]
            .iter()
            .fold(text.to_owned(), |t, e| t.replace(e, ""));
        assert!(!rest.contains(['&', '>']), "{text}");
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#13;", "\r");
        text.replace("&amp;", "&")
    };
    let mut open: Vec<&str> = Vec::new();
    let (mut key, mut variables, mut words) = (String::new(), Vec::new(), Vec::new());
    let mut section = String::new();
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
    while let Some((before, after)) = rest.split_once('<') {
        let (tag, after) = if let Some(comment) = after.strip_prefix("!--") {
            let (comment, after) = comment.split_once("-->").unwrap();
            assert!(!comment.contains("--"), "{comment}");
            ("!", after)
        } else {
            after.split_once('>').unwrap()
        };
        let within = plain(before);
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{text}");
            match closed {
                "key" if open.len() == 2 => section = within,
                "key" => key = within,
                "string" if section == "ProgramArguments" => words.push(within),
                "string" if section == "EnvironmentVariables" => {
                    variables.push(format!("{key}={within}"));
                }
                _ => {}
            }
        } else {
            assert_eq!(within.trim(), "", "text between the elements of {text}");
            if !tag.starts_with('!') {
                open.push(tag.split(' ').next().unwrap());
            }
        }
        rest = after;
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{text}");
    variables.sort();
    AsRead { variables, words }
}
