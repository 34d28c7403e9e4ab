//! The arguments and help of `list`, and how it ends: one list, or one for each profile.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use serde_json::value::RawValue;
use std::ffi::OsString;
use std::io::{self, Write};

use crate::commands::clean::profiles;
use crate::commands::list::{self, Options, Sort};
use crate::commands::options::{
    AskArgs, ColorArgs, ConfigArgs, FormatArgs, ProfileArgs, StateArgs,
};
use crate::commands::owner::{AsOwner, owner_of, run_as, words_for};
use crate::config::{Clean, Environment, Format, Layer, Settings};
use crate::model::{Exit, Failure, State, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::report::{List, OfProfile, write_list, write_list_json, write_profiles};
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
    sort: Option<Sort>,

    /// Show only the first N rows; totals count all
    #[arg(long, value_name = "N", value_parser = limit, allow_hyphen_values = true)]
    limit: Option<usize>,

    /// List sessions on disk and CLI processes without a mapping
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
    pub(crate) profile: ProfileArgs,

    /// List every profile of the configuration file, one after the other
    #[arg(long, conflicts_with_all = ["profile", "session_dir", "map", "home"])]
    pub(crate) all_profiles: bool,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state_dir: StateArgs,
}

/// All that the lists of several profiles share.
struct AllProfiles<'a> {
    settings: &'a Settings,
    words: &'a [OsString],
    environment: &'a Environment,
    now: Timestamp,
    interrupt: &'a Interrupt,
}

/// A list that was made here, or by a child that has become the map's owner.
#[derive(Serialize)]
#[serde(untagged)]
enum AnyList {
    Here(Box<List>),
    AsOwner(Box<RawValue>),
}

fn state(name: &str) -> Result<State, String> {
    let state = State::ALL.into_iter().find(|state| state.name() == name);
    state.ok_or_else(|| "not a state".to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "not a whole number; for example --limit 10".to_owned())
}

impl ListArgs {
    /// Prints the list, or those of all profiles.
    pub(crate) fn run(
        &self,
        settings: &Settings,
        words: &[OsString],
        environment: &Environment,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let flags = self.layer();
        if self.all_profiles {
            let configs = profiles::all(settings, &flags)?;
            let all = AllProfiles { settings, words, environment, now, interrupt };
            return self.all(&configs, &all);
        }

        let profile = settings.profile(self.profile.profile.as_deref());
        let (config, _) = settings.resolve(&flags, profile)?;
        let (list, exit) = self.list(&config, now, interrupt)?;
        ui::print("the list", |out| match config.format {
            Format::Json => write_list_json(&list, out),
            Format::Text => self.write(&list, &config, environment, out),
        })?;
        ui::warnings(&list.warnings, "");
        if let Some(hint) = &list.hint {
            ui::hint(hint);
        }
        Ok(exit)
    }

    fn all(&self, configs: &[Clean], all: &AllProfiles<'_>) -> anyhow::Result<Exit> {
        let mut ended: Vec<(&str, Exit, Option<AnyList>)> = Vec::new();
        let mut has_written = false;
        for config in configs {
            let name = config.profile.as_deref().unwrap_or_default();
            let prefix = format!("profile {name}: ");
            if has_written && config.format == Format::Text {
                ui::print("the list", |out| writeln!(out))?;
            }
            match self.one_of_all(config, all, &prefix) {
                Ok((list, exit)) => {
                    has_written = true;
                    ended.push((name, exit, list));
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    ui::fail_of(&prefix, &failure);
                    ended.push((name, failure.exit, None));
                }
            }
        }

        if configs.iter().any(|config| config.format == Format::Json) {
            let lists = ended.iter().map(|(profile, exit, list)| OfProfile {
                profile,
                exit: exit.code(),
                report: list.as_ref(),
            });
            let lists: Vec<OfProfile<'_, &AnyList>> = lists.collect();
            ui::print("the list", |out| write_profiles(&lists, out))?;
        }
        Ok(profiles::exit(ended.iter().map(|(_, exit, _)| *exit)))
    }

    /// Lists one of several profiles: here, or as the owner of its map.
    fn one_of_all(
        &self,
        config: &Clean,
        all: &AllProfiles<'_>,
        prefix: &str,
    ) -> anyhow::Result<(Option<AnyList>, Exit)> {
        if let Some(user) = owner_of(config)? {
            let words = words_for(all.words, config.profile.as_deref().unwrap_or_default());
            let is_captured = config.format == Format::Json;
            let (settings, words) = (all.settings, &words[..]);
            let run = AsOwner { user, words, settings, config, is_captured, may_ask: false };
            let ended = run_as(&run, all.now, all.interrupt)?;
            let list = serde_json::from_slice(&ended.output).ok().map(AnyList::AsOwner);
            return Ok((list, ended.exit.unwrap_or(Exit::Failed)));
        }

        let (list, exit) = self.list(config, all.now, all.interrupt)?;
        if config.format == Format::Text {
            ui::print("the list", |out| self.write(&list, config, all.environment, out))?;
        }
        ui::warnings(&list.warnings, prefix);
        Ok((Some(AnyList::Here(Box::new(list))), exit))
    }

    fn list(
        &self,
        config: &Clean,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<(List, Exit)> {
        let _shown = progress::show(interrupt, false);
        let states = self.state.clone();
        let (unmapped, sort, limit) = (self.unmapped, self.sort.unwrap_or_default(), self.limit);
        list::run(config, &Options { states, unmapped, sort, limit }, now, interrupt)
    }

    fn write(
        &self,
        list: &List,
        config: &Clean,
        environment: &Environment,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let look = ui::look(config.color, self.verbose, self.verbose);
        let home = environment.get("HOME").and_then(|home| home.into_string().ok());
        write_list(list, look, ui::columns(), home.as_deref(), out)
    }

    pub(crate) fn layer(&self) -> Layer {
        Layer {
            ask: self.ask.clone(),
            format: self.format.clone(),
            color: self.color.clone(),
            state: self.state_dir.clone(),
            ..Layer::default()
        }
    }
}
