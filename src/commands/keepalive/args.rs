//! The arguments that subcommands of `keepalive` share.

use clap::Args;

use crate::commands::options::{ConfigArgs, FormatArgs, StateArgs};
use crate::config::Format;

#[derive(Debug, Default, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,

    #[command(flatten)]
    pub(super) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Run only these jobs [default: all]
    pub(super) id: Vec<String>,

    /// Show what would run, run nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,

    /// Also run jobs that are not due yet, unless they are disabled or in their silence period
    #[arg(long)]
    pub(super) force: bool,

    /// Print nothing unless something went wrong
    #[arg(short, long)]
    pub(super) quiet: bool,

    #[command(flatten)]
    pub(super) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl ReportArgs {
    pub(super) fn is_json(&self) -> bool {
        self.format.format() == Some(Format::Json)
    }
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job
    pub(super) id: String,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}
