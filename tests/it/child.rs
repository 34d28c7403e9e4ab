//! Runs that need more than a plain call: with a deadline, as somebody unprivileged, or through a
//! shell that sets limits.

use crate::env::{MINUTE, Ran, TestEnv};
use rustix::process::{Pid, Signal};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any run takes that does not hang, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(2 * MINUTE);

/// A user that owns nothing and may do nothing special.
pub(crate) const NOBODY: u32 = 65_534;

/// Starts the command with its output piped.
pub(crate) fn start(command: &mut Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    loop {
        match command.spawn() {
            // Another test's thread was starting a process while our copy was written.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            started => return started.unwrap(),
        }
    }
}

/// Waits for the run's end, and panics if it hangs.
#[track_caller]
pub(crate) fn finish(child: Child) -> Ran {
    let pid = pid(&child);
    let pipes = [child.stdout.as_ref().map(pipe_of), child.stderr.as_ref().map(pipe_of)];
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    let Ok(output) = receive.recv_timeout(DEADLINE) else {
        let involved = involved(pid, &pipes);
        let standing: String = involved.iter().map(|process| how_it_stands(*process)).collect();
        for process in involved {
            let _ = rustix::process::kill_process(process, Signal::KILL);
        }
        let said = receive.recv_timeout(Duration::from_secs(10));
        panic!("the run hangs: {said:?}\n{standing}");
    };
    Ran::from(output.unwrap())
}

/// What a link in `/proc/PID/fd` to that pipe says.
fn pipe_of(end: &impl AsRawFd) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", end.as_raw_fd())).unwrap_or_default()
}

/// That process, and every other one that has an end of one of the pipes, but for this one.
fn involved(pid: Pid, pipes: &[Option<PathBuf>]) -> Vec<Pid> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let has_one = |process: &Pid| {
        let files = fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero()));
        let mut links =
            files.into_iter().flatten().flatten().map(|file| fs::read_link(file.path()).ok());
        links.any(|link| link.is_some() && pipes.contains(&link))
    };
    let ourselves = rustix::process::getpid();
    pids.filter(|process| *process == pid || *process != ourselves && has_one(process)).collect()
}

/// What the kernel tells of a process and of each of its threads: its `stat` ends with the code
/// that it has ended with.
fn how_it_stands(process: Pid) -> String {
    let path = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    let line = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
    let mut told = format!("{:?}: {}", line("cmdline"), line("stat"));
    for thread in fs::read_dir(path.join("task")).into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let status = read("status");
        let is_wanted = |line: &&str| {
            ["Name", "State", "Sig", "Shd"].iter().any(|start| line.starts_with(start))
        };
        let lines: Vec<&str> = status.lines().filter(is_wanted).collect();
        let (id, wait, call) = (thread.path(), read("wchan"), read("syscall"));
        let _ = writeln!(told, "    {} {lines:?} in {wait:?} {call:?}", id.display());
    }
    told
}

/// Runs the command to its end, and panics if it hangs.
#[track_caller]
pub(crate) fn bounded(command: &mut Command) -> Ran {
    finish(start(command))
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Waits until that is so.
#[track_caller]
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "it never came to be");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The binary as `sh` runs it after `prelude`, which ends in a redirection or `&&`.
pub(crate) fn through_shell(env: &TestEnv, prelude: &str, line: &str, after: &str) -> Command {
    let mut command = env.command([] as [&str; 0]);
    let binary = command.get_program().to_owned();
    let variables: Vec<_> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.unwrap().to_owned()))
        .collect();
    command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("{prelude} exec \"$0\" \"$@\" {after}")).arg(binary);
    command.args(line.split_whitespace()).env_clear().envs(variables);
    command.current_dir(env.path("")).stdin(Stdio::null());
    command
}

/// The binary run by a user who may do nothing special, and to whom all of this test belongs:
/// ourselves, or somebody else where that is root.
pub(crate) fn unprivileged(env: &TestEnv, line: &str) -> Command {
    let command = env.command(line.split_whitespace());
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    // The build's folder may be closed to others.
    let binary = env.path("session-warden");
    if !binary.exists() {
        fs::copy(command.get_program(), &binary).unwrap();
    }
    give_away(&env.path(""));
    let mut other = Command::new(binary);
    other.args(command.get_args()).env_clear();
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // That home is this user's own.
    other.env_remove("XDG_STATE_HOME");
    other.current_dir(env.path("")).stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
    other
}

fn give_away(path: &Path) {
    lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

/// A file or folder whose mode is changed until this is dropped, so that it can be removed then.
pub(crate) struct WithMode {
    path: PathBuf,
    before: u32,
}

pub(crate) fn with_mode(path: PathBuf, mode: u32) -> WithMode {
    let before = fs::metadata(&path).unwrap().permissions().mode();
    set_mode(&path, mode);
    WithMode { path, before }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

impl Drop for WithMode {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.path, fs::Permissions::from_mode(self.before));
    }
}

pub(crate) const ACTIVE: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const IDLE: &str = "22222222-2222-4222-8222-222222222222";

/// A home with an active and an idle session of Claude's.
pub(crate) fn two_sessions() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, 5 * MINUTE);
    env.session("claude", IDLE, 180 * MINUTE);
    env
}

/// The same with a map of both.
pub(crate) fn mapped() -> TestEnv {
    let env = two_sessions();
    env.map(both());
    env
}

/// A map of both sessions.
pub(crate) fn both() -> String {
    format!(r#"{{"claude-cli": {{"active": "{ACTIVE}", "idle": "{IDLE}"}}}}"#)
}

/// The same without the idle one.
pub(crate) fn cleaned() -> String {
    format!(r#"{{"claude-cli": {{"active": "{ACTIVE}"}}}}"#)
}
