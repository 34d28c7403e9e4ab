//! The system's own commands: systemctl, loginctl, crontab, launchctl.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::model::{Failure, describe};

/// A command and its first arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool<'t>(pub(super) &'t [&'t str]);

/// How long to wait for the answer to a question.
const LONGEST: Duration = Duration::from_secs(5);

/// The output of a command that has ended.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) success: bool,
    pub(super) stdout: Vec<u8>,
    /// In one line.
    pub(super) stderr: String,
}

impl From<process::Output> for Output {
    fn from(output: process::Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stderr = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { success: output.status.success(), stdout: output.stdout, stderr }
    }
}

/// Returns the first line that a program prints for `--version`.
pub fn version_of(program: &Path) -> Result<String, Failure> {
    let output = Tool(&[&program.to_string_lossy()]).ask(&["--version"])?;
    let line = String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned);

    line.filter(|_| output.success).ok_or_else(|| {
        Failure::new(format!("{} --version failed: {}", program.display(), output.stderr))
            .hint("run it by hand to see what is wrong")
    })
}

impl Tool<'_> {
    /// Runs it to its end, with `input` on standard input. Its failure is not an error.
    pub(super) fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Output, Failure> {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).spawn().map_err(|error| self.not_run(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that ends before it has read all of it reports why itself.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(|error| self.not_run(&error))?;
        Ok(output.into())
    }

    /// Asks it something. If it does not answer in time, it is killed with all that it started. Its failure
    /// is not an error.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let mut command = self.command(arguments);
        let child = command.process_group(0).spawn().map_err(|error| self.not_run(&error))?;
        let group = Pid::from_child(&child);
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));

        let Ok(output) = receiver.recv_timeout(LONGEST) else {
            let _ = kill_process_group(group, Signal::KILL);
            return Err(self.failure("it does not answer"));
        };
        Ok(output.map_err(|error| self.not_run(&error))?.into())
    }

    /// Runs it, and returns its output. Its failure is an error.
    pub(super) fn must(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.run(arguments, b"")?;
        if !output.success {
            let line: Vec<&str> = self.0.iter().chain(arguments).copied().collect();
            return Err(Failure::new(format!("{} failed: {}", line.join(" "), output.stderr))
                .hint("run it by hand to see what is wrong, or use another --method"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Returns true if there is such a command, however it likes that option.
    pub(super) fn exists(&self) -> bool {
        self.ask(&["--version"]).is_ok()
    }

    fn name(&self) -> &str {
        self.0.first().unwrap_or(&"")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.name());
        command.args(self.0.iter().skip(1)).args(arguments).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn not_run(&self, error: &std::io::Error) -> Failure {
        self.failure(&describe(error))
    }

    fn failure(&self, why: &str) -> Failure {
        let name = self.name();
        Failure::new(format!("cannot run {name}: {why}"))
            .hint(format!("check that {name} is installed and works, or use another --method"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_question_is_answered_or_ended() {
        let shell = Tool(&["sh", "-c"]);
        let output = shell.ask(&["echo yes; echo ' no ' >&2; exit 3"]).unwrap();
        assert_eq!(
            (output.success, &output.stdout[..], output.stderr.as_str()),
            (false, &b"yes\n"[..], "no")
        );
        let start = Instant::now();
        for hangs in ["sleep 60 & sleep 60", "exec >&- 2>&-; sleep 60"] {
            let failure = shell.ask(&[hangs]).unwrap_err();
            assert_eq!(failure.message, "cannot run sh: it does not answer");
        }
        assert!(start.elapsed() < 4 * LONGEST);
        assert!(Tool(&["no-such-command"]).ask(&[]).unwrap_err().message.contains("no such file"));
    }
}
