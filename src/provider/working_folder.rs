//! Finds the sessions that a Claude Code without a process record may use: those of its working folder.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::io_error::is_gone;
use super::seen::Seen;
use super::session_index::SessionIndex;
use crate::model::{SessionIdx, describe};
use crate::os::folder::{Kind, Links};
use crate::process::Process;

/// Returns true for a Claude Code process that works on no session of its folder.
pub(super) fn has_no_session(process: &Process) -> bool {
    const OTHER_WORK: [&[u8]; 3] = [b"--bg-spare", b"daemon", b"mcp"];
    process.arguments.split(|byte| *byte == 0).any(|word| OTHER_WORK.contains(&word))
}

/// The longest name of a folder that Claude Code does not cut.
const LONGEST_FOLDER: usize = 200;

/// Returns the name of the folder of sessions of a working folder: every UTF-16 unit that is not an ASCII
/// letter or digit becomes `-`. Many paths share one name, and a long one is cut and hashed.
fn folder_name(cwd: &str) -> String {
    cwd.encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => '-',
        })
        .collect()
}

/// Returns true if `folder` may be the folder of sessions of that name.
fn is_folder_of(folder: &[u8], name: &str) -> bool {
    match name.get(..LONGEST_FOLDER) {
        Some(start) if name.len() > LONGEST_FOLDER => folder.starts_with(start.as_bytes()),
        _ => folder == name.as_bytes(),
    }
}

/// Adds the sessions that the folder of a working folder carries.
pub(super) fn sessions_of_folder(
    root: &Path,
    cwd: &Path,
    index: &SessionIndex<'_>,
    carried: &mut Vec<SessionIdx>,
    seen: &mut Seen,
) {
    let name = folder_name(&cwd.to_string_lossy());
    let Some(root) = seen.open(root) else { return };
    let mut folders = Vec::new();
    let listed = root.list(|entry| {
        if is_folder_of(entry.name().as_bytes(), &name) && entry.kind() != Kind::File {
            folders.push(entry.name().to_owned());
        }
        Ok(ControlFlow::Continue(()))
    });

    if let Err(error) = listed {
        seen.add_unread(root.path(), &describe(&error));
    }

    for name in folders {
        let listed = root.open_in(&name, Links::Follow).and_then(|folder| {
            folder.list(|entry| {
                index.carried_by(entry.name().as_bytes(), carried);
                Ok(ControlFlow::Continue(()))
            })
        });
        if let Err(error) =
            listed.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
        {
            seen.add_unread(&root.path().join(&name), &describe(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_the_utf_16_units_of_its_path_e4() {
        assert_eq!(folder_name("/home/u/a.b_c"), "-home-u-a-b-c");
        assert_eq!(folder_name("/é/𝄞"), "-----");
    }
}
