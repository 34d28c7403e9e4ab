//! The failure to write output.

use std::io::{self, ErrorKind};

use crate::model::{Failure, describe};

const OUTPUT_HINT: &str = "check the file or pipe that standard output leads to";

/// Returns the failure to write something, which begins with `cannot`. It is no failure if the reader has
/// closed the pipe.
pub(super) fn check_written(written: io::Result<()>, cannot: &str) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("{cannot}: {}", describe(&error))).hint(OUTPUT_HINT))
        }
        _ => Ok(()),
    }
}
