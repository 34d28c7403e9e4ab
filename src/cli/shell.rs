//! The grammar of what is generated from the command line itself: completions and man pages.

use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::PathBuf;

use crate::commands::completions::{self, Shell};
use crate::commands::man;
use crate::config;
use crate::domain::{Exit, Failure};

pub(super) const COMPLETIONS_HELP: &str = "\
Examples:
  session-warden completions bash > ~/.local/share/bash-completion/completions/session-warden
  session-warden completions fish > ~/.config/fish/completions/session-warden.fish

Exit codes:
  0  done
  1  failed: the script cannot be written
  2  wrong usage";

pub(super) const MAN_HELP: &str = "\
Examples:
  session-warden man | man -l -
  session-warden man undo | man -l -
  session-warden man --dir ~/.local/share/man/man1

Exit codes:
  0  done
  1  failed: a page cannot be written
  2  wrong usage, or there is no such command
  3  pages written, but the confirmation cannot be printed";

pub(super) const CONFIG_HELP: &str = "\
Examples:
  session-warden config
  session-warden config --profile dev --json
  session-warden config --init

Exit codes:
  0  done
  1  failed: the example cannot be written, or the file already exists
  2  wrong usage or configuration

Environment:
  SESSION_WARDEN_PROFILE
                      as --profile
  SESSION_WARDEN_CONFIG
                      as --config";

#[derive(Debug, Clone, Args)]
pub(super) struct CompletionsArgs {
    /// The shell: bash, elvish, fish, powershell or zsh
    // Not required by the grammar, whose error would not name the right ones.
    #[arg(hide_possible_values = true)]
    shell: Option<Shell>,
}

impl CompletionsArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let shell = self.shell.ok_or_else(|| {
            let shells = Shell::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = shells.map(|shell| shell.get_name().to_owned()).collect();
            let message = format!("completions needs a shell: {}", names.join(", "));
            Failure { exit: Exit::Usage, ..Failure::new(message) }
                .hint("for example session-warden completions bash")
        })?;
        completions::run(shell, out)
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct HelpArgs {
    /// The command, such as `clean` or `schedule install` [default: the program itself]
    command: Vec<String>,
}

impl HelpArgs {
    /// Prints the help of the command that was named.
    ///
    /// # Errors
    /// Exit code 2 if there is no such command.
    pub(super) fn run(self, root: clap::Command) -> Result<Exit, Failure> {
        let mut command = root;
        command.build();
        let mut path = command.get_name().to_owned();
        for name in self.command {
            let Some(found) = command.find_subcommand(&name) else {
                let message = format!("{path} has no command '{name}'");
                let failure = Failure { exit: Exit::Usage, ..Failure::new(message) };
                return Err(failure.hint(format!("'{path} --help' lists its commands")));
            };
            path = format!("{path} {name}");
            command = found.clone();
        }

        match command.print_help() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                let why = crate::disk::words(&error);
                Err(Failure::new(format!("cannot write the help: {why}"))
                    .hint("check the file or pipe that standard output leads to"))
            }
            _ => Ok(Exit::Done),
        }
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
