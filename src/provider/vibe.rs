//! Mistral's vibe: one `session-<uuid>.json` for each session. Read in the bridge that resumes
//! it, not seen.

use std::os::unix::ffi::OsStrExt;

use super::{Findings, Place, Provider, Records, Wanted};
use crate::domain::IdKind;
use crate::domain::ids::is_uuid;

pub(super) const PROVIDER: Provider = Provider {
    name: "vibe",
    model: "devstral-small-2",
    variable: None,
    folder: ".vibe",
    sessions: "sessions",
    ids: IdKind::Uuid,
    records: Records::Untold,
    find,
    all,
    in_use: super::no_trace,
};

fn find(place: &mut Place, wanted: &Wanted<'_>, found: &mut Findings) {
    found.list(&mut place.root, |found, root, entry| {
        let name = entry.name().as_bytes();
        let id = name.strip_prefix(b"session-").and_then(|rest| rest.strip_suffix(b".json"));
        if let Some(session) = id.and_then(|id| wanted.find(id)) {
            found.own(root, entry.name(), session);
        }
    });
}

fn all(place: &mut Place, found: &mut Findings) -> Vec<String> {
    let mut ids = Vec::new();
    found.list(&mut place.root, |_, _, entry| {
        let name = entry.name().to_str().and_then(|name| name.strip_prefix("session-"));
        let id = name.and_then(|name| name.strip_suffix(".json"));
        ids.extend(id.filter(|id| is_uuid(id.as_bytes())).map(str::to_owned));
    });
    ids
}
