//! A program that behaves like an idle Claude Code behind a bridge, and variants of it.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Writes a record as Claude Code does, listens at a socket, and ends in its own way. It never reads its input.
const PROGRAM: &str = r#"
import ctypes, fcntl, json, os, signal, socket, subprocess, sys, termios, time
home, session, variant = sys.argv[1:4]
if variant != "leftover":
    os.setsid()
record = f"{home}/sessions/{os.getpid()}.json"

def end(*_):
    os.unlink(record)
    if variant == "slow":
        time.sleep(60)
    os._exit(143)

if variant == "ignores":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif variant != "default":
    signal.signal(signal.SIGTERM, end)
if variant == "blocks":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
listener = socket.socket(socket.AF_UNIX)
path = f"{home}/{os.getpid()}.sock"
listener.bind(path)
if variant != "deaf":
    listener.listen()
if variant in ("terminal", "input"):
    ours, theirs = os.openpty()
    if variant == "terminal":
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    else:
        os.dup2(theirs, 0)
if variant == "traced":
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)

children = {
    "mcp": dict(env={"CLAUDE_CODE_SESSION_ID": session}),
    "shell": dict(env={}, start_new_session=True),
    "marked": dict(env={"CLAUDE_PID": str(os.getpid())}),
}
children = [subprocess.Popen(["/bin/sleep", "60"], **children[variant])] if variant in children else []
start = open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]
machine = open("/etc/machine-id").read().strip() if os.path.exists("/etc/machine-id") else ""
now = int(time.time() * 1000)
fields = dict(pid=os.getpid(), procStart=start, sessionId=session, cwd=f"{home}/work", version="2.1.332",
    startedAt=now, status="busy" if variant == "busy" else "idle", statusUpdatedAt=now - 3 * 3600 * 1000,
    kind="interactive", entrypoint="sdk-ts", messagingSocketPath=path,
    pidDomain=f"linux:{machine}:{os.readlink('/proc/self/ns/pid')}")
if variant == "reused":
    fields["procStart"] = str(int(start) + 1)
if variant == "reboot":
    fields["startedAt"] = now - 3600 * 1000
if variant != "record":
    with open(record, "w") as file:
        json.dump(fields, file)
print("ready", os.getpid(), *(child.pid for child in children), flush=True)
while True:
    time.sleep(60)
"#;

/// A running stand-in, which is ended with the test.
pub struct Resident {
    pub child: Child,
    pid: u32,
    /// What it has started in turn.
    children: Vec<u32>,
}

impl Resident {
    /// Starts one whose CLI has its files in `claude`, such as `~/.claude`.
    pub fn start(claude: &Path, session: &str, variant: &str) -> Self {
        Self::with_input(claude, session, variant, Stdio::piped())
    }

    pub fn with_input(
        claude: &Path,
        session: &str,
        variant: &str,
        input: impl Into<Stdio>,
    ) -> Self {
        Self::of(Command::new(Self::program(claude)), claude, session, variant, input)
    }

    /// The program to start, which is called `claude`.
    fn program(claude: &Path) -> PathBuf {
        fs::create_dir_all(claude.join("sessions")).unwrap();
        fs::create_dir_all(claude.join("work/.claude")).unwrap();
        let folder = claude.join("bin");
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("claude");
        if !program.exists() {
            fs::copy(python().0, &program).unwrap();
        }
        program
    }

    fn of(
        mut command: Command,
        claude: &Path,
        session: &str,
        variant: &str,
        input: impl Into<Stdio>,
    ) -> Self {
        command
            .args(["-c", PROGRAM])
            .arg(claude)
            .args([session, variant])
            .env_clear()
            .env("PYTHONHOME", python().1)
            .env("HOME", claude.parent().unwrap())
            .env("CLAUDE_CODE_TMPDIR", claude.join("temporary"))
            .stdin(input)
            .stdout(Stdio::piped());
        let mut child = loop {
            match command.spawn() {
                // Another test's thread was starting a process while the program was copied.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                started => break started.unwrap(),
            }
        };
        let line = first_line(child.stdout.as_mut().unwrap());
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("ready"), "{variant}");
        let pid = words.next().unwrap().parse().unwrap();
        let children = words.map(|pid| pid.parse().unwrap()).collect();
        Self { child, pid, children }
    }

    /// Starts one that the first process has adopted: the session leader that started it has ended.
    pub fn leftover(claude: &Path, session: &str) -> Self {
        let mut command = Command::new("/usr/bin/setsid");
        let script = r#"exec 3<&0; "$0" "$@" <&3 3<&- &"#;
        command.args(["/bin/sh", "-c", script]).arg(Self::program(claude));
        let mut this = Self::of(command, claude, session, "leftover", Stdio::piped());
        this.child.wait().unwrap();
        this.children.push(this.pid);
        this
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap(), signal).unwrap();
    }

    /// Returns true while it runs.
    pub fn is_alive(&mut self) -> bool {
        let _ = self.child.try_wait();
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        for child in &self.children {
            let pid = Pid::from_raw(i32::try_from(*child).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(from: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// The program behind `python3`, and where its library is.
fn python() -> (PathBuf, String) {
    let script = "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)";
    let shown = Command::new("python3").args(["-c", script]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let (program, prefix) = shown.trim().split_once('\n').unwrap();
    (program.into(), prefix.to_owned())
}
