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

fn find(place: &Place, wanted: &Wanted<'_>, found: &mut Findings) {
    found.list(&place.root, |found, entry| {
        let name = entry.name().as_bytes();
        let id = name.strip_prefix(b"session-").and_then(|rest| rest.strip_suffix(b".json"));
        let session = id.and_then(|id| wanted.find(id));
        if let Some(session) = session {
            found.own(&place.root, entry.name(), session);
        }
        session.is_some()
    });
}

fn all(place: &Place, found: &mut Findings) -> Vec<String> {
    let mut ids = Vec::new();
    found.list(&place.root, |_, entry| {
        let name = entry.name().to_str().and_then(|name| name.strip_prefix("session-"));
        let id = name.and_then(|name| name.strip_suffix(".json"));
        ids.extend(id.filter(|id| is_uuid(id.as_bytes())).map(str::to_owned));
        true
    });
    ids
}
