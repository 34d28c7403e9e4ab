//! Root's side: it reads its own configuration, hands it over, and waits for the child.

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::child::AS_OWNER;
use super::{Returned, exit_of, user_name};
use crate::config::{Clean, Environment, Handed, Settings};
use crate::holds::Holds;
use crate::journal::PinStore;
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::interrupt::Interrupt;
use crate::process;

/// How long a run without questions may take. A run over a bridge takes 90 seconds at most.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How long a child that is asked to end may take.
const TO_END: Duration = Duration::from_secs(15);

/// How often a signal, and the end of the child, are looked for.
const EVERY: Duration = Duration::from_millis(20);

/// The most that a child returns.
const LARGEST: u64 = 256 << 20;

/// The variables of root that its child keeps. Those of the CLIs, and where root's own files are, say nothing of the
/// user.
const KEPT: [&str; 12] = [
    "PATH",
    "TERM",
    "COLUMNS",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "CLAUDE_BRIDGE_PORT",
    "CLAUDE_SESSION_DIR",
    "SESSION_WARDEN_PROFILE",
];

/// A run that is to be made as another user.
pub(crate) struct AsOwner<'a> {
    pub(crate) user: u32,
    /// The words of its command, the program first.
    pub(crate) words: &'a [OsString],
    pub(crate) settings: &'a Settings,
    /// The effective settings, by which root finds its own state.
    pub(crate) config: &'a Clean,
    /// True to read its standard output, rather than to let it print.
    pub(crate) is_captured: bool,
    /// True if it may ask questions, so that it has all the time there is.
    pub(crate) may_ask: bool,
}

/// How the child has ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) exit: Option<Exit>,
    /// Its standard output, if that was captured.
    pub(crate) output: Vec<u8>,
    pub(crate) returned: Returned,
}

/// Returns the words for one of several profiles.
pub(crate) fn words_for(words: &[OsString], profile: &str) -> Vec<OsString> {
    let of_profile = OsString::from(format!("--profile={profile}"));
    let is_all = |word: &&OsString| word.as_os_str() == OsStr::new("--all-profiles");
    words.iter().map(|word| if is_all(&word) { of_profile.clone() } else { word.clone() }).collect()
}

/// Runs the command as that user, and waits for its end.
pub(crate) fn run_as(
    run: &AsOwner<'_>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Ended, Failure> {
    let failed = |what: &str, error: &io::Error| {
        let user = user_name(run.user);
        Failure::new(format!("cannot run as {user}, the map's owner: {what}: {}", describe(error)))
            .hint("run the same command as that user, for example with sudo -u")
    };

    let handed = serde_json::to_vec(&handed(run, now)?)
        .map_err(|error| failed("settings", &error.into()))?;
    let (mut child, settings, result) =
        start(run).map_err(|error| failed("start the program again", &error))?;
    // A child that has ended already reads nothing, and its exit code shows that.
    let _ = File::from(settings).write_all(&handed);

    let returned = read_in_background(File::from(result));
    let output = child.stdout.take().map(read_in_background);
    let exit = wait(&mut child, run, interrupt).map_err(|error| failed("wait", &error))?;

    let returned = returned.recv_timeout(TO_END).unwrap_or_default();
    let output = output.and_then(|output| output.recv_timeout(TO_END).ok()).unwrap_or_default();
    let returned = serde_json::from_slice(&returned).unwrap_or_default();
    Ok(Ended { exit, output, returned })
}

/// Reads what root alone may read.
fn handed(run: &AsOwner<'_>, now: Timestamp) -> Result<Handed, Failure> {
    let file = &run.settings.file;
    // One that was named may be the user's, whose files root does not open.
    let is_ours = |state: &PathBuf| state.metadata().is_ok_and(|about| about.uid() == 0);
    let state = run.config.state_dir().ok().filter(is_ours);
    let holds = state.as_ref().map(|state| Holds::at(state).read(now)).transpose()?;
    let pins = state.as_ref().map(|state| PinStore::at(state).read()).transpose()?;
    Ok(Handed {
        config: file.path.clone().map(|path| (path.into(), file.text.clone())),
        home: run.config.environment.home().map(Into::into),
        holds: holds.map(|holds| holds.live(now)).unwrap_or_default(),
        pins: pins.unwrap_or_default(),
    })
}

/// Starts the child. Returns it with the pipe for its settings and the one for its result.
fn start(run: &AsOwner<'_>) -> io::Result<(Child, OwnedFd, OwnedFd)> {
    let (settings, to_child) = pipe_with(PipeFlags::CLOEXEC)?;
    let (from_child, result) = pipe_with(PipeFlags::CLOEXEC)?;
    for inherited in [&settings, &result] {
        fcntl_setfd(inherited, FdFlags::empty())?;
    }

    // The program itself, whatever has its name by now.
    let mut command = Command::new("/proc/self/exe");
    let numbers =
        [run.user.to_string(), settings.as_raw_fd().to_string(), result.as_raw_fd().to_string()];
    command.arg(AS_OWNER).args(numbers).args(run.words.iter().skip(1)).env_clear();

    // Variables that the program does not read itself, such as the one of the time zone, are passed on as they are.
    for name in KEPT {
        if let Some(value) = Environment::passed_on(name) {
            command.env(name, value);
        }
    }
    if let Ok(home) = process::home_of(run.user) {
        command.env("HOME", home);
    }
    if !run.may_ask {
        command.stdin(Stdio::null());
    }
    if run.is_captured {
        command.stdout(Stdio::piped());
    }
    let child = command.spawn()?;
    Ok((child, to_child, from_child))
}

/// Reads all that comes, in a thread of its own.
fn read_in_background(from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.take(LARGEST).read_to_end(&mut bytes);
        send.send(bytes)
    });
    receive
}

/// Waits for the child, passes a signal on, and ends one that takes too long. Returns nothing for that.
fn wait(child: &mut Child, run: &AsOwner<'_>, interrupt: &Interrupt) -> io::Result<Option<Exit>> {
    let began = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut is_late = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((!is_late).then(|| exit_of(status.code())));
        }

        is_late = is_late || (!run.may_ask && began.elapsed() > LONGEST);
        if asked.is_none() && (interrupt.asked() || is_late) {
            asked = Some(Instant::now());
            process::end(child.id());
        }
        if asked.is_some_and(|asked| asked.elapsed() > TO_END) {
            child.kill()?;
            is_late = true;
        }
        std::thread::sleep(EVERY);
    }
}
