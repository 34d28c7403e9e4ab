//! Detects whether an agent's sessions are in `SQLite`, without opening the database: its gateway owns it.
//!
//! A table's row in the schema has its type, its name and its name again, one after the other, in the
//! database or, until that is checkpointed, in the log beside it. So these texts are searched in both.
//! The remains of a table that was dropped are found as well, which errs on the safe side.

use memchr::memmem::Finder;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::os::folder::Folder;

const TABLES: [&str; 2] = ["session_nodes", "session_entries"];

/// The beginning of a database, unless it is empty.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Returns true if the database at `path` has sessions, or may have some since its form is unknown.
pub(super) fn holds_sessions(path: &Path) -> io::Result<bool> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
    let folder = match Folder::open(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let mut log = name.to_owned();
    log.push("-wal");
    Ok(file_holds(&folder, name, true)? || file_holds(&folder, &log, false)?)
}

fn file_holds(folder: &Folder, name: &OsStr, is_database: bool) -> io::Result<bool> {
    let file = match folder.open_file(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    holds(file, is_database)
}

fn holds(mut file: impl Read, is_database: bool) -> io::Result<bool> {
    let texts = TABLES.map(|table| format!("table{table}{table}"));
    let finders = [Finder::new(&texts[0]), Finder::new(&texts[1])];
    let longest = texts.iter().map(String::len).max().unwrap_or(0);
    let mut buffer = vec![0; 1 << 20];
    let (mut kept, mut is_first) = (0, true);

    loop {
        let Some(room) = buffer.get_mut(kept..) else { return Ok(true) };
        let count = match file.read(room) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            count => count?,
        };
        let seen = buffer.get(..kept + count).unwrap_or_default();
        if count == 0 {
            // A file shorter than a header is of an unknown form.
            return Ok(is_database && is_first && !seen.is_empty());
        }
        if is_first && is_database && seen.len() >= 100 {
            // The encoding: in UTF-16 the texts would not be found.
            let is_utf8 = seen.get(56..60).is_some_and(|code| matches!(code, [0, 0, 0, 0 | 1]));
            if !seen.starts_with(MAGIC) || !is_utf8 {
                return Ok(true);
            }
        }
        is_first = is_first && seen.len() < 100;
        if finders.iter().any(|finder| finder.find(seen).is_some()) {
            return Ok(true);
        }
        // The end may be the beginning of a text that goes on.
        kept = if is_first { seen.len() } else { seen.len().min(longest) };
        let from = seen.len() - kept;
        buffer.copy_within(from..from + kept, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(tail: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(100, 0);
        bytes[59] = 1;
        bytes.extend_from_slice(tail);
        bytes
    }

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(7).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn sessions_are_found_by_the_row_of_their_table_wherever_it_lies() {
        for (bytes, expected) in [
            (database(b"..tablesession_entriessession_entries.."), true),
            (database(b"..tablesession_nodessession_nodesCREATE"), true),
            (database(b"..tablememory_indexmemory_index, of session_entries"), false),
            (database(b""), false),
            (vec![], false),
            (b"SQLite format 3".to_vec(), true),
            (b"not a database at all, and longer than a header is, which takes a hundred bytes of text or some more".to_vec(), true),
        ] {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(holds(&bytes[..], true).unwrap(), expected, "{shown}");
            assert_eq!(holds(Slow(&bytes), true).unwrap(), expected, "{shown}");
        }
        // The log has no such header.
        assert!(holds(&b"tablesession_entriessession_entries"[..], false).unwrap());
        let mut large = vec![b'x'; (1 << 20) - 20];
        large.extend_from_slice(b"tablesession_entriessession_entries");
        assert!(holds(&large[..], false).unwrap());
        let mut utf16 = database(b"");
        utf16[59] = 2;
        assert!(holds(&utf16[..], true).unwrap());
    }
}
