//! `help`: prints the help of a command.

use clap::Args;

use crate::model::{Exit, Failure};

#[derive(Debug, Clone, Args)]
pub(crate) struct HelpArgs {
    /// The command, such as `clean` or `schedule install` [default: the program itself]
    command: Vec<String>,
}

impl HelpArgs {
    /// Prints the help of the command that was named.
    ///
    /// # Errors
    /// Exit code 2 if there is no such command.
    pub(crate) fn run(self, root: clap::Command) -> anyhow::Result<Exit> {
        let mut command = root;
        command.build();
        let mut path = command.get_name().to_owned();
        for name in self.command {
            let Some(found) = command.find_subcommand(&name) else {
                let message = format!("{path} has no command '{name}'");
                let failure = Failure::usage(message);
                return Err(failure.hint(format!("'{path} --help' lists its commands")).into());
            };
            path = format!("{path} {name}");
            command = found.clone();
        }

        match command.print_help() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                let why = crate::model::describe(&error);
                Err(Failure::new(format!("cannot write the help: {why}"))
                    .hint("check the file or pipe that standard output leads to")
                    .into())
            }
            _ => Ok(Exit::Done),
        }
    }
}
