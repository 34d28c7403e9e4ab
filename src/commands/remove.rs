//! The grammar of `remove`, and the question that it asks.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::clean::run_of;
use crate::clean::selection::Selection;
use crate::commands::clean;
use crate::commands::options::{
    AskArgs, BridgeArgs, ColorArgs, ConfigArgs, FormatArgs, OUTPUT, PlaceArgs, ProfileArgs,
    StateArgs,
};
use crate::config::{Clean, Layer, Settings};
use crate::model::{Exit, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::report::{Report, and_more, counted};
use crate::ui;
use crate::ui::confirm::{can_ask, confirm};
use crate::ui::progress;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  session-warden remove website
  session-warden remove --dry-run claude-cli/diary codex-cli/diary
  session-warden remove --yes 3f1c9a52

Exit codes:
  0   removed, or with --dry-run: can be removed
  1   nothing was removed: an ID matches nothing or is ambiguous, a session is
      in use or pinned, or the answer was no
  2   wrong usage or configuration
  3   done, but not completely; see the warnings
  75  another run holds the lock; nothing was done";

/// How many mappings the question names.
const NAMED: usize = 5;

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct RemoveArgs {
    #[arg(
        required = true,
        value_name = "ID",
        value_parser = NonEmptyStringValueParser::new(),
        help = "A chat, a session (all chats mapped to it), or a unique prefix; model/chat if several models have the chat"
    )]
    ids: Vec<String>,

    /// Show what would be removed; change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask for confirmation on a terminal
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    bridge: BridgeArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(crate) color: ColorArgs,

    /// Print nothing unless something went wrong
    #[arg(short, long, conflicts_with = "verbose", help_heading = OUTPUT)]
    quiet: bool,

    /// Show whole ids and the time of last use
    #[arg(short, long, help_heading = OUTPUT)]
    verbose: bool,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl RemoveArgs {
    /// Removes the mappings that were named.
    pub(crate) fn run(
        self,
        settings: &Settings,
        clock: fn() -> Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let (config, _) =
            settings.resolve(&self.layer(), settings.profile(self.profile.profile.as_deref()))?;
        // Bounds and records are for the runs of a timer.
        let config = Clean { dry_run: self.dry_run, metrics: None, log: None, ..config };
        let mut selection = Selection::new(self.ids);
        if !self.dry_run && !self.yes && can_ask() {
            // Without the lock: no run has to wait for an answer.
            let dry = Clean { dry_run: true, ..config.clone() };
            let shown = progress::show(interrupt, self.quiet);
            let planned = run_of(&dry, Some(&selection), clock(), interrupt)?;
            drop(shown);
            if !confirm(&question(&planned.report()), interrupt)? {
                ui::note("Nothing was removed.");
                return Ok(Exit::Failed);
            }
            selection.confirm(&planned.report());
        }
        clean::one(&config, Some(&selection), clock(), interrupt)
    }

    pub(crate) fn layer(&self) -> Layer {
        let (place, bridge) = (self.place.clone(), self.bridge.clone());
        Layer {
            dry_run: Some(self.dry_run),
            ask: AskArgs { place, bridge, ..AskArgs::default() },
            format: self.format.clone(),
            color: self.color.clone(),
            quiet: self.quiet.then_some(true),
            verbose: self.verbose.then_some(true),
            state: self.state.clone(),
            ..Layer::default()
        }
    }
}

/// Returns `Remove 2 mappings: claude-cli/website (active), codex-cli/shop (idle)?`
fn question(report: &Report<'_>) -> String {
    let rows = report.rows().take(NAMED);
    let names: Vec<String> = rows
        .map(|row| format!("{}/{} ({})", row.mapping.model, row.mapping.chat.0, row.state))
        .collect();
    let count = report.rows().count();
    let mappings = counted(count, "mapping");
    let more = and_more(count.saturating_sub(NAMED));
    format!("Remove {mappings}: {}{more}?", names.join(", "))
}
