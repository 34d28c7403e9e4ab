//! `completions`: prints the script that lets a shell ask this program what can be typed next. The
//! answers are those of `cli::complete`.

use std::io::{self, Write};

use crate::disk::words;
use crate::domain::{Exit, Failure};

/// A shell that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
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
pub fn run(shell: Shell, out: &mut dyn Write) -> Result<Exit, Failure> {
    match out.write_all(shell.script().as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the completions: {}", words(&error)))
                .hint("check the file or pipe that standard output leads to"))
        }
        _ => Ok(Exit::Done),
    }
}
