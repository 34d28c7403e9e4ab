//! The arguments and help of `undo`, the question it asks, and how it prints.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::request::{Request, Target};
use crate::commands::options::{
    AskArgs, BridgeArgs, ColorArgs, ConfigArgs, FormatArgs, MapArgs, ProfileArgs, StateArgs,
};
use crate::config::{Color, Layer, Settings};
use crate::journal::Journal;
use crate::model::{Advice, Exit, Failure, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::ui;
use crate::ui::confirm::{can_ask, confirm};
use crate::ui::progress;

pub(crate) const BRIDGE_HELP: &str =
    "Check that this bridge is stopped: its URL, auto to find it, or off [default: auto]";

pub(crate) const SESSION_DIR_HELP: &str =
    "Folder of session_map.json [default: where the run found it]";

pub(crate) const MAP_HELP: &str = "The session map itself [default: where the run found it]";

pub(crate) const EXAMPLES_AND_EXIT_CODES: &str = "\
Examples:
  session-warden undo -n                 Show what would be restored
  session-warden undo                    Restore what the latest run removed
  session-warden undo 20261121T03        Restore what an older run removed
  session-warden undo --chat website     Restore the mapping of one chat

Exit codes:
  0   done, whether or not anything was left to restore
  1   failed, or not confirmed; the map is unchanged
  2   wrong usage or configuration
  3   done, but not completely; see the warnings
  75  another run holds the lock; nothing was done";

#[derive(Debug, Clone, Args)]
pub(crate) struct UndoArgs {
    #[arg(
        help = "The run: a unique prefix of its id, or latest [default: latest, the newest with mappings left to restore]",
        value_parser = NonEmptyStringValueParser::new()
    )]
    run: Option<String>,

    /// Restore only the mapping of this chat
    #[arg(long, value_name = "CHAT", value_parser = NonEmptyStringValueParser::new())]
    chat: Option<String>,

    /// Show what would be restored; change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Skip the confirmation (asked on a terminal for any run but the latest)
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    map: MapArgs,

    #[command(flatten)]
    bridge: BridgeArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    color: ColorArgs,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl UndoArgs {
    /// Restores the mappings that a run removed. After an error, the map is unchanged.
    pub(crate) fn run(
        &self,
        settings: &Settings,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let profile = settings.profile(self.profile.profile.as_deref());
        let flags = self.layer();
        let (clean, _) = settings.resolve(&flags, profile)?;

        // The map that is named, or the profile's; otherwise it is where the run found it.
        let named = self.layer_with_map();
        let map = if self.map.place().is_some() || profile.is_some() {
            Some(settings.resolve(&named, profile)?.0.map)
        } else {
            None
        };
        let (bridge, allow_remote_bridge) = settings.bridge_beside(&flags, profile)?;
        let request = Request {
            run: self.run.as_deref(),
            chat: self.chat.as_deref(),
            map,
            profile: self.profile.profile.as_deref(),
            dry_run: self.dry_run,
            bridge,
            allow_remote_bridge,
            format: clean.format,
            look: ui::look(clean.color, false, false),
            journal: Journal::at(&clean.state_dir()?),
            now,
            interrupt,
        };

        let shown = progress::show(interrupt, false);
        let chosen = request.choose();
        drop(shown);
        // A damaged line may be why a run is unknown.
        let chosen = chosen.inspect_err(|_| ui::warnings(&request.journal.damage(), ""))?;

        let (exit, warnings) = if let Some(target) = chosen {
            self.confirm_older(&target, interrupt)?;
            let mut out = progress::show(interrupt, false).before(ui::stdout());
            request.run(target, &mut out)?
        } else {
            request.nothing(&mut ui::stdout())?
        };
        ui::warnings(&warnings, "");
        Ok(exit)
    }

    /// Returns an error unless the run is the latest, or the user means an older one.
    fn confirm_older(&self, target: &Target, interrupt: &Interrupt) -> anyhow::Result<()> {
        let Some(newer) = &target.newer else { return Ok(()) };
        let Target { run, entries, time, is_named, .. } = target;
        let command = self.same_undo(run);
        if self.dry_run && !is_named {
            ui::hint(&format!("run {newer} is newer; to restore these: {command}"));
        }
        if self.dry_run || self.yes {
            return Ok(());
        }

        if can_ask() {
            let when = time.map(|time| format!(" ({})", time.local())).unwrap_or_default();
            let mappings = match entries.len() {
                1 => "the mapping that it removed".to_owned(),
                count => format!("the {count} mappings that it removed"),
            };
            let question = format!("Run {run}{when} is older than {newer}. Restore {mappings}?");
            if confirm(&question, interrupt)? {
                return Ok(());
            }
            return Err(Failure::new("not confirmed: nothing was restored"))
                .hint("answer y or yes to restore; --yes skips the question");
        }
        if *is_named {
            return Ok(());
        }

        let of_chat = if self.chat.is_some() { " of that chat" } else { "" };
        let message = format!(
            "run {newer} is newer and has nothing{of_chat} left to restore; an older run must be named"
        );
        let when = time.map(|time| format!(" at {}", time.for_people())).unwrap_or_default();
        Err(Failure::new(message)).hint(&format!("{command} restores what that run removed{when}"))
    }

    /// Returns the command that does the same for the run that it names.
    fn same_undo(&self, run: &str) -> String {
        let chat = self.chat.as_ref().map(|chat| format!(" --chat {chat}")).unwrap_or_default();
        format!("session-warden undo {run}{chat}")
    }

    /// Returns the settings that were typed, without the map: naming it must not turn off the search for
    /// its bridge, since no edit is safe beside a bridge that runs.
    fn layer(&self) -> Layer {
        Layer {
            ask: AskArgs { bridge: self.bridge.clone(), ..AskArgs::default() },
            format: self.format.clone(),
            color: self.color.clone(),
            state: self.state.clone(),
            ..Layer::default()
        }
    }

    /// The same with the map, if one was named.
    pub(crate) fn layer_with_map(&self) -> Layer {
        let mut layer = self.layer();
        layer.ask.place.map = self.map.clone();
        layer
    }

    pub(crate) fn color(&self) -> Option<Color> {
        self.color.choice()
    }
}
