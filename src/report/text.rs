//! The report for people: a header, a line for each mapping that goes or needs attention, and the
//! summary. It fits a terminal of 80 columns.

use owo_colors::{OwoColorize, Style};
use std::io::{self, Write};

use super::escape::escape;
use super::shorten::{Shortener, padded, shortened};
use super::{Report, Row};
use crate::domain::{Action, Clock, Form, KeepReason, RemoveReason, State, Verdict};
use crate::provider::PROVIDERS;

const CHAT_WIDTH: usize = 18;
const SESSION_WIDTH: usize = 12;

/// How the text is to look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// With a line for every mapping.
    pub all: bool,
}

/// Writes the report as text.
pub fn write_text(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    header(report, look, to)?;
    if report.map.is_some() {
        groups(report, look, to)?;
    }
    summary(report, look, to)
}

fn header(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    let title = format!("session-warden {}", env!("CARGO_PKG_VERSION"));
    let note = if report.dry_run { " (dry run: nothing is changed)" } else { "" };
    writeln!(to, "{}{note}", look.paint(&title, Style::new().bold()))?;
    if let Some(profile) = report.profile {
        writeln!(to, "  profile    {}", escape(profile))?;
    }
    let path = report.source.map.as_ref().map(|path| escape(&path.to_string_lossy()));
    let path = path.unwrap_or_default();
    let Some(map) = report.map else {
        writeln!(to, "  No session map at {path}: nothing to clean.")?;
        return writeln!(to);
    };
    let source = &report.source;
    let form = if map.form() == Form::Legacy { " (legacy form)" } else { "" };
    if source.map.is_some() {
        writeln!(to, "  map        {path}{form}")?;
    }
    if !source.why.is_empty() {
        let how = if source.url.is_some() { "bridge" } else { "file" };
        writeln!(to, "  source     {how}: {}", escape(&source.why))?;
    }
    for (provider, root) in report.roots() {
        let name = PROVIDERS.get(provider).map_or("", |provider| provider.name);
        writeln!(to, "  {name:<9}  {}", escape(&root.to_string_lossy()))?;
    }
    let (threshold, cutoff) = (report.thresholds.usual, report.cutoff.for_people());
    writeln!(to, "  threshold  {threshold}, idle if last used before {cutoff}")?;
    for (provider, threshold) in &report.thresholds.special {
        let name = PROVIDERS.get(*provider).map_or("", |provider| provider.name);
        writeln!(to, "             {threshold} for {name}")?;
    }
    let means = match report.clock {
        Clock::Mtime => "when a session's files were last written",
        Clock::Record => "the newest record in a session's files",
    };
    writeln!(to, "  clock      {}: {means}", report.clock)?;
    writeln!(to)
}

fn groups(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    // A map can be large, so a row is made when its line is written.
    let is_shown = |row: &Row<'_>| look.all || needs_attention(row);
    let shown = || report.rows().filter(is_shown);
    let chats = Shortener::new(shown().map(|row| row.mapping.chat.0), CHAT_WIDTH);
    let sessions = shown().filter_map(|row| Some(row.mapping.session?.0));
    let sessions = Shortener::new(sessions, SESSION_WIDTH);
    let places: Vec<usize> = report
        .rows()
        .enumerate()
        .filter(|(_, row)| is_shown(row))
        .map(|(place, _)| place)
        .collect();
    // Mappings of one model stand together in the map.
    let model = |place: &usize| report.row(*place).map(|row| row.mapping.model);
    for group in places.chunk_by(|a, b| model(a) == model(b)) {
        let mut group = group.to_vec();
        let used = |place: &usize| report.row(*place).and_then(|row| row.last_used);
        group.sort_by_key(|place| (used(place).is_none(), used(place)));
        let name = group.first().and_then(model).unwrap_or_default();
        writeln!(to, "{}", look.paint(&shortened(&escape(name), 78), Style::new().bold()))?;
        for row in group.iter().filter_map(|place| report.row(*place)) {
            line(&row, &chats, &sessions, look, to)?;
        }
        writeln!(to)?;
    }
    Ok(())
}

fn needs_attention(row: &Row<'_>) -> bool {
    row.action != Action::Kept
        || row.state != State::Active
        || row.reason == Verdict::Keep(KeepReason::UsedMeanwhile)
}

fn line<'a>(
    row: &Row<'a>,
    chats: &Shortener<'a>,
    sessions: &Shortener<'a>,
    look: Look,
    to: &mut dyn Write,
) -> io::Result<()> {
    let action = match row.action {
        Action::Kept => "kept",
        Action::Removed => "removed",
        Action::WouldRemove => "would go",
        Action::Failed => "failed",
    };
    let state = format!("{:<8}", row.state);
    let style = match row.action {
        Action::Failed => Style::new().red(),
        _ => style_of(row.state),
    };
    let age = row.idle_seconds.map_or_else(|| "-".to_owned(), age);
    let chat = padded(&chats.shorten(row.mapping.chat.0), CHAT_WIDTH);
    let session = row.mapping.session.map_or_else(|| "-".to_owned(), |id| sessions.shorten(id.0));
    let session = padded(&session, SESSION_WIDTH);
    let reason = match row.reason {
        Verdict::Remove(RemoveReason::Idle | RemoveReason::Missing | RemoveReason::ByHand(_))
        | Verdict::Keep(KeepReason::Active) => String::new(),
        _ => escape(&row.why()),
    };
    let start = format!("  {action:<8} {}", look.paint(&state, style));
    writeln!(to, "{}", format!("{start} {age:>7}  {chat}  {session}  {reason}").trim_end())?;
    if let Some(told) = row.held_for() {
        writeln!(to, "           {}", shortened(&escape(&told), 69))?;
    }
    Ok(())
}

fn summary(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    writeln!(to, "{}", look.paint("Cleanup summary", Style::new().bold()))?;
    writeln!(to, "  Sessions checked: {}", summary.checked)?;
    // What was named is removed whatever its state.
    let kept = if report.by_hand { "" } else { " (kept)" };
    writeln!(to, "  Active{kept}: {}", summary.active)?;
    writeln!(to, "  Idle (>{}): {}", report.thresholds.usual, summary.idle)?;
    writeln!(to, "  Missing files: {}", summary.missing)?;
    for (words, count) in [
        ("In use (kept)", summary.in_use),
        ("Pinned (kept)", summary.pinned),
        (if report.by_hand { "Resident" } else { "Resident (kept)" }, summary.resident),
        ("Archived", summary.archived),
    ] {
        if count > 0 {
            writeln!(to, "  {words}: {count}")?;
        }
    }
    writeln!(to, "  Unknown{kept}: {}", summary.unknown)?;
    if summary.failed > 0 {
        writeln!(to, "  Failed: {}", summary.failed)?;
    }
    let (words, count) = if report.dry_run {
        ("Would clean up", summary.would_remove)
    } else {
        ("Cleaned up", summary.removed)
    };
    writeln!(to, "  {words}: {count} mappings")
}

/// A time span in at most 7 characters: `45s`, `12m`, `16.2h`, `3d 4h`, `123d`.
pub(super) fn age(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        HOUR..DAY => format!("{}.{}h", seconds / HOUR, seconds % HOUR / (HOUR / 10)),
        _ if seconds < 100 * DAY => format!("{}d {}h", seconds / DAY, seconds % DAY / HOUR),
        _ => format!("{}d", seconds / DAY),
    }
}

/// How a state is painted.
pub(super) fn style_of(state: State) -> Style {
    match state {
        State::Active | State::InUse | State::Pinned | State::Resident => Style::new().green(),
        State::Unknown => Style::new().magenta(),
        State::Idle | State::Missing | State::Archived => Style::new().yellow(),
    }
}

impl Look {
    pub(super) fn paint(self, text: &str, style: Style) -> String {
        if self.color { text.style(style).to_string() } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_are_short() {
        #[track_caller]
        fn check(seconds: u64, shown: &str) {
            assert_eq!(age(seconds), shown);
            assert!(shown.len() <= 7);
        }
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(3_599, "59m");
        check(3_600, "1.0h");
        check(58_320, "16.2h");
        check(86_399, "23.9h");
        check(86_400, "1d 0h");
        check(273_600, "3d 4h");
        check(100 * 86_400 - 1, "99d 23h");
        check(100 * 86_400, "100d");
    }
}
