//! The map, its folder, and its bridge.

use std::path::Path;

use super::setup::Setup;
use crate::clean::absent_map;
use crate::config::SESSION_DIR;
use crate::journal::Journal;
use crate::map::{self, Choice, FileMap, MapStore};
use crate::model::{Failure, Form, SessionMap, WarningCode, describe};
use crate::os::may_write;
use crate::process;
use crate::report::{Check, counted};

/// Folders whose files systemd-tmpfiles deletes, and after how many days.
const EMPTIED: [(&str, u32); 2] = [("/tmp", 10), ("/var/tmp", 30)];

/// Checks the map, whether it can be changed, and whether it will last.
pub(super) fn checks(setup: &Setup<'_>) -> Vec<Check> {
    let file = match &setup.file {
        Some(Ok(file)) => file,
        Some(Err(failure)) => return vec![failed("map", failure)],
        None => return setup.map().map(of_bridge).into_iter().collect(),
    };
    let Some(map) = file.map() else { return vec![absent(setup, file)] };
    let owner = file.owner().unwrap_or_default();
    let owner = process::name_of(owner).unwrap_or_else(|| format!("user {owner}"));
    let message = format!("{}: {}, of {owner}", setup.config.map.display(), content(map));
    let real = file.real_path().unwrap_or_else(|| setup.config.map.clone());
    vec![Check::ok("map", message), changeable(setup, &real, &owner), lasting(&real)]
}

fn failed(name: &'static str, failure: &Failure) -> Check {
    Check::failed(name, failure)
        .or_hint("correct it, or name another one with --map FILE or --bridge URL")
}

fn content(map: &SessionMap) -> String {
    let form = match map.form() {
        Form::Today => "current form",
        Form::Legacy => "the old form, of Claude's only",
    };
    format!("{}, {form}", counted(map.len(), "mapping"))
}

fn of_bridge(map: &SessionMap) -> Check {
    Check::ok("map", format!("{}, as the bridge reports it; no file is needed", content(map)))
}

fn absent(setup: &Setup<'_>, file: &dyn MapStore) -> Check {
    let journal = setup.config.state_dir().ok().map(|folder| Journal::at(&folder));
    if let Err(failure) = absent_map::hint(setup.config, journal.as_ref()) {
        return failed("map", &failure);
    }

    let path = setup.config.map.display();
    let dangles = file.warnings().iter().any(|about| about.code == WarningCode::DanglingMap);
    let why = if dangles { "is a link that leads nowhere" } else { "is not there" };
    let check = Check::warning("map", format!("{path} {why}"));
    if let Choice::Auto(address) = &setup.config.bridge
        && let Some(folder) = map::folder_at(address)
    {
        let (url, folder) = (address.as_str(), folder.display());
        return check.hint(format!(
            "the bridge at {url} keeps it in {folder}: name that folder with --session-dir"
        ));
    }
    check.hint(format!(
        "the bridge writes it at its first chat, to its $CLAUDE_SESSION_DIR or {SESSION_DIR}; name that folder with --session-dir"
    ))
}

/// Checks that a clean could replace the map.
fn changeable(setup: &Setup<'_>, real: &Path, owner: &str) -> Check {
    let folder = real.parent().unwrap_or(Path::new("/"));
    let shown = folder.display();
    let us = process::user();
    if us != 0 && setup.owner() != Some(us) {
        let message = format!("{shown}: the map belongs to {owner}, who alone can change it");
        return Check::error("map-folder", message).hint("run as the map's owner, or as root");
    }

    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let lock = folder.join(format!(".{name}.session-warden.lock"));
    let has_lock = lock.symlink_metadata().is_ok();
    for path in [Some(folder), has_lock.then_some(&*lock)].into_iter().flatten() {
        if let Err(error) = may_write(path) {
            let message = format!("cannot write to {}: {}", path.display(), describe(&error));
            return Check::error("map-folder", message)
                .hint("a clean replaces the map, and locks it, in its folder");
        }
    }
    Check::ok("map-folder", format!("{shown}: writable"))
}

/// Checks that the map is in no folder whose files are deleted.
fn lasting(real: &Path) -> Check {
    let emptied = EMPTIED.iter().find(|(folder, _)| real.starts_with(folder));
    let Some((folder, days)) = emptied else {
        return Check::ok("tmp", "the map is in no temporary folder");
    };
    let message = format!(
        "the map is in {folder}: systemd-tmpfiles deletes files unused for {days} days there, and a reboot may delete it"
    );
    Check::warning("tmp", message).hint(
        "stop the bridge, move the folder to ~/.local/share/claude_sessions, set CLAUDE_SESSION_DIR to \
         it for the bridge and here, start the bridge, and run schedule install again",
    )
}

/// Checks that the bridge answers, and with this map.
pub(super) fn bridge_checks(setup: &Setup<'_>) -> Vec<Check> {
    let check = match &setup.store {
        None => Check::ok("bridge", "not asked, since the map cannot be read"),
        Some(Err(failure)) => silent(setup, failure),
        Some(Ok(store)) => match store.source().url {
            Some(url) => answering(&url, store.as_ref(), setup.file()),
            None => edited(store.as_ref()),
        },
    };
    vec![check]
}

/// A bridge that does not answer: a clean fails if it was named. A program that happens to listen at the usual
/// port may be busy just now.
fn silent(setup: &Setup<'_>, failure: &Failure) -> Check {
    if matches!(setup.config.bridge, Choice::Auto(_)) && map::is_silence(failure) {
        let message = format!("{}; a clean would fail now", failure.message);
        return Check::warning("bridge", message).hint(
            "restart the bridge, use --bridge URL for another one, or --bridge off to edit the file",
        );
    }
    failed("bridge", failure)
}

fn answering(url: &str, bridge: &dyn MapStore, file: Option<&FileMap>) -> Check {
    let is_same = bridge.real_path().is_some();
    match file.and_then(MapStore::real_path) {
        None => Check::ok("bridge", format!("{url} answers, and is asked alone")),
        Some(_) if is_same => Check::ok("bridge", format!("{url} answers, with the same map")),
        Some(path) => {
            let message = format!("{url} answers, with another map than {}", path.display());
            Check::warning("bridge", message)
                .hint("--map, --session-dir or CLAUDE_SESSION_DIR names that bridge's own file")
        }
    }
}

/// No bridge is asked, so a clean edits the file.
fn edited(file: &dyn MapStore) -> Check {
    let why = file.source().why;
    if file.map().is_none() {
        return Check::ok("bridge", "not asked, since there is no map");
    }
    if file.warnings().iter().any(|warning| warning.code == WarningCode::OtherBridge) {
        return Check::warning("bridge", format!("{why}; a clean would edit the file")).hint(
            "--bridge URL or CLAUDE_BRIDGE_PORT names this map's bridge; --session-dir the other's \
             folder",
        );
    }
    if let Some(process) = map::bridge_process(file) {
        let message = format!(
            "{why}; process {process} looks like a bridge on this map, and would undo an edit"
        );
        return Check::warning("bridge", message).hint("--bridge URL has it asked instead");
    }
    Check::ok("bridge", format!("{why}: a clean edits the file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Health;

    #[test]
    fn temporary_folders_are_reported() {
        for (path, state) in [
            ("/tmp/claude_sessions/session_map.json", Health::Warning),
            ("/var/tmp/session_map.json", Health::Warning),
            ("/tmpfs/session_map.json", Health::Ok),
            ("/home/u/tmp/session_map.json", Health::Ok),
        ] {
            assert_eq!(lasting(Path::new(path)).state, state, "{path}");
        }
    }
}
