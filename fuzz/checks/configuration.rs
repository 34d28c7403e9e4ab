//! The configuration file: what is wrong with it is told in one line with its place; what is taken
//! makes a run's settings, for it and for each of its profiles, and says the same when it is written
//! anew.

use session_warden::commands::config::{Chosen, write_json, write_text};
use session_warden::config::{Bridge, Clean, Color, ConfigFile, Environment, Format, Idle, Layer};
use session_warden::config::{Origin, Settings, Shown};
use session_warden::map::Choice;
use session_warden::model::{Clock, Exit, Failure, IdleThreshold, Missing, ProviderIdx};
use session_warden::provider::PROVIDERS;
use std::cell::OnceCell;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What thresholds may be, in seconds.
const THRESHOLDS: std::ops::RangeInclusive<u64> = 1..=3_155_760_000;

pub fn check(data: &[u8]) {
    let (path, read) = settings(data);
    // A byte order mark is one at the very start alone.
    let above: &[u8] = if data.starts_with(b"\xEF\xBB\xBF") { b"" } else { b"\n" };
    let moved = settings(&[above, data].concat()).1;
    let settings = match (read, moved) {
        (Err(failure), Err(moved)) => {
            let lines = data.split(|byte| *byte == b'\n').count();
            return is_placed(&failure, &moved, above.len(), lines, &path);
        }
        (Ok(settings), Ok(moved)) => {
            assert_eq!(layers(&moved.file), layers(&settings.file), "a line above changes nothing");
            settings
        }
        (read, moved) => panic!("with a line above {moved:?}, without {read:?}"),
    };
    let names: Vec<Option<&str>> =
        settings.file.profiles.iter().map(|(name, _)| Some(name.as_str())).collect();
    for profile in [None].into_iter().chain(names) {
        match settings.resolve(&Layer::default(), profile) {
            Ok((clean, shown)) => holds(&settings.file, profile, &clean, &shown),
            Err(failure) => is_one_line(&failure),
        }
    }
    assert!(settings.resolve(&Layer::default(), Some("no such profile")).is_err());
    let unknown = [data, b"\n[an-unknown-table]\n"].concat();
    let failure = self::settings(&unknown).1.expect_err("an unknown table is refused");
    is_one_line(&failure);
    let line = data.split(|byte| *byte == b'\n').count() + 1;
    let place = format!("{}:{line}: ", path.display());
    assert!(failure.message.starts_with(&place), "{failure}, which is in line {line}");
    let anew = self::settings(written(&settings.file).as_bytes()).1.map(|anew| layers(&anew.file));
    assert_eq!(anew, Ok(layers(&settings.file)), "{}", written(&settings.file));
}

/// What a file that holds that says, and where it is.
fn settings(data: &[u8]) -> (PathBuf, Result<Settings, Failure>) {
    thread_local! { static FOLDER: OnceCell<TempDir> = const { OnceCell::new() }; }
    let file = |folder: &OnceCell<TempDir>| {
        let folder = folder.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
        folder.path().join("config.toml")
    };
    let path = FOLDER.with(file);
    write(&path, data);
    let environment = Environment::from(|name| (name == "HOME").then(|| "/home/you".into()));
    let settings = Settings::read(Some(&path), environment, false);
    (path, settings)
}

fn write(path: &Path, data: &[u8]) {
    std::fs::write(path, data).expect("a temporary file can be written");
}

fn layers(file: &ConfigFile) -> String {
    format!("{:?} {:?}", file.clean, file.profiles)
}

fn is_one_line(failure: &Failure) {
    assert_eq!(failure.exit, Exit::Usage, "{failure:?}");
    let lines = [Some(&failure.message), failure.hint.as_ref()];
    for line in lines.into_iter().flatten() {
        assert!(!line.is_empty() && !line.contains(['\n', '\r']), "{line:?}");
    }
}

/// A failure names one of the lines, and with so many above it one as many below.
fn is_placed(failure: &Failure, moved: &Failure, above: usize, lines: usize, path: &Path) {
    is_one_line(failure);
    let place = |failure: &Failure| -> (usize, String) {
        let prefix = format!("{}:", path.display());
        let rest = failure.message.strip_prefix(&prefix).expect("it begins with the path");
        let (line, what) = rest.split_once(": ").expect("it has a line");
        (line.parse().expect("a number"), what.to_owned())
    };
    let (line, what) = place(failure);
    assert!((1..=lines).contains(&line), "{failure}, of {lines} lines");
    assert_eq!((place(moved), &moved.hint), ((line + above, what), &failure.hint));
}

/// What holds in the end is possible, and shown with where it came from.
fn holds(file: &ConfigFile, profile: Option<&str>, clean: &Clean, shown: &[Shown]) {
    let of_clis =
        (0..).map(ProviderIdx).zip(&PROVIDERS).map(|(provider, _)| clean.idle.of(provider));
    for threshold in of_clis.chain([&clean.idle.usual]) {
        assert!(THRESHOLDS.contains(&threshold.seconds()), "{threshold}");
    }
    assert!(clean.map.is_absolute());
    let paths = [&clean.metrics, &clean.log, &clean.state_dir];
    for path in paths.into_iter().flatten() {
        assert!(path.is_absolute() && *path != clean.map || Some(path) == clean.state_dir.as_ref());
    }
    if let Choice::Named(address) = &clean.bridge {
        assert!(address.is_loopback() || file.clean.ask.bridge.allow_remote_bridge == Some(true));
    }
    let own = profile.and_then(|name| file.profile(name).ok());
    let keeps = !file.clean.ask.pin.is_empty() || own.is_some_and(|own| !own.ask.pin.is_empty());
    assert_eq!(keeps, !clean.pin.is_empty());
    for setting in shown {
        let is_possible = match &setting.origin {
            Origin::File | Origin::Default => true,
            Origin::Profile(name) => Some(name.as_str()) == profile,
            Origin::Flag | Origin::Environment(_) => false,
        };
        assert!(is_possible, "{setting:?}");
    }

    let mut text = Vec::new();
    write_text(file, &Chosen { name: None, is_typed: false }, shown, &mut text)
        .expect("memory can be written");
    let text = String::from_utf8(text).expect("it is text");
    assert_eq!(text.lines().count(), 3 + shown.len(), "one line for each: {text}");
    assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
    let mut json = Vec::new();
    write_json(file, &Chosen { name: None, is_typed: false }, shown, &mut json)
        .expect("memory can be written");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    let values = json["settings"].as_array().expect("a list");
    assert!(values.iter().zip(shown).all(|(value, shown)| value["value"] == shown.value.as_str()));
    assert_eq!(values.len(), shown.len());
}

/// A file that says the same.
fn written(file: &ConfigFile) -> String {
    let mut text = String::from("[clean]\n");
    layer(&file.clean, &mut text);
    for (name, profile) in &file.profiles {
        let _ = writeln!(text, "[[profile]]\nname = {}", quoted(name));
        layer(profile, &mut text);
    }
    text
}

fn layer(layer: &Layer, into: &mut String) {
    let path = |path: &PathBuf| quoted(path.to_str().expect("it was text"));
    let list = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        format!("[{}]", quoted.join(", "))
    };
    let mut say = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(into, "{key} = {value}");
        }
    };
    say("dry_run", layer.dry_run.map(|value| value.to_string()));
    let ask = &layer.ask;
    say("hours", ask.hours.as_ref().map(hours));
    say("idle", ask.idle.as_ref().map(idle));
    say("session_dir", ask.place.map.session_dir.as_ref().map(path));
    say("map", ask.place.map.map.as_ref().map(path));
    say("home", ask.place.home.as_ref().map(path));
    say(
        "bridge",
        ask.bridge.bridge.as_ref().map(|bridge| match bridge {
            Bridge::Off => quoted("off"),
            Bridge::Auto => quoted("auto"),
            Bridge::Named(address) => quoted(address.as_str()),
        }),
    );
    say("allow_remote_bridge", ask.bridge.allow_remote_bridge.map(|value| value.to_string()));
    let missing = |missing| quoted(if missing == Missing::Keep { "keep" } else { "remove" });
    say("missing", ask.missing.map(missing));
    say("clock", ask.clock.map(|c| quoted(if c == Clock::Mtime { "mtime" } else { "record" })));
    say("pin", Some(&ask.pin).filter(|pin| !pin.is_empty()).map(|pin| list(pin)));
    say("provider", ask.provider.as_deref().map(list));
    say("max_remove", layer.max_remove.map(|most| most.to_string()));
    say(
        "format",
        layer.format.format.map(|f| quoted(if f == Format::Text { "text" } else { "json" })),
    );
    say(
        "color",
        layer.color.color.map(|color| match color {
            Color::Auto => quoted("auto"),
            Color::Always => quoted("always"),
            Color::Never => quoted("never"),
        }),
    );
    say("quiet", layer.quiet.map(|value| value.to_string()));
    say("verbose", layer.verbose.map(|value| value.to_string()));
    say("metrics", layer.metrics.as_ref().map(path));
    say("log", layer.log.as_ref().map(path));
    say("state_dir", layer.state.state_dir.as_ref().map(path));
}

fn hours(threshold: &IdleThreshold) -> String {
    let seconds = u32::try_from(threshold.seconds()).expect("a century has fewer");
    format!("{:?}", f64::from(seconds) / 3600.0)
}

fn idle(idle: &Idle) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(idle.usual.as_ref().map(|usual| format!("default = \"{}s\"", usual.seconds())));
    let special = |(provider, threshold): &(ProviderIdx, IdleThreshold)| {
        format!("{} = \"{}s\"", PROVIDERS[provider.get()].name, threshold.seconds())
    };
    parts.extend(idle.special.iter().map(special));
    format!("{{ {} }}", parts.join(", "))
}

fn quoted(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}
