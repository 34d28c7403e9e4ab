//! `pin`: chats that are never removed. Pins, unpins and lists them.

pub mod args;

use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::Clean;
use crate::journal::{ChatPin, PinStore};
use crate::map::{Access, FileMap, MapStore};
use crate::model::escape::escape;
use crate::model::naming::{NotNamed, named};
use crate::model::plain_json::write_plain;
use crate::model::{
    ChatId, Failure, Mapping, MappingIdx, SessionMap, Timestamp, Warning, WarningCode, Zone,
};
use crate::os::interrupt::Interrupt;
use crate::process;
use crate::provider::PROVIDERS;
use crate::report::padded;

/// What is shown for any model, and typed for it.
const ANY: &str = "*";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The pins were listed.
    List,
    /// Chats were pinned.
    Pin,
    /// Chats were unpinned.
    Unpin,
}

/// The result, to be written.
#[derive(Debug)]
pub struct Pinned {
    action: Action,
    /// Each pin, and whether this run has changed it.
    pins: Vec<(ChatPin, bool)>,
    warnings: Vec<Warning>,
}

impl Pinned {
    /// What went wrong.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Lists the pins: those of all maps, or of the one that was named.
///
/// # Errors
/// If they cannot be read.
pub fn list(config: &Clean, is_map_named: bool) -> anyhow::Result<Pinned> {
    let mut pins = PinStore::at(&config.state_dir()?).read()?;
    let map = canonical(&config.map);
    pins.retain(|pin| !is_map_named || pin.map == map);
    let pins = pins.into_iter().map(|pin| (pin, false)).collect();
    Ok(Pinned { action: Action::List, pins, warnings: Vec::new() })
}

/// Pins the chats that these IDs name. An ID that nothing maps pins the chat of that name.
///
/// # Errors
/// If an ID names more than one chat, or the map or the pins cannot be read or written; then nothing is
/// pinned.
pub fn pin(
    config: &Clean,
    ids: &[String],
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Pinned> {
    let holder = FileMap::open(config.map.clone(), Access::Read, interrupt.clone())?;
    let path = canonical(&config.map);
    let mut warnings = Vec::new();
    let mut wanted: Vec<ChatPin> = Vec::new();
    for id in ids {
        for (model, chat) in chats(holder.map(), id, &mut warnings)? {
            let pin = ChatPin::new(path.clone(), model, chat, now);
            if !wanted.iter().any(|other| other.is_same(&pin)) {
                wanted.push(pin);
            }
        }
    }

    let pins = PinStore::at(&config.state_dir()?).change(|pins| {
        let mut done = Vec::new();
        for pin in wanted {
            let known = pins.iter().find(|known| known.is_same(&pin)).cloned();
            if known.is_none() {
                pins.push(pin.clone());
            }
            done.push((known.clone().unwrap_or(pin), known.is_none()));
        }
        Ok(done)
    })?;
    if let Some(owner) = holder.owner().filter(|owner| process::user() == 0 && *owner != 0) {
        let message = format!(
            "only root's runs use these pins; for runs of user {owner}, pin them as that user as well"
        );
        warnings.push(Warning::new(WarningCode::OfRootOnly, message));
    }
    Ok(Pinned { action: Action::Pin, pins, warnings })
}

/// Unpins what these IDs name: pinned chats of the map, or the sessions that they are mapped to.
///
/// # Errors
/// If an ID names no pin, or more than one; then nothing is unpinned.
pub fn unpin(config: &Clean, ids: &[String], interrupt: &Interrupt) -> anyhow::Result<Pinned> {
    let path = canonical(&config.map);
    // The map only adds the names of sessions.
    let holder = FileMap::open(config.map.clone(), Access::Read, interrupt.clone()).ok();
    let map = holder.as_ref().and_then(MapStore::map);
    let removed = PinStore::at(&config.state_dir()?).change(|pins| {
        let mut removed: Vec<ChatPin> = Vec::new();
        for id in ids {
            let found = find(pins, &path, map, id)?;
            removed
                .extend(found.into_iter().filter(|pin| !removed.contains(pin)).collect::<Vec<_>>());
        }
        pins.retain(|pin| !removed.contains(pin));
        Ok(removed)
    })?;
    let pins = removed.into_iter().map(|pin| (pin, true)).collect();
    Ok(Pinned { action: Action::Unpin, pins, warnings: Vec::new() })
}

/// The chats that `id` names, each with its model; `None` is any.
fn chats(
    map: Option<&SessionMap>,
    id: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(Option<String>, String)>, Failure> {
    let places = match map.map(|map| named(map.mappings(), id)) {
        Some(Ok(places)) => places,
        Some(Err(why @ NotNamed::Ambiguous(..))) => {
            let failure = why.failure(id);
            let message = format!("{}; nothing was pinned", failure.message);
            return Err(Failure { message, ..failure });
        }
        Some(Err(NotNamed::Unknown(_))) | None => {
            let (model, chat) = split(map, id);
            let of = model.as_deref().map_or_else(|| "any model".to_owned(), str::to_owned);
            let message = format!("{id:?} has no mapping yet; chat {chat:?} of {of} is pinned");
            warnings.push(Warning::new(WarningCode::NotMapped, message));
            return Ok(vec![(model, chat)]);
        }
    };
    let mapping = |place| map.and_then(|map| map.get(place));
    let named = places.into_iter().filter_map(mapping);
    Ok(named.map(|one| (Some(one.model.to_owned()), one.chat.0.to_owned())).collect())
}

/// The model and the chat of an ID that nothing maps. Chats may have slashes, so what is before one is a
/// model only if it is known as that.
fn split(map: Option<&SessionMap>, id: &str) -> (Option<String>, String) {
    let is_model = |text: &str| {
        PROVIDERS.iter().any(|provider| provider.model == text)
            || map.is_some_and(|map| map.mappings().any(|mapping| mapping.model == text))
    };
    match id.split_once('/') {
        Some((ANY, chat)) if !chat.is_empty() => (None, chat.to_owned()),
        Some((model, chat)) if !chat.is_empty() && is_model(model) => {
            (Some(model.to_owned()), chat.to_owned())
        }
        _ => (None, id.to_owned()),
    }
}

/// The pins of the map at `path` that `id` names.
fn find(
    pins: &[ChatPin],
    path: &Path,
    map: Option<&SessionMap>,
    id: &str,
) -> anyhow::Result<Vec<ChatPin>> {
    let of_map: Vec<&ChatPin> = pins.iter().filter(|pin| pin.map == path).collect();
    let mappings = of_map.iter().map(|pin| {
        let model = pin.model.as_deref();
        let is_its = |mapping: &Mapping<'_>| {
            mapping.chat.0 == pin.chat && model.is_none_or(|model| model == mapping.model)
        };
        Mapping {
            model: model.unwrap_or(ANY),
            chat: ChatId(&pin.chat),
            session: map.and_then(|map| map.mappings().find(is_its)?.session),
        }
    });
    let mut mappings: Vec<Mapping<'_>> = mappings.collect();
    // The exact name of a mapped chat is no prefix of another chat's.
    let is_exact =
        |one: &Mapping<'_>| one.chat.0 == id || format!("{}/{}", one.model, one.chat.0) == id;
    if map.is_some_and(|map| map.mappings().any(|one| is_exact(&one)))
        && !mappings.iter().any(is_exact)
    {
        mappings.clear();
    }
    match named(mappings.into_iter(), id) {
        Ok(places) => {
            let pin = |mapping: MappingIdx| of_map.get(mapping.get()).map(|pin| (*pin).clone());
            Ok(places.into_iter().filter_map(pin).collect())
        }
        Err(NotNamed::Ambiguous(names, _)) => {
            let message = format!("{id:?} matches more than one pin; nothing was unpinned");
            Err(Failure::new(message)
                .hint(format!("name one of them: {}", names.join(", ")))
                .into())
        }
        Err(NotNamed::Unknown(like)) => {
            let message = format!("{id:?} is not pinned; nothing was unpinned");
            let hint = if like.is_empty() {
                "session-warden pin without an ID lists the pins".to_owned()
            } else {
                format!("similar: {}", like.join(", "))
            };
            Err(Failure::new(message).hint(hint).into())
        }
    }
}

/// The map's path as pins have it: links resolved, as far as it exists.
fn canonical(map: &Path) -> PathBuf {
    let within = || Some(map.parent()?.canonicalize().ok()?.join(map.file_name()?));
    map.canonicalize().ok().or_else(within).unwrap_or_else(|| map.to_owned())
}

/// Writes what was done as text, with times in that zone.
///
/// # Errors
/// Those of `out`.
pub fn write(done: &Pinned, zone: Zone, out: &mut dyn Write) -> io::Result<()> {
    if done.action != Action::List {
        for (pin, is_changed) in &done.pins {
            let what = match (done.action, is_changed) {
                (Action::Unpin, _) => "Unpinned",
                (_, true) => "Pinned",
                (_, false) => "Already pinned",
            };
            writeln!(out, "{what}: {}", escape(&pin.name()))?;
        }
        return Ok(());
    }

    if done.pins.is_empty() {
        return writeln!(out, "No chat is pinned.");
    }
    let since = |pin: &ChatPin| {
        let time = Timestamp::parse(&pin.since);
        time.map_or_else(|| escape(&pin.since), |time| time.shown(zone))
    };
    let names: Vec<String> = done.pins.iter().map(|(pin, _)| escape(&pin.name())).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    writeln!(out, "{:<23}  {}  MAP", "SINCE", padded("CHAT", width))?;
    for ((pin, _), name) in done.pins.iter().zip(&names) {
        let map = escape(&pin.map.to_string_lossy());
        writeln!(out, "{:<23}  {}  {map}", since(pin), padded(name, width))?;
    }
    Ok(())
}

/// Writes what was done as JSON.
///
/// # Errors
/// Those of `out`.
pub fn write_json(done: &Pinned, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        map: String,
        model: Option<&'a str>,
        chat_id: &'a str,
        since: Option<String>,
        changed: bool,
    }
    #[derive(Serialize)]
    struct Whole<'a> {
        schema: u32,
        version: &'static str,
        action: Action,
        pins: Vec<Row<'a>>,
        warnings: &'a [Warning],
    }
    let rows = done.pins.iter().map(|(pin, changed)| Row {
        map: pin.map.to_string_lossy().into_owned(),
        model: pin.model.as_deref(),
        chat_id: &pin.chat,
        since: Timestamp::parse(&pin.since).and_then(Timestamp::rfc3339),
        changed: *changed,
    });
    let version = env!("CARGO_PKG_VERSION");
    let (action, warnings) = (done.action, &*done.warnings);
    write_plain(&Whole { schema: 1, version, action, pins: rows.collect(), warnings }, out)
}
