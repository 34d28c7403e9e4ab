//! What is checked: a clean as it would run now, with its map and the store of that.

use crate::config::{Clean, Shown};
use crate::map::{self, Access, Choice, FileMap, MapStore};
use crate::model::{Clock, Failure, SessionMap, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::process;
use crate::provider::{LookOptions, Owners};

pub(super) struct Setup<'a> {
    pub(super) config: &'a Clean,
    /// The settings with their origins.
    pub(super) shown: &'a [Shown],
    /// The names of the CLIs that keep-alive jobs run.
    pub(super) clis: &'a [&'static str],
    pub(super) now: Timestamp,
    /// The map's file, unless a clean would only ask a bridge.
    pub(super) file: Option<Result<FileMap, Failure>>,
    /// What a clean would change, unless the file cannot be read.
    pub(super) store: Option<Result<Box<dyn MapStore>, Failure>>,
    pub(super) interrupt: &'a Interrupt,
}

impl<'a> Setup<'a> {
    pub(super) fn new(
        config: &'a Clean,
        shown: &'a [Shown],
        clis: &'a [&'static str],
        now: Timestamp,
        interrupt: &'a Interrupt,
    ) -> Self {
        let names_bridge = matches!(config.bridge, Choice::Named(_));
        // A bridge that is named needs no file.
        let needs_file = config.map_is_explicit || !names_bridge;
        let file =
            needs_file.then(|| FileMap::open(config.map.clone(), Access::Read, interrupt.clone()));

        let is_broken = matches!(file, Some(Err(_)));
        let is_explicit = config.map_is_explicit && !is_broken;
        let store = (!is_broken || names_bridge)
            .then(|| map::open(&config.bridge, &config.map, is_explicit, Access::Read, interrupt));
        Self { config, shown, clis, now, file, store, interrupt }
    }

    /// Returns the map's file if it could be read.
    pub(super) fn file(&self) -> Option<&FileMap> {
        self.file.as_ref()?.as_ref().ok()
    }

    /// Returns the map of the bridge, or else of the file.
    pub(super) fn map(&self) -> Option<&SessionMap> {
        let store = self.store.as_ref().and_then(|store| store.as_ref().ok());
        store.and_then(|store| store.map()).or_else(|| self.file()?.map())
    }

    /// Returns the user id of the map's owner.
    pub(super) fn owner(&self) -> Option<u32> {
        self.file().and_then(MapStore::owner)
    }

    /// Returns the map's owner if that is another user, whose sessions root looks at.
    pub(super) fn other_owner(&self) -> Option<u32> {
        self.owner().filter(|owner| process::user() == 0 && *owner != 0)
    }

    pub(super) fn look_options(&self) -> LookOptions {
        LookOptions {
            owners: Owners { us: process::user(), map: self.owner() },
            clock: Clock::Mtime,
            interrupt: self.interrupt.clone(),
        }
    }
}
