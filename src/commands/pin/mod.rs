//! `pin`: chats that are never removed. Pins, unpins and lists them.

pub(crate) mod args;

use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::Clean;
use crate::journal::{ChatPin, PinStore};
use crate::map::{Access, FileMap, MapStore};
use crate::model::escape::escape;
use crate::model::naming::{NotNamed, named};
use crate::model::plain_json::write_plain;
use crate::model::{ChatId, Failure, Mapping, SessionMap, Timestamp, Warning, WarningCode, Zone};
use crate::os::interrupt::Interrupt;
use crate::provider::PROVIDERS;
use crate::report::padded;

/// Any model, as it is shown and typed.
const ANY: &str = "*";

/// What was done with the pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    List,
    Pin,
    Unpin,
}

/// The result, to be written.
#[derive(Debug)]
pub(crate) struct Pinned {
    action: Action,
    /// Each pin, with true if this run has changed it.
    pins: Vec<(ChatPin, bool)>,
    warnings: Vec<Warning>,
}

/// Lists the pins: those of all maps, or of the one that was named.
fn list(config: &Clean, is_map_named: bool) -> anyhow::Result<Pinned> {
    let mut pins = PinStore::at(&config.state_dir()?).read()?;
    let map = canonical(&config.map);
    pins.retain(|pin| !is_map_named || pin.map == map);
    let pins = pins.into_iter().map(|pin| (pin, false)).collect();
    Ok(Pinned { action: Action::List, pins, warnings: Vec::new() })
}

/// Pins the chats that these IDs name. An ID without a mapping pins the chat of that name. If it fails, nothing
/// is pinned.
fn pin(
    config: &Clean,
    ids: &[String],
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Pinned> {
    let file = FileMap::open(config.map.clone(), Access::Read, interrupt.clone())?;
    let path = canonical(&config.map);
    let mut warnings = Vec::new();
    let mut new: Vec<ChatPin> = Vec::new();
    for id in ids {
        for (model, chat) in chats(file.map(), id, &mut warnings)? {
            let pin = ChatPin::new(path.clone(), model, chat, now);
            if !new.iter().any(|other| other.is_same(&pin)) {
                new.push(pin);
            }
        }
    }

    let pins = PinStore::at(&config.state_dir()?).change(|pins| {
        let mut done = Vec::new();
        for pin in new {
            if let Some(known) = pins.iter().find(|known| known.is_same(&pin)) {
                done.push((known.clone(), false));
            } else {
                pins.push(pin.clone());
                done.push((pin, true));
            }
        }
        Ok(done)
    })?;
    Ok(Pinned { action: Action::Pin, pins, warnings })
}

/// Unpins the chats that these IDs name: by their own names, or by the sessions that they are mapped to. If it
/// fails, nothing is unpinned.
fn unpin(config: &Clean, ids: &[String], interrupt: &Interrupt) -> anyhow::Result<Pinned> {
    let path = canonical(&config.map);
    // The map is needed for the ids of sessions only.
    let file = FileMap::open(config.map.clone(), Access::Read, interrupt.clone()).ok();
    let map = file.as_ref().and_then(MapStore::map);
    let removed = PinStore::at(&config.state_dir()?).change(|pins| {
        let mut removed: Vec<ChatPin> = Vec::new();
        for id in ids {
            for pin in find(pins, &path, map, id)? {
                if !removed.contains(pin) {
                    removed.push(pin.clone());
                }
            }
        }
        pins.retain(|pin| !removed.contains(pin));
        Ok(removed)
    })?;
    let pins = removed.into_iter().map(|pin| (pin, true)).collect();
    Ok(Pinned { action: Action::Unpin, pins, warnings: Vec::new() })
}

/// Returns the chats that `id` names, each with its model; without a model, they are of any.
fn chats(
    map: Option<&SessionMap>,
    id: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(Option<String>, String)>, Failure> {
    if let Some(map) = map {
        match named(map.mappings(), id) {
            Ok(found) => {
                let found = found.into_iter().filter_map(|index| map.get(index));
                return Ok(found
                    .map(|mapping| (Some(mapping.model.to_owned()), mapping.chat.0.to_owned()))
                    .collect());
            }
            Err(why @ NotNamed::Ambiguous(..)) => {
                let failure = why.failure(id);
                let message = format!("{}; nothing was pinned", failure.message);
                return Err(Failure { message, ..failure });
            }
            Err(NotNamed::Unknown(_)) => {}
        }
    }

    let (model, chat) = split(map, id);
    let of = model.as_deref().unwrap_or("any model");
    let message = format!("{id:?} has no mapping yet; chat {chat:?} of {of} is pinned");
    warnings.push(Warning::new(WarningCode::NotMapped, message));
    Ok(vec![(model, chat)])
}

/// Returns the model and the chat of an ID without a mapping. Chats may have slashes, so the text before one is
/// a model only if it is known as one.
fn split(map: Option<&SessionMap>, id: &str) -> (Option<String>, String) {
    match id.split_once('/') {
        Some((ANY, chat)) if !chat.is_empty() => (None, chat.to_owned()),
        Some((model, chat)) if !chat.is_empty() && is_model(map, model) => {
            (Some(model.to_owned()), chat.to_owned())
        }
        _ => (None, id.to_owned()),
    }
}

fn is_model(map: Option<&SessionMap>, text: &str) -> bool {
    let mut mappings = map.into_iter().flat_map(SessionMap::mappings);
    PROVIDERS.iter().any(|provider| provider.model == text)
        || mappings.any(|mapping| mapping.model == text)
}

/// Returns the pins of the map at `path` that `id` names.
fn find<'p>(
    pins: &'p [ChatPin],
    path: &Path,
    map: Option<&SessionMap>,
    id: &str,
) -> Result<Vec<&'p ChatPin>, Failure> {
    let of_map: Vec<&ChatPin> = pins.iter().filter(|pin| pin.map == path).collect();
    let mut mappings: Vec<Mapping<'_>> = of_map
        .iter()
        .map(|pin| Mapping {
            model: pin.model.as_deref().unwrap_or(ANY),
            chat: ChatId(&pin.chat),
            session: map.and_then(|map| map.mappings().find(|of| is_pinned(of, pin))?.session),
        })
        .collect();
    // The exact name of a mapped chat is no prefix of another chat's.
    let mut mapped = map.into_iter().flat_map(SessionMap::mappings);
    if mapped.any(|mapping| is_called(&mapping, id))
        && !mappings.iter().any(|pinned| is_called(pinned, id))
    {
        mappings.clear();
    }

    match named(mappings.into_iter(), id) {
        Ok(found) => {
            Ok(found.into_iter().filter_map(|index| of_map.get(index.get()).copied()).collect())
        }
        Err(NotNamed::Ambiguous(names, _)) => {
            Err(Failure::new(format!("{id:?} matches more than one pin; nothing was unpinned"))
                .hint(format!("name one of them: {}", names.join(", "))))
        }
        Err(NotNamed::Unknown(similar)) => {
            let failure = Failure::new(format!("{id:?} is not pinned; nothing was unpinned"));
            Err(if similar.is_empty() {
                failure.hint("session-warden pin without an ID lists the pins")
            } else {
                failure.hint(format!("similar: {}", similar.join(", ")))
            })
        }
    }
}

fn is_pinned(mapping: &Mapping<'_>, pin: &ChatPin) -> bool {
    mapping.chat.0 == pin.chat && pin.model.as_deref().is_none_or(|model| model == mapping.model)
}

fn is_called(mapping: &Mapping<'_>, id: &str) -> bool {
    let chat = mapping.chat.0;
    chat == id
        || id.strip_suffix(chat).is_some_and(|start| start.strip_suffix('/') == Some(mapping.model))
}

/// Returns the map's path as pins have it: links resolved, as far as it exists.
pub(crate) fn canonical(map: &Path) -> PathBuf {
    map.canonicalize().ok().or_else(|| in_real_folder(map)).unwrap_or_else(|| map.to_owned())
}

fn in_real_folder(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}

/// Writes the result as text, with times in that zone.
fn write(done: &Pinned, zone: Zone, out: &mut dyn Write) -> io::Result<()> {
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
    let names: Vec<String> = done.pins.iter().map(|(pin, _)| escape(&pin.name())).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    writeln!(out, "{:<23}  {}  MAP", "SINCE", padded("CHAT", width))?;
    for ((pin, _), name) in done.pins.iter().zip(&names) {
        let since = Timestamp::parse(&pin.since);
        let since = since.map_or_else(|| escape(&pin.since), |time| time.shown(zone));
        let map = escape(&pin.map.to_string_lossy());
        writeln!(out, "{since:<23}  {}  {map}", padded(name, width))?;
    }
    Ok(())
}

/// Writes the result as JSON.
fn write_json(done: &Pinned, out: &mut dyn Write) -> io::Result<()> {
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
