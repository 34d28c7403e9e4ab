//! Claude Code: one `<uuid>.jsonl` for each session, in a folder for each working folder.
//!
//! Seen in Claude Code 2.1.332, 2.1.329 and 2.0.76. Subagents write files of their own: today below a
//! folder named like the session, in older versions beside the sessions as `agent-*.jsonl` with the
//! owner in each line.

use std::os::unix::ffi::OsStrExt;

use super::carrier::{At, Carrier, Offered, RootKind, Scope, Shows, Special};
use super::descriptor::{Folders, Provider, Signs, Temporary};
use super::evidence::{EvidenceCollector, Part};
use super::header_files::{HeaderFiles, every_id};
use super::records::Records;
use super::retention::{self, Retention};
use super::session_index::names_any_id;
use crate::model::IdKind;
use crate::model::ids::is_uuid;
use crate::os::folder::{Entry, Kind};

pub(super) const PROVIDER: Provider = Provider {
    name: "claude",
    model: "claude-cli",
    variable: Some(("CLAUDE_CONFIG_DIR", "")),
    folder: ".claude",
    roots: &["projects"],
    archive: None,
    side_roots: &["tasks", "session-env", "debug", "file-history", "todos"],
    temporary: Some(Temporary { variable: "CLAUDE_CODE_TMPDIR", folder: "claude" }),
    files_in_home: false,
    known_side_names: &["subagents", "workflows", "tool-results", "custom-title.json"],
    resume: "claude --resume",
    ids: IdKind::Uuid,
    retention: Some(Retention {
        cli: "Claude Code",
        machine: if cfg!(target_os = "macos") {
            "/Library/Application Support/ClaudeCode/managed-settings.json"
        } else {
            "/etc/claude-code/managed-settings.json"
        },
        read: retention::of_claude,
    }),
    records: Records::Claude,
    own_id: |name| name.strip_suffix(b".jsonl"),
    shows,
    special: |_, _| Box::new(Sides(HeaderFiles::of_anybody())),
    all,
    signs: Signs { records: Some("sessions"), locks: None },
};

fn shows(path: &Carrier<'_>) -> Shows {
    let is_file = path.status.kind == Kind::File;
    if is_file && path.is_called("", ".jsonl") {
        // A start that failed leaves an empty file; there is nothing to resume in it.
        let is_empty = path.status.size == 0;
        return if is_empty { Shows::Nothing } else { Shows::Session(Part::Own) };
    }

    if path.is_called("", ".desktop-released.json") {
        return Shows::Use(Part::Plain);
    }
    Shows::Session(if path.by_name { Part::Unknown } else { part_within(path.name) })
}

/// The part of a session that a file below its own folder is.
fn part_within(name: &[u8]) -> Part {
    let has_records = name.ends_with(b".jsonl");
    let is_known = name.ends_with(b".meta.json")
        || name == b"custom-title.json"
        || name.ends_with(b".js")
        || name.starts_with(b"wf_")
        || name.ends_with(b".txt");
    match (has_records, is_known) {
        (true, _) => Part::Transcript,
        (_, true) => Part::Plain,
        _ => Part::Unknown,
    }
}

/// Side files of older versions, whose owner is named inside.
struct Sides(HeaderFiles);

impl Special for Sides {
    fn offer(
        &mut self,
        _: &Scope<'_>,
        _: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
    ) -> Offered {
        let name = entry.name().as_bytes();
        let is_side = name.starts_with(b"agent-")
            && (name.ends_with(b".jsonl") || name.ends_with(b".jsonl.zst"));
        if !is_side || at.root.kind != RootKind::Sessions {
            return Offered::Declined;
        }

        // Files below a folder that is named by their owner count by their path.
        if names_any_id(at.below_root().as_os_str().as_bytes()) {
            return Offered::Declined;
        }

        self.0.push(at, entry.name(), i64::MAX);
        Offered::Taken
    }

    fn read_headers(&mut self, scope: &Scope<'_>, found: &mut EvidenceCollector) {
        std::mem::take(&mut self.0).read(scope, found, &[&["sessionId"]], every_id);
    }
}

fn all(folders: &Folders, found: &mut EvidenceCollector) -> Vec<String> {
    let mut ids = Vec::new();
    let Some(root) = folders.roots.first() else { return ids };
    found.list(&root.folder, &mut |found, entry| {
        let Some(project) = found.open_right_in_root(&root.folder, entry) else { return false };
        found.list(&project, &mut |_, file| {
            let name = file.name().to_str().and_then(|name| name.strip_suffix(".jsonl"));
            ids.extend(name.filter(|stem| is_uuid(stem.as_bytes())).map(str::to_owned));
            true
        });
        true
    });
    ids
}
