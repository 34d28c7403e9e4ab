//! The grammar of `keepalive`.

use clap::{Args, Subcommand};
use std::io;
#[cfg(feature = "serve")]
use std::net::SocketAddr;
use std::path::PathBuf;

use super::options::{ConfigArgs, FormatArgs, StateArgs};
#[cfg(feature = "serve")]
use super::serve::ServeArgs;
#[cfg(feature = "web-ping")]
use super::set_key::{self, SetKeyArgs};
use super::ui;
use crate::commands::feature::check_jobs;
use crate::commands::keepalive::{self, Keeper, Limits, Options};
#[cfg(feature = "serve")]
use crate::commands::keepalive::{Log, Serve};
use crate::commands::keepalive_timer::timer_notes;
use crate::config::{DropIn, Environment, Format, Home, Layer, Settings, key_sources, pings_in};
use crate::disk::interrupt::Interrupt;
use crate::domain::keepalive::Cli;
use crate::domain::{Exit, Failure, Timestamp};
use crate::keepalive::Store;
#[cfg(feature = "openclaw")]
use crate::openclaw::Surroundings;
use crate::process::{self, Processes};
use crate::provider::PROVIDERS;

/// Of `keepalive` as a whole.
pub(super) const AFTER_HELP: &str = "\
Exit codes:
  0   done
  1   failed: what jobs remember cannot be read or written
  2   wrong usage or configuration
  3   done, but a job has failed, or something is wrong with one
  75  another pass is under way; nothing was done";

/// What to do about a job whose settings make little sense.
const JOB_HINT: &str = "session-warden keepalive check shows each job and its problems";

const RUN_HELP: &str = "\
Exit codes:
  0   done, whether or not a job was due
  1   failed: what jobs remember cannot be read or written
  2   wrong usage or configuration
  3   done, but a job has failed, or a signal has ended the pass
  75  another pass is under way; nothing was done

Environment:
  CREDENTIALS_DIRECTORY, SESSION_KEY
                      where claude-web-ping finds its key, unless a job names
                      its file: the file session-key in that folder, or the key
  CLAUDE_CONFIG_DIR, CODEX_HOME, GEMINI_CLI_HOME
                      where the CLIs keep their logins, as they know it";

const STATUS_HELP: &str = "\
Exit codes:
  0   done, however the jobs stand
  1   failed: what jobs remember cannot be read
  2   wrong usage or configuration
  3   what jobs remembered was broken, and is set aside once it was shown";

const CHECK_HELP: &str = "\
Exit codes:
  0   each job could run
  1   failed: it cannot be told
  2   wrong usage or configuration
  3   something is wrong with a job";

const ABLE_HELP: &str = "\
Exit codes:
  0   done
  1   failed: what jobs remember cannot be read or written
  2   wrong usage or configuration, or there is no such job
  75  a pass is under way; nothing was done";

#[cfg(feature = "serve")]
const SERVE_HELP: &str = "\
Exit codes:
  0   a signal has ended it
  1   failed: it cannot listen
  2   wrong usage or configuration
  75  another one serves from this state folder; nothing was done

Environment:
  PORT                where it listens, on every address
  CREDENTIALS_DIRECTORY, SESSION_KEY
                      where claude-web-ping finds its key, unless a job names
                      its file: the file session-key in that folder, or the key
  PROMPT_INTERVAL_MS, TIMEZONE, SILENCE_START, SILENCE_END
                      with SESSION_KEY and no job in the configuration: when to
                      ping (3600000, Europe/Amsterdam, 01:00, 07:00)";

#[derive(Debug, Subcommand)]
pub(super) enum KeepaliveCommand {
    /// Run what is due, once: for a timer
    #[command(max_term_width = 100, after_help = RUN_HELP)]
    Run(RunArgs),
    /// Run what is due again and again, and tell how it goes over HTTP: for a container
    #[cfg(feature = "serve")]
    #[command(max_term_width = 100, after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// How each job stands: when it ran last, how that went, and when it runs next
    #[command(max_term_width = 100, after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Whether each job could run; asks nobody but the commands that tell an expiry
    #[command(max_term_width = 100, after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Let a job run again that was disabled
    #[command(max_term_width = 100, after_help = ABLE_HELP)]
    Enable(OneArgs),
    /// Keep a job from running
    #[command(max_term_width = 100, after_help = ABLE_HELP)]
    Disable(OneArgs),
    /// Store the session key of claude-web-ping: asked for without showing it, or read from standard
    /// input
    #[cfg(feature = "web-ping")]
    #[command(max_term_width = 100, after_help = set_key::AFTER_HELP)]
    SetKey(SetKeyArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Only these jobs [default: all]
    id: Vec<String>,

    /// Say what would be run, run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Also what is not due yet; neither in silence nor what is disabled
    #[arg(long)]
    force: bool,

    /// Print nothing unless something went wrong
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The job
    id: String,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Default, Args)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl KeepaliveCommand {
    /// Runs what was typed.
    ///
    /// # Errors
    /// Whatever keeps it from its work.
    pub(super) fn run(
        self,
        environment: &Environment,
        clock: fn() -> Timestamp,
        interrupt: &Interrupt,
    ) -> Result<Exit, Failure> {
        let common = match &self {
            Self::Run(args) => &args.common,
            Self::Status(args) => &args.common,
            #[cfg(feature = "serve")]
            Self::Serve(args) => &args.common,
            Self::Check(args) => &args.common,
            Self::Enable(args) | Self::Disable(args) => &args.common,
            #[cfg(feature = "web-ping")]
            Self::SetKey(args) => &args.common,
        };
        let settings = Settings::read(common.config.config.as_deref(), environment.clone(), false)?;
        let mut flags = Layer::default();
        common.state.say(&mut flags);
        let (mut clean, _) = settings.resolve(&flags, None)?;
        // The CLIs run with this environment, so the logins are those of this home.
        clean.home = Home::User(environment.get("HOME").map(PathBuf::from));
        let state = clean.state_dir()?;
        let base = |cli: Cli| -> Result<PathBuf, Failure> {
            let provider = PROVIDERS.iter().find(|provider| provider.name == cli.name());
            let provider = provider.ok_or_else(|| Failure::new("no such provider"))?;
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
        let mut out = io::stdout().lock();
        match self {
            Self::Run(args) => {
                for warning in keeping.warnings.iter().filter(|_| !args.quiet) {
                    ui::warning(warning, JOB_HINT);
                }
                if keeping.jobs.is_empty() && !args.quiet {
                    ui::warn("no job is configured");
                    ui::hint("a job begins with [[keepalive]] in the configuration");
                }
                let options = Options {
                    ids: args.id,
                    dry_run: args.dry_run,
                    force: args.force,
                    only_news: false,
                };
                run(&keeper, &options, args.quiet, &mut out)
            }
            Self::Status(args) => {
                let is_json = args.format.format() == Some(Format::Json);
                keepalive::status(&keeper, is_json, &mut out)
            }
            Self::Check(_) => {
                let exit = keepalive::check(&keeper, &keeping.warnings, &mut out)?;
                for note in timer_notes(environment, &keeping.jobs) {
                    ui::hint(&note);
                }
                Ok(exit)
            }
            #[cfg(feature = "serve")]
            Self::Serve(args) => {
                let listen = args.listen(environment, is_drop_in)?;
                // It is written to by a thread.
                drop(out);
                serve(&keeper, listen, &keeping.warnings)
            }
            Self::Enable(args) => keepalive::enable(&keeper, &args.id),
            Self::Disable(args) => keepalive::disable(&keeper, &args.id),
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
    warnings: &[String],
) -> Result<Exit, Failure> {
    if keeper.jobs.is_empty() {
        let failure = Failure { exit: Exit::Usage, ..Failure::new("no job is configured") };
        return Err(failure.hint("a job begins with [[keepalive]] in the configuration"));
    }
    for warning in warnings {
        ui::warning(warning, JOB_HINT);
    }
    let log = Log::to(io::stdout())
        .map_err(|error| Failure::new(format!("cannot serve: {}", crate::disk::words(&error))))?;
    keepalive::serve(keeper, &Serve { listen }, log, &ui::fail)
}

/// Runs a pass; where that is to be quiet, what it says is shown only if something went wrong.
fn run(
    keeper: &Keeper<'_>,
    options: &Options,
    is_quiet: bool,
    out: &mut dyn io::Write,
) -> Result<Exit, Failure> {
    if !is_quiet {
        return keepalive::run(keeper, options, out);
    }
    let mut said = Vec::new();
    let exit = keepalive::run(keeper, options, &mut said)?;
    if exit != Exit::Done {
        // Standard output may be closed; the work is done.
        let _ = out.write_all(&said);
    }
    Ok(exit)
}
