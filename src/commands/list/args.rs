//! The arguments and help of `list`, and how it ends: one list, or one for each profile.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use std::io::{self, BufWriter, Write};

use crate::commands::clean::profiles;
use crate::commands::list::{self, Options, Sort};
use crate::commands::options::{
    AskArgs, ColorArgs, ConfigArgs, FormatArgs, ProfileArgs, StateArgs,
};
use crate::config::{Clean, Environment, Format, Layer, Settings};
use crate::model::{Exit, Failure, State, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::report::{List, ListOfProfile, Look, write_list, write_list_json, write_list_profiles};
use crate::ui;
use crate::ui::progress;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  session-warden list
  session-warden list --state idle --sort size --limit 10
  session-warden list -v                 With ids, files and resume commands
  session-warden list --unmapped         List sessions that no mapping names
  session-warden list --json | jq '.sessions[].resume'

Exit codes:
  0   listed; also when there is no map
  1   failed: the map cannot be read, or was named and never existed
  2   wrong usage or configuration
  3   listed, but not everything could be read; see the warnings";

#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    #[arg(
        long,
        value_name = "STATE",
        value_parser = PossibleValuesParser::new(State::ALL.map(State::name)).try_map(|name| state(&name)),
        hide_possible_values = true,
        help = "Only mappings in this state: active, idle, missing, in_use, pinned, resident, archived or unknown (repeatable)"
    )]
    state: Vec<State>,

    /// Sort by idle time (longest first), model or size (largest first) [default: idle]
    #[arg(long, value_name = "idle|model|size", hide_possible_values = true)]
    sort: Option<SortArg>,

    /// Show only the first N rows; totals count all
    #[arg(long, value_name = "N", value_parser = limit, allow_hyphen_values = true)]
    limit: Option<usize>,

    /// List sessions on disk without a mapping, with their sizes
    #[arg(long, conflicts_with = "state")]
    unmapped: bool,

    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(crate) color: ColorArgs,

    /// Also show each session's id, resume command, size, times, file and deletion date
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    profile: ProfileArgs,

    /// List every profile of the configuration file, one after the other
    #[arg(long, conflicts_with_all = ["profile", "session_dir", "map", "home"])]
    all_profiles: bool,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state_dir: StateArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortArg {
    #[value(alias = "age")]
    Idle,
    Model,
    Size,
}

fn state(name: &str) -> Result<State, String> {
    let state = State::ALL.into_iter().find(|state| state.name() == name);
    state.ok_or_else(|| "not a state".to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "not a whole number; for example --limit 10".to_owned())
}

/// How a list is printed.
struct Printer {
    look: Look,
    home: Option<String>,
}

impl ListArgs {
    /// Prints the list, or those of all profiles.
    ///
    /// # Errors
    /// Whatever keeps the list from its work.
    pub(crate) fn run(
        &self,
        settings: &Settings,
        environment: &Environment,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let flags = self.layer();
        if self.all_profiles {
            let configs = profiles::all(settings, &flags)?;
            return self.all(&configs, environment, now, interrupt);
        }

        let (config, _) =
            settings.resolve(&flags, settings.profile(self.profile.profile.as_deref()))?;
        let shown = progress::show(interrupt, false);
        let (list, exit) = list::run(&config, &self.options(), now, interrupt)?;
        drop(shown);
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match config.format {
            Format::Json => write_list_json(&list, &mut out),
            Format::Text => self.printer(&config, environment).print(&list, &mut out),
        };
        ui::written(written.and_then(|()| out.flush()), "the list")?;
        ui::warnings(&list.warnings, "");
        if let Some(hint) = &list.hint {
            ui::hint(hint);
        }
        Ok(exit)
    }

    fn all(
        &self,
        configs: &[Clean],
        environment: &Environment,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let mut ended: Vec<(&str, Exit, Option<List>)> = Vec::new();
        let mut has_written = false;
        for config in configs {
            let name = config.profile.as_deref().unwrap_or_default();
            let whose = format!("profile {name}: ");
            let shown = progress::show(interrupt, false);
            let listed = list::run(config, &self.options(), now, interrupt).map_err(Failure::from);
            drop(shown);
            let (list, exit) = match listed {
                Ok((list, exit)) => (list, exit),
                Err(failure) => {
                    ui::fail_of(&whose, &failure);
                    ended.push((name, failure.exit, None));
                    continue;
                }
            };
            if config.format == Format::Text {
                let mut out = BufWriter::new(io::stdout().lock());
                let rest = if has_written { writeln!(out) } else { Ok(()) };
                let printer = self.printer(config, environment);
                let written = rest.and_then(|()| printer.print(&list, &mut out));
                ui::written(written.and_then(|()| out.flush()), "the list")?;
                has_written = true;
            }
            ui::warnings(&list.warnings, &whose);
            ended.push((name, exit, Some(list)));
        }

        if configs.iter().any(|config| config.format == Format::Json) {
            let lists: Vec<ListOfProfile<'_>> = ended
                .iter()
                .map(|(profile, exit, list)| ListOfProfile {
                    profile,
                    exit: exit.code(),
                    list: list.as_ref(),
                })
                .collect();
            let mut out = BufWriter::new(io::stdout().lock());
            let written = write_list_profiles(&lists, &mut out);
            ui::written(written.and_then(|()| out.flush()), "the list")?;
        }
        Ok(profiles::exit(ended.iter().map(|(_, exit, _)| *exit)))
    }

    fn options(&self) -> Options {
        let sort = match self.sort {
            None | Some(SortArg::Idle) => Sort::Idle,
            Some(SortArg::Model) => Sort::Model,
            Some(SortArg::Size) => Sort::Size,
        };
        Options { states: self.state.clone(), unmapped: self.unmapped, sort, limit: self.limit }
    }

    fn printer(&self, config: &Clean, environment: &Environment) -> Printer {
        Printer {
            look: ui::look(config.color, self.verbose, self.verbose),
            home: environment.get("HOME").and_then(|home| home.into_string().ok()),
        }
    }

    fn layer(&self) -> Layer {
        Layer {
            ask: self.ask.clone(),
            format: self.format.clone(),
            color: self.color.clone(),
            state: self.state_dir.clone(),
            ..Layer::default()
        }
    }
}

impl Printer {
    fn print(&self, list: &List, to: &mut dyn Write) -> io::Result<()> {
        write_list(list, self.look, ui::columns(), self.home.as_deref(), to)
    }
}
