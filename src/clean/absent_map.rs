//! A run that finds no map does nothing, and fails only if a map was named that never existed.

use std::path::PathBuf;

use crate::config::{Clean, MAP_NAME, SESSION_DIR};
use crate::journal::Journal;
use crate::map::{self, Choice};
use crate::model::Failure;
use crate::process::{self, Processes};

/// Returns a hint that names other maps. Fails if the user named a folder or map that does not exist and
/// no earlier run found a map there: a timer must not succeed forever because of a typo.
pub(crate) fn hint(config: &Clean, journal: Option<&Journal>) -> Result<String, Failure> {
    let known = journal.and_then(|journal| journal.known_maps().ok()).unwrap_or_default();
    let hint = other_maps(config, &known);

    match &config.named_place {
        Some(path) if path.symlink_metadata().is_err() && !known.contains(&config.map) => {
            let message = format!("no session map: {} does not exist", path.display());
            Err(Failure::new(message).hint(hint))
        }
        _ => Ok(hint),
    }
}

fn other_maps(config: &Clean, known: &[PathBuf]) -> String {
    let mut found: Vec<PathBuf> = Vec::new();
    for map in candidates(config, known) {
        if map != config.map && !found.contains(&map) && map.is_file() {
            found.push(map);
        }
    }

    let found: Vec<String> = found.iter().map(|map| map.display().to_string()).collect();
    match found.as_slice() {
        [] => format!(
            "the bridge writes {MAP_NAME} at its first chat, to $CLAUDE_SESSION_DIR or {SESSION_DIR}; use --session-dir for another folder"
        ),
        [map] => format!("there is a session map at {map}; select it with --map or --session-dir"),
        maps => format!("there are session maps at {}; select one with --map", maps.join(", ")),
    }
}

/// Where a map may be: the maps of earlier runs, the usual one, and those of running bridges.
fn candidates(config: &Clean, known: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(SESSION_DIR)];
    if let Choice::Auto(address) | Choice::Named(address) = &config.bridge {
        folders.extend(map::folder_at(address));
    }
    folders.extend(process::bridge_folders(&Processes::of_users(&[process::user()])));

    let maps = folders.into_iter().map(|folder| folder.join(MAP_NAME));
    known.iter().cloned().chain(maps).collect()
}
