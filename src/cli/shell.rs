//! The grammar of what is generated from the command line itself: completions and man pages.

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use std::io::Write;
use std::path::PathBuf;

use crate::commands::{completions, man};
use crate::config;
use crate::domain::{Exit, Failure};

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  session-warden man | man -l -
  session-warden man undo | man -l -
  session-warden man --dir ~/.local/share/man/man1";

#[derive(Debug, Clone, Args)]
pub(super) struct CompletionsArgs {
    /// The shell: bash, elvish, fish, powershell or zsh
    // Not required by the grammar, whose error would not name the right ones.
    #[arg(hide_possible_values = true)]
    shell: Option<Shell>,
}

impl CompletionsArgs {
    pub(super) fn run(self, root: clap::Command, out: &mut dyn Write) -> Result<Exit, Failure> {
        let shell = self.shell.ok_or_else(|| {
            let names: Vec<String> = Shell::value_variants().iter().map(Shell::to_string).collect();
            let message = format!("completions needs a shell: {}", names.join(", "));
            Failure { exit: Exit::Usage, ..Failure::new(message) }
                .hint("for example session-warden completions bash")
        })?;
        completions::run(root, shell, out)
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct ManArgs {
    /// The command to print the page of [default: session-warden itself]
    command: Vec<String>,

    /// Write the pages of all commands into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

impl ManArgs {
    pub(super) fn run(self, root: clap::Command, out: &mut dyn Write) -> Result<Exit, Failure> {
        match self.dir {
            Some(folder) => man::write_all(root, &config::absolute(&folder)?, out),
            None => man::print(root, &self.command, out),
        }
    }
}
