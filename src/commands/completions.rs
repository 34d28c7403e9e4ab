//! `completions`: prints the script that lets a shell ask this program what can be typed next. The
//! answers are those of `cli::complete`.

use clap::{Args, ValueEnum};
use std::io::{self, Write};

use crate::model::{Exit, Failure, describe};

pub(crate) const HELP: &str = "\
Examples:
  session-warden completions bash > ~/.local/share/bash-completion/completions/session-warden
  session-warden completions fish > ~/.config/fish/completions/session-warden.fish

Exit codes:
  0  done
  1  failed: the script cannot be written
  2  wrong usage";

#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell: bash, elvish, fish, powershell or zsh
    // Not required by the grammar, whose error would not name the right ones.
    #[arg(hide_possible_values = true)]
    shell: Option<Shell>,
}

impl CompletionsArgs {
    pub(crate) fn run(self, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let shell = self.shell.ok_or_else(|| {
            let shells = Shell::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = shells.map(|shell| shell.get_name().to_owned()).collect();
            let message = format!("completions needs a shell: {}", names.join(", "));
            Failure::usage(message).hint("for example session-warden completions bash")
        })?;
        run(shell, out)
    }
}

/// A shell that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Elvish.
    Elvish,
    /// Fish.
    Fish,
    /// PowerShell.
    #[value(name = "powershell")]
    PowerShell,
    /// Zsh.
    Zsh,
}

impl Shell {
    /// Returns the script, which is the same for every version of the program.
    fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("completions/session-warden.bash"),
            Self::Elvish => include_str!("completions/session-warden.elv"),
            Self::Fish => include_str!("completions/session-warden.fish"),
            Self::PowerShell => include_str!("completions/session-warden.ps1"),
            Self::Zsh => include_str!("completions/session-warden.zsh"),
        }
    }
}

/// Writes the script for that shell.
///
/// # Errors
/// If it cannot be written. A reader that reads no further is not an error.
fn run(shell: Shell, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match out.write_all(shell.script().as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the completions: {}", describe(&error)))
                .hint("check the file or pipe that standard output leads to")
                .into())
        }
        _ => Ok(Exit::Done),
    }
}
