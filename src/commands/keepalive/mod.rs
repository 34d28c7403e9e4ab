//! The subcommands of `keepalive`, and the context that they run in.

mod args;
pub(crate) mod help;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "web-ping")]
mod set_key;

use clap::Subcommand;
use std::io::Write;
use std::path::PathBuf;

use args::{CommonArgs, JobArgs, ReportArgs, RunArgs};
#[cfg(feature = "serve")]
use serve::ServeArgs;
#[cfg(feature = "web-ping")]
use set_key::SetKeyArgs;

use crate::commands::feature::check_jobs;
use crate::commands::schedule::keepalive_timer::{environment_of_timer, timer_notes};
use crate::config::{
    Clean, DropIn, Environment, Home, Keeping, Layer, Settings, key_sources, pings_in,
};
use crate::keepalive::job::{Cli, JobWarning};
#[cfg(feature = "openclaw")]
use crate::keepalive::openclaw::Surroundings;
use crate::keepalive::store::Store;
use crate::keepalive::{self, Keeper, Limits, NO_JOB_HINT, Options, Output};
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
    Status(ReportArgs),
    /// Check that each job can run
    ///
    /// No provider is called. The only commands that run are those that print an expiry time.
    #[command(max_term_width = 100, after_help = help::CHECK)]
    Check(ReportArgs),
    /// Enable a job that was disabled
    #[command(max_term_width = 100, after_help = help::ENABLE)]
    Enable(JobArgs),
    /// Disable a job until it is enabled again
    #[command(max_term_width = 100, after_help = help::DISABLE)]
    Disable(JobArgs),
    /// Store the session key for claude-web-ping
    ///
    /// Prompts for the key without echoing it, or reads it from standard input.
    #[cfg(feature = "web-ping")]
    #[command(max_term_width = 100, after_help = set_key::AFTER_HELP)]
    SetKey(SetKeyArgs),
}

impl KeepaliveCommand {
    fn common(&self) -> &CommonArgs {
        match self {
            Self::Run(args) => &args.report.common,
            Self::Status(args) | Self::Check(args) => &args.common,
            #[cfg(feature = "serve")]
            Self::Serve(args) => &args.common,
            Self::Enable(args) | Self::Disable(args) => &args.common,
            #[cfg(feature = "web-ping")]
            Self::SetKey(args) => &args.common,
        }
    }

    /// Returns true if the environment of the service that `serve` replaces may stand for a job: for
    /// `serve` itself and the commands that show or change its state.
    fn takes_drop_in(&self) -> bool {
        match self {
            Self::Run(_) => false,
            #[cfg(feature = "web-ping")]
            Self::SetKey(_) => false,
            _ => cfg!(feature = "serve"),
        }
    }

    pub(crate) fn run(
        self,
        environment: &Environment,
        clock: fn() -> Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        // Whether a job can run is a question about the timer that runs it.
        let of_timer =
            matches!(self, Self::Check(_)).then(|| environment_of_timer(environment)).flatten();
        let shell = environment;
        let environment = of_timer.as_ref().unwrap_or(shell);
        let context = Context::new(&self, environment)?;
        let keeping = &context.keeping;
        let keeper = Keeper {
            jobs: &keeping.jobs,
            store: Store::at(&context.state),
            pings: pings_in(&context.state),
            base: &|cli| context.base(cli),
            path: environment.get("PATH"),
            #[cfg(feature = "openclaw")]
            openclaw: Surroundings::of(|name| environment.get(name)),
            keys: key_sources(environment, &context.state),
            processes: &|| context.processes(),
            limits: Limits::default(),
            clock,
            interrupt,
        };

        let mut out = ui::stdout();
        match self {
            Self::Run(args) => run(&keeper, args, &keeping.warnings, &mut out),
            Self::Status(args) => {
                let zone = (!args.is_json()).then(ui::zone);
                let exit = keepalive::status(&keeper, zone, &mut out)?;
                hint_if_no_job(&keeper);
                Ok(exit)
            }
            Self::Check(args) => {
                warn(&keeping.warnings);
                let exit = keepalive::check(&keeper, &keeping.warnings, args.is_json(), &mut out)?;
                hint_if_no_job(&keeper);
                for note in timer_notes(shell, &keeping.jobs) {
                    ui::hint(&note);
                }
                Ok(exit)
            }
            #[cfg(feature = "serve")]
            Self::Serve(args) => {
                let options = args.listen(environment, context.is_drop_in)?;
                serve::serve(&keeper, &options, || warn(&keeping.warnings))
            }
            Self::Enable(args) => Ok(keepalive::enable(&keeper, &args.id, &mut out)?),
            Self::Disable(args) => Ok(keepalive::disable(&keeper, &args.id, &mut out)?),
            #[cfg(feature = "web-ping")]
            Self::SetKey(args) => args.run(&keeper, &mut out),
        }
    }
}

/// The settings of a command, from its options, the environment and the configuration.
struct Context<'a> {
    environment: &'a Environment,
    clean: Clean,
    state: PathBuf,
    keeping: Keeping,
    /// True if the environment stands for a job.
    #[cfg(feature = "serve")]
    is_drop_in: bool,
}

impl<'a> Context<'a> {
    fn new(command: &KeepaliveCommand, environment: &'a Environment) -> anyhow::Result<Self> {
        let common = command.common();
        let settings = Settings::read(common.config.config.as_deref(), environment.clone(), false)?;
        let flags = Layer { state: common.state.clone(), ..Layer::default() };
        let (mut clean, _) = settings.resolve(&flags, None)?;
        // The CLIs run with this environment, so the logins are those of this home.
        clean.home = Home::User(environment.get("HOME").map(PathBuf::from));
        let state = clean.state_dir()?;

        let mut keeping = settings.file.keeping.clone();
        let is_drop_in =
            command.takes_drop_in() && keeping.jobs.is_empty() && DropIn::is_meant(environment);
        if is_drop_in {
            let drop_in = DropIn::read(environment)?;
            keeping.jobs.push(drop_in.job());
            keeping.warnings.extend(drop_in.warnings);
        }

        check_jobs(&keeping.jobs)?;
        Ok(Self {
            environment,
            clean,
            state,
            keeping,
            #[cfg(feature = "serve")]
            is_drop_in,
        })
    }

    fn base(&self, cli: Cli) -> Result<PathBuf, Failure> {
        let provider = PROVIDERS.iter().find(|provider| provider.name == cli.name());
        let provider = provider.ok_or_else(|| {
            Failure::new(format!("there is no provider {}", cli.name()))
                .hint("report this as a bug")
        })?;
        Ok(self.clean.base(provider, None)?.folder)
    }

    /// Reads our user's processes. One in another home has another login, unless it has the same folder
    /// for it.
    fn processes(&self) -> Processes {
        let all = Processes::of_users(&[process::user()]);
        let Some(home) = self.environment.get("HOME") else { return all };
        let bases = Cli::ALL.into_iter().filter_map(|cli| self.base(cli).ok());
        let folders: Vec<PathBuf> = [PathBuf::from(home)].into_iter().chain(bases).collect();
        all.in_folders(&folders)
    }
}

fn warn(warnings: &[JobWarning]) {
    for warning in warnings {
        ui::warning(&warning.message, &warning.hint);
    }
}

fn hint_if_no_job(keeper: &Keeper<'_>) {
    if keeper.jobs.is_empty() {
        ui::hint(NO_JOB_HINT);
    }
}

/// Runs a pass. With `--quiet`, its output is shown only if something went wrong.
fn run(
    keeper: &Keeper<'_>,
    args: RunArgs,
    warnings: &[JobWarning],
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let output = if args.report.is_json() { Output::Json } else { Output::All };
    let options = Options { ids: args.id, dry_run: args.dry_run, force: args.force, output };
    if !args.quiet {
        warn(warnings);
        if keeper.jobs.is_empty() {
            ui::warning("no keep-alive job is configured", NO_JOB_HINT);
        }
        return Ok(keepalive::run(keeper, &options, out)?);
    }

    let mut lines = Vec::new();
    let exit = keepalive::run(keeper, &options, &mut lines)?;
    if exit != Exit::Done {
        // Standard output may be closed; the work is done.
        let _ = out.write_all(&lines);
    }

    Ok(exit)
}
