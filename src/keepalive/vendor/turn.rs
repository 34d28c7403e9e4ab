//! One tiny turn with a vendor's own CLI, which renews its login on the way: the command for it, and
//! whether that CLI is running already.

use std::process::Command;

use crate::keepalive::job::Cli;
use crate::process::{Processes, named_ancestor, running};

/// Returns the command for one turn of that CLI, with a prompt that must not begin with `-`. It is to be
/// run in a folder of its own with nothing on standard input.
pub fn turn(cli: Cli, prompt: &str) -> Command {
    let words: &[&str] = match cli {
        Cli::Claude => &["claude", "-p"],
        // Outside a git repository, and our folder is none, it would end with "Not inside a trusted
        // directory and --skip-git-repo-check was not specified" (openai/codex, issue 7522).
        Cli::Codex => &["codex", "exec", "--skip-git-repo-check"],
        Cli::Gemini => &["gemini", "-p"],
    };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(prompt);
    if cli == Cli::Gemini {
        // Since 0.39 it ends with 55 in a folder that is not trusted; older versions do not know the
        // option `--skip-trust`, but ignore the variable. With the other one it fails instead of opening
        // a browser to log in.
        command.env("GEMINI_CLI_TRUST_WORKSPACE", "true").env("NO_BROWSER", "true");
    }

    command
}

/// Returns a process that is this CLI: one of `processes`, or one that this process descends from.
pub fn is_at_work(cli: Cli, processes: &Processes) -> Option<u32> {
    // The folder of the package whose script may be run.
    let package = match cli {
        Cli::Claude => "/@anthropic-ai/claude-code/",
        Cli::Codex => "/@openai/codex/",
        Cli::Gemini => "/@google/gemini-cli/",
    };
    let names = [cli.name()];
    running(processes.all(), &names, package).or_else(|| named_ancestor(&names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cli_is_asked_in_its_own_manner() {
        let check = |cli, expected: &[&str]| {
            let command = turn(cli, "Say OK");
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            assert_eq!(words.collect::<Vec<_>>(), expected);
        };
        check(Cli::Claude, &["claude", "-p", "Say OK"]);
        check(Cli::Codex, &["codex", "exec", "--skip-git-repo-check", "Say OK"]);
        check(Cli::Gemini, &["gemini", "-p", "Say OK"]);
    }
}
