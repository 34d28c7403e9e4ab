//! The system's own commands: systemctl, loginctl, crontab, launchctl.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::model::{Failure, describe};

/// A command and its first arguments.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'t>(pub &'t [&'t str]);

/// How long a command is waited for that is only asked something.
const TO_ANSWER: Duration = Duration::from_secs(5);

/// What a command has said.
#[derive(Debug)]
pub struct Said {
    /// Whether it ended well.
    pub ok: bool,
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its standard error, in one line.
    pub err: String,
}

impl Said {
    fn new(status: ExitStatus, out: Vec<u8>, err: &[u8]) -> Self {
        let err = String::from_utf8_lossy(err);
        let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { ok: status.success(), out, err }
    }
}

impl Tool<'_> {
    /// Runs it to its end, with nothing or `input` as standard input.
    ///
    /// # Errors
    /// Where it cannot be run; that it fails is no error.
    pub fn run(&self, more: &[&str], input: Option<&[u8]>) -> Result<Said, Failure> {
        let failed = |error: &std::io::Error| self.failed(&describe(error));
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = self.command(more)?.stdin(stdin).spawn().map_err(|error| failed(&error))?;
        if let (Some(input), Some(mut to)) = (input, child.stdin.take()) {
            // One that has ended before it read all says why itself.
            let _ = to.write_all(input);
        }
        let output = child.wait_with_output().map_err(|error| failed(&error))?;
        Ok(Said::new(output.status, output.stdout, &output.stderr))
    }

    /// The command, with nothing to read, whose words are taken in.
    fn command(&self, more: &[&str]) -> Result<Command, Failure> {
        let (name, first) = self.0.split_first().ok_or_else(|| self.failed("it has no name"))?;
        let mut command = Command::new(name);
        command.args(first).args(more).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    fn failed(&self, why: &str) -> Failure {
        let name = self.0.first().unwrap_or(&"");
        Failure::new(format!("cannot run {name}: {why}"))
            .hint(format!("check that {name} is installed and works, or use another --method"))
    }

    /// Runs it as a question: one that does not answer in time is ended, with all that it started.
    ///
    /// # Errors
    /// Where it cannot be run, or does not answer; that it fails is no error.
    pub fn ask(&self, more: &[&str]) -> Result<Said, Failure> {
        let spawned = self.command(more)?.process_group(0).spawn();
        let mut child = spawned.map_err(|error| self.failed(&describe(&error)))?;
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let until = Instant::now() + TO_ANSWER;
        let left = || until.saturating_duration_since(Instant::now());
        let said = (out.recv_timeout(left()).ok()).zip(err.recv_timeout(left()).ok());
        // What has closed both may still run.
        let Some(((out, err), status)) = said.zip(wait(&mut child, until)) else {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            return Err(self.failed("it does not answer"));
        };
        Ok(Said::new(status, out, &err))
    }

    /// Runs it, and fails where it does.
    ///
    /// # Errors
    /// Where it cannot be run, or fails; with what it said.
    pub fn must(&self, more: &[&str]) -> Result<String, Failure> {
        let said = self.run(more, None)?;
        if !said.ok {
            let line: Vec<&str> = self.0.iter().chain(more).copied().collect();
            return Err(Failure::new(format!("{} failed: {}", line.join(" "), said.err))
                .hint("run it by hand to see what is wrong, or use another --method"));
        }
        Ok(String::from_utf8_lossy(&said.out).trim_end().to_owned())
    }

    /// Whether there is such a command.
    pub fn exists(&self) -> bool {
        let Some(name) = self.0.first() else { return false };
        let tried = Command::new(name)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // Whatever it makes of that option.
        tried.is_ok()
    }
}

/// All that comes out of there, once it has ended.
fn collect(from: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.map(|mut from| from.read_to_end(&mut bytes));
        send.send(bytes)
    });
    receive
}

/// How it ended, if it does in time.
fn wait(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(2)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_or_ended() {
        let shell = Tool(&["sh", "-c"]);
        let said = shell.ask(&["echo yes; echo ' no ' >&2; exit 3"]).unwrap();
        assert_eq!((said.ok, &said.out[..], said.err.as_str()), (false, &b"yes\n"[..], "no"));
        let start = Instant::now();
        for hangs in ["sleep 60 & sleep 60", "exec >&- 2>&-; sleep 60"] {
            let failure = shell.ask(&[hangs]).unwrap_err();
            assert_eq!(failure.message, "cannot run sh: it does not answer");
        }
        assert!(start.elapsed() < 4 * TO_ANSWER);
        assert!(Tool(&["no-such-command"]).ask(&[]).unwrap_err().message.contains("no such file"));
    }
}
