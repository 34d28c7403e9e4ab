//! A home of its own for each test: nothing of the machine's user, time or environment leaks in.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

pub const SECOND: u64 = 1;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

/// How many files were written under a name of their own first.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A temporary home, a bridge's folder beside it, and the binary to run on both.
pub struct TestEnv {
    folder: tempfile::TempDir,
}

/// How a run ended, and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl TestEnv {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        fs::create_dir_all(folder.path().join("bridge")).unwrap();
        Self { folder }
    }

    /// The folder that everything of this test is in.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Gives the home and the map to another user, whom root then works as.
    pub fn give_to(&self, user: u32) {
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for below in ["home", "bridge"] {
            give(&self.path(below), user);
        }
    }

    /// Gives the home and the bridge to that user, but for the state in the home, which stays root's.
    /// Returns its folder now.
    pub fn give_all_but_state_to(&self, user: u32) -> PathBuf {
        let root = self.path("state-of-root");
        fs::rename(self.home(".local/state"), &root).unwrap();
        self.give_to(user);
        root.join("session-warden")
    }

    pub fn home(&self, below: &str) -> PathBuf {
        self.path("home").join(below)
    }

    /// Writes a file below the home, last written `age` seconds ago, and the folders that lead to it
    /// with it.
    pub fn file(&self, below: &str, content: impl AsRef<[u8]>, age: u64) -> PathBuf {
        let path = self.home(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();

        // While another test starts a program, its fork has open what this process has open, and would
        // use the session. So the content is written under a name that is no session's.
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let written = path.with_file_name(format!(".written-{number}"));
        let linked = path.with_file_name(format!(".linked-{number}"));
        fs::write(&written, content).unwrap();
        fs::hard_link(&written, &linked).unwrap();
        fs::remove_file(&written).unwrap();
        fs::rename(&linked, &path).unwrap();

        let home = self.home("");
        let above = path.ancestors().take_while(|path| path.starts_with(&home));
        above.for_each(|path| set_age(path, age));
        path
    }

    /// A session of that provider as its newest CLI lays it out, last used `age` seconds ago.
    pub fn session(&self, provider: &str, id: &str, age: u64) -> PathBuf {
        match provider {
            "claude" => {
                let line = format!("{{\"type\":\"user\",\"sessionId\":\"{id}\"}}\n");
                self.file(&format!(".claude/projects/-w/{id}.jsonl"), line, age)
            }
            "codex" => {
                let name = format!("rollout-2026-01-05T10-00-00-{id}.jsonl");
                let line =
                    format!("{{\"type\":\"session_meta\",\"payload\":{{\"id\":\"{id}\"}}}}\n");
                self.file(&format!(".codex/sessions/2026/01/05/{name}"), line, age)
            }
            "gemini" => {
                let shown: String = id.chars().take(8).collect();
                let line = format!("{{\"sessionId\":\"{id}\",\"kind\":\"main\"}}\n");
                let name = format!("session-2026-01-05T10-00-{shown}.jsonl");
                self.file(&format!(".gemini/tmp/w/chats/{name}"), line, age)
            }
            "vibe" => self.file(&format!(".vibe/sessions/session-{id}.json"), "{}", age),
            other => panic!("no provider {other}"),
        }
    }

    /// Writes the map.
    pub fn map(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.map_path();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn map_path(&self) -> PathBuf {
        self.path("bridge/session_map.json")
    }

    pub fn map_bytes(&self) -> Vec<u8> {
        fs::read(self.map_path()).unwrap()
    }

    /// The map as JSON.
    pub fn map_now(&self) -> Value {
        serde_json::from_slice(&self.map_bytes()).unwrap()
    }

    /// Writes the configuration to its usual place.
    pub fn config(&self, text: &str) -> PathBuf {
        self.file(".config/session-warden/config.toml", text, 0)
    }

    /// The binary with this home and map, and nothing else in its environment.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_session-warden"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("CLAUDE_SESSION_DIR", self.path("bridge"))
            // Nobody listens there: a bridge of the machine's user is none of ours.
            .env("CLAUDE_BRIDGE_PORT", "1")
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        // Root keeps what it remembers out of a home that belongs to another user, and so would use
        // its own (S5).
        let owner = fs::metadata(self.path("home")).map(|home| home.uid());
        let us = rustix::process::geteuid().as_raw();
        if owner.is_ok_and(|owner| owner != us) {
            command.env("XDG_STATE_HOME", self.path("state-of-root"));
        }
        command
    }

    /// Runs the binary with the arguments in `line`, split at spaces.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(&mut self.command(line.split_whitespace()))
    }

    /// Runs with `--format json` added, and returns the report. Every JSON report is held against
    /// the schema.
    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        let ran = self.run(&format!("{line} --format json"));
        assert!(matches!(ran.code, 0 | 3), "{ran:?}");
        ran.report()
    }

    /// Maps every id in `rows` in a chat of its own, called like its place there, and holds a dry
    /// run and a real one against the states in `rows`, the exit code and what then is in the map:
    /// what is active or unknown, and nothing else. Returns the report of the real run.
    #[track_caller]
    pub fn check(&self, model: &str, line: &str, code: i32, rows: &[(&str, &str)]) -> Value {
        let chats = rows.iter().zip(0..).map(|((id, _), chat)| (chat.to_string(), (*id).into()));
        let before: serde_json::Map<String, Value> = chats.collect();
        let bytes = self.map(serde_json::json!({ model: before }).to_string());
        let bytes = fs::read(bytes).unwrap();
        for dry in ["-n ", ""] {
            let ran = self.run(&format!("{dry}{line} --format json"));
            ran.exits(code);
            let report = ran.report();
            for ((id, expected), chat) in rows.iter().zip(0..) {
                let found = state(&report, &chat.to_string());
                assert_eq!(found, *expected, "{id} in {dry:?}: {ran:?}");
            }
            if dry.is_empty() {
                let stays = |chat: &String| {
                    matches!(state(&report, chat), "active" | "unknown" | "in_use" | "resident")
                };
                let left: serde_json::Map<String, Value> =
                    before.clone().into_iter().filter(|(chat, _)| stays(chat)).collect();
                if left.len() == before.len() {
                    assert_eq!(self.map_bytes(), bytes, "nothing went: {ran:?}");
                }
                assert_eq!(self.map_now(), serde_json::json!({ model: left }), "{ran:?}");
                return report;
            }
            assert_eq!(self.map_bytes(), bytes, "a dry run changes nothing: {ran:?}");
        }
        unreachable!("the second run is a real one")
    }

    /// Everything below the bridge's folder, by name, but for the lock.
    pub fn litter(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("bridge")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .filter(|name| name != "session_map.json" && !name.ends_with(".session-warden.lock"))
            .collect();
        names.sort();
        names
    }
}

fn give(path: &Path, user: u32) {
    lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

impl Ran {
    /// Runs the command to its end.
    pub fn of(command: &mut Command) -> Self {
        // A program that was just copied may still be open in the fork of another test.
        for _ in 0..100 {
            match command.output() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                output => return Self::from(output.unwrap()),
            }
        }
        panic!("the program is being written for ever: {command:?}");
    }

    /// The JSON report on standard output, held against the schema.
    #[track_caller]
    pub fn report(&self) -> Value {
        let report: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON report: {error}: {self:?}"));
        let errors: Vec<String> =
            schema().iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "against the schema: {errors:#?}\n{report:#}");
        report
    }

    /// The reports of all profiles on standard output, held against the schema.
    #[track_caller]
    pub fn profiles(&self) -> Value {
        let all: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON report: {error}: {self:?}"));
        let errors: Vec<String> = profiles_schema()
            .iter_errors(&all)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "against the schema: {errors:#?}\n{all:#}");
        all
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Asserts that standard error says all of that.
    #[track_caller]
    pub fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in {self:?}");
        }
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let out = String::from_utf8(output.stdout).unwrap();
        crate::schemas::obeys(&out);
        let err = String::from_utf8(output.stderr).unwrap();
        has_hints(&err);
        Self {
            // Killed by a signal counts as a code that no run ends with.
            code: output.status.code().unwrap_or(-1),
            out,
            err,
        }
    }
}

/// Asserts that each error and warning on standard error is followed by a hint that says what to do,
/// at the latest after more of its kind or profile.
fn has_hints(err: &str) {
    let mut is_open = false;
    for line in err.lines() {
        match line.split(": ").next() {
            Some("error" | "warning") => is_open = true,
            Some("hint") => is_open = false,
            _ => {}
        }
    }
    assert!(!is_open, "no hint after the last error or warning: {err}");
}

fn schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = include_str!("../../docs/clean-report.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    })
}

fn profiles_schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let one =
            serde_json::from_str::<Value>(include_str!("../../docs/clean-report.schema.json"));
        let all =
            serde_json::from_str::<Value>(include_str!("../../docs/profiles-report.schema.json"));
        // As they lie beside each other.
        let registry = jsonschema::Registry::new()
            .add("file:///docs/clean-report.schema.json", one.unwrap())
            .unwrap()
            .prepare()
            .unwrap();
        jsonschema::options()
            .with_base_uri("file:///docs/profiles-report.schema.json")
            .with_registry(&registry)
            .build(&all.unwrap())
            .unwrap()
    })
}

/// Sets a file's (or folder's) mtime to `age` seconds ago.
pub fn set_age(path: &Path, age: u64) {
    set_written(path, SystemTime::now() - Duration::from_secs(age));
}

fn timespec(seconds: i64, nanoseconds: u32) -> Timespec {
    Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() }
}

/// By name: a file that is open is open in the fork of another test too.
pub fn set_written(path: &Path, time: SystemTime) {
    let written = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => timespec(since.as_secs().cast_signed(), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            assert_eq!(before.subsec_nanos(), 0, "whole seconds are enough before 1970");
            timespec(-before.as_secs().cast_signed(), 0)
        }
    };
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access: omit, last_modification: written };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

pub fn link(to: &Path, at: &Path) {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    symlink(to, at).unwrap();
}

/// The row of that chat in a report.
#[track_caller]
pub fn row<'a>(report: &'a Value, chat: &str) -> &'a Value {
    let rows = report["sessions"].as_array().unwrap();
    let mut found = rows.iter().filter(|row| row["chat_id"] == chat);
    let row = found.next().unwrap_or_else(|| panic!("no row for {chat}: {report:#}"));
    assert!(found.next().is_none(), "two rows for {chat}: {report:#}");
    row
}

/// The state of that chat's mapping in a report.
#[track_caller]
pub fn state<'a>(report: &'a Value, chat: &str) -> &'a str {
    row(report, chat)["state"].as_str().unwrap()
}
