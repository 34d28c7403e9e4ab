//! `help`: prints the help of a command.

use clap::Args;

use crate::model::{Exit, Failure};
use crate::ui;

#[derive(Debug, Clone, Args)]
pub(crate) struct HelpArgs {
    /// The command, such as `clean` or `schedule install` [default: the program itself]
    command: Vec<String>,
}

impl HelpArgs {
    pub(crate) fn run(self, root: clap::Command) -> anyhow::Result<Exit> {
        let mut command = root;
        command.build();
        let mut path = command.get_name().to_owned();
        for name in self.command {
            let Some(found) = command.find_subcommand(&name) else {
                return Err(Failure::usage(format!("{path} has no command '{name}'"))
                    .hint(format!("'{path} --help' lists its commands"))
                    .into());
            };
            path = format!("{path} {name}");
            command = found.clone();
        }

        ui::print_help(&command.render_help())?;
        Ok(Exit::Done)
    }
}
