//! The grammar of `release`, the question that it asks, and how it prints.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::time::Instant;

use crate::clean::release::by_hand::{Request, record, release};
use crate::commands::options::{
    AskArgs, BridgeArgs, ColorArgs, ConfigArgs, FormatArgs, OUTPUT, PlaceArgs, ProfileArgs,
    ReleaseAfterArgs, ReleaseArgs, StateArgs,
};
use crate::config::{Clean, Format, Layer, Settings};
use crate::model::{Exit, Timestamp, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::report::{ReleaseReport, and_more, write_release, write_release_json};
use crate::ui;
use crate::ui::confirm::{can_ask, confirm};
use crate::ui::progress;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  session-warden release -n            Show which processes would be ended
  session-warden release website       End the process of one chat
  session-warden release --leftovers   Also end leftovers

Exit codes:
  0   done, whether or not a process was ended
  1   failed: none of the named processes was ended, an ID matches nothing,
      more than --max-release, or the answer was no
  2   wrong usage or configuration
  3   done, but not completely; see the warnings
  75  another run holds the lock; nothing was done";

/// How many processes the question names.
const NAMED: usize = 5;

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct ReleaseCommandArgs {
    #[arg(
        value_name = "ID",
        value_parser = NonEmptyStringValueParser::new(),
        help = "A chat, a session or a unique prefix of one; the session need not have a mapping [default: every mapped session]"
    )]
    ids: Vec<String>,

    /// Also end leftovers: processes without a mapping whose parent processes have ended
    #[arg(long)]
    leftovers: bool,

    /// Show which processes would be ended; end none
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask for confirmation on a terminal
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    after: ReleaseAfterArgs,

    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    bridge: BridgeArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(crate) color: ColorArgs,

    /// Print nothing unless something went wrong
    #[arg(short, long, help_heading = OUTPUT)]
    quiet: bool,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl ReleaseCommandArgs {
    /// Ends the processes that were asked for.
    pub(crate) fn run(
        self,
        settings: &Settings,
        clock: fn() -> Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let (config, _) =
            settings.resolve(&self.layer(), settings.profile(self.profile.profile.as_deref()))?;
        let config = Clean { dry_run: self.dry_run, metrics: None, log: None, ..config };
        let mut request = Request {
            ids: self.ids.clone(),
            leftovers: self.leftovers,
            is_confirmed: self.yes || can_ask(),
            confirmed: None,
        };

        if !self.dry_run && !self.yes && can_ask() {
            // Without the lock: no run has to wait for an answer.
            let dry = Clean { dry_run: true, ..config.clone() };
            let shown = progress::show(interrupt, self.quiet);
            let planned = release(&dry, &request, clock(), interrupt)?;
            drop(shown);
            if planned.would_release() == 0 {
                // As a run that ends nothing.
                return self.report(&planned, &config);
            }
            if !confirm(&question(&planned), interrupt)? {
                ui::note("Nothing was ended.");
                return Ok(Exit::Failed);
            }
            request.confirm(&planned);
        }

        let began = Instant::now();
        let shown = progress::show(interrupt, self.quiet);
        let report = release(&config, &request, clock(), interrupt)?;
        drop(shown);
        let exit = self.report(&report, &config)?;
        if !config.dry_run
            && let Err(failure) = record(&config, &report, exit, began.elapsed())
        {
            ui::warning(&failure.message, WarningCode::NotWrittenDown.hint());
        }
        Ok(exit)
    }

    /// Prints the report, and returns its exit code.
    fn report(&self, report: &ReleaseReport, config: &Clean) -> anyhow::Result<Exit> {
        let exit = self.exit(report);
        if !self.quiet || exit != Exit::Done {
            ui::print("the report", |out| match config.format {
                Format::Json => write_release_json(report, out),
                Format::Text => write_release(report, ui::look(config.color, true, false), out),
            })?;
            ui::warnings(&report.warnings, "");
            if let Some(hint) = &report.hint {
                ui::hint(hint);
            }
        }
        Ok(exit)
    }

    fn exit(&self, report: &ReleaseReport) -> Exit {
        let ended = report.released() + report.would_release();
        if !self.ids.is_empty() && ended + report.ending() == 0 {
            return Exit::Failed;
        }
        let is_partial = report.warnings.iter().any(|warning| warning.code.is_trouble())
            || (!self.ids.is_empty() && ended < report.rows.len());
        if is_partial { Exit::Partly } else { Exit::Done }
    }

    pub(crate) fn layer(&self) -> Layer {
        let (place, bridge) = (self.place.clone(), self.bridge.clone());
        Layer {
            dry_run: Some(self.dry_run),
            ask: AskArgs { place, bridge, ..AskArgs::default() },
            release: ReleaseArgs { after: self.after.clone(), ..ReleaseArgs::default() },
            format: self.format.clone(),
            color: self.color.clone(),
            quiet: self.quiet.then_some(true),
            state: self.state.clone(),
            ..Layer::default()
        }
    }
}

/// Returns `End 2 processes: 4121 (claude-cli/website), 4200 (no mapping)?`
fn question(report: &ReleaseReport) -> String {
    let rows = report.rows.iter().filter(|row| row.would_release());
    let names: Vec<String> = rows
        .clone()
        .take(NAMED)
        .map(|row| {
            let chats =
                if row.chats.is_empty() { "no mapping".to_owned() } else { row.chats.join(", ") };
            format!("{} ({chats})", row.details.process.pid)
        })
        .collect();
    let count = rows.count();
    let processes = if count == 1 { "process" } else { "processes" };
    let more = and_more(count.saturating_sub(NAMED));
    format!("End {count} {processes}: {}{more}?", names.join(", "))
}
