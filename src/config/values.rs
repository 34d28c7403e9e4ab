//! The values of options that are more than a number or a text, and how serde and clap read them.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::map::Address;
use crate::model::{Clock, IdleThreshold, Missing, Patterns, ProviderIdx};
use crate::provider::PROVIDERS;

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// When to use colours; `Auto` is on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word_for(self))
    }
}

/// How much of a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verbosity {
    /// Nothing, unless something went wrong.
    Quiet,
    /// Mappings that are removed or need attention; in a dry run, all of them.
    Normal,
    Verbose,
}

impl fmt::Display for Verbosity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word_for(self))
    }
}

/// Where the map is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In that folder, under its usual name.
    Folder(PathBuf),
    File(PathBuf),
}

/// How the map is to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bridge {
    /// By its file.
    Off,
    /// By the bridge at the usual port, if it has the map.
    Auto,
    Named(Address),
}

impl FromStr for Bridge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => Address::parse(text).map(Self::Named),
        }
    }
}

impl<'de> Deserialize<'de> for Bridge {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        parsed(text, str::parse)
    }
}

/// The thresholds that one source sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Idle {
    pub usual: Option<IdleThreshold>,
    /// Those of some providers, each by its index in [`PROVIDERS`].
    pub special: Vec<(ProviderIdx, IdleThreshold)>,
}

impl From<IdleThreshold> for Idle {
    fn from(usual: IdleThreshold) -> Self {
        Self { usual: Some(usual), special: Vec::new() }
    }
}

/// A threshold, or a table of them: `default` and some providers' own.
impl<'de> Deserialize<'de> for Idle {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(IdleVisitor)
    }
}

impl<'de> Deserialize<'de> for IdleThreshold {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        parsed(text, Self::from_duration)
    }
}

struct IdleVisitor;

impl<'de> Visitor<'de> for IdleVisitor {
    type Value = Idle;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Idle, E> {
        IdleThreshold::from_duration(text).map(Idle::from).map_err(E::custom)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut table: M) -> Result<Idle, M::Error> {
        let mut idle = Idle::default();
        while let Some((Scope(provider), threshold)) = table.next_entry()? {
            match provider {
                Some(provider) => idle.special.push((provider, threshold)),
                None => idle.usual = Some(threshold),
            }
        }
        Ok(idle)
    }
}

/// A key of a table of thresholds: the index of a provider, or `default`.
struct Scope(Option<ProviderIdx>);

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(name: D) -> Result<Self, D::Error> {
        parsed(name, |name| {
            let mut providers = (0..).map(ProviderIdx).zip(&PROVIDERS);
            let provider = providers.find(|(_, provider)| provider.name == name);
            if provider.is_none() && name != "default" {
                let names = provider_names();
                return Err(format!("set for {name:?}, but not for one of {names}, default"));
            }
            Ok(Self(provider.map(|(index, _)| index)))
        })
    }
}

impl ValueEnum for Missing {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Remove, Self::Keep]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::RemoveGuarded => None,
            Self::Remove => Some(PossibleValue::new("remove")),
            Self::Keep => Some(PossibleValue::new("keep")),
        }
    }
}

impl ValueEnum for Clock {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Mtime, Self::Record]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Mtime => "mtime",
            Self::Record => "record",
        }))
    }
}

/// Returns the word for that value of an option.
pub(super) fn word_for<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map_or_else(String::new, |word| word.get_name().to_owned())
}

/// Reads one of the words that an option takes.
pub(super) fn word<'de, D, T>(text: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: ValueEnum,
{
    let found = parsed(text, |text| {
        T::from_str(text, false).map_err(|_| {
            let words = T::value_variants().iter().map(word_for);
            neither(&words.collect::<Vec<String>>())
        })
    });
    found.map(Some)
}

/// Returns `neither a, b nor c`.
pub(super) fn neither(words: &[String]) -> String {
    match words.split_last() {
        Some((last, others)) => format!("neither {} nor {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Reads a string by `parse`, whose error is for the middle of a sentence.
pub(super) fn parsed<'de, D, T>(
    text: D,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    parse(&String::deserialize(text)?).map_err(D::Error::custom)
}

/// Returns that name of a profile or id of a job if it is valid.
pub(super) fn name(name: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(['.', '-']) {
        let allowed = "use letters, digits, ., - and _, and do not begin with . or -";
        return Err(format!("not a valid name: {allowed}"));
    }
    Ok(name.to_owned())
}

/// Reads a number of hours.
pub(super) fn hours<'de, D>(number: D) -> Result<Option<IdleThreshold>, D::Error>
where
    D: Deserializer<'de>,
{
    let hours = f64::deserialize(number)?.to_string();
    IdleThreshold::from_hours(&hours).map(Some).map_err(D::Error::custom)
}

// The error of each of the following is for the middle of a sentence.

pub(super) fn check_pattern(text: &str) -> Result<(), String> {
    let added = Patterns::default().add(text);
    added.map_err(|why| format!("not a list of patterns: {text:?} is {why}"))
}

pub(super) fn check_program_name(name: &str) -> Result<(), String> {
    match name {
        "" => Err("not a list of program names: one is empty".to_owned()),
        name if name.contains('/') => {
            Err(format!("not a list of program names: {name:?} is a path"))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_provider(name: &str) -> Result<(), String> {
    if PROVIDERS.iter().any(|provider| provider.name == name) {
        return Ok(());
    }
    Err(format!("{name:?}, but must be one of {}", provider_names()))
}

fn provider_names() -> String {
    PROVIDERS.each_ref().map(|provider| provider.name).join(", ")
}
