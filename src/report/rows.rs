//! The rows of a run's report: columns as wide as what they hold, cut only where a terminal is too
//! narrow for whole ids.

use owo_colors::Style;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

use super::shorten::{Shortener, padded, shortened};
use super::text::{Look, age, style_of};
use super::{Report, Row};
use crate::model::escape::escape;
use crate::model::{Action, KeepReason, Verdict, Zone};
use crate::provider::PROVIDERS;

/// Two columns between each and the next.
const GAP: usize = 2;

/// The widest that a CLI is shown on a terminal.
const WIDEST_CLI: usize = 16;

/// The narrowest that a chat and a session are cut to.
const NARROW_CHAT: usize = 12;
const NARROW_SESSION: usize = 8;

/// The widths of the columns, and what shortens ids to theirs.
pub(super) struct Rows<'a> {
    cli: usize,
    state: usize,
    idle: usize,
    last_used: usize,
    chat: usize,
    session: usize,
    action: usize,
    /// Where ids are cut.
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
        let mut table = Self {
            cli: "CLI".len(),
            state: "STATE".len(),
            idle: "IDLE".len(),
            last_used: if look.times { "LAST USED".len() } else { 0 },
            chat: "CHAT".len(),
            session: "SESSION".len(),
            action: "ACTION".len(),
            shorteners: None,
            look,
        };
        for row in report.rows().filter(is_shown) {
            table.measure(&row);
        }

        let Some(width) = look.width.filter(|_| !look.times) else { return table };
        let fixed = table.cli + table.state + table.idle + table.action + 5 * GAP;
        let rest = width.saturating_sub(fixed);
        if table.chat + table.session > rest {
            // A chat's name says more than the end of a UUID.
            let chat = table.chat.min(rest.saturating_sub(NARROW_SESSION).max(NARROW_CHAT));
            table.session = table.session.min(rest.saturating_sub(chat).max(NARROW_SESSION));
            table.chat = chat;
            table.shorten(report, is_shown);
        }
        table
    }

    /// Shortens ids to the widths of their columns, and the columns to what is left of the ids.
    fn shorten(&mut self, report: &'a Report<'a>, is_shown: impl Fn(&Row<'_>) -> bool + Copy) {
        let shown = || report.rows().filter(is_shown);
        let chats = Shortener::new(shown().map(|row| row.mapping.chat.0), self.chat);
        let ids = || shown().filter_map(|row| Some(row.mapping.session?.0));
        let sessions = Shortener::new(ids(), self.session);

        let widest = ids().map(|id| sessions.shorten(id).width()).max().unwrap_or(0);
        self.session = widest.max("SESSION".len());
        self.shorteners = Some((chats, sessions));
    }

    fn measure(&mut self, row: &Row<'_>) {
        let widest = |column: &mut usize, width: usize| *column = (*column).max(width);
        let cli = self.cli_of(row).width();
        widest(&mut self.cli, cli);
        widest(&mut self.state, row.state.to_string().len());
        widest(&mut self.idle, idle(row).len());
        if self.last_used > 0 {
            widest(&mut self.last_used, last_used(row, self.look).len());
        }
        widest(&mut self.chat, escape(row.mapping.chat.0).width());
        widest(&mut self.session, row.mapping.session.map_or(1, |id| escape(id.0).width()));
        widest(&mut self.action, action(row).len());
    }

    pub(super) fn header(&self, to: &mut dyn Write) -> io::Result<()> {
        let last_used = if self.last_used > 0 {
            format!("{:<1$}  ", "LAST USED", self.last_used)
        } else {
            String::new()
        };
        let line = format!(
            "{:<cli$}  {:<state$}  {:<idle$}  {last_used}{:<chat$}  {:<session$}  ACTION",
            "CLI",
            "STATE",
            "IDLE",
            "CHAT",
            "SESSION",
            cli = self.cli,
            state = self.state,
            idle = self.idle,
            chat = self.chat,
            session = self.session,
        );
        writeln!(to, "{}", self.look.paint(&line, Style::new().bold()))
    }

    pub(super) fn row(&self, row: &Row<'a>, to: &mut dyn Write) -> io::Result<()> {
        let session = row.mapping.session.map(|id| id.0);
        let (chat, session) = match &self.shorteners {
            Some((chats, sessions)) => {
                (chats.shorten(row.mapping.chat.0), session.map(|id| sessions.shorten(id)))
            }
            None => (escape(row.mapping.chat.0), session.map(escape)),
        };
        let session = session.unwrap_or_else(|| "-".to_owned());

        let style = match row.action {
            Action::Failed => Style::new().red(),
            _ => style_of(row.state),
        };
        let state = padded(&row.state.to_string(), self.state);
        let mut line = format!(
            "{}  {}  {:<idle$}  ",
            padded(&self.cli_of(row), self.cli),
            self.look.paint(&state, style),
            idle(row),
            idle = self.idle,
        );
        if self.last_used > 0 {
            line += &padded(&last_used(row, self.look), self.last_used);
            line += "  ";
        }
        for (cell, width) in [(&chat, self.chat), (&session, self.session)] {
            line += &padded(cell, width);
            line += "  ";
        }

        let action = self.look.paint(action(row), style_of_action(row.action));
        match reason(row, self.look.zone()) {
            None => writeln!(to, "{line}{action}"),
            Some(reason) if self.fits(row, &reason) => writeln!(to, "{line}{action}: {reason}"),
            // What explains a row is never cut.
            Some(reason) => writeln!(to, "{line}{action}:\n    {reason}"),
        }
    }

    /// The CLI, which a terminal cuts: a model's key may be of any length.
    fn cli_of(&self, row: &Row<'_>) -> String {
        let cli = cli(row);
        let is_cut = self.look.width.is_some() && !self.look.times;
        if is_cut { shortened(&cli, WIDEST_CLI) } else { cli }
    }

    fn fits(&self, row: &Row<'_>, reason: &str) -> bool {
        let last_used = if self.last_used > 0 { self.last_used + GAP } else { 0 };
        let before =
            self.cli + self.state + self.idle + last_used + self.chat + self.session + 5 * GAP;
        let width = before + action(row).len() + ": ".len() + reason.width();
        self.look.width.is_none_or(|most| width <= most)
    }
}

/// The CLI's short name, or the bridge's key for a model that no CLI is known for.
pub(super) fn cli(row: &Row<'_>) -> String {
    let model = row.mapping.model;
    let provider = PROVIDERS.iter().find(|provider| provider.model == model);
    provider.map_or_else(|| escape(model), |provider| provider.name.to_owned())
}

fn idle(row: &Row<'_>) -> String {
    row.idle_seconds.map_or_else(|| "-".to_owned(), age)
}

fn last_used(row: &Row<'_>, look: Look) -> String {
    row.last_used.map_or_else(|| "-".to_owned(), |time| look.time(time))
}

fn action(row: &Row<'_>) -> &'static str {
    match row.action {
        Action::Kept => "kept",
        Action::Removed => "removed",
        Action::WouldRemove => "would remove",
        Action::Failed => "failed",
    }
}

fn style_of_action(action: Action) -> Style {
    match action {
        Action::Kept => Style::new(),
        Action::Removed | Action::WouldRemove => Style::new().yellow(),
        Action::Failed => Style::new().red(),
    }
}

/// Why a row is as it is, if its state does not already say it.
fn reason(row: &Row<'_>, zone: Zone) -> Option<String> {
    use crate::model::RemoveReason as R;
    match row.reason {
        Verdict::Remove(R::Idle | R::Missing | R::Archived | R::ByHand(_))
        | Verdict::Keep(KeepReason::Active) => None,
        _ => Some(escape(&row.held_for(zone).unwrap_or_else(|| row.why()))),
    }
}
