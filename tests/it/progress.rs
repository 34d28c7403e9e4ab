//! Progress: a line on standard error while work takes more than a second, on a terminal alone, that
//! leaves no trace.

use rustix::process::{Signal, kill_process};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{ACTIVE, IDLE, bounded, pid, two_sessions};
use crate::env::TestEnv;
use crate::stand_in::StandIn;
use crate::terminal::terminal;

/// Wide enough for any message in here.
const COLUMNS: u16 = 300;

/// A run whose standard error is a terminal.
struct OnTerminal {
    child: Child,
    /// What the user types there.
    user: File,
    program: File,
    before: String,
    /// What the terminal was sent.
    shown: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
}

impl OnTerminal {
    fn start(mut command: Command) -> Self {
        let (user, program) = terminal();
        let size = Winsize { ws_row: 50, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&program, size).unwrap();
        let before = modes(&tcgetattr(&program).unwrap());
        command.stdout(Stdio::piped()).stderr(program.try_clone().unwrap());
        let child = command.spawn().unwrap();
        drop(command);
        let (send, shown) = channel();
        let mut reader = user.try_clone().unwrap();
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut part) {
                if send.send(part[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, user, program, before, shown, bytes: Vec::new() }
    }

    /// Waits until the terminal has shown that.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !self.text().contains(text) {
            let more = self.shown.recv_timeout(Duration::from_secs(60));
            self.bytes.extend(more.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text())));
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The exit code, standard output, all that the terminal was sent, and what is left on it.
    #[track_caller]
    fn end(mut self) -> (i32, String, String, String) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let after = modes(&tcgetattr(&self.program).unwrap());
        assert_eq!(after, self.before, "the terminal is as it was");
        drop(self.program);
        while let Ok(more) = self.shown.recv_timeout(Duration::from_secs(60)) {
            self.bytes.extend(more);
        }
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let left = screen(&text);
        (code, out, text, left)
    }
}

fn modes(modes: &Termios) -> String {
    format!("{modes:?}")
}

/// What is left on the terminal that was sent this.
#[track_caller]
fn screen(text: &str) -> String {
    let mut lines = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                lines.resize_with(lines.len().max(row + 1), Vec::new);
            }
            '\x1b' => {
                let code: String = letters.by_ref().take(3).collect();
                assert_eq!(code, "[2K", "only lines are cleared: {text:?}");
                lines[row].clear();
            }
            letter => {
                if column == usize::from(COLUMNS) {
                    (row, column) = (row + 1, 0);
                    lines.resize_with(lines.len().max(row + 1), Vec::new);
                }
                let length = lines[row].len().max(column + 1);
                lines[row].resize(length, ' ');
                lines[row][column] = letter;
                column += 1;
            }
        }
    }
    let lines: Vec<String> = lines.into_iter().map(String::from_iter).collect();
    lines.join("\n")
}

/// A bridge that takes so long for each request that begins with `slow`.
fn slow_bridge(slow: &'static str, time: Duration) -> StandIn {
    let chats = json!({"claude-cli": {"active": ACTIVE, "one": IDLE, "two": IDLE, "three": IDLE}});
    StandIn::hostile(&chats, move |request, stream| {
        if request.starts_with(slow) {
            thread::sleep(time);
        }
        Some(stream)
    })
}

fn command(env: &TestEnv, line: &str) -> Command {
    let mut command = env.command(line.split_whitespace());
    command.env("TERM", "xterm-256color").env("NO_COLOR", "1");
    command
}

const LONG: Duration = Duration::from_millis(1_300);

#[test]
fn work_of_more_than_a_second_shows_a_line_that_leaves_no_trace() {
    let env = two_sessions();
    for line in ["-n", "remove -n one", "list", "doctor", "-n --json"] {
        let bridge = slow_bridge("GET / ", LONG);
        let run = OnTerminal::start(command(&env, &format!("{line} --bridge {}", bridge.url())));
        let (_, out, text, left) = run.end();
        assert!(text.contains("Asking the bridge\r\x1b[2K"), "{line}: {text:?}");
        let quiet = bounded(&mut command(&env, &format!("{line} --bridge {}", bridge.url())));
        assert!(!left.contains("Asking the bridge"), "{line}: {left:?}");
        assert_eq!(left, quiet.err, "{line}: {text:?}");
        assert_eq!(out.lines().count(), quiet.out.lines().count(), "{line}: {out}");
        assert!(!out.contains('\x1b') && !out.is_empty(), "{line}: {out}");
    }
}

#[test]
fn calls_of_a_bridge_are_counted() {
    let env = two_sessions();
    let bridge = slow_bridge("DELETE", Duration::from_millis(700));
    let run = OnTerminal::start(command(&env, &format!("clean --bridge {}", bridge.url())));
    let (code, out, text, left) = run.end();
    assert!(text.contains("Asking the bridge: 1/3 mappings"), "{text:?}");
    assert!(out.contains("Cleaned up: 3 mappings"), "{out}");
    assert_eq!((code, left.as_str()), (0, ""));
}

#[test]
fn a_map_that_is_waited_for_is_shown_before_the_error() {
    let env = two_sessions();
    for line in ["clean", "undo --bridge off --map bridge/session_map.json"] {
        env.map(json!({"claude-cli": {"active": ACTIVE, "idle": IDLE}}).to_string());
        env.run("clean").exits(0);
        env.map("{\"claude-cli\": {");
        let (code, out, text, left) = OnTerminal::start(command(&env, line)).end();
        let said = bounded(&mut command(&env, line)).err;
        assert!(text.contains(" Reading the session map\r\x1b[2K"), "{line}: {text:?}");
        assert_eq!((code, out.as_str()), (1, ""), "{line}: {text:?}");
        assert_eq!(left, said, "{line}: {text:?}");
        assert!(left.starts_with("error: "), "{line}: {left:?}");
    }
}

#[test]
fn nothing_is_shown_where_it_could_not_be_removed_or_is_not_wanted() {
    let env = two_sessions();
    let bridge = slow_bridge("GET / ", LONG);
    let (slow, quick) = (format!("-n --bridge {}", bridge.url()), "-n --bridge off".to_owned());
    env.map(json!({"claude-cli": {"active": ACTIVE, "idle": IDLE}}).to_string());

    // No terminal.
    assert_eq!(bounded(&mut command(&env, &slow)).exits(0).err, "");
    // Not wanted, not possible, or not needed.
    for (line, term) in [
        (format!("{slow} -q"), Some("xterm")),
        (slow.clone(), Some("dumb")),
        (slow, None),
        (quick, Some("xterm")),
    ] {
        let mut command = env.command(line.split_whitespace());
        command.envs(term.map(|term| ("TERM", term)));
        let (code, _, text, _) = OnTerminal::start(command).end();
        assert_eq!((code, text.as_str()), (0, ""), "{line} on {term:?}");
    }
}

#[test]
fn an_interrupt_during_bridge_calls_ends_with_a_report_of_what_was_removed_x5() {
    let env = two_sessions();
    let bridge = slow_bridge("DELETE", LONG);
    let mut run = OnTerminal::start(command(&env, &format!("clean --bridge {}", bridge.url())));
    run.wait_for("Asking the bridge: 1/3 mappings");
    // A terminal shows the key, and then sends the signal.
    run.user.write_all(b"\x03").unwrap();
    run.wait_for("^C");
    kill_process(pid(&run.child), Signal::INT).unwrap();
    let (code, out, text, left) = run.end();
    assert_eq!(code, 3, "{text:?}");
    assert!(out.contains("Cleaned up: 2 mappings"), "{out}");
    let said = format!(
        "warning: the bridge at {}: stopped by a signal; the rest is kept\n\
         hint: session-warden undo restores what was removed\n",
        bridge.url()
    );
    assert_eq!(left, said, "{text:?}");
    assert_eq!(bridge.deletes().len(), 2);
    assert_eq!(bridge.map(), json!({"claude-cli": {"active": ACTIVE, "two": IDLE}}));
}

#[test]
fn an_interrupt_before_the_map_is_changed_says_that_it_is_unchanged_x5() {
    let env = two_sessions();
    let bridge = slow_bridge("GET /sessions", Duration::from_secs(3));
    let began = Instant::now();
    let mut run = OnTerminal::start(command(&env, &format!("clean --bridge {}", bridge.url())));
    run.wait_for("Asking the bridge");
    kill_process(pid(&run.child), Signal::INT).unwrap();
    let (code, out, text, left) = run.end();
    let said =
        "error: stopped by a signal; the map is unchanged\nhint: run the same command again\n";
    assert_eq!((code, out.as_str(), left.as_str()), (1, "", said), "{text:?}");
    assert!(bridge.deletes().is_empty() && began.elapsed() < Duration::from_secs(60));
}
