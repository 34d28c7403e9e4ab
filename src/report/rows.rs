//! The rows of a run's report: columns as wide as their widest cell, cut only if a terminal is too narrow
//! for whole ids.

use owo_colors::Style;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

use super::look::{Look, age, style_of};
use super::process;
use super::run::{Report, Row};
use super::shorten::{Shortener, padded, shortened};
use crate::model::escape::escape;
use crate::model::{Action, KeepReason, RemoveReason, Verdict};
use crate::provider::PROVIDERS;

/// Between each column and the next.
const GAP: &str = "  ";

const TITLES: [&str; 6] = ["CLI", "STATE", "IDLE", "LAST USED", "CHAT", "SESSION"];

/// The widest CLI on a terminal.
const WIDEST_CLI: usize = 16;

/// The narrowest that a chat and a session are cut to.
const NARROW_CHAT: usize = 12;
const NARROW_SESSION: usize = 8;

/// The columns of the rows.
pub(super) struct Rows<'a> {
    /// The width of each column but the last; 0 for a column that is not shown.
    widths: [usize; 6],
    /// How chats and sessions are cut, if the terminal is too narrow for them.
    shorteners: Option<(Shortener<'a>, Shortener<'a>)>,
    look: Look,
}

impl<'a> Rows<'a> {
    /// Measures the rows of the report that `is_shown` picks.
    pub(super) fn of(
        report: &'a Report<'a>,
        look: Look,
        is_shown: impl Fn(&Row<'_>) -> bool + Copy,
    ) -> Self {
        let mut widths = TITLES.map(str::len);
        let mut action = "ACTION".len();
        for row in report.rows().filter(is_shown) {
            for (width, cell) in widths.iter_mut().zip(cells(&row, look)) {
                *width = (*width).max(cell.width());
            }
            action = action.max(action_of(&row).len() + ":".len());
        }
        let [_, _, _, last_used, _, _] = &mut widths;
        if !look.times {
            *last_used = 0;
        }

        let mut rows = Self { widths, shorteners: None, look };
        if let Some(width) = look.width.filter(|_| !look.times) {
            let [_, _, _, _, chat, session] = rows.widths;
            let fixed = rows.width() - chat - session + action;
            rows.cut(width.saturating_sub(fixed), report, is_shown);
        }
        rows
    }

    /// Cuts chats and sessions to that many columns together, and the column of sessions to the widest one.
    fn cut(
        &mut self,
        room: usize,
        report: &'a Report<'a>,
        is_shown: impl Fn(&Row<'_>) -> bool + Copy,
    ) {
        let [_, _, _, _, chat, session] = &mut self.widths;
        if *chat + *session <= room {
            return;
        }

        // A chat's name says more than the end of a UUID.
        *chat = (*chat).min(room.saturating_sub(NARROW_SESSION).max(NARROW_CHAT));
        *session = (*session).min(room.saturating_sub(*chat).max(NARROW_SESSION));
        let shown = || report.rows().filter(is_shown);
        let ids = || shown().filter_map(|row| Some(row.mapping.session?.0));
        let chats = Shortener::new(shown().map(|row| row.mapping.chat.0), *chat);
        let sessions = Shortener::new(ids(), *session);
        let widest = ids().map(|id| sessions.shorten(id).width()).max().unwrap_or(0);
        *session = widest.max("SESSION".len());
        self.shorteners = Some((chats, sessions));
    }

    pub(super) fn header(&self, to: &mut dyn Write) -> io::Result<()> {
        let line = format!("{}ACTION", self.line(&TITLES.map(str::to_owned), Style::new()));
        writeln!(to, "{}", self.look.paint(&line, Style::new().bold()))
    }

    pub(super) fn row(&self, row: &Row<'a>, to: &mut dyn Write) -> io::Result<()> {
        let mut cells = cells(row, self.look);
        if let Some((chats, sessions)) = &self.shorteners {
            let [_, _, _, _, chat, session] = &mut cells;
            *chat = chats.shorten(row.mapping.chat.0);
            if let Some(id) = row.mapping.session {
                *session = sessions.shorten(id.0);
            }
        }
        let style = match row.action {
            Action::Failed => Style::new().red(),
            _ => style_of(row.state),
        };
        let line = self.line(&cells, style);

        let action = self.look.paint(action_of(row), style_of_action(row.action));
        match reason(row, self.look) {
            None => writeln!(to, "{line}{action}"),
            Some(reason) if self.fits(row, &reason) => writeln!(to, "{line}{action}: {reason}"),
            // A reason is never cut.
            Some(reason) => writeln!(to, "{line}{action}:\n    {reason}"),
        }
    }

    /// Returns the cells of a line, each with a gap behind it, and the state in that style.
    fn line(&self, cells: &[String; 6], of_state: Style) -> String {
        let mut line = String::new();
        for ((cell, width), title) in cells.iter().zip(self.widths).zip(TITLES) {
            let cell = padded(cell, width);
            match title {
                _ if width == 0 => continue,
                "STATE" => line += &self.look.paint(&cell, of_state),
                _ => line += &cell,
            }
            line += GAP;
        }
        line
    }

    /// Returns the width of all columns but the last.
    fn width(&self) -> usize {
        self.widths.iter().filter(|width| **width > 0).map(|width| width + GAP.len()).sum()
    }

    fn fits(&self, row: &Row<'_>, reason: &str) -> bool {
        let width = self.width() + action_of(row).len() + ": ".len() + reason.width();
        self.look.width.is_none_or(|most| width <= most)
    }
}

/// Returns the cells of a row, but the last one.
fn cells(row: &Row<'_>, look: Look) -> [String; 6] {
    let mut cli = cli(row);
    // A terminal cuts the CLI, since a model's key may be of any length.
    if look.width.is_some() && !look.times {
        cli = shortened(&cli, WIDEST_CLI);
    }
    let idle = row.idle_seconds.map(age);
    let last_used = row.last_used.filter(|_| look.times).map(|time| look.time(time));
    let session = row.mapping.session.map(|id| escape(id.0));
    let [idle, last_used, session] =
        [idle, last_used, session].map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
    [cli, row.state.to_string(), idle, last_used, escape(row.mapping.chat.0), session]
}

/// Returns the CLI's short name, or the bridge's key for a model of no known CLI.
pub(super) fn cli(row: &Row<'_>) -> String {
    let model = row.mapping.model;
    let provider = PROVIDERS.iter().find(|provider| provider.model == model);
    provider.map_or_else(|| escape(model), |provider| provider.name.to_owned())
}

fn action_of(row: &Row<'_>) -> &'static str {
    match row.action {
        Action::Kept => "kept",
        Action::Removed => "removed",
        Action::WouldRemove => "would remove",
        Action::Released => "released",
        Action::WouldRelease => "would release",
        Action::Failed => "failed",
    }
}

fn style_of_action(action: Action) -> Style {
    match action {
        Action::Kept => Style::new(),
        Action::Removed | Action::WouldRemove | Action::Released | Action::WouldRelease => {
            Style::new().yellow()
        }
        Action::Failed => Style::new().red(),
    }
}

/// Returns why a row is as it is, if its state does not already show it.
fn reason(row: &Row<'_>, look: Look) -> Option<String> {
    match row.reason {
        Verdict::Remove(
            RemoveReason::Idle
            | RemoveReason::Missing
            | RemoveReason::Archived
            | RemoveReason::ByHand(_),
        ) => None,
        Verdict::Keep(KeepReason::Active) if row.action == Action::Kept => {
            let release = row.cli_process.filter(|_| look.times).and_then(process::release);
            release.map(escape)
        }
        _ => Some(escape(&row.held_for(look.zone()).unwrap_or_else(|| row.why()))),
    }
}
