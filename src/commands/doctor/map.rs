//! The map, its folder, and who holds it.

use std::path::Path;

use super::{Patient, count};
use crate::clean::absent_map;
use crate::config::SESSION_DIR;
use crate::journal::Journal;
use crate::map::{self, Choice, MapStore};
use crate::model::{Failure, Form, SessionMap, WarningCode, describe};
use crate::os::may_write;
use crate::process;
use crate::report::Check;

/// Folders that systemd-tmpfiles empties, and after how many days.
const EMPTIED: [(&str, u32); 2] = [("/tmp", 10), ("/var/tmp", 30)];

/// The map, whether it can be changed, and whether it will last.
pub(super) fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let path = patient.config.map.display();
    let file = match &patient.file {
        Some(Ok(file)) => file,
        Some(Err(failure)) => return vec![failed("map", failure)],
        None => return patient.map().map(told).into_iter().collect(),
    };
    let Some(map) = file.map() else { return vec![absent(patient, file)] };
    let owner = file.owner().unwrap_or_default();
    let owner = process::name_of(owner).unwrap_or_else(|| format!("user {owner}"));
    let mut checks = vec![Check::ok("map", format!("{path}: {}, of {owner}", content(map)))];
    let real = file.real_path().unwrap_or_else(|| patient.config.map.clone());
    checks.push(changeable(patient, &real, &owner));
    checks.push(lasting(&real));
    checks
}

fn failed(name: &'static str, failure: &Failure) -> Check {
    let hint = failure.hint.as_deref();
    let hint = hint.unwrap_or("correct it, or name another one with --map FILE or --bridge URL");
    Check::error(name, failure.message.as_str()).hint(hint)
}

fn content(map: &SessionMap) -> String {
    let form = match map.form() {
        Form::Today => "current form",
        Form::Legacy => "the old form, of Claude's only",
    };
    format!("{}, {form}", count(map.len(), "mapping"))
}

fn told(map: &SessionMap) -> Check {
    Check::ok("map", format!("{}, as the bridge reports it; no file is needed", content(map)))
}

fn absent(patient: &Patient<'_>, file: &dyn MapStore) -> Check {
    let journal = patient.config.state_dir().ok().map(|folder| Journal::at(&folder));
    if let Err(failure) = absent_map::hint(patient.config, journal.as_ref()) {
        return failed("map", &failure);
    }

    let path = patient.config.map.display();
    let dangles = file.warnings().iter().any(|about| about.code == WarningCode::DanglingMap);
    let why = if dangles { "is a link that leads nowhere" } else { "is not there" };
    let check = Check::warning("map", format!("{path} {why}"));
    if let Choice::Auto(address) = &patient.config.bridge
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

/// Whether a clean could replace the map.
fn changeable(patient: &Patient<'_>, real: &Path, owner: &str) -> Check {
    let folder = real.parent().unwrap_or(Path::new("/"));
    let shown = folder.display();
    let us = process::user();
    if us != 0 && patient.owner() != Some(us) {
        let message = format!("{shown}: the map belongs to {owner}, who alone can change it");
        return Check::error("map-folder", message).hint("run as the map's owner, or as root");
    }
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let lock = folder.join(format!(".{name}.session-warden.lock"));
    let mut needed = vec![folder];
    if lock.symlink_metadata().is_ok() {
        needed.push(&lock);
    }
    for path in needed {
        if let Err(error) = may_write(path) {
            let message = format!("cannot write to {}: {}", path.display(), describe(&error));
            return Check::error("map-folder", message)
                .hint("a clean replaces the map, and locks it, in its folder");
        }
    }
    Check::ok("map-folder", format!("{shown}: writable"))
}

/// Whether the map lies where nobody empties.
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

/// Whether the bridge answers, and holds this map.
pub(super) fn bridge_checks(patient: &Patient<'_>) -> Vec<Check> {
    let check = match (&patient.holder, patient.file()) {
        (None, _) => Check::ok("bridge", "not asked, since the map cannot be read"),
        (Some(Err(failure)), _) => silent(patient, failure),
        (Some(Ok(holder)), file) => match holder.source().url {
            Some(url) => answering(&url, holder.as_ref(), file),
            None => edited(holder.as_ref()),
        },
    };
    vec![check]
}

/// One that does not answer: that fails a clean where it was named. What only happens to listen at the
/// usual port may be busy just now.
fn silent(patient: &Patient<'_>, failure: &Failure) -> Check {
    let is_auto = matches!(patient.config.bridge, Choice::Auto(_));
    if is_auto && map::is_silence(failure) {
        let message = format!("{}; a clean would fail now", failure.message);
        return Check::warning("bridge", message).hint(
            "restart the bridge, use --bridge URL for another one, or --bridge off to edit the file",
        );
    }
    failed("bridge", failure)
}

fn answering(url: &str, holder: &dyn MapStore, file: Option<&crate::map::FileMap>) -> Check {
    let is_same = holder.real_path().is_some();
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

/// Nobody that is asked: the file is edited.
fn edited(holder: &dyn MapStore) -> Check {
    let why = holder.source().why;
    if holder.map().is_none() {
        return Check::ok("bridge", "not asked, since there is no map");
    }
    if holder.warnings().iter().any(|warning| warning.code == WarningCode::OtherBridge) {
        return Check::warning("bridge", format!("{why}; a clean would edit the file")).hint(
            "--bridge URL or CLAUDE_BRIDGE_PORT names this map's bridge; --session-dir the other's \
             folder",
        );
    }
    if let Some(process) = map::bridge_process(holder) {
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
    fn temporary_folders_are_told() {
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
