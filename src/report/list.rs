//! The list of mappings, or of sessions that no mapping names: a table as wide as the terminal, or
//! JSON.

use owo_colors::Style;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

use super::escape::escape;
use super::shorten::{Shortener, padded, shortened, shortened_at_start};
use super::text::{Look, age, style_of};
use crate::bridge::Source;
use crate::domain::{IdleThreshold, State, Timestamp, Warning};
use crate::provider::Looked;

/// Everything that a list shows.
#[derive(Debug)]
pub struct List {
    /// When it was made.
    pub listed: Timestamp,
    /// Who held the map.
    pub source: Source,
    /// Whether there is a map.
    pub has_map: bool,
    /// The threshold that tells idle from active.
    pub threshold: IdleThreshold,
    /// Whether these are sessions that no mapping names.
    pub unmapped: bool,
    /// The sessions, in their order.
    pub sessions: Vec<Listed>,
    /// What went wrong.
    pub warnings: Vec<Warning>,
}

/// One mapping, or one session that no mapping names.
#[derive(Debug)]
pub struct Listed {
    /// The CLI's short name, where one is known.
    pub provider: Option<&'static str>,
    /// The bridge's model key.
    pub model: String,
    /// The chat, of a mapping.
    pub chat: Option<String>,
    /// The session, where it is a text.
    pub session: Option<String>,
    /// The state, of a mapping.
    pub state: Option<State>,
    /// When it was last used, by the clock that counts.
    pub last_used: Option<Timestamp>,
    /// Whole seconds from then.
    pub idle_seconds: Option<u64>,
    /// The file that shows it exists.
    pub file: Option<PathBuf>,
    /// What that holds.
    pub looked: Looked,
}

/// The narrowest table that still tells something, in columns.
const NARROWEST: usize = 60;

/// Writes the list as a table of at most `width` columns; with every detail, several lines each.
/// Paths below `home` begin with `~`.
pub fn write_list(
    list: &List,
    look: Look,
    width: usize,
    home: Option<&str>,
    to: &mut dyn Write,
) -> io::Result<()> {
    header(list, look, to)?;
    if list.sessions.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(list, width.max(NARROWEST), home);
    let (what, size) = (if list.unmapped { "SESSION" } else { "CHAT" }, columns.chat);
    let first = if list.unmapped { format!("{:>9}", "SIZE") } else { format!("{:<8}", "STATE") };
    let line = format!(
        "{first}  {:>7}  {:<8}  {what:<size$}  {:<project$}  {}",
        "AGE",
        "CLI",
        "PROJECT",
        shortened("FIRST MESSAGE", columns.message),
        project = columns.project,
    );
    writeln!(to, "{}", look.paint(&line, Style::new().bold()))?;
    let names = Shortener::new(list.sessions.iter().filter_map(name), columns.chat);
    for one in &list.sessions {
        row(one, &columns, &names, look, home, to)?;
        if look.all {
            details(one, to)?;
        }
    }
    Ok(())
}

fn name(one: &Listed) -> Option<&str> {
    one.chat.as_deref().or(one.session.as_deref())
}

/// How wide the columns are that share what the others leave.
struct Columns {
    chat: usize,
    project: usize,
    message: usize,
}

impl Columns {
    fn of(list: &List, width: usize, home: Option<&str>) -> Self {
        // State or size, age and CLI, and two columns between each and the next.
        let fixed = if list.unmapped { 9 } else { 8 } + 2 + 7 + 2 + 8 + 2;
        let rest = width.saturating_sub(fixed + 4);
        let widest = |texts: &mut dyn Iterator<Item = usize>, title: &str| {
            texts.max().unwrap_or(0).max(title.len())
        };
        let mut names = list.sessions.iter().filter_map(name).map(|name| escape(name).width());
        let projects = list.sessions.iter().filter_map(|one| one.looked.project.as_deref());
        let mut projects = projects.map(|project| escape(&below(project, home)).width());
        let chat = widest(&mut names, "SESSION").min(rest * 3 / 10);
        let project = widest(&mut projects, "PROJECT").min(rest * 3 / 10);
        Self { chat, project, message: rest - chat - project }
    }
}

fn header(list: &List, look: Look, to: &mut dyn Write) -> io::Result<()> {
    let count = list.sessions.len();
    let bytes: u64 = list.sessions.iter().map(|one| one.looked.size).sum();
    let what = match (list.unmapped, count) {
        (false, 1) => "mapping",
        (false, _) => "mappings",
        (true, 1) => "session that no mapping names",
        (true, _) => "sessions that no mapping names",
    };
    let title = format!("session-warden {}", env!("CARGO_PKG_VERSION"));
    let sizes = if count > 0 { format!(", {}", size(bytes)) } else { String::new() };
    writeln!(to, "{}: {count} {what}{sizes}", look.paint(&title, Style::new().bold()))?;
    if let Some(map) = &list.source.map {
        let note = if list.has_map { "" } else { " (there is none)" };
        writeln!(to, "  map        {}{note}", escape(&map.to_string_lossy()))?;
    }
    if list.source.url.is_some() {
        writeln!(to, "  source     bridge: {}", escape(&list.source.why))?;
    }
    writeln!(to, "  This reads conversations, and changes nothing.\n")
}

fn row<'a>(
    one: &'a Listed,
    columns: &Columns,
    names: &Shortener<'a>,
    look: Look,
    home: Option<&str>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let first = match one.state {
        Some(state) => look.paint(&format!("{state:<8}"), style_of(state)),
        None => format!("{:>9}", size(one.looked.size)),
    };
    let age = one.idle_seconds.map_or_else(|| "-".to_owned(), age);
    let cli = padded(&shortened(&escape(one.provider.unwrap_or(&one.model)), 8), 8);
    let chat = name(one).map_or_else(
        || "-".to_owned(),
        |name| match escape(name) {
            whole if whole.width() <= columns.chat => whole,
            _ => names.shorten(name),
        },
    );
    let project = one.looked.project.as_deref().map_or_else(
        || "-".to_owned(),
        |project| shortened_at_start(&escape(&below(project, home)), columns.project),
    );
    let message = one
        .looked
        .message
        .as_deref()
        .map_or_else(|| "-".to_owned(), |message| shortened(&escape(message), columns.message));
    let (chat, project) = (padded(&chat, columns.chat), padded(&project, columns.project));
    writeln!(to, "{}", format!("{first}  {age:>7}  {cli}  {chat}  {project}  {message}").trim_end())
}

fn details(one: &Listed, to: &mut dyn Write) -> io::Result<()> {
    let indent = " ".repeat(10);
    if let Some(session) = &one.session {
        writeln!(to, "{indent}session  {}  {}", escape(session), escape(&one.model))?;
    }
    let Some(file) = &one.file else { return Ok(()) };
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), Timestamp::for_people);
    writeln!(to, "{indent}size     {}", size(one.looked.size))?;
    writeln!(to, "{indent}mtime    {}", time(one.looked.written))?;
    writeln!(to, "{indent}record   {}", time(one.looked.record))?;
    writeln!(to, "{indent}file     {}", escape(&file.to_string_lossy()))
}

/// A path with `~` for the home it is in.
fn below(path: &str, home: Option<&str>) -> String {
    let home = home.map(|home| home.trim_end_matches('/')).filter(|home| !home.is_empty());
    match home.and_then(|home| path.strip_prefix(home)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
        _ => path.to_owned(),
    }
}

/// A size in at most 9 columns: `873 B`, `1.2 KiB`, `1023 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, so that no float is needed.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// Writes the list as one line of JSON. Its form is in `docs/list.schema.json`.
pub fn write_list_json(list: &List, to: &mut dyn Write) -> io::Result<()> {
    super::json::write_plain(&All::of(list), to)
}

#[derive(Serialize)]
struct All<'l> {
    schema: u32,
    version: &'static str,
    listed_at: Option<String>,
    threshold_seconds: u64,
    source: super::json::Source,
    unmapped: bool,
    sessions: Vec<One<'l>>,
    warnings: &'l [Warning],
}

#[derive(Serialize)]
struct One<'l> {
    model: &'l str,
    chat_id: Option<&'l str>,
    session_id: Option<&'l str>,
    state: Option<State>,
    last_used: Option<String>,
    idle_seconds: Option<u64>,
    project: Option<&'l str>,
    message: Option<&'l str>,
    file: Option<String>,
    size_bytes: Option<u64>,
    mtime: Option<String>,
    record: Option<String>,
}

impl<'l> All<'l> {
    fn of(list: &'l List) -> Self {
        let time = |time: Option<Timestamp>| time.and_then(Timestamp::rfc3339);
        let one = |one: &'l Listed| One {
            model: &one.model,
            chat_id: one.chat.as_deref(),
            session_id: one.session.as_deref(),
            state: one.state,
            last_used: time(one.last_used),
            idle_seconds: one.idle_seconds,
            project: one.looked.project.as_deref(),
            message: one.looked.message.as_deref(),
            file: one.file.as_ref().map(|file| file.to_string_lossy().into_owned()),
            size_bytes: one.looked.written.map(|_| one.looked.size),
            mtime: time(one.looked.written),
            record: time(one.looked.record),
        };
        Self {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            listed_at: time(Some(list.listed)),
            threshold_seconds: list.threshold.seconds(),
            source: super::json::Source::of(&list.source),
            unmapped: list.unmapped,
            sessions: list.sessions.iter().map(one).collect(),
            warnings: &list.warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_258_291, "1.1 MiB"),
            (102_400, "100 KiB"),
            (1_073_741_823, "1023 MiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(size(bytes), shown);
            assert!(size(bytes).len() <= 9, "{shown}");
        }
    }

    #[test]
    fn homes_are_shown_as_such() {
        assert_eq!(below("/home/u/w", Some("/home/u")), "~/w");
        assert_eq!(below("/home/u", Some("/home/u/")), "~");
        assert_eq!(below("/home/us", Some("/home/u")), "/home/us");
        assert_eq!(below("/w", Some("/")), "/w");
        assert_eq!(below("/w", None), "/w");
    }
}
