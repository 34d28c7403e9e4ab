//! The arguments and help of `hold`.

use clap::{ArgGroup, Args, Subcommand};
use std::ffi::OsString;
use std::time::Duration;

use crate::commands::hold::hook::{self, Event, Hooked};
use crate::commands::hold::mapped::unmapped;
use crate::commands::hold::watcher::{self, BeatOptions, duration};
use crate::commands::hold::{self, Start, help, list, run};
use crate::commands::options::{ConfigArgs, FormatArgs, StateArgs};
use crate::config::{Environment, Format, Layer, Settings};
use crate::holds::{Holds, Subject};
use crate::model::{Exit, Failure, Timestamp};
use crate::ui;

/// The reason of a hold unless another one is given.
const REASON: &str = "tool_exec";

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

    #[command(flatten)]
    beats: BeatOptions,

    #[command(flatten)]
    place: PlaceArgs,

    /// The command to run
    #[arg(last = true, required = true, value_name = "COMMAND", help_heading = "Arguments")]
    work: Vec<OsString>,
}

/// Where the holds are.
#[derive(Debug, Args)]
struct PlaceArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
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
    /// The watcher of `hold -- COMMAND`, as it is started: its hold comes on standard input.
    #[command(name = watcher::SUBCOMMAND, hide = true)]
    Watch(WatchArgs),
}

#[derive(Debug, Args)]
struct WatchArgs {
    #[command(flatten)]
    beats: BeatOptions,

    #[command(flatten)]
    state: StateArgs,
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

    /// Read session and tool from the JSON that a CLI passes to hooks on standard input; without a
    /// tool, hold a turn, for 24 hours at most
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
    place: PlaceArgs,
}

#[derive(Debug, Args)]
struct StopArgs {
    /// The key of the hold
    #[arg(long, value_name = "KEY", required_unless_present = "from_hook")]
    key: Option<String>,

    /// Read from the JSON of a hook what has ended: a tool, a turn or the session. If a turn leaves
    /// background tasks or scheduled prompts, the session stays held
    #[arg(long, conflicts_with = "key")]
    from_hook: bool,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
struct BeatArgs {
    /// The key of the hold
    #[arg(long, value_name = "KEY")]
    key: String,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    place: PlaceArgs,
}

impl HoldArgs {
    /// Runs `hold` or its subcommand. A hook's failure never ends with 2: to the CLIs that means that the
    /// tool must not run.
    pub(crate) fn run(
        self,
        environment: &Environment,
        clock: fn() -> Timestamp,
    ) -> anyhow::Result<Exit> {
        let now = clock();
        match self.command {
            None => self.become_command(environment, now),
            Some(HoldCommand::Start(args)) => softened(args.from_hook, args.run(environment, now)),
            Some(HoldCommand::Stop(args)) => softened(args.from_hook, args.run(environment, now)),
            Some(HoldCommand::Beat(args)) => {
                hold::beat(&args.place.holds(environment)?, &args.key, now)
            }
            Some(HoldCommand::List(args)) => args.run(environment, now),
            Some(HoldCommand::Watch(args)) => {
                let holds = args.state.state_dir.as_deref().map(Holds::at);
                let gate = environment.get("SESSION_WARDEN_SEND_KEEPALIVES");
                watcher::run(holds.as_ref(), &args.beats, gate, clock)
            }
        }
    }

    fn become_command(self, environment: &Environment, now: Timestamp) -> anyhow::Result<Exit> {
        let holds = match self.place.holds(environment) {
            Err(failure) if failure.exit != Exit::Usage => {
                let hint = failure.hint.as_deref().unwrap_or("the command runs without a hold");
                ui::warning(&format!("the session is not held: {failure}"), hint);
                None
            }
            holds => Some(holds?),
        };

        let subject = subject(self.session, self.chat)?;
        self.place.warn_unmapped(&subject, environment);
        run::run(holds.as_ref(), subject, self.reason.reason, &self.beats, &self.work, now)
    }
}

impl StartArgs {
    fn run(self, environment: &Environment, now: Timestamp) -> anyhow::Result<Exit> {
        let holds = self.place.holds(environment)?;
        let (subject, key) = if self.from_hook {
            let Hooked { session, event } = hook::read()?;
            let key = match event {
                // A session that has only started waits for its user.
                Event::SessionStart => return Ok(Exit::Done),
                Event::Tool(key) => Some(key),
                _ => None,
            };
            (Subject::Session(session), key)
        } else {
            (subject(self.session, self.chat)?, self.key)
        };

        self.place.warn_unmapped(&subject, environment);
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
        let holds = self.place.holds(environment)?;
        if !self.from_hook {
            return hold::stop(&holds, &self.key.unwrap_or_default());
        }

        let Hooked { session, event } = hook::read()?;
        match event {
            Event::Tool(key) => hold::stop(&holds, &key),
            Event::Background(reason) => hold::keep_in_background(&holds, session, reason, now),
            Event::StopFailure => hold::stop_turn(&holds, session),
            Event::Stop | Event::SessionEnd => hold::stop_all(&holds, &session, now),
            // No hold ends with this hook, such as that of a subagent.
            Event::SessionStart | Event::Other => Ok(Exit::Done),
        }
    }
}

impl ListArgs {
    fn run(self, environment: &Environment, now: Timestamp) -> anyhow::Result<Exit> {
        let found = self.place.holds(environment)?.read(now)?;
        for (path, why) in &found.unread {
            ui::warning(
                &format!("cannot read {}: {why}", path.display()),
                "check its permissions; sessions are kept while it cannot be read",
            );
        }
        let exit = if found.unread.is_empty() { Exit::Done } else { Exit::Partly };

        let live = found.live(now);
        ui::print("the holds", |out| match self.format.format() {
            Some(Format::Json) => list::write_json(&live, out),
            _ => list::write(&live, now, ui::zone(), out),
        })?;
        Ok(exit)
    }
}

impl PlaceArgs {
    fn settings(&self, environment: &Environment) -> Result<Settings, Failure> {
        Settings::read(self.config.config.as_deref(), environment.clone(), false)
    }

    fn holds(&self, environment: &Environment) -> Result<Holds, Failure> {
        let flags = Layer { state: self.state.clone(), ..Layer::default() };
        let (clean, _) = self.settings(environment)?.resolve(&flags, None)?;
        Ok(Holds::at(&clean.state_dir()?))
    }

    /// Warns of a chat that nothing maps. It is held all the same.
    fn warn_unmapped(&self, subject: &Subject, environment: &Environment) {
        let Subject::Chat(chat) = subject else { return };
        let settings = self.settings(environment).ok();
        if let Some(warning) = settings.and_then(|settings| unmapped(&settings, chat)) {
            ui::warning(&warning.message, warning.code.hint());
        }
    }
}

/// Returns the end of a command that a hook may have run.
fn softened(is_hook: bool, end: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    end.map_err(
        |error| if is_hook { Failure::from(error).with(Exit::Failed).into() } else { error },
    )
}

fn subject(session: Option<String>, chat: Option<String>) -> Result<Subject, Failure> {
    let chat = chat.map(Subject::Chat);
    session
        .map(Subject::Session)
        .or(chat)
        .ok_or_else(|| Failure::usage("nothing to hold").hint("name it: --session ID or --chat ID"))
}

fn reason(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("not 1 to 200 bytes long; for example --reason build".to_owned());
    }
    Ok(text.to_owned())
}
