//! The list of mappings, or of sessions without a mapping: a table as wide as the terminal, and the
//! totals. `list_json` writes the same for programs.

use owo_colors::Style;
use std::io::{self, Write};
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

use super::look::{Look, age, counted, style_of};
use super::process::{holdings, memory, write_processes};
use super::shorten::{Shortener, padded, shortened, shortened_at_start};
use super::size::size;
use crate::map::Source;
use crate::model::escape::escape;
use crate::model::{CliProcess, IdleThreshold, ProcessDetails, State, Timestamp, Warning};
use crate::provider::Details;

/// Everything that a list shows.
#[derive(Debug)]
pub struct List {
    pub listed: Timestamp,
    pub profile: Option<String>,
    pub source: Source,
    pub has_map: bool,
    /// Where maps are instead, if there is no map.
    pub hint: Option<String>,
    pub threshold: IdleThreshold,
    pub unmapped: bool,
    /// True if sizes are of interest.
    pub with_sizes: bool,
    /// The sessions that are shown, in their order.
    pub sessions: Vec<Listed>,
    /// The counts of all, shown or not.
    pub totals: Totals,
    /// The CLI processes without a mapping, in a list of what has none.
    pub processes: Vec<ProcessDetails>,
    pub warnings: Vec<Warning>,
}

/// One mapping, or one session without a mapping.
#[derive(Debug)]
pub struct Listed {
    /// The CLI's short name, if one is known.
    pub provider: Option<&'static str>,
    /// The bridge's model key.
    pub model: String,
    /// The chat of a mapping.
    pub chat: Option<String>,
    /// The session, if it is a text.
    pub session: Option<String>,
    pub state: Option<State>,
    pub last_used: Option<Timestamp>,
    /// Whole seconds since then.
    pub idle_seconds: Option<u64>,
    /// The file that shows it exists.
    pub file: Option<PathBuf>,
    /// The content of that file.
    pub looked: Details,
    /// The shell command that resumes it, if there is something to resume.
    pub resume: Option<String>,
    /// When its CLI deletes it, if that is known.
    pub deletion: Option<Deletion>,
    pub process: Option<Holder>,
}

/// When a CLI deletes a session by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// The CLI, as its vendor writes it.
    pub cli: &'static str,
    /// The first start of the CLI after this time deletes it.
    pub after: Timestamp,
}

/// The process that uses a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub name: Option<String>,
    /// What its record and the system show of it, if it is a CLI with a record.
    pub cli: Option<CliProcess>,
}

/// How many sessions there are, in all and by state, and their size together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    pub(super) count: usize,
    pub(super) bytes: u64,
    pub(super) states: Vec<(State, usize)>,
}

impl Totals {
    pub fn of(sessions: &[Listed]) -> Self {
        let states = State::ALL.map(|state| {
            (state, sessions.iter().filter(|listed| listed.state == Some(state)).count())
        });
        Self {
            count: sessions.len(),
            bytes: sessions.iter().map(|listed| listed.looked.size).sum(),
            states: states.to_vec(),
        }
    }
}

/// The narrowest table that still shows something, in columns.
const NARROWEST: usize = 60;

/// The columns that chat, project and message need together to be of use.
const ROOMY: usize = 32;

/// The longest message if nothing limits the width.
const MESSAGE: usize = 120;

/// Writes the list as a table of at most `width` columns, and with every detail on lines of its own.
/// Without a width, and with every detail, no id is cut. Paths below `home` begin with `~`.
pub fn write_list(
    list: &List,
    look: Look,
    width: Option<usize>,
    home: Option<&str>,
    to: &mut dyn Write,
) -> io::Result<()> {
    header(list, look, to)?;
    if !list.sessions.is_empty() {
        let table = Table::new(list, look, width, home);
        table.title(list, to)?;
        for listed in &list.sessions {
            table.row(listed, to)?;
            if look.all {
                details(listed, look, to)?;
            }
        }
        writeln!(to)?;
    }
    totals(list, to)?;
    if list.processes.is_empty() {
        return Ok(());
    }
    writeln!(to)?;
    write_processes(&list.processes, list.listed, look, to)
}

fn header(list: &List, look: Look, to: &mut dyn Write) -> io::Result<()> {
    if let Some(profile) = &list.profile {
        let title = format!("Profile {}", escape(profile));
        writeln!(to, "{}", look.paint(&title, Style::new().bold()))?;
    }
    let source = match (&list.source.url, &list.source.map) {
        (Some(url), _) => format!("bridge at {}", escape(url)),
        (None, Some(map)) => escape(&map.to_string_lossy()),
        (None, None) => "no map".to_owned(),
    };
    match (list.has_map, list.unmapped) {
        (_, true) => writeln!(to, "{source} · sessions without a mapping")?,
        (true, false) => writeln!(to, "{source} · idle after {}", list.threshold)?,
        (false, false) => writeln!(to, "{source} · there is no map")?,
    }
    writeln!(to)
}

fn totals(list: &List, to: &mut dyn Write) -> io::Result<()> {
    let Totals { count, bytes, states } = &list.totals;
    if list.unmapped {
        write!(to, "{} without a mapping", counted(*count, "session"))?;
    } else {
        write!(to, "{}", counted(*count, "mapping"))?;
    }
    if list.with_sizes && *count > 0 {
        write!(to, ", {}", size(*bytes))?;
    }
    let states = states.iter().filter(|(_, count)| *count > 0);
    let states: Vec<String> = states.map(|(state, count)| format!("{count} {state}")).collect();
    if !states.is_empty() {
        write!(to, ": {}", states.join(", "))?;
    }
    writeln!(to)?;

    match count - list.sessions.len() {
        0 => Ok(()),
        more => writeln!(to, "{more} more not shown because of --limit {}", list.sessions.len()),
    }
}

fn name(listed: &Listed) -> Option<&str> {
    listed.chat.as_deref().or(listed.session.as_deref())
}

/// The width of the longest size and of the longest age.
const SIZE: usize = 9;
const AGE: usize = 7;

/// Between each column and the next.
const GAP: &str = "  ";

/// The columns of a list, each as wide as its cells need or may have; 0 for a column that is not shown.
struct Table<'l> {
    look: Look,
    home: Option<&'l str>,
    names: Shortener<'l>,
    state: usize,
    size: usize,
    cli: usize,
    chat: usize,
    project: usize,
    message: usize,
    process: usize,
}

impl<'l> Table<'l> {
    fn new(list: &'l List, look: Look, width: Option<usize>, home: Option<&'l str>) -> Self {
        let rows = &list.sessions;
        let names = || rows.iter().filter_map(name);
        let state = if list.unmapped { 0 } else { 8 };
        let size = if list.with_sizes { SIZE } else { 0 };
        let cli = widest(rows.iter().map(cli), "CLI");
        let has_process = rows.iter().any(|listed| listed.process.is_some());
        let process =
            if has_process { widest(rows.iter().filter_map(process), "PROCESS") } else { 0 };
        let mut chat = widest(names().map(escape), title_of_names(list));
        let mut project =
            widest(rows.iter().filter_map(|listed| project_of(listed, home)), "PROJECT");
        let mut message = MESSAGE;

        if let Some(width) = width {
            let others = [state, size, AGE, cli, process].into_iter().filter(|width| *width > 0);
            let fixed: usize = others.map(|width| width + GAP.len()).sum();
            let room = width.max(NARROWEST).saturating_sub(fixed + GAP.len());
            if !look.all {
                let (of_chat, of_project) = if room < ROOMY { (40, 0) } else { (28, 24) };
                chat = chat.min(room * of_chat / 100).max(4);
                project = project.min(room * of_project / 100);
            }
            let gap = if project > 0 { GAP.len() } else { 0 };
            message = room.saturating_sub(chat + project + gap).max(8);
        }
        let names = Shortener::new(names(), chat);
        Self { look, home, names, state, size, cli, chat, project, message, process }
    }

    fn title(&self, list: &List, to: &mut dyn Write) -> io::Result<()> {
        let line = self.line([
            padded("STATE", self.state),
            format!("{:>1$}", "SIZE", self.size),
            padded("IDLE", AGE),
            padded("CLI", self.cli),
            padded(&shortened(title_of_names(list), self.chat), self.chat),
            padded(&shortened_at_start("PROJECT", self.project), self.project),
            padded(&shortened("FIRST MESSAGE", self.message), self.message),
            "PROCESS".to_owned(),
        ]);
        writeln!(to, "{}", self.look.paint(&line, Style::new().bold()))
    }

    fn row(&self, listed: &'l Listed, to: &mut dyn Write) -> io::Result<()> {
        let none = || "-".to_owned();
        let state = listed
            .state
            .map(|state| self.look.paint(&padded(&state.to_string(), self.state), style_of(state)));
        let size = listed.looked.written.map_or_else(none, |_| size(listed.looked.size));
        let chat = name(listed).map_or_else(none, |name| match escape(name) {
            whole if whole.width() <= self.chat => whole,
            _ => self.names.shorten(name),
        });
        let project = project_of(listed, self.home).unwrap_or_else(none);
        let message = listed.looked.message.as_deref().map_or_else(none, escape);
        let line = self.line([
            state.unwrap_or_default(),
            format!("{size:>0$}", self.size),
            padded(&listed.idle_seconds.map_or_else(none, age), AGE),
            padded(&cli(listed), self.cli),
            padded(&chat, self.chat),
            padded(&shortened_at_start(&project, self.project), self.project),
            padded(&shortened(&message, self.message), self.message),
            process(listed).unwrap_or_default(),
        ]);
        writeln!(to, "{line}")
    }

    /// Returns the line of these cells, without those of columns that are not shown.
    fn line(&self, cells: [String; 8]) -> String {
        let Self { state, size, cli, chat, project, message, process, .. } = *self;
        let widths = [state, size, AGE, cli, chat, project, message, process];
        let shown = cells.into_iter().zip(widths).filter(|(_, width)| *width > 0);
        let cells: Vec<String> = shown.map(|(cell, _)| cell).collect();
        cells.join(GAP).trim_end().to_owned()
    }
}

fn widest(cells: impl Iterator<Item = String>, title: &str) -> usize {
    cells.map(|cell| cell.width()).max().unwrap_or(0).max(title.len())
}

fn title_of_names(list: &List) -> &'static str {
    if list.unmapped { "SESSION" } else { "CHAT" }
}

fn project_of(listed: &Listed, home: Option<&str>) -> Option<String> {
    listed.looked.project.as_deref().map(|project| escape(&below(project, home)))
}

fn cli(listed: &Listed) -> String {
    shortened(&escape(listed.provider.unwrap_or(&listed.model)), 8)
}

fn process(listed: &Listed) -> Option<String> {
    let process = listed.process.as_ref()?;
    let name = process.name.as_deref().map(|name| format!(" {}", shortened(&escape(name), 16)));
    let held = process.cli.as_ref().and_then(|cli| cli.holdings);
    let memory = held.map(|held| format!(" {}", memory(held.memory)));
    Some(format!("{}{}{}", process.pid, name.unwrap_or_default(), memory.unwrap_or_default()))
}

fn details(listed: &Listed, look: Look, to: &mut dyn Write) -> io::Result<()> {
    let indent = " ".repeat(10);
    if let Some(session) = &listed.session {
        writeln!(to, "{indent}session  {}  {}", escape(session), escape(&listed.model))?;
    }
    if let Some(resume) = &listed.resume {
        writeln!(to, "{indent}resume   {}", escape(resume))?;
    }
    if let Some(cli) = listed.process.as_ref().and_then(|process| process.cli.as_ref()) {
        let status = cli.status.as_deref().unwrap_or("without a status");
        let since = cli.idle_since.map(|since| format!(" since {}", look.time(since)));
        let held = cli.holdings.as_ref().map(|held| format!(", {}", holdings(held)));
        let [since, held] = [since, held].map(Option::unwrap_or_default);
        writeln!(to, "{indent}process  {}, {}{since}{held}", cli.pid, escape(status))?;
    }
    if let Some(file) = &listed.file {
        let [written, record] = [listed.looked.written, listed.looked.record]
            .map(|time| time.map_or_else(|| "-".to_owned(), |time| look.time(time)));
        writeln!(to, "{indent}size     {}", size(listed.looked.size))?;
        writeln!(to, "{indent}mtime    {written}")?;
        writeln!(to, "{indent}record   {record}")?;
        writeln!(to, "{indent}file     {}", escape(&file.to_string_lossy()))?;
    }
    let Some(Deletion { cli, after }) = listed.deletion else { return Ok(()) };
    match after.rfc3339().as_deref().and_then(|time| time.get(..10)) {
        Some(date) => writeln!(to, "{indent}deleted by {cli} after {date}"),
        None => Ok(()),
    }
}

/// Returns a path with `~` for the home it is in.
fn below(path: &str, home: Option<&str>) -> String {
    let home = home.map(|home| home.trim_end_matches('/')).filter(|home| !home.is_empty());
    match home.and_then(|home| path.strip_prefix(home)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn homes_are_shown_as_such() {
        assert_eq!(below("/home/u/w", Some("/home/u")), "~/w");
        assert_eq!(below("/home/u", Some("/home/u/")), "~");
        assert_eq!(below("/home/us", Some("/home/u")), "/home/us");
        assert_eq!(below("/w", Some("/")), "/w");
        assert_eq!(below("/w", None), "/w");
    }
}
