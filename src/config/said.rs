//! The settings that are more than the first thing said: where the map is, whose sessions are looked
//! at, how the map is reached, how long they may rest, and what is never let go.

use std::path::PathBuf;

use super::layer::{Bridge, Color, Idle, Origin, Place};
use super::resolve::{Layers, usage};
use super::{Environment, Home, MAP_NAME, SESSION_DIR, absolute};
use crate::map::{Address, Choice};
use crate::model::{Failure, IdleThreshold, Patterns, Thresholds};
use crate::provider::PROVIDERS;

/// The port that a bridge listens at unless it is told otherwise.
const BRIDGE_PORT: u16 = 8000;

/// Where the map is.
pub(super) struct MapPlace {
    pub(super) map: PathBuf,
    /// True if the file itself was named, not its folder.
    pub(super) is_named: bool,
    /// True if a flag, a profile or the file says where it is.
    pub(super) is_said: bool,
    /// What was named.
    pub(super) named_place: Option<PathBuf>,
}

impl Layers<'_> {
    /// Whoever says the usual threshold says all of them; who says only some providers' own leaves
    /// the others to what is said below.
    pub(super) fn idle(&mut self) -> Thresholds {
        let mut said = self.said(|layer| layer.idle.clone());
        said.push((Some(Idle::from(IdleThreshold::DEFAULT)), Origin::Default));
        let mut thresholds = Thresholds { usual: IdleThreshold::DEFAULT, special: Vec::new() };
        for (idle, origin) in said {
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

    /// Where the map is, whether the file itself was named, and whether anybody said either.
    pub(super) fn map(&mut self) -> Result<MapPlace, Failure> {
        let default = (Place::Folder(SESSION_DIR.into()), Origin::Default);
        let said = self.pick("CLAUDE_SESSION_DIR", |layer| &layer.place).unwrap_or(default);
        let (map, is_named) = match &said.0 {
            Place::Folder(folder) => (absolute(&folder.join(MAP_NAME))?, false),
            Place::File(map) => (absolute(map)?, true),
        };
        let named_place = match &said {
            // A folder in `[clean]` may be there before its bridge is.
            (_, Origin::Default | Origin::File) => None,
            (Place::Folder(folder), _) => Some(absolute(folder)?),
            (Place::File(_), _) => Some(map.clone()),
        };
        let is_said = !matches!(said.1, Origin::Environment(_) | Origin::Default);
        self.show("map", map.to_string_lossy(), said.1);
        Ok(MapPlace { map, is_named, is_said, named_place })
    }

    pub(super) fn home(&mut self, environment: &Environment) -> Result<Home, Failure> {
        let Some((said, origin)) = self.pick("", |layer| &layer.home) else {
            let home = environment.get("HOME").map(PathBuf::from);
            let value = home.as_ref().map(|home| home.to_string_lossy().into_owned());
            self.show("home", value.unwrap_or("from the password file".into()), Origin::Default);
            return Ok(Home::User(home));
        };
        let home = absolute(&said)?;
        self.show("home", home.to_string_lossy(), origin.clone());
        // The CLIs' own variables stand between a profile and the file.
        Ok(if origin == Origin::File { Home::Usual(home) } else { Home::Given(home) })
    }

    /// How the map is to be reached, and whether a bridge of another machine may be asked.
    pub(super) fn bridge(
        &mut self,
        is_map_named: bool,
        environment: &Environment,
    ) -> Result<(Choice, bool), Failure> {
        let allows = self.setting(
            "allow_remote_bridge",
            |layer| &layer.allow_remote_bridge,
            false,
            ToString::to_string,
        );
        let default = (Bridge::Auto, Origin::Default);
        let mut said = self.said(|layer| layer.bridge.clone()).into_iter();
        let said = said.find_map(|(bridge, origin)| {
            Some((bridge.filter(|bridge| !self.is_of_another_map(bridge, &origin))?, origin))
        });
        let (said, origin) = said.unwrap_or(default);
        let (choice, value) = match said {
            Bridge::Off => (Choice::Off, "off".to_owned()),
            // Which map a bridge writes is told by its folder, never by a single file's name.
            Bridge::Auto if is_map_named => {
                (Choice::Off, "off, because the map is named".to_owned())
            }
            Bridge::Auto => {
                let port = environment.get("CLAUDE_BRIDGE_PORT");
                let port =
                    port.map_or(Some(BRIDGE_PORT), |port| port.to_str()?.trim().parse().ok());
                let port = port.filter(|port| *port != 0).ok_or_else(|| {
                    usage("the variable CLAUDE_BRIDGE_PORT is not a port number".to_owned())
                        .hint("for example CLAUDE_BRIDGE_PORT=8000")
                })?;
                let address = Address::local(port);
                let value = format!("auto, {}", address.as_str());
                (Choice::Auto(address), value)
            }
            Bridge::Named(address) if address.is_loopback() || allows => {
                let value = address.as_str().to_owned();
                (Choice::Named(address), value)
            }
            Bridge::Named(address) => {
                let message = format!("the bridge {} is not on this machine", address.as_str());
                return Err(usage(message).hint("--allow-remote-bridge allows it"));
            }
        };
        self.show("bridge", value, origin);
        Ok((choice, allows))
    }

    /// Whether that bridge is named below where the map is: the bridge of `[clean]` does not hold the
    /// map that a profile names, nor a profile's bridge the map on the command line.
    fn is_of_another_map(&self, bridge: &Bridge, origin: &Origin) -> bool {
        let by_flag = self.flags.place.is_some();
        let by_profile = self.profile.as_ref().is_some_and(|(_, layer)| layer.place.is_some());
        matches!(bridge, Bridge::Named(_))
            && match origin {
                Origin::File => by_flag || by_profile,
                Origin::Profile(_) => by_flag,
                _ => false,
            }
    }

    /// Patterns add up: what is to be kept is kept, whoever said so.
    pub(super) fn pin(&mut self) -> Result<Patterns, Failure> {
        let said = self.said(|layer| layer.pin.clone());
        let mut patterns = Patterns::default();
        for (pin, origin) in said.into_iter().filter(|(pin, _)| !pin.is_empty()) {
            for pattern in &pin {
                patterns.add(pattern).map_err(|why| {
                    usage(format!("--pin {pattern:?} is {why}")).hint("for example --pin 'team-*'")
                })?;
            }
            self.show("pin", pin.join(", "), origin);
        }
        if patterns.is_empty() {
            self.show("pin", "none", Origin::Default);
        }
        Ok(patterns)
    }

    pub(super) fn color(&mut self, is_terminal: bool, environment: &Environment) -> bool {
        // The one that decides, as in `Environment::wants_color`.
        let is_forced = environment.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let variable = match environment.get("NO_COLOR") {
            Some(_) => "NO_COLOR",
            None if is_forced => "CLICOLOR_FORCE",
            None => "TERM",
        };
        let default = (Color::Auto, Origin::Default);
        let (said, origin) = self.pick(variable, |layer| &layer.color).unwrap_or(default);
        let (color, value) = match said {
            Color::Auto => (is_terminal, "auto"),
            Color::Always => (true, "always"),
            Color::Never => (false, "never"),
        };
        self.show("color", value, origin);
        color
    }
}
