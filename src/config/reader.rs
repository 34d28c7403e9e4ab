//! Reads a TOML file by hand, so that whatever is wrong in it is told with its line, and a wrong
//! key with the nearest right one.

use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::Failure;

/// How alike two keys must be for one to be meant by the other; 1 is equal.
const ALIKE: f64 = 0.75;

const NOT_STRINGS: &str = "not a list of strings";

/// What is wrong with the name of a profile or the id of a job.
pub(super) const NOT_A_NAME: &str =
    "not a valid name: use letters, digits, ., - and _, and do not begin with . or -";

/// A file that is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) path: &'t Path,
    pub(super) text: &'t str,
}

impl<'t> Source<'t> {
    /// The whole file as one section.
    pub(super) fn document(self) -> Result<Section<'t>, Failure> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, &error.message().replace('\n', ", "))
                .hint("correct the TOML syntax of this line")
        })?;
        let table = table.into_inner();
        Ok(Section { source: self, at: 0, name: String::new(), table, known: vec![] })
    }

    /// What is wrong at that byte of the file.
    pub(super) fn wrong(self, at: usize, what: &str) -> Failure {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        let message = format!("{}:{line}: {what}", self.path.display());
        Failure::usage(message)
    }
}

/// What is wrong with a value, for the middle of a sentence, and where in the file if that is not
/// where the value begins.
#[derive(Debug)]
pub(super) struct Wrong {
    why: String,
    at: Option<usize>,
}

impl Wrong {
    /// Wrong within this part of the value.
    pub(super) fn within<T>(part: &Spanned<T>, why: String) -> Self {
        Self { why, at: Some(part.span().start) }
    }
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self { why, at: None }
    }
}

/// A table whose keys are taken one by one; what is left in the end is unknown.
#[derive(Debug)]
pub(super) struct Section<'t> {
    source: Source<'t>,
    /// Where it begins.
    at: usize,
    /// Its name in brackets; nothing for the document itself.
    name: String,
    table: DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// The value of that key, if it is there. The error of `read` says what is wrong, for the
    /// middle of a sentence, and is followed by `right`, a right line.
    pub(super) fn take<T, E: Into<Wrong>>(
        &mut self,
        key: &'static str,
        right: &str,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        let Some(value) = self.remove(key) else { return Ok(None) };
        read(value.get_ref()).map(Some).map_err(|wrong| {
            let Wrong { why, at } = wrong.into();
            let at = at.unwrap_or(value.span().start);
            self.source.wrong(at, &format!("{key} is {why}")).hint(format!("for example {right}"))
        })
    }

    /// The table under that key, if it is there.
    pub(super) fn section(&mut self, key: &'static str) -> Result<Option<Self>, Failure> {
        self.remove(key).map(|value| self.below(format!("[{key}]"), value)).transpose()
    }

    /// The tables of the array under that key.
    pub(super) fn sections(&mut self, key: &'static str) -> Result<Vec<Self>, Failure> {
        let Some(value) = self.remove(key) else { return Ok(Vec::new()) };
        let at = value.span().start;
        let DeValue::Array(tables) = value.into_inner() else {
            let failure = self.source.wrong(at, &format!("{key} is not a list of tables"));
            return Err(failure.hint(format!("begin each one with [[{key}]]")));
        };
        let below = |table| self.below(format!("[[{key}]]"), table);
        tables.into_iter().map(below).collect()
    }

    fn below(&self, name: String, value: Spanned<DeValue<'t>>) -> Result<Self, Failure> {
        let at = value.span().start;
        match value.into_inner() {
            DeValue::Table(table) => {
                Ok(Self { source: self.source, at, name, table, known: vec![] })
            }
            _ => Err(self
                .source
                .wrong(at, &format!("{name} is not a table"))
                .hint(format!("write {name} on a line of its own, and its settings below it"))),
        }
    }

    /// What is wrong with that key, or with the whole where it is not there.
    pub(super) fn wrong(&self, key: &str, what: &str) -> Failure {
        let at = self.table.keys().find(|known| known.get_ref() == key);
        self.source.wrong(at.map_or(self.at, |key| key.span().start), what)
    }

    /// Whether that key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.keys().any(|known| known.get_ref() == key)
    }

    fn remove(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Where a key is left that nobody has asked for.
    pub(super) fn end(self) -> Result<(), Failure> {
        let first = self.table.keys().min_by_key(|key| key.span().start);
        let Some(key) = first else { return Ok(()) };
        let place = if self.name.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in {}", self.name)
        };
        let name = key.get_ref();
        let failure = self.source.wrong(key.span().start, &format!("unknown key {name:?} {place}"));
        let likeness = |known: &&&str| strsim::jaro_winkler(name, known);
        let nearest = self.known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        Err(failure.hint(match nearest {
            Some(nearest) if likeness(&nearest) >= ALIKE => format!("did you mean {nearest:?}?"),
            _ => format!("the keys are {}", self.known.join(", ")),
        }))
    }
}

/// A text.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "not a string".to_owned())
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(value) => Ok(*value),
        _ => Err("neither true nor false".to_owned()),
    }
}

/// A number, as its text.
pub(super) fn number(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Integer(_) => Err("not a decimal number".to_owned()),
        _ => Err("not a number".to_owned()),
    }
}

/// A list of texts, of which `check` says what is wrong with one.
pub(super) fn texts(
    value: &DeValue<'_>,
    mut check: impl FnMut(&str) -> Result<(), String>,
) -> Result<Vec<String>, Wrong> {
    let DeValue::Array(values) = value else {
        return Err(NOT_STRINGS.to_owned().into());
    };
    let one = |value: &Spanned<DeValue<'_>>| {
        let text = text(value.get_ref()).map_err(|_| NOT_STRINGS.to_owned());
        let text = text.and_then(|text| check(&text).map(|()| text));
        text.map_err(|why| Wrong::within(value, why))
    };
    values.iter().map(one).collect()
}
