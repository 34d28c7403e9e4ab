//! Finds out whether a chat that is to be held is in a map: one that is not may be a typo.

use crate::config::{Layer, Settings};
use crate::map::map_file::{Located, MapPlace};
use crate::model::{SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;

/// Warns of a chat that no map of the configuration has. A map that cannot be read may have it.
pub(super) fn unmapped(settings: &Settings, chat: &str) -> Option<Warning> {
    let profiles = settings.file.profiles.iter().map(|(name, _)| Some(name.as_str()));
    let mut maps = Vec::new();
    for profile in [None].into_iter().chain(profiles) {
        let (config, _) = settings.resolve(&Layer::default(), profile).ok()?;
        maps.push(config.map);
    }
    maps.sort();
    maps.dedup();

    // A map that is being written is not waited for.
    let now = Interrupt::default();
    now.ask();
    for map in maps {
        let Located::Here(place) = MapPlace::locate(&map).ok()? else { continue };
        let read = place.read(&now).ok()?;
        if read.is_some_and(|snapshot| has(&snapshot.map, chat)) {
            return None;
        }
    }
    let message = format!("chat {chat:?} has no mapping yet; it is held once it has one");
    Some(Warning::new(WarningCode::NotMapped, message))
}

fn has(map: &SessionMap, chat: &str) -> bool {
    map.mappings().any(|mapping| mapping.chat.0 == chat)
}
