//! The list of mappings, or of sessions without a mapping: a table as wide as the terminal, and the
//! totals. `json` writes the same for programs.

mod json;
mod size;

use owo_colors::Style;
use std::io::{self, Write};
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

use super::shorten::{Shortener, padded, shortened, shortened_at_start};
use super::text::{Look, age, style_of};
use crate::map::Source;
use crate::model::escape::escape;
use crate::model::{IdleThreshold, State, Timestamp, Warning};
use crate::provider::Details;

pub use json::{ListOfProfile, write_list_json, write_list_profiles};
use size::size;

/// Everything that a list shows.
#[derive(Debug)]
pub struct List {
    /// When it was made.
    pub listed: Timestamp,
    /// The profile it is of, if one was named.
    pub profile: Option<String>,
    /// Who held the map.
    pub source: Source,
    /// True if there is a map.
    pub has_map: bool,
    /// Where maps are instead, if there is none.
    pub hint: Option<String>,
    /// The threshold between active and idle.
    pub threshold: IdleThreshold,
    /// True if these are sessions without a mapping.
    pub unmapped: bool,
    /// True if sizes are of interest.
    pub with_sizes: bool,
    /// The sessions that are shown, in their order.
    pub sessions: Vec<Listed>,
    /// The counts of all, shown or not.
    pub totals: Totals,
    /// What went wrong.
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
    /// The state of a mapping.
    pub state: Option<State>,
    /// When it was last used, by the clock that counts.
    pub last_used: Option<Timestamp>,
    /// Whole seconds since then.
    pub idle_seconds: Option<u64>,
    /// The file that shows it exists.
    pub file: Option<PathBuf>,
    /// What is in that file.
    pub looked: Details,
    /// The shell command that resumes it, if there is something to resume.
    pub resume: Option<String>,
    /// When its CLI deletes it, if that is known.
    pub deletion: Option<Deletion>,
    /// The process that its mapping is kept for.
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

/// A process that a mapping is kept for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its name, if that is known.
    pub name: Option<String>,
}

/// How many are listed, in all and by state, and how large they are together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    count: usize,
    bytes: u64,
    states: Vec<(State, usize)>,
}

impl Totals {
    /// Counts them.
    pub fn of(sessions: &[Listed]) -> Self {
        let count = |state| sessions.iter().filter(|one| one.state == Some(state)).count();
        Self {
            count: sessions.len(),
            bytes: sessions.iter().map(|one| one.looked.size).sum(),
            states: State::ALL.into_iter().map(|state| (state, count(state))).collect(),
        }
    }
}

/// The narrowest table that still shows something, in columns.
const NARROWEST: usize = 60;

/// How many columns chat, project and message need together to be of use.
const ROOMY: usize = 32;

/// How much of a message is shown where nothing limits the width.
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
        table.title(to)?;
        for one in &list.sessions {
            table.row(one, to)?;
            if look.all {
                details(one, look, to)?;
            }
        }
        writeln!(to)?;
    }
    totals(list, to)
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
    let s = if *count == 1 { "" } else { "s" };
    if list.unmapped {
        write!(to, "{count} session{s} without a mapping")?;
    } else {
        write!(to, "{count} mapping{s}")?;
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

fn name(one: &Listed) -> Option<&str> {
    one.chat.as_deref().or(one.session.as_deref())
}

/// The rows of a list, each column as wide as all of them need or may have.
struct Table<'l> {
    list: &'l List,
    look: Look,
    home: Option<&'l str>,
    names: Shortener<'l>,
    cli: usize,
    chat: usize,
    /// 0 if there is no room for it.
    project: usize,
    message: usize,
    /// 0 if no row has a process.
    process: usize,
}

impl<'l> Table<'l> {
    fn new(list: &'l List, look: Look, width: Option<usize>, home: Option<&'l str>) -> Self {
        let rows = &list.sessions;
        let widest = |texts: &mut dyn Iterator<Item = usize>, title: &str| {
            texts.max().unwrap_or(0).max(title.len())
        };
        let cli = widest(&mut rows.iter().map(|one| cli(one).width()), "CLI");
        let mut chat = widest(
            &mut rows.iter().filter_map(name).map(|name| escape(name).width()),
            if list.unmapped { "SESSION" } else { "CHAT" },
        );
        let projects = rows.iter().filter_map(|one| one.looked.project.as_deref());
        let mut project =
            widest(&mut projects.map(|project| escape(&below(project, home)).width()), "PROJECT");
        let mut processes = rows.iter().filter_map(process).map(|process| process.width());
        let has_process = rows.iter().any(|one| one.process.is_some());
        let process = if has_process { widest(&mut processes, "PROCESS") } else { 0 };

        // State, size and idle time, and two columns between each column and the next.
        let state = if list.unmapped { 0 } else { 8 + 2 };
        let size = if list.with_sizes { 9 + 2 } else { 0 };
        let fixed = state + size + 7 + 2 + cli + 2 + 2;
        let fixed = fixed + if has_process { process + 2 } else { 0 };
        let message = match width {
            None => MESSAGE,
            Some(width) => {
                let rest = width.max(NARROWEST).saturating_sub(fixed);
                if !look.all {
                    let (of_chat, of_project) = if rest < ROOMY { (40, 0) } else { (28, 24) };
                    chat = chat.min(rest * of_chat / 100).max(4);
                    project = project.min(rest * of_project / 100);
                }
                let gap = if project > 0 { 2 } else { 0 };
                rest.saturating_sub(chat + project + gap).max(8)
            }
        };
        let names = Shortener::new(rows.iter().filter_map(name), chat);
        Self { list, look, home, names, cli, chat, project, message, process }
    }

    fn title(&self, to: &mut dyn Write) -> io::Result<()> {
        let what = if self.list.unmapped { "SESSION" } else { "CHAT" };
        let state = if self.list.unmapped { "" } else { "STATE     " };
        let size = if self.list.with_sizes { "     SIZE  " } else { "" };
        let line = format!(
            "{state}{size}{:<7}  {:<cli$}  {}  {}{}",
            "IDLE",
            "CLI",
            padded(&shortened(what, self.chat), self.chat),
            self.of_project("PROJECT"),
            self.last("FIRST MESSAGE", (self.process > 0).then_some("PROCESS")),
            cli = self.cli,
        );
        writeln!(to, "{}", self.look.paint(line.trim_end(), Style::new().bold()))
    }

    fn row(&self, one: &'l Listed, to: &mut dyn Write) -> io::Result<()> {
        let state = one.state.map_or_else(String::new, |state| {
            format!("{}  ", self.look.paint(&format!("{state:<8}"), style_of(state)))
        });
        let size = if self.list.with_sizes {
            let size = one.looked.written.map_or_else(|| "-".to_owned(), |_| size(one.looked.size));
            format!("{size:>9}  ")
        } else {
            String::new()
        };
        let idle = one.idle_seconds.map_or_else(|| "-".to_owned(), age);
        let chat = name(one).map_or_else(
            || "-".to_owned(),
            |name| match escape(name) {
                whole if whole.width() <= self.chat => whole,
                _ => self.names.shorten(name),
            },
        );
        let project = one.looked.project.as_deref();
        let project = project.map_or("-".to_owned(), |project| escape(&below(project, self.home)));
        let message = one.looked.message.as_deref().map_or_else(|| "-".to_owned(), escape);
        let process = process(one);
        let line = format!(
            "{state}{size}{idle:<7}  {}  {}  {}{}",
            padded(&cli(one), self.cli),
            padded(&chat, self.chat),
            self.of_project(&project),
            self.last(&message, process.as_deref()),
        );
        writeln!(to, "{}", line.trim_end())
    }

    /// Returns the column of the project and the gap behind it, if there is room.
    fn of_project(&self, project: &str) -> String {
        match self.project {
            0 => String::new(),
            width => format!("{}  ", padded(&shortened_at_start(project, width), width)),
        }
    }

    /// Returns the last columns: a message, and the process if any row has one.
    fn last(&self, message: &str, process: Option<&str>) -> String {
        let message = shortened(message, self.message);
        match process {
            Some(process) => format!("{}  {process}", padded(&message, self.message)),
            None => message,
        }
    }
}

fn cli(one: &Listed) -> String {
    shortened(&escape(one.provider.unwrap_or(&one.model)), 8)
}

fn process(one: &Listed) -> Option<String> {
    let holder = one.process.as_ref()?;
    let name = holder.name.as_deref().map(|name| format!(" {}", shortened(&escape(name), 16)));
    Some(format!("{}{}", holder.pid, name.unwrap_or_default()))
}

fn details(one: &Listed, look: Look, to: &mut dyn Write) -> io::Result<()> {
    let indent = " ".repeat(10);
    if let Some(session) = &one.session {
        writeln!(to, "{indent}session  {}  {}", escape(session), escape(&one.model))?;
    }
    if let Some(resume) = &one.resume {
        writeln!(to, "{indent}resume   {}", escape(resume))?;
    }
    if let Some(file) = &one.file {
        let time =
            |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| look.time(time));
        writeln!(to, "{indent}size     {}", size(one.looked.size))?;
        writeln!(to, "{indent}mtime    {}", time(one.looked.written))?;
        writeln!(to, "{indent}record   {}", time(one.looked.record))?;
        writeln!(to, "{indent}file     {}", escape(&file.to_string_lossy()))?;
    }
    let Some(Deletion { cli, after }) = one.deletion else { return Ok(()) };
    let Some(date) = after.rfc3339().and_then(|time| time.get(..10).map(str::to_owned)) else {
        return Ok(());
    };
    writeln!(to, "{indent}deleted by {cli} after {date}")
}

/// A path with `~` for the home it is in.
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
