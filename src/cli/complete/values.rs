//! The values that fit an option or a positional: those of the grammar, and those of the configuration,
//! the map and the state folder that the line names.

use clap::{Arg, Command};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::answer::{Answer, Candidate};
use super::typed::Typed;
use crate::commands::pin::canonical;
use crate::config::{Clean, Environment, Layer, MapArgs, Place, Settings};
use crate::journal::{Journal, LATEST, PinStore, RunKind, RunRecord};
#[cfg(feature = "keepalive")]
use crate::keepalive::job::Action;
use crate::map::map_file::{Located, MapPlace};
use crate::model::{Mapping, SessionMap, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::schedule::Method;

/// Larger maps are not read, since that would take too long.
const LARGEST_MAP: u64 = 16 << 20;

/// How many runs are offered.
const RUNS: usize = 50;

/// How many characters of a session's id are shown.
const SHOWN_OF_ID: usize = 8;

/// Returns the values of `arg`, whatever they begin with.
pub(super) fn of(
    arg: &Arg,
    typed: &Typed<'_>,
    current: &OsStr,
    environment: &Environment,
) -> Answer {
    let line = Names { typed, environment };
    let command = typed.path.first().copied().unwrap_or_default();
    let found = match (arg.get_long(), arg.get_id().as_str()) {
        (Some("profile"), _) => line.profiles(),
        (Some("chat"), _) if command == "undo" => line.removed_chats(),
        (Some("chat"), _) => line.chats_of_holds(),
        (Some("session"), _) => line.maps_of_holds().map(|maps| sessions(&maps)),
        (Some("method"), _) => {
            Some(named(Method::ALL.map(Method::name).into_iter().chain(["auto"])))
        }
        (Some("bridge"), _) => Some(named(["auto", "off"])),
        (Some("reason"), _) => Some(named(["tool_exec", "api_call"])),
        (None, "ids") if command == "pin" && typed.value("remove").is_some() => line.pins(),
        (None, "ids") => line.mappings(&current.to_string_lossy()),
        (None, "run") => line.runs(command == "undo"),
        #[cfg(feature = "keepalive")]
        (None, "id") => line.jobs(typed.path.last() == Some(&"set-key")),
        (None, "command") => pages(typed),
        (None, "work") if typed.positionals.is_empty() => return Answer::Commands,
        (None, "work") => return Answer::Files,
        _ => return of_grammar(arg),
    };

    let mut found = found.unwrap_or_default();
    let typed: HashSet<&OsStr> = typed.positionals.iter().map(|word| &**word).collect();
    found.retain(|candidate| !typed.contains(OsStr::new(&candidate.value)));
    Answer::Values(found)
}

/// Returns the values that the grammar has for an argument.
fn of_grammar(arg: &Arg) -> Answer {
    let values = arg.get_value_parser().possible_values().into_iter().flatten();
    let found: Vec<Candidate> = values
        .filter(|value| !value.is_hide_set())
        .map(|value| Candidate::with_help(value.get_name(), value.get_help()))
        .collect();
    match arg.get_value_names() {
        Some([name]) if found.is_empty() && name == "FILE" => Answer::Files,
        Some([name]) if found.is_empty() && name == "DIR" => Answer::Folders,
        _ => Answer::Values(found),
    }
}

/// Returns the commands below that one.
pub(super) fn subcommands(command: &Command) -> Vec<Candidate> {
    let visible = command.get_subcommands().filter(|below| !below.is_hide_set());
    visible.map(|below| Candidate::with_help(below.get_name(), below.get_about())).collect()
}

/// Returns the commands that `help` and `man` take next.
fn pages(typed: &Typed<'_>) -> Option<Vec<Candidate>> {
    let mut words = typed.positionals.iter();
    let command = words.try_fold(typed.root, |command, word| command.find_subcommand(word))?;
    Some(subcommands(command))
}

fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Candidate> {
    names.into_iter().map(|name| Candidate::new(name, "")).collect()
}

/// Where names come from: the options on the line, and the environment.
struct Names<'t> {
    typed: &'t Typed<'t>,
    environment: &'t Environment,
}

impl Names<'_> {
    /// Returns the path that an option names. A shell leaves `~` in `--option=~/path`.
    fn path(&self, option: &str) -> Option<PathBuf> {
        let value = self.typed.value(option).filter(|value| !value.is_empty())?;
        let below = value.to_str().and_then(|text| text.strip_prefix("~/"));
        Some(match (below, self.environment.get("HOME")) {
            (Some(below), Some(home)) => PathBuf::from(home).join(below),
            _ => value.into(),
        })
    }

    fn settings(&self) -> Option<Settings> {
        Settings::read(self.path("config").as_deref(), self.environment.clone(), false).ok()
    }

    fn flags(&self) -> Layer {
        let mut flags = Layer::default();
        flags.ask.place.map =
            MapArgs { session_dir: self.path("session-dir"), map: self.path("map") };
        flags.state.state_dir = self.path("state-dir");
        flags
    }

    /// Returns the settings that the command would run with.
    fn config(&self) -> Option<Clean> {
        let settings = self.settings()?;
        let named = self.typed.value("profile").and_then(OsStr::to_str);
        let (config, _) = settings.resolve(&self.flags(), settings.profile(named)).ok()?;
        Some(config)
    }

    fn journal(&self) -> Option<Journal> {
        Some(Journal::at(&self.config()?.state_dir().ok()?))
    }

    fn profiles(&self) -> Option<Vec<Candidate>> {
        let profiles = self.settings()?.file.profiles;
        let found = profiles.into_iter().map(|(name, layer)| match layer.ask.place.map.place() {
            Some(Place::Folder(path) | Place::File(path)) => {
                Candidate::new(name, path.to_string_lossy())
            }
            None => Candidate::new(name, ""),
        });
        Some(found.collect())
    }

    #[cfg(feature = "keepalive")]
    fn jobs(&self, needs_key: bool) -> Option<Vec<Candidate>> {
        let jobs = self.settings()?.file.keeping.jobs;
        let fit = jobs
            .iter()
            .filter(|job| !needs_key || matches!(job.action, Action::ClaudeWebPing(_)))
            .map(|job| Candidate::new(&job.id, job.action.name()));
        Some(fit.collect())
    }

    /// Returns the newest runs, newest first; only those that can be undone, if `to_undo`.
    fn runs(&self, to_undo: bool) -> Option<Vec<Candidate>> {
        let runs = self.journal()?.newest_runs()?;
        let mut restored: BTreeMap<&str, u64> = BTreeMap::new();
        for run in &runs {
            if let Some(undone) = run.undoes.as_deref() {
                *restored.entry(undone).or_default() += counted(run, "restored");
            }
        }

        let is_left = |run: &RunRecord| {
            let restored = restored.get(&*run.run).copied().unwrap_or_default();
            run.command != RunKind::Undo && counted(run, "removed") > restored
        };
        let fit = runs.iter().rev().filter(|run| !to_undo || is_left(run)).take(RUNS);
        let mut found: Vec<Candidate> = fit
            .map(|run| {
                let what = if run.command == RunKind::Undo { "restored" } else { "removed" };
                let about = format!("{}, {} {what}", local(&run.started), counted(run, what));
                Candidate::new(&run.run, about)
            })
            .collect();
        if !found.is_empty() {
            let about = if to_undo { "the newest that can be restored" } else { "the newest run" };
            found.insert(0, Candidate::new(LATEST, about));
        }
        Some(found)
    }

    /// Returns the chats that the run on the line removed, or any recent run.
    fn removed_chats(&self) -> Option<Vec<Candidate>> {
        let run = self.typed.positionals.first().and_then(|word| word.to_str());
        let run = run.filter(|run| *run != LATEST).unwrap_or_default();
        let removals = self.journal()?.newest_removals()?;
        let mut chats: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for removed in removals.iter().filter(|removed| removed.run.starts_with(run)) {
            chats.entry(&removed.chat).or_default().insert(&removed.model);
        }

        let mut found = Vec::new();
        for (chat, models) in chats {
            if models.len() > 1 {
                found.extend(
                    models.iter().map(|model| Candidate::new(format!("{model}/{chat}"), "")),
                );
            }
            found.push(Candidate::new(chat, Vec::from_iter(models).join(", ")));
        }
        Some(found)
    }

    /// Returns the chats of all maps that holds apply to.
    fn chats_of_holds(&self) -> Option<Vec<Candidate>> {
        let maps = self.maps_of_holds()?;
        let chats = maps.iter().flat_map(SessionMap::mappings);
        Some(unique(chats.map(|mapping| Candidate::new(mapping.chat.0, mapping.model))))
    }

    /// Returns the maps of the default place and of every profile.
    fn maps_of_holds(&self) -> Option<Vec<SessionMap>> {
        let settings = self.settings()?;
        let profiles = settings.file.profiles.iter().map(|(name, _)| Some(name.as_str()));
        let mut paths = BTreeSet::new();
        for profile in [None].into_iter().chain(profiles) {
            paths.insert(settings.resolve(&self.flags(), profile).ok()?.0.map);
        }
        Some(paths.iter().filter_map(|path| map_at(path)).collect())
    }

    /// Returns the chats of the map, or the sessions if no chat begins like that.
    fn mappings(&self, current: &str) -> Option<Vec<Candidate>> {
        let map = map_at(&self.config()?.map)?;
        let mut chats: BTreeMap<&str, Vec<Mapping<'_>>> = BTreeMap::new();
        for mapping in map.mappings() {
            chats.entry(mapping.chat.0).or_default().push(mapping);
        }

        let mut found = Vec::new();
        for (chat, mappings) in &chats {
            for Mapping { model, session, .. } in mappings {
                let session = session.map_or("", |session| session.0);
                let session: String = session.chars().take(SHOWN_OF_ID).collect();
                let whole = format!("{model}/{chat}");
                let is_of_model = current.starts_with(&format!("{model}/"));
                found.push(if mappings.len() == 1 && !is_of_model {
                    Candidate::new(*chat, format!("{model} {session}").trim())
                } else {
                    Candidate::new(whole, session)
                });
            }
        }
        if current.is_empty() || found.iter().any(|chat| chat.value.starts_with(current)) {
            return Some(found);
        }
        Some(sessions(&[map]))
    }

    /// Returns the pins of the map; a chat that is pinned more than once by its whole name.
    fn pins(&self) -> Option<Vec<Candidate>> {
        let config = self.config()?;
        let map = canonical(&config.map);
        let mut pins = PinStore::at(&config.state_dir().ok()?).read().ok()?;
        pins.retain(|pin| pin.map == map);
        let found = pins.iter().map(|pin| {
            let is_only = pins.iter().filter(|other| other.chat == pin.chat).count() == 1;
            let value = if is_only { pin.chat.clone() } else { pin.name() };
            Candidate::new(value, format!("since {}", local(&pin.since)))
        });
        Some(found.collect())
    }
}

/// Returns the sessions of these maps, each described by its chat.
fn sessions(maps: &[SessionMap]) -> Vec<Candidate> {
    let mappings = maps.iter().flat_map(SessionMap::mappings);
    unique(mappings.filter_map(|mapping| {
        let about = format!("{}/{}", mapping.model, mapping.chat.0);
        Some(Candidate::new(mapping.session?.0, about))
    }))
}

/// Leaves out values that come again.
fn unique(found: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
    let mut seen = HashSet::new();
    found.filter(|candidate| seen.insert(candidate.value.clone())).collect()
}

fn counted(run: &RunRecord, what: &str) -> u64 {
    run.summary.get(what).and_then(serde_json::Value::as_u64).unwrap_or(0)
}

fn local(time: &str) -> String {
    Timestamp::parse(time).map(Timestamp::local).unwrap_or_default()
}

/// Reads a map as it is now. One that is being written is not waited for.
fn map_at(path: &Path) -> Option<SessionMap> {
    let now = Interrupt::default();
    now.ask();
    let Located::Here(place) = MapPlace::locate(path).ok()? else { return None };
    if place.path().metadata().ok()?.len() > LARGEST_MAP {
        return None;
    }
    Some(place.read(&now).ok()??.map)
}
