//! Bridges as the machine's processes show them: one that listens for another map, and one that is
//! only seen to run.

use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::child::{ACTIVE, IDLE, two_sessions};
use crate::env::TestEnv;
use crate::in_use::Running;
use crate::stand_in::{StandIn, auto};

/// A home whose map holds both sessions.
fn home() -> TestEnv {
    let env = two_sessions();
    env.map(both().to_string());
    env
}

fn both() -> Value {
    json!({"claude-cli": {"a": ACTIVE, "i": IDLE}})
}

fn cleaned() -> Value {
    json!({"claude-cli": {"a": ACTIVE}})
}

/// What makes this program a bridge with that map.
const SERVES: &str = "SESSION_WARDEN_TEST_SERVES";

/// No test by itself: what [`Apart`] starts this program for, to have a listener whose environment
/// is its own.
#[test]
fn serves_where_it_was_started_to() {
    let Some(map) = std::env::var_os(SERVES) else { return };
    let map = serde_json::from_str(map.to_str().unwrap()).unwrap();
    let tell = |line: &str| writeln!(io::stdout(), "{line}").unwrap();
    let bridge = StandIn::hostile(&map, move |request, stream| {
        tell(request);
        Some(stream)
    });
    tell(&format!("listens at {}", bridge.port));
    // Until whoever started it wants no more, or has ended.
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
}

/// A bridge in a process of its own, which ends with this value.
struct Apart {
    child: Child,
    told: BufReader<ChildStdout>,
    port: u16,
}

impl Apart {
    /// A bridge with that map that was told that session folder.
    fn with(map: &Value, folder: impl Into<PathBuf>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bridge_process::serves_where_it_was_started_to", "--nocapture"])
            .env_clear()
            .env(SERVES, map.to_string())
            .env("CLAUDE_SESSION_DIR", folder.into())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(told.read_line(&mut line).unwrap(), 0, "it has ended");
            if let Some((_, port)) = line.split_once("listens at ") {
                break port.trim().parse().unwrap();
            }
        };
        Self { child, told, port }
    }

    /// Ends it, and returns what it was asked for.
    fn requests(mut self) -> String {
        drop(self.child.stdin.take());
        let mut requests = String::new();
        self.told.read_to_string(&mut requests).unwrap();
        requests
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_listener_with_another_folder_is_another_maps_however_its_map_looks_b5() {
    let env = home();
    let other = Apart::with(&both(), "/elsewhere");
    let ran = auto(&env, other.port, "clean --format json");
    ran.exits(3).says(&["holds another map", "the file was edited"]);
    let report = ran.report();
    assert_eq!(report["source"]["kind"], "file");
    assert_eq!(report["summary"]["removed"], 1);
    assert_eq!(env.map_now(), cleaned());
    let requests = other.requests();
    assert!(requests.contains("GET / ") && !requests.contains("DELETE"), "{requests}");
}

#[test]
fn a_listener_with_this_folder_and_another_map_ends_the_run_b5() {
    let env = home();
    let before = env.map_bytes();
    let bridge = Apart::with(&json!({"claude-cli": {"other": ACTIVE}}), env.path("bridge"));
    for line in ["-n", "clean"] {
        let ran = auto(&env, bridge.port, line);
        ran.exits(1).says(&["uses this map, but has another one in memory", "hint: "]);
        assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before.clone()));
    }
    let requests = bridge.requests();
    assert!(requests.contains("GET /sessions") && !requests.contains("DELETE"), "{requests}");
    // One that agrees is asked, as it would be without any environment.
    let bridge = Apart::with(&both(), env.path("bridge"));
    let ran = auto(&env, bridge.port, "-n --format json");
    ran.exits(0);
    assert_eq!(ran.report()["source"]["kind"], "bridge");
}

/// A waiting program called `python3` that knows nothing of any bridge: no variables, and it works
/// in the root.
fn python(env: &TestEnv) -> Command {
    let program = env.path("python3");
    if !program.exists() {
        fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
    }
    let mut command = Command::new(program);
    command.args(["-c", "sleep 60; :"]).env_clear().current_dir("/").stdin(Stdio::null());
    command
}

/// A home whose session folder is the one that a bridge has by default, with `TMPDIR` leading there.
fn home_by_default() -> TestEnv {
    let env = home();
    fs::create_dir(env.path("claude_sessions")).unwrap();
    fs::rename(env.map_path(), env.path("claude_sessions/session_map.json")).unwrap();
    fs::remove_dir(env.path("bridge")).unwrap();
    std::os::unix::fs::symlink("claude_sessions", env.path("bridge")).unwrap();
    env
}

/// What makes a program look like a bridge on the map, each alone.
fn looks() -> Vec<(&'static str, TestEnv, Command)> {
    let look = |name, env: TestEnv, change: &dyn Fn(&TestEnv, &mut Command)| {
        let mut command = python(&env);
        change(&env, &mut command);
        (name, env, command)
    };
    vec![
        look("its environment names the folder", home(), &|env, command| {
            command.env("CLAUDE_SESSION_DIR", env.path("bridge"));
        }),
        look("its environment names the folder from where it works", home(), &|env, command| {
            command.env("CLAUDE_SESSION_DIR", "bridge").current_dir(env.path(""));
        }),
        look("it works in the folder", home(), &|env, command| {
            command.current_dir(env.path("bridge"));
        }),
        look("it has a file in the folder open", home(), &|env, command| {
            command.stdin(File::create(env.path("bridge/log")).unwrap());
        }),
        look(
            "it is called a bridge, and has the folder by default",
            home_by_default(),
            &|env, c| {
                c.arg("/srv/claude-Bridge/main.py").env("TMPDIR", env.path(""));
            },
        ),
        look("it has a bridge's port, and the folder by default", home_by_default(), &|env, c| {
            c.env("CLAUDE_BRIDGE_PORT", "9000").env("TMP", env.path(""));
        }),
    ]
}

#[test]
fn a_python_that_looks_like_the_bridge_is_warned_of_beside_an_edit() {
    for (name, env, mut command) in looks() {
        let bridge = Running::started(&mut command);
        let ran = env.run("clean --bridge off");
        assert_eq!(ran.code, 3, "{name}: {ran:?}");
        let pid = bridge.id();
        ran.says(&[&format!("process {pid} looks like this map's bridge"), "--bridge URL"]);
        assert_eq!(env.map_now(), cleaned(), "{name}: it was asked for");
        // Where nothing goes, there is nothing to undo.
        let again = env.run("clean --bridge off");
        assert_eq!((again.code, again.err.as_str()), (0, ""), "{name}");
    }
}

#[test]
fn a_python_that_has_nothing_of_the_bridge_is_not_warned_of() {
    type Change = fn(&TestEnv, &mut Command);
    let others: [(&str, Change); 6] = [
        ("nothing", |_, _| {}),
        ("another folder, though it works in this", |env, command| {
            command.env("CLAUDE_SESSION_DIR", "/elsewhere").current_dir(env.path("bridge"));
        }),
        ("the folder by default, but not called a bridge", |env, command| {
            command.env("TMPDIR", env.path(""));
        }),
        ("called a bridge, with another folder by default", |env, command| {
            command.arg("claude-bridge/main.py").env("TMPDIR", env.path("home"));
        }),
        ("a file open elsewhere", |env, command| {
            command.stdin(File::create(env.path("log")).unwrap());
        }),
        ("a file open further down", |env, command| {
            fs::create_dir(env.path("bridge/below")).unwrap();
            command.stdin(File::create(env.path("bridge/below/log")).unwrap());
        }),
    ];
    for (name, change) in others {
        let env = home_by_default();
        let mut command = python(&env);
        change(&env, &mut command);
        let _other = Running::started(&mut command);
        let ran = env.run("clean --bridge off");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
        assert_eq!(env.map_now(), cleaned(), "{name}");
    }
    // Nor is what has all of it, and is no Python.
    let env = home();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "sleep 60; :", "bridge"]).current_dir(env.path("bridge"));
    let _other = Running::started(command.env("CLAUDE_SESSION_DIR", env.path("bridge")));
    env.run("clean --bridge off").exits(0);
}

#[test]
fn undo_beside_a_python_that_looks_like_the_bridge_wants_to_be_asked_for() {
    for (name, env, mut command) in looks() {
        env.run("clean --bridge off").exits(0);
        let before = env.map_bytes();
        let bridge = Running::started(&mut command);
        let looks = format!("process {} looks like this map's bridge", bridge.id());
        let ran = env.run("undo");
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        ran.says(&[&looks, "which cannot add mappings", "hint: stop it, run undo", "--bridge off"]);
        assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before), "{name}");
        env.run("undo -n").exits(0);
        let ran = env.run("undo --bridge off");
        assert_eq!(ran.code, 3, "{name}: {ran:?}");
        ran.says(&[&looks, "its next chat will overwrite this undo"]);
        assert_eq!(env.map_now(), both(), "{name}");
    }
}
