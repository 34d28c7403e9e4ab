//! The report for people: the map and the thresholds, a table of mappings, and the summary.

use owo_colors::Style;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::look::{Look, counted, counted_processes};
use super::process::amount;
use super::rows::{Rows, cli};
use super::run::{Report, Row};
use crate::model::escape::escape;
use crate::model::{Action, Clock, Form, KeepReason, State, Verdict};
use crate::provider::PROVIDERS;

/// Writes the report as text.
pub fn write_text(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    header(report, look, to)?;
    table(report, look, to)?;
    rest(report, look, to)?;
    summary(report, look, to)?;
    ending(report, to)
}

fn header(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    if report.dry_run {
        writeln!(to, "{}", look.paint("Dry run: nothing will be changed.", Style::new().bold()))?;
    }
    let path = report.source.map.as_ref().map(|path| escape(&path.to_string_lossy()));
    let Some(map) = report.map else {
        let path = path.unwrap_or_default();
        return writeln!(to, "No session map at {path}: nothing to clean.\n");
    };

    let thresholds = report.thresholds;
    let mut line = String::new();
    if let Some(profile) = report.profile {
        let _ = write!(line, "{} · ", escape(profile));
    }
    if let Some(path) = path.or_else(|| report.source.url.clone()) {
        let _ = write!(line, "{path} · ");
    }
    let _ = write!(line, "idle after {}", thresholds.usual);
    for (provider, threshold) in &thresholds.special {
        let name = PROVIDERS.get(provider.get()).map_or("", |provider| provider.name);
        let _ = write!(line, ", {threshold} for {name}");
    }
    if report.clock == Clock::Record {
        line += " by the newest record";
    }
    if map.form() == Form::Legacy {
        line += " · legacy form";
    }
    writeln!(to, "{line}")?;

    if look.times {
        if !report.source.why.is_empty() {
            let how = if report.source.url.is_some() { "bridge" } else { "file" };
            writeln!(to, "  {how}: {}", escape(&report.source.why))?;
        }
        for (provider, root) in report.roots() {
            let name = PROVIDERS.get(provider).map_or("", |provider| provider.name);
            writeln!(to, "  {name}: {}", escape(&root.to_string_lossy()))?;
        }
        writeln!(to, "  idle if last used before {}", look.time(report.cutoff))?;
    }
    writeln!(to)
}

/// Writes a row for each mapping that is shown, in the order of the map.
fn table(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    // A map can be large, so a row is made when its line is written.
    let is_shown = |row: &Row<'_>| look.all || needs_attention(row);
    if !report.rows().any(|row| is_shown(&row)) {
        return Ok(());
    }

    let table = Rows::of(report, look, is_shown);
    table.header(to)?;
    for row in report.rows().filter(is_shown) {
        table.row(&row, to)?;
    }
    writeln!(to)
}

/// Counts the mappings that have no row, for each CLI.
fn rest(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    if look.all {
        return Ok(());
    }
    // A mapping without a row is active.
    let mut counts: BTreeMap<(usize, String), (u64, u64)> = BTreeMap::new();
    for row in report.rows() {
        let provider = PROVIDERS.iter().position(|provider| provider.model == row.mapping.model);
        let key = (provider.unwrap_or(PROVIDERS.len()), cli(&row));
        let (chats, active) = counts.entry(key).or_default();
        *chats += 1;
        *active += u64::from(!needs_attention(&row));
    }

    let mut is_any = false;
    for ((_, cli), (chats, active)) in counts.iter().filter(|(_, (_, active))| *active > 0) {
        writeln!(to, "{cli}: {}, {active} active", counted(*chats, "chat"))?;
        is_any = true;
    }
    if is_any { writeln!(to) } else { Ok(()) }
}

fn needs_attention(row: &Row<'_>) -> bool {
    row.action != Action::Kept
        || row.state != State::Active
        || row.reason == Verdict::Keep(KeepReason::UsedMeanwhile)
}

fn summary(report: &Report<'_>, look: Look, to: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    writeln!(to, "{}", look.paint("Cleanup summary", Style::new().bold()))?;
    writeln!(to, "  Sessions checked: {}", summary.checked)?;
    // What was named is removed whatever its state.
    let kept = if report.by_hand { "" } else { " (kept)" };
    writeln!(to, "  Active{kept}: {}", summary.active)?;
    some(to, "In use (kept)", summary.in_use)?;
    some(to, "Pinned (kept)", summary.pinned)?;
    if summary.resident > 0 {
        let held = holdings(summary.resident_bytes, summary.resident_connections);
        writeln!(to, "  Resident{kept}: {} ({held})", summary.resident)?;
    }
    writeln!(to, "  Idle (>{}): {}", report.thresholds.usual, summary.idle)?;
    some(to, "Missing files", summary.missing)?;
    some(to, "Archived", summary.archived)?;
    some(to, &format!("Unknown{kept}"), summary.unknown)?;
    some(to, "Failed", summary.failed)?;
    for (label, count) in [("Released", summary.released), ("Would release", summary.would_release)]
    {
        if count > 0 {
            let processes = counted_processes(count);
            writeln!(to, "  {label}: {processes} ({})", amount(summary.released_bytes))?;
        }
    }
    let (label, count) = if report.dry_run {
        ("Would clean up", summary.would_remove)
    } else {
        ("Cleaned up", summary.removed)
    };
    writeln!(to, "  {label}: {}", counted(count, "mapping"))
}

/// Returns `212 MB, 1 connection`.
fn holdings(bytes: u64, connections: u64) -> String {
    format!("{}, {}", amount(bytes), counted(connections, "connection"))
}

fn some(to: &mut dyn Write, label: &str, count: u64) -> io::Result<()> {
    if count > 0 { writeln!(to, "  {label}: {count}") } else { Ok(()) }
}

/// Writes what to do next, if anything was or would be removed.
fn ending(report: &Report<'_>, to: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    let (removals, releases) = (summary.would_remove, summary.would_release);
    let (what, verb) = match (removals, releases) {
        (0, 0) => ("", ""),
        (_, 0) => ("removed", "remove"),
        (0, _) => ("ended", "end"),
        (..) => ("changed", "remove and end"),
    };
    if !what.is_empty() {
        let them = if removals + releases == 1 { "it" } else { "them" };
        writeln!(
            to,
            "Nothing was {what}. Run the same command without `--dry-run` to {verb} {them}."
        )?;
    }
    if summary.released > 0 {
        let them = if summary.released == 1 { "its chat" } else { "each chat" };
        writeln!(
            to,
            "The mappings of released sessions are kept; the next message in {them} resumes its session."
        )?;
    }
    if summary.removed > 0 {
        let mut removed = report.rows().filter(|row| row.action == Action::Removed);
        let provider = removed
            .find_map(|row| PROVIDERS.iter().find(|provider| provider.model == row.mapping.model));
        let resume = provider.unwrap_or(&PROVIDERS[0]).resume_command("ID");
        let mappings = if summary.removed == 1 { "mapping" } else { "mappings" };
        writeln!(
            to,
            "No session was deleted. Resume one with its CLI, for example `{resume}`; \
             `session-warden undo` restores the {mappings}."
        )?;
    }
    Ok(())
}
