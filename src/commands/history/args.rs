//! The arguments and help of `history`, and how it prints.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::commands::history;
use crate::commands::options::{ColorArgs, ConfigArgs, FormatArgs, StateArgs};
use crate::config::{Color, Format, Layer, Settings};
use crate::journal::Journal;
use crate::model::{Exit, Timestamp};
use crate::report::{
    Screen, write_history, write_history_json, write_past_run, write_past_run_json,
};
use crate::ui;

pub(crate) const EXAMPLES_AND_EXIT_CODES: &str = "\
Examples:
  session-warden history --limit 5     Show the newest five runs
  session-warden history latest        Show the newest run in detail
  session-warden history 20261121T03   Show the run whose id begins with that

Exit codes:
  0   done, whether or not there was a run
  1   failed: no such run, or the state folder cannot be read
  2   wrong usage or configuration
  3   done, but a line of the journal is damaged; see the warnings";

#[derive(Debug, Clone, Args)]
pub(crate) struct HistoryArgs {
    /// Show this run in detail: a unique prefix of its id, or latest, the newest run of any kind
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    run: Option<String>,

    /// Show only the newest N runs
    #[arg(long, value_name = "N", value_parser = limit, allow_hyphen_values = true, conflicts_with = "run")]
    limit: Option<usize>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    color: ColorArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

fn limit(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "not a whole number above 0; for example --limit 10".to_owned())
}

impl HistoryArgs {
    /// Prints the runs, or the one that is named.
    pub(crate) fn run(&self, settings: &Settings, now: Timestamp) -> anyhow::Result<Exit> {
        let (clean, _) = settings.resolve(&self.layer(), None)?;
        let journal = Journal::at(&clean.state_dir()?);
        let look = ui::look(clean.color, false, false);
        let screen = Screen { look, width: ui::columns() };

        if let Some(typed) = &self.run {
            let found = history::one(&journal, typed);
            // A damaged line may be why a run is unknown.
            let (run, mappings, releases) =
                found.inspect_err(|_| ui::warnings(&journal.damage(), ""))?;
            ui::print("the history", |out| match clean.format {
                Format::Text => write_past_run(&run, &mappings, &releases, screen, out),
                Format::Json => write_past_run_json(&run, &mappings, &releases, out),
            })?;
        } else {
            let runs = history::all(&journal, now)?;
            let limit = self.limit.unwrap_or(usize::MAX);
            ui::print("the history", |out| match clean.format {
                Format::Text => write_history(&runs, limit, screen, out),
                Format::Json => write_history_json(&runs, limit, out),
            })?;
        }

        let damage = journal.damage();
        ui::warnings(&damage, "");
        Ok(if damage.is_empty() { Exit::Done } else { Exit::Partly })
    }

    /// Returns the settings that were typed.
    pub(crate) fn layer(&self) -> Layer {
        let (format, color, state) = (self.format.clone(), self.color.clone(), self.state.clone());
        Layer { format, color, state, ..Layer::default() }
    }

    pub(crate) fn color(&self) -> Option<Color> {
        self.color.choice()
    }
}
