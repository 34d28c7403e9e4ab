//! How a CLI process is shown: its memory and connections in a few words, and as JSON.

use serde::Serialize;
use std::io::{self, Write};

use super::look::{Look, age, counted, counted_processes, time};
use super::shorten::shortened;
use super::table::Table;
use crate::model::escape::escape;
use crate::model::{CliProcess, Connections, Holdings, Memory, ProcessDetails, Release, Timestamp};

/// Returns an amount of memory: `900 kB`, `9.5 MB`, `212 MB`, `1.4 GB`.
pub(super) fn amount(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }

    match tenths {
        0..100 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", tenths / 10, UNITS[unit]),
    }
}

/// Returns the memory of a process: `212 MB`, with `RSS` if some of it is no PSS, and `at least` if some of it
/// cannot be read.
pub(super) fn memory(memory: Memory) -> String {
    let least = if memory.is_whole { "" } else { "at least " };
    let kind = if memory.is_pss { "" } else { " RSS" };
    format!("{least}{}{kind}", amount(memory.bytes))
}

fn connections(connections: Connections) -> String {
    let least = if connections.is_whole { "" } else { "at least " };
    format!("{least}{}", counted(connections.count as u64, "connection"))
}

/// Returns `212 MB, 1 connection`.
pub(super) fn holdings(held: &Holdings) -> String {
    format!("{}, {}", memory(held.memory), connections(held.connections))
}

/// Returns `process 4121 holds 212 MB, 1 connection`, for each process of the session.
pub(super) fn holders(process: &CliProcess) -> String {
    process.all().map(holder).collect::<Vec<String>>().join("; ")
}

fn holder(process: &CliProcess) -> String {
    let verb = if process.release == Some(Release::Released) { "held" } else { "holds" };
    match &process.holdings {
        Some(held) => format!("process {} {verb} {}", process.pid, holdings(held)),
        None => format!("process {}", process.pid),
    }
}

/// Returns what a release did, or why it did nothing; none if none was asked for.
pub(super) fn release(process: &CliProcess) -> Option<&str> {
    match process.release.as_ref()? {
        Release::Kept(why) => Some(why),
        Release::Ending => Some("is ending"),
        Release::WouldRelease | Release::Released => None,
    }
}

/// Writes a table of processes without a mapping.
pub(super) fn write_processes(
    all: &[ProcessDetails],
    now: Timestamp,
    look: Look,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut table =
        Table::new(["PID>", "CLI", "STATUS", "IDLE", "MEMORY>", "PARENT", "SESSION", "REMARK"]);
    let is_narrow = look.width.is_some_and(|width| width < 120) && !look.all;
    for one in all {
        let process = &one.process;
        let idle = process.idle_since.map(|since| age(since.seconds_until(now)));
        let (parent, name) = &one.parent;
        let session = one.session.as_deref().map_or_else(none, escape);
        let name = name.as_deref().map(|name| format!(" {}", escape(name)));
        table.push([
            process.pid.to_string(),
            one.cli.to_owned(),
            process.status.as_deref().map_or_else(none, |status| escape(&shortened(status, 10))),
            idle.unwrap_or_else(none),
            process.holdings.map_or_else(none, |held| memory(held.memory)),
            format!("{parent}{}", name.unwrap_or_default()),
            if is_narrow { session.chars().take(8).collect() } else { session },
            remarks(one),
        ]);
    }
    table.write(look, to, &|_, _| Ok(()))?;

    let total = all.iter().filter_map(|one| one.process.holdings);
    let bytes = amount(total.map(|held| held.memory.bytes).sum());
    writeln!(to, "\n{} without a mapping, {bytes}", counted_processes(all.len() as u64))
}

fn none() -> String {
    "-".to_owned()
}

/// Returns `leftover`, `terminal`, `no record`, or several of them.
fn remarks(one: &ProcessDetails) -> String {
    let remarks = [
        (one.is_leftover, "leftover"),
        (one.has_terminal, "terminal"),
        (!one.has_record, "no record"),
    ];
    let remarks = remarks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, remark)| remark);
    remarks.collect::<Vec<_>>().join(", ")
}

/// A process as JSON.
#[derive(Debug, Serialize)]
pub(super) struct ProcessJson<'a> {
    pid: u32,
    status: Option<&'a str>,
    idle_since: Option<String>,
    memory_bytes: Option<u64>,
    /// False if some of it is RSS.
    memory_is_pss: Option<bool>,
    connections: Option<usize>,
}

impl<'a> ProcessJson<'a> {
    /// A process of which only the id is known.
    pub(super) fn unknown(pid: u32) -> Self {
        Self {
            pid,
            status: None,
            idle_since: None,
            memory_bytes: None,
            memory_is_pss: None,
            connections: None,
        }
    }

    pub(super) fn of(process: &'a CliProcess) -> Self {
        let held = process.holdings.as_ref();
        Self {
            pid: process.pid,
            status: process.status.as_deref(),
            idle_since: time(process.idle_since),
            memory_bytes: held.map(|held| held.memory.bytes),
            memory_is_pss: held.map(|held| held.memory.is_pss),
            connections: held.map(|held| held.connections.count),
        }
    }
}

/// A process with a row of its own, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct DetailsJson<'a> {
    cli: &'static str,
    session_id: Option<&'a str>,
    #[serde(flatten)]
    process: ProcessJson<'a>,
    parent: ParentJson<'a>,
    leftover: bool,
    terminal: bool,
    record: bool,
}

#[derive(Debug, Serialize)]
struct ParentJson<'a> {
    pid: u32,
    name: Option<&'a str>,
}

impl<'a> DetailsJson<'a> {
    pub(super) fn of(unmapped: &'a ProcessDetails) -> Self {
        let (pid, name) = &unmapped.parent;
        Self {
            cli: unmapped.cli,
            session_id: unmapped.session.as_deref(),
            process: ProcessJson::of(&unmapped.process),
            parent: ParentJson { pid: *pid, name: name.as_deref() },
            leftover: unmapped.is_leftover,
            terminal: unmapped.has_terminal,
            record: unmapped.has_record,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (bytes, shown) in [
            (0, "0.0 kB"),
            (9_999, "9.9 kB"),
            (900_000, "900 kB"),
            (9_500_000, "9.5 MB"),
            (212_345_678, "212 MB"),
            (999_999_999, "999 MB"),
            (1_400_000_000, "1.4 GB"),
            (31_000_000_000, "31 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(amount(bytes), shown);
        }
    }

    #[test]
    fn what_is_missing_is_marked() {
        let memory = Memory { bytes: 212_000_000, is_pss: false, is_whole: false };
        let held = Holdings {
            processes: 1,
            memory,
            connections: Connections { count: 2, is_whole: false },
        };
        assert_eq!(holdings(&held), "at least 212 MB RSS, at least 2 connections");
        let process = CliProcess {
            pid: 4121,
            status: Some("idle".into()),
            idle_since: None,
            holdings: Some(Holdings {
                memory: Memory { is_pss: true, is_whole: true, ..memory },
                connections: Connections { count: 1, is_whole: true },
                ..held
            }),
            release: None,
            others: Vec::new(),
        };
        assert_eq!(holder(&process), "process 4121 holds 212 MB, 1 connection");
    }
}
