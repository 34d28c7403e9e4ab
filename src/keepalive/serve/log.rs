//! Lines of the log, written by a thread of their own, so that a reader who stops reading holds nothing up.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// As many pieces wait to be written; what comes on top is lost.
const WAITING: usize = 1000;

/// How long the last of them are waited for in the end.
const IN_THE_END: Duration = Duration::from_secs(1);

/// What is written to it is written to something else in a while, if that takes it.
#[derive(Debug)]
pub struct Log {
    pieces: Option<SyncSender<Vec<u8>>>,
    end: Receiver<()>,
}

impl Log {
    /// A log that is written to `to`.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn to(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let (done, end) = channel();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            for piece in waiting {
                // What cannot be written is nobody's trouble but its reader's.
                let _ = to.write_all(&piece).and_then(|()| to.flush());
            }
            let _ = done.send(());
        })?;
        Ok(Self { pieces: Some(pieces), end })
    }
}

impl Write for Log {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if let Some(pieces) = &self.pieces {
            let _ = pieces.try_send(piece.to_owned());
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Nothing more comes.
        self.pieces = None;
        let _ = self.end.recv_timeout(IN_THE_END);
    }
}
