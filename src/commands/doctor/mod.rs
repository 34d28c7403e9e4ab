//! `doctor`: checks the installation. Each check only reads: no lock is taken, no folder made, no
//! conversation read.

pub mod args;
mod environment;
mod map;
mod place;
mod processes;
mod retention;
mod runs;
mod timers;

use crate::config::{Clean, Shown};
use crate::map::map_file::stopped;
use crate::map::{Access, Choice, FileMap, MapStore};
use crate::model::{Clock, Failure, SessionMap, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process;
use crate::provider::{LookOptions, Owners};
use crate::report::Check;

/// What is checked: a clean as it would run now, and who holds its map.
struct Patient<'a> {
    config: &'a Clean,
    /// Where each setting came from.
    shown: &'a [Shown],
    now: Timestamp,
    /// The map's file; nothing where a clean would ask a bridge only.
    file: Option<Result<FileMap, Failure>>,
    /// Who would hold the map; nothing where its file cannot be read.
    holder: Option<Result<Box<dyn MapStore>, Failure>>,
    interrupt: &'a Interrupt,
}

impl<'a> Patient<'a> {
    fn new(
        config: &'a Clean,
        shown: &'a [Shown],
        now: Timestamp,
        interrupt: &'a Interrupt,
    ) -> Self {
        // A bridge that is named needs no file.
        let needs_file = config.map_is_explicit || !matches!(config.bridge, Choice::Named(_));
        let file =
            needs_file.then(|| FileMap::open(config.map.clone(), Access::Read, interrupt.clone()));
        let is_broken = matches!(file, Some(Err(_)));
        let (choice, said) = (&config.bridge, config.map_is_explicit && !is_broken);
        let asks = !is_broken || matches!(choice, Choice::Named(_));
        let holder =
            asks.then(|| crate::map::open(choice, &config.map, said, Access::Read, interrupt));
        Self { config, shown, now, file, holder, interrupt }
    }

    /// The map's file, as far as it could be read.
    fn file(&self) -> Option<&FileMap> {
        self.file.as_ref()?.as_ref().ok()
    }

    /// Who holds the map, as far as anybody answered.
    fn holder(&self) -> Option<&dyn MapStore> {
        Some(self.holder.as_ref()?.as_ref().ok()?.as_ref())
    }

    /// The map, whoever tells it.
    fn map(&self) -> Option<&SessionMap> {
        let told = self.holder().and_then(MapStore::map);
        told.or_else(|| self.file().and_then(MapStore::map))
    }

    /// The user id of the map's owner.
    fn owner(&self) -> Option<u32> {
        self.file().and_then(MapStore::owner)
    }

    /// How the disk is looked at.
    fn look_options(&self) -> LookOptions {
        LookOptions {
            owners: Owners { us: process::user(), map: self.owner() },
            clock: Clock::Mtime,
            interrupt: self.interrupt.clone(),
        }
    }
}

/// Some of the checks.
type Part = fn(&Patient<'_>, &Interrupt) -> Vec<Check>;

/// Looks at everything, in the order in which it depends on each other.
///
/// # Errors
/// Only where a signal ends it.
pub fn run(
    config: &Clean,
    shown: &[Shown],
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<Check>> {
    let patient = Patient::new(config, shown, now, interrupt);
    let mut checks = Vec::new();
    let parts: [Part; 7] = [
        |patient, _| place::checks(patient),
        |patient, _| map::checks(patient),
        |patient, _| processes::checks(patient),
        |patient, interrupt| retention::checks(patient, interrupt).into_iter().collect(),
        |patient, _| map::bridge_checks(patient),
        |patient, _| runs::state_checks(patient),
        |patient, _| timers::checks(patient),
    ];
    for part in parts {
        if interrupt.asked() {
            return Err(stopped().into());
        }
        interrupt.progress().begin(Phase::Checks, 0);
        checks.extend(part(&patient, interrupt));
    }
    // What a check saw until then is not all there is.
    if interrupt.asked() {
        return Err(stopped().into());
    }
    Ok(checks)
}

/// So many of them, in words.
fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
