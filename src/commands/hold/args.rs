//! The arguments and help of `hold`.

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use crate::commands::hold::{self, Around, Hooked, REASON, Start, help};
use crate::commands::options::{ConfigArgs, FormatArgs, StateArgs};
use crate::config::{Environment, Format, Layer, Settings};
use crate::holds::{Holds, Subject};
use crate::model::heartbeat::BEAT_EVERY;
use crate::model::{Advice, Exit, Failure, Timestamp};
use crate::process;
use crate::ui;

/// What to do about a session that is not held though its command runs.
const NOT_HELD_HINT: &str = "the command runs without a hold";

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    group = ArgGroup::new("held").args(["session", "chat"]).required(true)
)]
pub(crate) struct HoldArgs {
    #[command(subcommand)]
    command: Option<HoldCommand>,

    /// Hold this session
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,

    /// Hold the session that this chat is mapped to
    #[arg(long, value_name = "CHAT")]
    chat: Option<String>,

    #[command(flatten)]
    reason: ReasonArgs,

    /// How often to renew the hold while COMMAND runs [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    beat: Option<Duration>,

    #[arg(
        long,
        value_name = "LINE",
        help = "Shell command to run at each renewal, if the environment allows it (see below)"
    )]
    beat_command: Option<String>,

    /// Append diagnostics to FILE as JSON lines
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Print diagnostics on standard error
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,

    /// Write the hold of this key down, and become the command: how the command is started.
    #[arg(long = "become", value_name = "KEY", hide = true)]
    becomes: Option<String>,

    /// The command to run
    #[arg(last = true, required = true, value_name = "COMMAND", help_heading = "Arguments")]
    work: Vec<OsString>,
}

#[derive(Debug, Args)]
struct ReasonArgs {
    #[arg(
        long,
        value_name = "TEXT",
        value_parser = reason,
        default_value = REASON,
        hide_default_value = true,
        help = "Why it is held: api_call, tool_exec or any text [default: tool_exec]"
    )]
    reason: String,
}

#[derive(Debug, Subcommand)]
enum HoldCommand {
    /// Start a hold
    ///
    /// The hold lasts while the CLI that started this command runs, or the process that --pid names.
    #[command(max_term_width = 100, after_help = help::START)]
    Start(StartArgs),
    /// Stop a hold
    #[command(max_term_width = 100, after_help = help::STOP)]
    Stop(StopArgs),
    /// Renew a hold that has no process
    #[command(max_term_width = 100, after_help = help::BEAT)]
    Beat(BeatArgs),
    /// List active holds
    #[command(max_term_width = 100, after_help = help::LIST)]
    List(ListArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Hold this session
    #[arg(long, value_name = "SESSION", conflicts_with = "chat", required_unless_present_any = ["chat", "from_hook"])]
    session: Option<String>,

    /// Hold the session that this chat is mapped to
    #[arg(long, value_name = "CHAT")]
    chat: Option<String>,

    /// The name of this hold; a hold with the same key is replaced
    #[arg(long, value_name = "KEY", required_unless_present = "from_hook")]
    key: Option<String>,

    /// Read session and key from the JSON that a CLI passes to hooks on standard input
    #[arg(long, conflicts_with_all = ["session", "chat", "key"])]
    from_hook: bool,

    #[command(flatten)]
    reason: ReasonArgs,

    /// Hold while this process runs [default: the nearest parent that is claude, codex or gemini]
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,

    /// Without a process: how long the hold lasts after it was last renewed [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "pid")]
    ttl: Option<Duration>,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct StopArgs {
    /// The key of the hold
    #[arg(long, value_name = "KEY", required_unless_present = "from_hook")]
    key: Option<String>,

    /// Take the key from the JSON of a hook; at the end of a session, stop all holds that hooks
    /// started for it
    #[arg(long, conflicts_with = "key")]
    from_hook: bool,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct BeatArgs {
    /// The key of the hold
    #[arg(long, value_name = "KEY")]
    key: String,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl HoldArgs {
    /// Runs what was typed.
    ///
    /// # Errors
    /// Whatever keeps it from its work. A hook's failure never ends with 2: to the CLIs that means
    /// that the tool must not run.
    pub(crate) fn run(
        self,
        environment: &Environment,
        clock: fn() -> Timestamp,
    ) -> anyhow::Result<Exit> {
        let now = clock();
        match self.command {
            None => self.around(environment, clock),
            Some(HoldCommand::Start(args)) => {
                let is_hook = args.from_hook;
                args.run(environment, now).map_err(|error| softened(error, is_hook))
            }
            Some(HoldCommand::Stop(args)) => {
                let is_hook = args.from_hook;
                args.run(environment, now).map_err(|error| softened(error, is_hook))
            }
            Some(HoldCommand::Beat(args)) => {
                hold::beat(&holds(&args.config, &args.state, environment)?, &args.key, now)
            }
            Some(HoldCommand::List(args)) => args.run(environment, now),
        }
    }

    fn around(self, environment: &Environment, clock: fn() -> Timestamp) -> anyhow::Result<Exit> {
        let warn = |message: &str, hint: &str| ui::warning(message, hint);
        let holds = match self.becomes {
            // Whoever has started us has read the configuration.
            Some(_) => self.state.named().map(Holds::at),
            None => match holds(&self.config, &self.state, environment) {
                Err(failure) if failure.exit != Exit::Usage => {
                    let hint = failure.hint.as_deref().unwrap_or(NOT_HELD_HINT);
                    warn(&format!("the session is not held: {failure}"), hint);
                    None
                }
                holds => Some(holds?),
            },
        };
        let tell = |line: &str| ui::note(&format!("session-warden: {line}"));
        let subject = subject(self.session, self.chat)?;
        if self.becomes.is_none() {
            warn_unmapped(&subject, &self.config, environment);
        }
        let around = Around {
            command: &self.work,
            subject,
            reason: self.reason.reason,
            every: self.beat.unwrap_or(BEAT_EVERY),
            beat_command: self.beat_command,
            gate: &|| environment.get("SESSION_WARDEN_SEND_KEEPALIVES"),
            tell: self.verbose.then_some(&tell),
            log: self.log,
            warn: &warn,
            clock: &clock,
            passed: &process::passed,
        };
        match self.becomes {
            Some(key) => hold::become_work(holds.as_ref(), &around, key),
            None => hold::run(holds.as_ref(), &around),
        }
    }
}

impl StartArgs {
    fn run(self, environment: &Environment, now: Timestamp) -> anyhow::Result<Exit> {
        let holds = holds(&self.config, &self.state, environment)?;
        let (subject, key) = if self.from_hook {
            let Hooked { session, key, .. } = told()?;
            (Subject::Session(session), key)
        } else {
            (subject(self.session, self.chat)?, self.key)
        };
        warn_unmapped(&subject, &self.config, environment);
        let start = Start {
            key,
            subject,
            reason: self.reason.reason,
            pid: self.pid,
            ttl: self.ttl,
            by_hook: self.from_hook,
        };
        hold::start(&holds, start, now)
    }
}

impl StopArgs {
    fn run(self, environment: &Environment, now: Timestamp) -> anyhow::Result<Exit> {
        let holds = holds(&self.config, &self.state, environment)?;
        if !self.from_hook {
            return hold::stop(&holds, &self.key.unwrap_or_default());
        }
        let Hooked { session, key, is_over } = told()?;
        match key {
            Some(key) => hold::stop(&holds, &key),
            None if is_over => hold::stop_session(&holds, &session, now),
            // Nothing that a hook of ours brackets.
            None => Ok(Exit::Done),
        }
    }
}

impl ListArgs {
    fn run(self, environment: &Environment, now: Timestamp) -> anyhow::Result<Exit> {
        let found = holds(&self.config, &self.state, environment)?.read(now)?;
        for (path, why) in &found.unread {
            ui::warning(
                &format!("cannot read {}: {why}", path.display()),
                "check its permissions; sessions are kept while it cannot be read",
            );
        }
        let exit = if found.unread.is_empty() { Exit::Done } else { Exit::Partly };
        let live = found.live(now);
        ui::print("the holds", |out| match self.format.format() {
            Some(Format::Json) => hold::write_json(&live, out),
            _ => hold::write(&live, now, ui::zone(), out),
        })?;
        Ok(exit)
    }
}

/// What the hook of a CLI tells.
fn told() -> anyhow::Result<Hooked> {
    let mut input = Vec::new();
    let read = io::stdin().lock().take(hold::LARGEST).read_to_end(&mut input);
    read.context("cannot read standard input")
        .hint("--from-hook needs the JSON that a CLI sends to its hooks")?;
    hold::hooked(&input)
}

fn softened(error: anyhow::Error, is_hook: bool) -> anyhow::Error {
    if is_hook { Failure::from(error).with(Exit::Failed).into() } else { error }
}

fn subject(session: Option<String>, chat: Option<String>) -> Result<Subject, Failure> {
    let chat = chat.map(Subject::Chat);
    session.map(Subject::Session).or(chat).ok_or_else(|| {
        let failure = Failure::new("nothing to hold").hint("name it: --session ID or --chat ID");
        failure.with(Exit::Usage)
    })
}

/// Warns of a chat that nothing maps. It is held all the same.
fn warn_unmapped(subject: &Subject, config: &ConfigArgs, environment: &Environment) {
    let Subject::Chat(chat) = subject else { return };
    let settings = Settings::read(config.config.as_deref(), environment.clone(), false).ok();
    if let Some(warning) = settings.and_then(|settings| hold::unmapped(&settings, chat)) {
        ui::warning(&warning.message, warning.code.hint());
    }
}

fn holds(
    config: &ConfigArgs,
    state: &StateArgs,
    environment: &Environment,
) -> Result<Holds, Failure> {
    let settings = Settings::read(config.config.as_deref(), environment.clone(), false)?;
    let mut flags = Layer::default();
    state.say(&mut flags);
    let (clean, _) = settings.resolve(&flags, None)?;
    Ok(Holds::at(&clean.state_dir()?))
}

fn duration(text: &str) -> Result<Duration, String> {
    let example = "for example 30s, 15m or 1h";
    let span = humantime::parse_duration(text)
        .map_err(|error| format!("not a duration ({error}); {example}"))?;
    let range = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 3600);
    if range.contains(&span) {
        return Ok(span);
    }
    Err(format!("not between 1 second and 1 year; {example}"))
}

fn reason(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("not 1 to 200 bytes long; for example --reason build".to_owned());
    }
    Ok(text.to_owned())
}
