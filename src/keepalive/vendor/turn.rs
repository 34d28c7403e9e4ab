//! One tiny turn with a vendor's own CLI, which renews its login on the way: how it is asked for, and
//! whether that CLI is at work already.

use std::process::Command;

use crate::keepalive::job::Cli;
use crate::process::{Processes, named_ancestor, running};

/// How a CLI is asked for one turn.
struct Manner {
    /// Its program and what stands before the text.
    words: &'static [&'static str],
    /// What is set in its environment.
    variables: &'static [(&'static str, &'static str)],
    /// The name of its package, in whose folder its script may be run.
    package: &'static str,
}

fn manner(cli: Cli) -> Manner {
    match cli {
        Cli::Claude => Manner {
            words: &["claude", "-p"],
            variables: &[],
            package: "/@anthropic-ai/claude-code/",
        },
        // Outside a git repository, and our folder is none, it would end with "Not inside a trusted
        // directory and --skip-git-repo-check was not specified" (openai/codex, issue 7522).
        Cli::Codex => Manner {
            words: &["codex", "exec", "--skip-git-repo-check"],
            variables: &[],
            package: "/@openai/codex/",
        },
        // Since 0.39 it ends with 55 in a folder that is not trusted; older versions do not know the
        // option `--skip-trust`, but leave the variable alone. With the other one it does not open a
        // browser to log in, but fails.
        Cli::Gemini => Manner {
            words: &["gemini", "-p"],
            variables: &[("GEMINI_CLI_TRUST_WORKSPACE", "true"), ("NO_BROWSER", "true")],
            package: "/@google/gemini-cli/",
        },
    }
}

/// The command that asks that CLI for one turn about `text`, which must not begin with `-`. It is
/// looked for on PATH, and is to be run in a folder of its own with nothing on standard input.
pub fn turn(cli: Cli, text: &str) -> Command {
    let Manner { words, variables, .. } = manner(cli);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(text).envs(variables.iter().copied());
    command
}

/// A process that is this CLI: one of `processes`, or one that this process descends from, which are
/// not among those.
pub fn is_at_work(cli: Cli, processes: &Processes) -> Option<u32> {
    let names = [cli.name()];
    running(processes.all(), &names, manner(cli).package).or_else(|| named_ancestor(&names))
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
