//! The grammar of `keepalive`.

pub(crate) mod help;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "web-ping")]
mod set_key;

#[cfg(feature = "serve")]
use anyhow::Context;
use clap::{Args, Subcommand};
use std::io;
#[cfg(feature = "serve")]
use std::net::SocketAddr;
use std::path::PathBuf;

use super::options::{ConfigArgs, FormatArgs, StateArgs};
use crate::commands::feature::check_jobs;
#[cfg(feature = "serve")]
use crate::commands::keepalive::serve::ServeArgs;
#[cfg(feature = "web-ping")]
use crate::commands::keepalive::set_key::SetKeyArgs;
use crate::commands::schedule::keepalive_timer::timer_notes;
use crate::config::{DropIn, Environment, Format, Home, Layer, Settings, key_sources, pings_in};
use crate::keepalive::job::{Cli, JobWarning};
#[cfg(feature = "openclaw")]
use crate::keepalive::openclaw::Surroundings;
use crate::keepalive::store::Store;
use crate::keepalive::{self, Keeper, Limits, NO_JOB_HINT, Options, Output};
#[cfg(feature = "serve")]
use crate::keepalive::{Log, Serve};
#[cfg(feature = "serve")]
use crate::model::Advice;
use crate::model::{Exit, Failure, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::process::{self, Processes};
use crate::provider::PROVIDERS;
use crate::ui;

#[derive(Debug, Subcommand)]
pub(crate) enum KeepaliveCommand {
    /// Run jobs that are due, once (for a timer)
    #[command(max_term_width = 100, after_help = help::RUN)]
    Run(RunArgs),
    /// Run jobs whenever they are due, and serve their state over HTTP (for a container)
    #[cfg(feature = "serve")]
    #[command(max_term_width = 100, after_help = help::SERVE)]
    Serve(ServeArgs),
    /// Show each job's last run, its result and its next run
    #[command(max_term_width = 100, after_help = help::STATUS)]
    Status(StatusArgs),
    /// Check that each job can run
    ///
    /// No provider is called. The only commands that run are those that print an expiry time.
    #[command(max_term_width = 100, after_help = help::CHECK)]
    Check(CheckArgs),
    /// Enable a job that was disabled
    #[command(max_term_width = 100, after_help = help::ENABLE)]
    Enable(OneArgs),
    /// Disable a job until it is enabled again
    #[command(max_term_width = 100, after_help = help::DISABLE)]
    Disable(OneArgs),
    /// Store the session key for claude-web-ping
    ///
    /// Prompts for the key without echoing it, or reads it from standard input.
    #[cfg(feature = "web-ping")]
    #[command(max_term_width = 100, after_help = set_key::AFTER_HELP)]
    SetKey(SetKeyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Run only these jobs [default: all]
    id: Vec<String>,

    /// Show what would run, run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Also run jobs that are not due yet, unless they are disabled or in their silence period
    #[arg(long)]
    force: bool,

    /// Print nothing unless something went wrong
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The job
    id: String,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Default, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl KeepaliveCommand {
    fn common(&self) -> &CommonArgs {
        match self {
            Self::Run(args) => &args.common,
            Self::Status(args) => &args.common,
            #[cfg(feature = "serve")]
            Self::Serve(args) => &args.common,
            Self::Check(args) => &args.common,
            Self::Enable(args) | Self::Disable(args) => &args.common,
            #[cfg(feature = "web-ping")]
            Self::SetKey(args) => &args.common,
        }
    }

    /// Runs what was typed.
    ///
    /// # Errors
    /// Whatever keeps it from its work.
    pub(crate) fn run(
        self,
        environment: &Environment,
        clock: fn() -> Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let common = self.common();
        let settings = Settings::read(common.config.config.as_deref(), environment.clone(), false)?;
        let mut flags = Layer::default();
        common.state.say(&mut flags);
        let (mut clean, _) = settings.resolve(&flags, None)?;
        // The CLIs run with this environment, so the logins are those of this home.
        clean.home = Home::User(environment.get("HOME").map(PathBuf::from));
        let state = clean.state_dir()?;
        let base = |cli: Cli| -> Result<PathBuf, Failure> {
            let provider = PROVIDERS.iter().find(|provider| provider.name == cli.name());
            let provider = provider.ok_or_else(|| {
                Failure::new(format!("there is no provider {}", cli.name()))
                    .hint("report this as a bug")
            })?;
            Ok(clean.base(provider, None)?.folder)
        };
        let mut keeping = settings.file.keeping.clone();
        // The environment of the service that this takes the place of is as good as a written job, for what
        // serves and for whoever looks after that.
        let may_be = match &self {
            Self::Run(_) => false,
            #[cfg(feature = "web-ping")]
            Self::SetKey(_) => false,
            _ => cfg!(feature = "serve"),
        };
        let is_drop_in = may_be && keeping.jobs.is_empty() && DropIn::is_meant(environment);
        if is_drop_in {
            let drop_in = DropIn::read(environment)?;
            keeping.jobs.push(drop_in.job());
            keeping.warnings.extend(drop_in.warnings);
        }
        check_jobs(&keeping.jobs)?;
        let keeper = Keeper {
            jobs: &keeping.jobs,
            store: Store::at(&state),
            pings: pings_in(&state),
            base: &base,
            path: environment.get("PATH"),
            #[cfg(feature = "openclaw")]
            openclaw: Surroundings::of(|name| environment.get(name)),
            keys: key_sources(environment, &state),
            // One in another home has another login, unless it has the same folder for it.
            processes: &|| {
                let all = Processes::of_users(&[process::user()]);
                let Some(home) = environment.get("HOME") else { return all };
                let own = Cli::ALL.into_iter().filter_map(|cli| base(cli).ok());
                all.in_folders(&[PathBuf::from(home)].into_iter().chain(own).collect::<Vec<_>>())
            },
            limits: Limits::default(),
            clock,
            interrupt,
        };
        let mut out = ui::stdout();
        match self {
            Self::Run(args) => {
                if !args.quiet {
                    warn(&keeping.warnings);
                    if keeping.jobs.is_empty() {
                        ui::warning("no keep-alive job is configured", NO_JOB_HINT);
                    }
                }
                let options = Options {
                    ids: args.id,
                    dry_run: args.dry_run,
                    force: args.force,
                    output: match args.format.format() {
                        Some(Format::Json) => Output::Json,
                        _ => Output::All,
                    },
                };
                run(&keeper, &options, args.quiet, &mut out)
            }
            Self::Status(args) => {
                let is_json = args.format.format() == Some(Format::Json);
                let zone = (!is_json).then(ui::zone);
                let exit = keepalive::status(&keeper, zone, &mut out)?;
                if keeping.jobs.is_empty() {
                    ui::hint(NO_JOB_HINT);
                }
                Ok(exit)
            }
            Self::Check(args) => {
                warn(&keeping.warnings);
                let is_json = args.format.format() == Some(Format::Json);
                let exit = keepalive::check(&keeper, &keeping.warnings, is_json, &mut out)?;
                if keeping.jobs.is_empty() {
                    ui::hint(NO_JOB_HINT);
                }
                for note in timer_notes(environment, &keeping.jobs) {
                    ui::hint(&note);
                }
                Ok(exit)
            }
            #[cfg(feature = "serve")]
            Self::Serve(args) => {
                let listen = args.listen(environment, is_drop_in)?;
                serve(&keeper, listen, &keeping.warnings)
            }
            Self::Enable(args) => Ok(keepalive::enable(&keeper, &args.id, &mut out)?),
            Self::Disable(args) => Ok(keepalive::disable(&keeper, &args.id, &mut out)?),
            #[cfg(feature = "web-ping")]
            Self::SetKey(args) => args.run(&keeper, &mut out),
        }
    }
}

/// Serves, and says where.
#[cfg(feature = "serve")]
fn serve(
    keeper: &Keeper<'_>,
    listen: Vec<SocketAddr>,
    warnings: &[JobWarning],
) -> anyhow::Result<Exit> {
    if keeper.jobs.is_empty() {
        let failure = Failure::new("no keep-alive job is configured").hint(NO_JOB_HINT);
        return Err(failure.with(Exit::Usage).into());
    }
    warn(warnings);
    let log = Log::to(ui::stdout()).context("cannot serve").hint("check the limit on threads")?;
    Ok(keepalive::serve(keeper, &Serve { listen }, log, &ui::fail)?)
}

fn warn(warnings: &[JobWarning]) {
    for warning in warnings {
        ui::warning(&warning.message, &warning.hint);
    }
}

/// Runs a pass; where that is to be quiet, what it says is shown only if something went wrong.
fn run(
    keeper: &Keeper<'_>,
    options: &Options,
    is_quiet: bool,
    out: &mut dyn io::Write,
) -> anyhow::Result<Exit> {
    if !is_quiet {
        return Ok(keepalive::run(keeper, options, out)?);
    }
    let mut said = Vec::new();
    let exit = keepalive::run(keeper, options, &mut said)?;
    if exit != Exit::Done {
        // Standard output may be closed; the work is done.
        let _ = out.write_all(&said);
    }
    Ok(exit)
}
