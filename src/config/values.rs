//! The values of options that are more than a number or a text, and how serde and clap read them.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::map::Address;
use crate::model::{Clock, IdleThreshold, Missing, Patterns};
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
        f.write_str(&word_for(*self).unwrap_or_default())
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word_for(*self).unwrap_or_default())
    }
}

/// How much of a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Nothing, unless something went wrong.
    Quiet,
    /// What goes or needs attention; in a dry run, everything.
    Normal,
    Verbose,
}

impl fmt::Display for Verbosity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quiet => "quiet",
            Self::Normal => "normal",
            Self::Verbose => "verbose",
        })
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
    pub special: Vec<(usize, IdleThreshold)>,
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
        while let Some(Scope(name, provider)) = table.next_key()? {
            let threshold = table.next_value_seed(ThresholdOf(&name))?;
            match provider {
                Some(provider) => idle.special.push((provider, threshold)),
                None => idle.usual = Some(threshold),
            }
        }
        Ok(idle)
    }
}

/// A key of a table of thresholds, and the index of the provider that it names, unless it is `default`.
struct Scope(String, Option<usize>);

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(name: D) -> Result<Self, D::Error> {
        let name = String::deserialize(name)?;
        let provider = PROVIDERS.iter().position(|provider| provider.name == name);
        if provider.is_none() && name != "default" {
            let names = provider_names();
            let why = format!("set for {name:?}, but not for one of {names}, default");
            return Err(D::Error::custom(why));
        }
        Ok(Self(name, provider))
    }
}

/// The value of that key in a table of thresholds.
struct ThresholdOf<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for ThresholdOf<'_> {
    type Value = IdleThreshold;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<IdleThreshold, D::Error> {
        // The error of another type than a string has serde's words.
        let text = String::deserialize(text)
            .map_err(|_| D::Error::custom(format!("not a string for {}", self.0)))?;
        IdleThreshold::from_duration(&text)
            .map_err(|why| D::Error::custom(format!("{why} for {}", self.0)))
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
pub(super) fn word_for<T: ValueEnum>(value: T) -> Option<String> {
    Some(value.to_possible_value()?.get_name().to_owned())
}

/// Reads one of the words that an option takes.
pub(super) fn word<'de, D, T>(text: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: ValueEnum,
{
    let found = parsed(text, |text| {
        T::from_str(text, false).map_err(|_| {
            let words = T::value_variants().iter().cloned().filter_map(word_for);
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

/// Reads the name of a profile or the id of a job.
pub(super) fn name<'de, D: Deserializer<'de>>(name: D) -> Result<String, D::Error> {
    parsed(name, |name| {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.is_empty() || !name.chars().all(fits) || name.starts_with(['.', '-']) {
            let allowed = "use letters, digits, ., - and _, and do not begin with . or -";
            return Err(format!("not a valid name: {allowed}"));
        }
        Ok(name.to_owned())
    })
}

/// Reads a number of hours.
pub(super) fn hours<'de, D>(number: D) -> Result<Option<IdleThreshold>, D::Error>
where
    D: Deserializer<'de>,
{
    let hours = f64::deserialize(number)?.to_string();
    IdleThreshold::from_hours(&hours).map(Some).map_err(D::Error::custom)
}

pub(super) fn patterns<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    list.deserialize_any(Strings::each(|text| {
        let added = Patterns::default().add(text);
        added.map_err(|why| format!("not a list of patterns: {text:?} is {why}"))
    }))
}

pub(super) fn program_names<'de, D>(list: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let names = list.deserialize_any(Strings::each(|name| match name {
        "" => Err("not a list of program names: one is empty".to_owned()),
        name if name.contains('/') => {
            Err(format!("not a list of program names: {name:?} is a path"))
        }
        _ => Ok(()),
    }));
    names.map(Some)
}

pub(super) fn providers<'de, D>(list: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let names = list.deserialize_any(Strings::each(|name| {
        if PROVIDERS.iter().any(|provider| provider.name == name) {
            return Ok(());
        }
        Err(format!("{name:?}, but must be one of {}", provider_names()))
    }));
    names.map(Some)
}

fn provider_names() -> String {
    PROVIDERS.each_ref().map(|provider| provider.name).join(", ")
}

/// Returns an error for the middle of a sentence.
type Check = fn(&str) -> Result<(), String>;

/// A list of strings, each of which `each` has to accept. Where `single` accepts it, a string is a list of one.
#[derive(Clone, Copy)]
pub(super) struct Strings {
    pub(super) single: Option<Check>,
    pub(super) each: Check,
}

impl Strings {
    pub(super) fn each(each: Check) -> Self {
        Self { single: None, each }
    }
}

impl<'de> Visitor<'de> for Strings {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        let check = self.single.ok_or_else(|| E::custom("not a list of strings"))?;
        check(text).map_err(E::custom)?;
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Vec<String>, S::Error> {
        let mut all = Vec::new();
        while let Some(text) = list.next_element_seed(Element(self.each))? {
            all.push(text);
        }
        if all.is_empty() && self.single.is_some() {
            return Err(S::Error::custom("an empty list"));
        }
        Ok(all)
    }
}

/// One string of a list.
struct Element(Check);

impl<'de> DeserializeSeed<'de> for Element {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<String, D::Error> {
        text.deserialize_str(self)
    }
}

impl Visitor<'_> for Element {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        (self.0)(text).map_err(E::custom)?;
        Ok(text.to_owned())
    }
}
