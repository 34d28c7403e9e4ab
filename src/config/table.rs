//! A table of the configuration file: serde reads its keys, and every error names file, line and key, with an
//! example or the nearest known key. The keys themselves are in `options.rs` and `keepalive.rs`.

use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned};
use std::fmt::{self, Display};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::model::Failure;

/// How alike an unknown and a known key must be for a hint; 1 is equal.
const ALIKE: f64 = 0.75;

/// An example of every setting, all of it as comments.
pub(crate) const EXAMPLE: &str = include_str!("../../packaging/config.example.toml");

/// Lines for hints that are shorter than those in the example.
const SHORT_EXAMPLES: &str = "#pin = [\"team-*\"]\n#metrics = \"/path/of.prom\"\n#state_dir = \"/path/of/folder\"\n\
                     #bridge = \"http://127.0.0.1:9000\"\n#name = \"dev\"\n#action = \"cli-ping\"\n";

const NOT_STRINGS: &str = "not a list of strings";

/// The file that is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) path: &'t Path,
    pub(super) text: &'t str,
}

impl<'t> Source<'t> {
    /// Parses the whole file as one table.
    pub(super) fn parse(self) -> Result<Table<'t>, Failure> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, error.message()).hint("correct the TOML syntax of this line")
        })?;
        Ok(Table::new(self, 0, String::new(), table.into_inner()))
    }

    /// Returns an error at that byte of the file.
    pub(super) fn wrong(self, at: usize, what: &str) -> Failure {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        let what = what.replace(['\n', '\r'], " ");
        Failure::usage(format!("{}:{line}: {what}", self.path.display()))
    }
}

/// A table whose keys are read in groups; a key that no group has is unknown.
#[derive(Debug)]
pub(super) struct Table<'t> {
    source: Source<'t>,
    /// The byte at which it begins.
    at: usize,
    /// Its name in brackets; empty for the whole file.
    name: String,
    all: DeTable<'t>,
    /// The entries that no group has read yet.
    rest: DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Table<'t> {
    fn new(source: Source<'t>, at: usize, name: String, all: DeTable<'t>) -> Self {
        Self { source, at, name, rest: all.clone(), all, known: Vec::new() }
    }

    /// Reads the keys that are fields of `T`.
    pub(super) fn read<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let keys = fields::<T>();
        self.known.extend(keys);
        let mut own = DeTable::new();
        for key in keys {
            own.extend(self.rest.remove_entry(*key));
        }

        let found = self.deserialize(own, &format!("this {}", self.name), "has no")?;

        // To serde, 0x2 is just 2.
        let mut own = self.all.iter().filter(|(key, _)| keys.contains(&&**key.get_ref()));
        match own.find(|(_, value)| value.get_ref().as_integer().is_some_and(|n| n.radix() != 10)) {
            Some((key, _)) => Err(self.wrong_value(key.get_ref(), "not a decimal number")),
            None => Ok(found),
        }
    }

    /// Reads an enum whose variant is the value of the key `tag`, with all keys that are left as its fields.
    ///
    /// An enum with `#[serde(tag)]` would lose the position of each value, so the table is put into the form of
    /// an enum without it: `{ VARIANT = { … } }`.
    #[cfg(feature = "keepalive")]
    pub(super) fn read_tagged<T: DeserializeOwned>(
        &mut self,
        tag: &'static str,
    ) -> Result<T, Failure> {
        self.known.push(tag);
        let variant = self.rest.remove(tag).map(|value| (value.span(), value.into_inner()));
        let Some((span, DeValue::String(variant))) = variant else {
            return Err(self.wrong_value(tag, "not a string"));
        };

        let of = format!("the {tag} {variant}");
        let own = DeValue::Table(std::mem::take(&mut self.rest));
        let tagged = (Spanned::new(span, variant), Spanned::new(self.at..self.at, own));
        self.deserialize([tagged].into_iter().collect(), &of, "needs")
    }

    fn deserialize<T: DeserializeOwned>(
        &self,
        table: DeTable<'t>,
        of: &str,
        lacks: &str,
    ) -> Result<T, Failure> {
        let value = Spanned::new(self.at..self.at, DeValue::Table(table));
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.failure(&error, of, lacks))
    }

    /// Returns that error in plain words. `of` and `lacks` begin the message about a missing key: "this `[[profile]]`
    /// has no name".
    fn failure(&self, error: &toml::de::Error, of: &str, lacks: &str) -> Failure {
        let (at, message) = (error.span().map_or(self.at, |span| span.start), error.message());
        if let Some(key) = message.strip_prefix("missing field ") {
            let key = key.trim_matches('`');
            return self.source.wrong(self.at, &format!("{of} {lacks} {key}")).hint(example(key));
        }

        // A tagged table has a key that its variant lacks. If another variant has that key, the hint lists the keys of
        // this one; otherwise the key is unknown.
        if message.starts_with("unexpected keys in table: ")
            && let Some((_, own)) = message.rsplit_once(", available keys: ")
        {
            let known: Vec<&str> = self.known.iter().copied().chain(own.split(", ")).collect();
            let mut others = self.all.keys().filter(|key| !known.contains(&&**key.get_ref()));
            return match others.find(|key| !example(key.get_ref()).is_empty()) {
                Some(key) => self
                    .wrong(key.get_ref(), &format!("{key} is not a setting of {of}"))
                    .hint(format!("remove it; its settings are {own}")),
                None => self.check(&known).err().unwrap_or_else(|| self.source.wrong(at, message)),
            };
        }

        let why = plain(message);
        let Some((key, value)) = self.all.iter().find(|(key, value)| covers(key, value, at)) else {
            return self.source.wrong(at, &why);
        };

        let why = match value.get_ref() {
            DeValue::Array(_) if at != value.span().start => NOT_STRINGS.to_owned(),
            DeValue::Table(table) => {
                let below = table.iter().find(|(_, value)| value.span().contains(&at));
                why + &below.map_or_else(String::new, |(key, _)| format!(" for {key}"))
            }
            _ => why,
        };
        self.wrong_at(at, key.get_ref(), &why)
    }

    /// Returns the table under that key.
    pub(super) fn table(&mut self, key: &'static str) -> Result<Option<Self>, Failure> {
        self.known.push(key);
        let value = self.rest.remove(key);
        value.map(|value| self.below(format!("[{key}]"), value)).transpose()
    }

    /// Returns the tables of the array under that key.
    pub(super) fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, Failure> {
        self.known.push(key);
        let Some(value) = self.rest.remove(key) else { return Ok(Vec::new()) };
        let at = value.span().start;

        let DeValue::Array(tables) = value.into_inner() else {
            let failure = self.source.wrong(at, &format!("{key} is not a list of tables"));
            return Err(failure.hint(format!("begin each one with [[{key}]]")));
        };
        tables.into_iter().map(|table| self.below(format!("[[{key}]]"), table)).collect()
    }

    fn below(&self, name: String, value: Spanned<DeValue<'t>>) -> Result<Self, Failure> {
        let at = value.span().start;
        match value.into_inner() {
            DeValue::Table(table) => Ok(Self::new(self.source, at, name, table)),
            _ => Err(self
                .source
                .wrong(at, &format!("{name} is not a table"))
                .hint(format!("write {name} on a line of its own, and its settings below it"))),
        }
    }

    /// Returns true if the table has that key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.all.contains_key(key)
    }

    /// Parses a value that was read from that key; the error of `parse` is for the middle of a sentence.
    pub(super) fn parse<V, T>(
        &self,
        key: &str,
        value: V,
        parse: impl FnOnce(V) -> Result<T, String>,
    ) -> Result<T, Failure> {
        parse(value).map_err(|why| self.wrong_value(key, &why))
    }

    #[cfg(feature = "keepalive")]
    pub(super) fn parse_some<V, T>(
        &self,
        key: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        value.map(|value| self.parse(key, value, parse)).transpose()
    }

    /// Checks the strings of a list that was read from that key; an error has the line of the string.
    pub(super) fn check_each<'s>(
        &self,
        key: &str,
        strings: impl IntoIterator<Item = &'s String>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let list = self.all.get(key).and_then(|list| list.get_ref().as_array());
        for (index, text) in strings.into_iter().enumerate() {
            check(text).map_err(|why| match list.and_then(|list| list.get(index)) {
                Some(string) => self.wrong_at(string.span().start, key, &why),
                None => self.wrong_value(key, &why),
            })?;
        }
        Ok(())
    }

    /// Returns an error in the line of that key; without that key, in the first line of the table.
    pub(super) fn wrong(&self, key: &str, what: &str) -> Failure {
        self.source.wrong(self.start(key), what)
    }

    /// Returns an error about the value of that key; `why` is for the middle of a sentence.
    pub(super) fn wrong_value(&self, key: &str, why: &str) -> Failure {
        self.wrong_at(self.start(key), key, why)
    }

    fn wrong_at(&self, at: usize, key: &str, why: &str) -> Failure {
        self.source.wrong(at, &format!("{key} is {why}")).hint(example(key))
    }

    fn start(&self, key: &str) -> usize {
        self.all.get_key_value(key).map_or(self.at, |(key, _)| key.span().start)
    }

    /// Refuses keys that no group had.
    pub(super) fn end(self) -> Result<(), Failure> {
        if self.rest.is_empty() { Ok(()) } else { self.check(&self.known) }
    }

    /// Refuses keys other than these.
    pub(super) fn check(&self, known: &[&str]) -> Result<(), Failure> {
        let unknown = self.all.keys().filter(|key| !known.contains(&&**key.get_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let place = if self.name.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in {}", self.name)
        };

        let name = key.get_ref();
        let alike = known.iter().map(|known| (strsim::jaro_winkler(name, known), known));
        let nearest = alike.max_by(|a, b| a.0.total_cmp(&b.0));

        let failure = self.source.wrong(key.span().start, &format!("unknown key {name:?} {place}"));
        Err(failure.hint(match nearest {
            Some((likeness, nearest)) if likeness >= ALIKE => format!("did you mean {nearest:?}?"),
            _ => format!("the keys are {}", known.join(", ")),
        }))
    }
}

/// Returns true if that byte of the file is in that key or in its value.
fn covers<K>(key: &Spanned<K>, value: &Spanned<DeValue<'_>>, at: usize) -> bool {
    let table = value.get_ref().as_table();
    table.is_some_and(|table| table.iter().any(|(key, value)| covers(key, value, at)))
        || key.span().contains(&at)
        || value.span().contains(&at)
}

/// Returns a correct line for that key, as a hint.
fn example(key: &str) -> String {
    let mut lines =
        SHORT_EXAMPLES.lines().chain(EXAMPLE.lines()).filter_map(|line| line.strip_prefix('#'));
    let found = lines.find(|line| line.split(' ').next() == Some(key));
    found.map_or_else(String::new, |line| format!("for example {line}"))
}

/// Returns the message of serde about a value in plain words, for the middle of a sentence.
fn plain(message: &str) -> String {
    let is_of_serde = message.starts_with("invalid ") || message.starts_with("unknown variant ");
    let expected = message.rsplit_once(", expected ").filter(|_| is_of_serde);
    match expected.map(|(_, expected)| expected) {
        Some("a boolean") => "neither true nor false".to_owned(),
        Some("path string") => "not a string".to_owned(),
        Some("a sequence") => NOT_STRINGS.to_owned(),
        None if message.starts_with("data did not match ") => NOT_STRINGS.to_owned(),
        Some("f64") => "not a number".to_owned(),
        Some("u64" | "i64") => "not a whole number".to_owned(),
        Some(expected) => format!("not {}", expected.replace('`', "")),
        None if message.ends_with(" overflowed") => "not a number that fits".to_owned(),
        None => message.to_owned(),
    }
}

/// Returns the names of the fields of a struct: deserializes one that no struct has, and takes the names from the
/// error. Without `deny_unknown_fields` there is no error, and no names.
fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let no_field = MapDeserializer::new([("", "")].into_iter());
    T::deserialize(no_field).err().map_or(&[], |Fields(known)| known)
}

/// The error of a struct about a field that it does not have.
#[derive(Debug)]
struct Fields(&'static [&'static str]);

impl de::Error for Fields {
    fn custom<T: Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self(known)
    }
}

impl Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an unknown field")
    }
}

impl std::error::Error for Fields {}
