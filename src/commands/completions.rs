//! `completions`: prints the script by which a shell asks this program for completions. `cli::complete`
//! answers it.

use clap::{Args, ValueEnum};

use crate::model::{Exit, Failure};
use crate::ui;

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
    // Not required by the grammar, whose error would not list the shells.
    #[arg(hide_possible_values = true)]
    shell: Option<Shell>,
}

impl CompletionsArgs {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let shell = self.shell.ok_or_else(|| {
            let shells = Shell::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = shells.map(|shell| shell.get_name().to_owned()).collect();
            Failure::usage(format!("completions needs a shell: {}", names.join(", ")))
                .hint("for example session-warden completions bash")
        })?;
        ui::print("the completions", |out| out.write_all(shell.script().as_bytes()))?;
        Ok(Exit::Done)
    }
}

/// A shell that has a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
#[expect(clippy::enum_variant_names, reason = "PowerShell is called so")]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    PowerShell,
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
