//! The values that fit an option or a positional: those of the grammar, and those of the configuration,
//! the map and the state folder that the line names.

use clap::builder::StyledStr;
use clap::{Arg, Command};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::typed::Typed;
use super::{Answer, Candidate};
use crate::config::{Clean, Environment, Layer, MapArgs, Place, Settings};
use crate::journal::{ChatPin, Journal, LATEST, PinStore, RunKind};
#[cfg(feature = "keepalive")]
use crate::keepalive::job::Action;
use crate::map::map_file::{Located, MapPlace};
use crate::model::{Mapping, SessionMap, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::schedule::Method;

/// A larger map is not read: that would take too long.
const LARGEST_MAP: u64 = 16 << 20;

/// How many runs are offered.
const RUNS: usize = 50;

/// How much of a session's id is shown.
const SHOWN_OF_ID: usize = 8;

/// Returns the values of `arg`, whatever they begin with.
pub(super) fn of(
    arg: &Arg,
    typed: &Typed<'_>,
    current: &OsStr,
    environment: &Environment,
) -> Answer {
    let line = Names { typed, environment };
    let current = current.to_string_lossy();
    let command = typed.path.first().copied().unwrap_or_default();
    let found = match (arg.get_long(), arg.get_id().as_str()) {
        (Some("profile"), _) => line.profiles(),
        (Some("chat"), _) if command == "undo" => line.removed_chats(),
        (Some("chat"), _) => line.held_chats(),
        (Some("session"), _) => line.sessions(),
        (Some("method"), _) => named(Method::ALL.map(Method::name).into_iter().chain(["auto"])),
        (Some("bridge"), _) => named(["auto", "off"].into_iter()),
        (Some("reason"), _) => named(["tool_exec", "api_call"].into_iter()),
        (None, "ids") if command == "pin" && typed.has("remove") => line.pins(),
        (None, "ids") => line.mappings(&current),
        (None, "run") => line.runs(command == "undo"),
        #[cfg(feature = "keepalive")]
        (None, "id") => line.jobs(typed.path.last() == Some(&"set-key")),
        (None, "command") => pages(typed),
        (None, "work") if typed.positionals.is_empty() => return Answer::Commands,
        (None, "work") => return Answer::Files,
        _ => return of_grammar(arg),
    };
    Answer::Values(line.not_typed(found.unwrap_or_default()))
}

/// Returns what the grammar knows of an argument's values.
fn of_grammar(arg: &Arg) -> Answer {
    let values = arg.get_value_parser().possible_values().into_iter().flatten();
    let visible = values.filter(|value| !value.is_hide_set());
    let found = visible.map(|value| Candidate {
        value: value.get_name().to_owned(),
        about: first_line(value.get_help()),
    });
    let found: Vec<Candidate> = found.collect();
    let is_called = |text: &str| {
        arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == text))
    };
    match found.is_empty() {
        true if is_called("FILE") => Answer::Files,
        true if is_called("DIR") => Answer::Folders,
        _ => Answer::Values(found),
    }
}

/// Returns the commands below that one.
pub(super) fn subcommands(command: &Command) -> Vec<Candidate> {
    let visible = command.get_subcommands().filter(|below| !below.is_hide_set());
    let found = visible.map(|below| Candidate {
        value: below.get_name().to_owned(),
        about: first_line(below.get_about()),
    });
    found.collect()
}

/// Returns the first line of a help text.
pub(super) fn first_line(text: Option<&StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Returns the commands that `help` and `man` take next.
fn pages(typed: &Typed<'_>) -> Option<Vec<Candidate>> {
    let mut command = typed.root;
    for word in &typed.positionals {
        command = command.find_subcommand(word)?;
    }
    Some(subcommands(command))
}

#[expect(clippy::unnecessary_wraps, reason = "as all that are read from a file")]
fn named<'n>(names: impl Iterator<Item = &'n str>) -> Option<Vec<Candidate>> {
    Some(names.map(|name| candidate(name, "")).collect())
}

fn candidate(value: &str, about: &str) -> Candidate {
    Candidate { value: value.to_owned(), about: about.to_owned() }
}

/// Where names come from: what the line says, and the environment.
struct Names<'t> {
    typed: &'t Typed<'t>,
    environment: &'t Environment,
}

impl Names<'_> {
    fn path(&self, option: &str) -> Option<PathBuf> {
        self.typed.path(option, self.environment.get("HOME").as_deref())
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

    /// Leaves out what the line has already.
    fn not_typed(&self, mut found: Vec<Candidate>) -> Vec<Candidate> {
        let typed: HashSet<&OsStr> = self.typed.positionals.iter().map(|word| &**word).collect();
        found.retain(|candidate| !typed.contains(OsStr::new(&candidate.value)));
        found
    }

    fn profiles(&self) -> Option<Vec<Candidate>> {
        let settings = self.settings()?;
        let about = |layer: &Layer| match layer.ask.place.map.place() {
            Some(Place::Folder(path) | Place::File(path)) => path.to_string_lossy().into_owned(),
            None => String::new(),
        };
        let profiles = settings.file.profiles.iter();
        Some(profiles.map(|(name, layer)| candidate(name, &about(layer))).collect())
    }

    #[cfg(feature = "keepalive")]
    fn jobs(&self, needs_key: bool) -> Option<Vec<Candidate>> {
        let settings = self.settings()?;
        let jobs = settings.file.keeping.jobs.iter();
        let fit = jobs.filter(|job| !needs_key || matches!(job.action, Action::ClaudeWebPing(_)));
        Some(fit.map(|job| candidate(&job.id, job.action.name())).collect())
    }

    /// Returns the newest runs, newest first; only those that removed something, if they are to be undone.
    fn runs(&self, to_undo: bool) -> Option<Vec<Candidate>> {
        let runs = self.journal()?.newest_runs()?;
        let count = |summary: &serde_json::Map<String, serde_json::Value>, what: &str| {
            summary.get(what).and_then(serde_json::Value::as_u64).unwrap_or(0)
        };
        let restored = |of: &str| -> u64 {
            let undos = runs.iter().filter(|run| run.undoes.as_deref() == Some(of));
            undos.map(|undo| count(&undo.summary, "restored")).sum()
        };
        let fit = runs.iter().rev().filter(|run| {
            let is_undo = run.command == RunKind::Undo;
            !to_undo || !is_undo && count(&run.summary, "removed") > restored(&run.run)
        });
        let mut found = Vec::new();
        for run in fit.take(RUNS) {
            let when = Timestamp::parse(&run.started).map(Timestamp::local).unwrap_or_default();
            let what = if run.command == RunKind::Undo { "restored" } else { "removed" };
            let about = format!("{when}, {} {what}", count(&run.summary, what));
            found.push(Candidate { value: run.run.clone(), about });
        }
        if !found.is_empty() {
            let about = if to_undo { "the newest that can be restored" } else { "the newest run" };
            found.insert(0, candidate(LATEST, about));
        }
        Some(found)
    }

    /// Returns the chats that the run on the line removed, or any recent run.
    fn removed_chats(&self) -> Option<Vec<Candidate>> {
        let run = self.typed.positionals.first().and_then(|word| word.to_str());
        let run = run.filter(|run| *run != LATEST).unwrap_or_default();
        let removals = self.journal()?.newest_removals()?;
        let of_run = removals.iter().rev().filter(|removed| removed.run.starts_with(run));
        let mut models: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for removed in of_run {
            models.entry(&removed.chat).or_default().insert(&removed.model);
        }

        let mut found = Vec::new();
        for (chat, models) in models {
            if models.len() > 1 {
                let whole = models.iter().map(|model| candidate(&format!("{model}/{chat}"), ""));
                found.extend(whole);
            }
            found.push(candidate(chat, &Vec::from_iter(models).join(", ")));
        }
        Some(found)
    }

    /// Returns the chats of all maps that holds apply to.
    fn held_chats(&self) -> Option<Vec<Candidate>> {
        let maps = self.maps_of_holds()?;
        let chats = maps.iter().flat_map(SessionMap::mappings);
        Some(unique(chats.map(|mapping| candidate(mapping.chat.0, mapping.model)).collect()))
    }

    fn sessions(&self) -> Option<Vec<Candidate>> {
        let maps = self.maps_of_holds()?;
        let mappings = maps.iter().flat_map(SessionMap::mappings);
        let found = mappings.filter_map(|mapping| {
            let about = format!("{}/{}", mapping.model, mapping.chat.0);
            Some(Candidate { value: mapping.session?.0.to_owned(), about })
        });
        Some(unique(found.collect()))
    }

    /// Returns the maps of the default place and of every profile.
    fn maps_of_holds(&self) -> Option<Vec<SessionMap>> {
        let settings = self.settings()?;
        let profiles = settings.file.profiles.iter().map(|(name, _)| Some(name.as_str()));
        let mut paths = Vec::new();
        for profile in [None].into_iter().chain(profiles) {
            paths.push(settings.resolve(&self.flags(), profile).ok()?.0.map);
        }
        paths.sort();
        paths.dedup();
        Some(paths.iter().filter_map(|path| map_at(path)).collect())
    }

    /// Returns the chats of the map, or the sessions if no chat begins like that.
    fn mappings(&self, current: &str) -> Option<Vec<Candidate>> {
        let map = map_at(&self.config()?.map)?;
        let mut models: BTreeMap<&str, Vec<Mapping<'_>>> = BTreeMap::new();
        for mapping in map.mappings() {
            models.entry(mapping.chat.0).or_default().push(mapping);
        }

        let mut found = Vec::new();
        for (chat, mappings) in &models {
            for mapping in mappings {
                let whole = format!("{}/{chat}", mapping.model);
                let session = mapping.session.map(|session| shortened(session.0));
                let session = session.unwrap_or_default();
                if mappings.len() == 1 && !is_of_model(mapping, current) {
                    found.push(candidate(chat, format!("{} {session}", mapping.model).trim()));
                } else {
                    found.push(candidate(&whole, &session));
                }
            }
        }
        if !current.is_empty() && !found.iter().any(|one| one.value.starts_with(current)) {
            found = map
                .mappings()
                .filter_map(|mapping| {
                    let about = format!("{}/{}", mapping.model, mapping.chat.0);
                    Some(Candidate { value: mapping.session?.0.to_owned(), about })
                })
                .collect();
            found = unique(found);
        }
        Some(found)
    }

    /// Returns the pins of the map; a chat that is pinned more than once by its whole name.
    fn pins(&self) -> Option<Vec<Candidate>> {
        let config = self.config()?;
        let map = canonical(&config.map);
        let mut pins = PinStore::at(&config.state_dir().ok()?).read().ok()?;
        pins.retain(|pin| pin.map == map);
        let is_only = |pin: &ChatPin| pins.iter().filter(|one| one.chat == pin.chat).count() == 1;
        let found = pins.iter().map(|pin| {
            let when = Timestamp::parse(&pin.since).map(Timestamp::local).unwrap_or_default();
            let value = if is_only(pin) { pin.chat.clone() } else { pin.name() };
            Candidate { value, about: format!("since {when}") }
        });
        Some(found.collect())
    }
}

/// Returns true if the text begins with the mapping's model and a slash.
fn is_of_model(mapping: &Mapping<'_>, text: &str) -> bool {
    text.strip_prefix(mapping.model).is_some_and(|rest| rest.starts_with('/'))
}

fn shortened(id: &str) -> String {
    id.chars().take(SHOWN_OF_ID).collect()
}

/// Leaves out values that come again.
fn unique(mut found: Vec<Candidate>) -> Vec<Candidate> {
    let mut seen = HashSet::new();
    found.retain(|candidate| seen.insert(candidate.value.clone()));
    found
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

/// Returns the map's path as pins have it.
fn canonical(map: &Path) -> PathBuf {
    let within = || Some(map.parent()?.canonicalize().ok()?.join(map.file_name()?));
    map.canonicalize().ok().or_else(within).unwrap_or_else(|| map.to_owned())
}
