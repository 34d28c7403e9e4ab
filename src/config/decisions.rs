//! The settings that are more than the value of the first layer: thresholds, the map, the home, the bridge, pins
//! and colours.

use std::path::PathBuf;

use super::environment::Environment;
use super::folders::{Home, MAP_NAME, SESSION_DIR, absolute};
use super::layers::{Layers, Origin};
use super::settings::ReleaseSettings;
use super::values::{Bridge, Color, Idle, Place, word_for};
use crate::map::{Address, BridgeReaction, Choice};
use crate::model::{Failure, IdleThreshold, Patterns, Thresholds};
use crate::provider::PROVIDERS;

/// The port at which a bridge listens by default.
const BRIDGE_PORT: u16 = 8000;

/// The place of the map.
pub(super) struct MapPlace {
    pub(super) path: PathBuf,
    /// True if the file itself is named, not its folder.
    pub(super) is_file_named: bool,
    /// True if a flag, a profile or the file says where it is.
    pub(super) is_explicit: bool,
    /// The folder or the file that is named.
    pub(super) named: Option<PathBuf>,
}

impl Layers<'_> {
    /// Decides the thresholds. A layer that sets the usual one sets all of them; one that sets only some
    /// providers' own leaves the others to the layers below.
    pub(super) fn idle(&mut self) -> Thresholds {
        let mut layers = self.each("", |layer| layer.ask.idle());
        layers.push((Some(Idle::from(IdleThreshold::DEFAULT)), Origin::Default));
        let mut thresholds = Thresholds { usual: IdleThreshold::DEFAULT, special: Vec::new() };

        for (idle, origin) in layers {
            let Some(idle) = idle else { continue };
            let mut values: Vec<String> = idle.usual.iter().map(ToString::to_string).collect();
            for (provider, threshold) in idle.special {
                if thresholds.special.iter().all(|(known, _)| *known != provider) {
                    let name = PROVIDERS.get(provider.get()).map_or("", |provider| provider.name);
                    values.push(format!("{name} {threshold}"));
                    thresholds.special.push((provider, threshold));
                }
            }

            if !values.is_empty() {
                self.show("idle", values.join(", "), origin);
            }
            if let Some(usual) = idle.usual {
                thresholds.usual = usual;
                break;
            }
        }
        thresholds
    }

    /// Decides where the map is.
    pub(super) fn map(&mut self) -> Result<MapPlace, Failure> {
        let default = (Place::Folder(SESSION_DIR.into()), Origin::Default);
        let found = self.first("CLAUDE_SESSION_DIR", |layer| layer.ask.place.map.place());
        let (place, origin) = found.unwrap_or(default);
        let (path, is_file_named) = match &place {
            Place::Folder(folder) => (absolute(&folder.join(MAP_NAME))?, false),
            Place::File(map) => (absolute(map)?, true),
        };

        let named = match (&place, &origin) {
            // A folder in `[clean]` may be there before its bridge is.
            (_, Origin::Default | Origin::File) => None,
            (Place::Folder(folder), _) => Some(absolute(folder)?),
            (Place::File(_), _) => Some(path.clone()),
        };

        let is_explicit = !matches!(origin, Origin::Environment(_) | Origin::Default);
        self.show("map", path.to_string_lossy(), origin);
        Ok(MapPlace { path, is_file_named, is_explicit, named })
    }

    /// Decides the home. The CLIs' own variables come between a profile and the file.
    pub(super) fn home(&mut self, environment: &Environment) -> Result<Home, Failure> {
        let Some((home, origin)) = self.first("", |layer| layer.ask.place.home.clone()) else {
            let home = environment.get("HOME").map(PathBuf::from);
            let value = home.as_ref().map(|home| home.to_string_lossy().into_owned());
            self.show("home", value.unwrap_or("from the password file".into()), Origin::Default);
            return Ok(Home::User(home));
        };

        let home = absolute(&home)?;
        self.show("home", home.to_string_lossy(), origin.clone());
        Ok(if origin == Origin::File { Home::Usual(home) } else { Home::Given(home) })
    }

    /// Decides how the map is to be reached; the second value is true if a bridge of another machine may be
    /// asked.
    pub(super) fn bridge(
        &mut self,
        is_file_named: bool,
        environment: &Environment,
    ) -> Result<(Choice, bool), Failure> {
        let allows_remote = self.setting(
            "allow_remote_bridge",
            |layer| layer.ask.bridge.allow_remote_bridge,
            false,
        );

        let layers = self.each("", |layer| layer.ask.bridge.bridge.clone()).into_iter();
        let mut named = layers.filter_map(|(bridge, origin)| Some((bridge?, origin)));
        let found = named.find(|(bridge, origin)| !self.is_of_another_map(bridge, origin));
        let (bridge, origin) = found.unwrap_or((Bridge::Auto, Origin::Default));

        let (choice, value) = match bridge {
            Bridge::Off => (Choice::Off, "off".to_owned()),
            // A bridge shows the folder of its map, never the name of the file.
            Bridge::Auto if is_file_named => {
                (Choice::Off, "off, because the map is named".to_owned())
            }
            Bridge::Auto => {
                let address = Address::local(usual_port(environment)?);
                let value = format!("auto, {}", address.as_str());
                (Choice::Auto(address), value)
            }
            Bridge::Named(address) if address.is_loopback() || allows_remote => {
                let value = address.as_str().to_owned();
                (Choice::Named(address), value)
            }
            Bridge::Named(address) => {
                let message = format!("the bridge {} is not on this machine", address.as_str());
                return Err(Failure::usage(message).hint("--allow-remote-bridge allows it"));
            }
        };

        self.show("bridge", value, origin);
        Ok((choice, allows_remote))
    }

    /// Returns true if that bridge is named in a layer below the one that names the map: the bridge of `[clean]`
    /// does not hold the map that a profile names, nor a profile's bridge the map on the command line.
    fn is_of_another_map(&self, bridge: &Bridge, origin: &Origin) -> bool {
        let by_flag = self.flags.ask.place.map.place().is_some();
        let by_profile =
            self.profile.is_some_and(|(_, layer)| layer.ask.place.map.place().is_some());
        matches!(bridge, Bridge::Named(_))
            && match origin {
                Origin::File => by_flag || by_profile,
                Origin::Profile(_) => by_flag,
                _ => false,
            }
    }

    pub(super) fn max_remove(&mut self) -> Option<u64> {
        let found = self.first("", |layer| layer.max_remove);
        self.decide("max_remove", found, "none", u64::to_string)
    }

    /// Decides which idle CLI processes are ended.
    pub(super) fn release(&mut self) -> ReleaseSettings {
        ReleaseSettings {
            is_on: self.setting("release", |layer| layer.release.release, false),
            after: self.decide(
                "release_after",
                self.first("", |layer| layer.release.after.release_after.clone()),
                "the idle threshold",
                ToString::to_string,
            ),
            max: self.decide(
                "max_release",
                self.first("", |layer| layer.release.after.max_release),
                "none",
                u64::to_string,
            ),
            accepts: self.setting(
                "release_accepts",
                |layer| layer.release.release_accepts,
                BridgeReaction::Quiet,
            ),
            format: self.decide(
                "map_format",
                self.first("", |layer| layer.release.map_format),
                "unknown, unless the bridge answers",
                |format| format.name.to_owned(),
            ),
        }
    }

    /// Combines the patterns of all layers.
    pub(super) fn pin(&mut self) -> Result<Patterns, Failure> {
        let mut patterns = Patterns::default();
        let layers = self.each("", |layer| layer.ask.pin.clone());
        for (pin, origin) in layers.into_iter().filter(|(pin, _)| !pin.is_empty()) {
            for pattern in &pin {
                patterns.add(pattern).map_err(|why| {
                    let message = format!("--pin {pattern:?} is {why}");
                    Failure::usage(message).hint("for example --pin 'team-*'")
                })?;
            }
            self.show("pin", pin.join(", "), origin);
        }

        if patterns.is_empty() {
            self.show("pin", "none", Origin::Default);
        }
        Ok(patterns)
    }

    /// Decides if the report has colours.
    pub(super) fn color(&mut self, is_terminal: bool, environment: &Environment) -> bool {
        // The variable that decides, as in `Environment::wants_color`.
        let is_forced = environment.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let variable = match environment.get("NO_COLOR") {
            Some(_) => "NO_COLOR",
            None if is_forced => "CLICOLOR_FORCE",
            None => "TERM",
        };

        let found = self.first(variable, |layer| layer.color.color);
        let (color, origin) = found.unwrap_or((Color::Auto, Origin::Default));
        self.show("color", word_for(&color), origin);
        match color {
            Color::Auto => is_terminal,
            Color::Always => true,
            Color::Never => false,
        }
    }
}

/// Returns the port of a bridge on this machine.
fn usual_port(environment: &Environment) -> Result<u16, Failure> {
    let port = environment.get("CLAUDE_BRIDGE_PORT");
    let port = port.map_or(Some(BRIDGE_PORT), |port| port.to_str()?.trim().parse().ok());
    port.filter(|port| *port != 0).ok_or_else(|| {
        Failure::usage("the variable CLAUDE_BRIDGE_PORT is not a port number")
            .hint("for example CLAUDE_BRIDGE_PORT=8000")
    })
}
