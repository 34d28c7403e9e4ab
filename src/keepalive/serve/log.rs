//! Lines of the log, written by a thread of their own, so that a slow reader does not stop the service.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// How many pieces wait to be written; further ones are lost.
const WAITING: usize = 1000;

/// How long the last of them are waited for at the end.
const AT_THE_END: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Log {
    pieces: Option<SyncSender<Vec<u8>>>,
    end: Receiver<()>,
}

impl Log {
    /// Starts the thread that writes to `to`.
    pub fn to(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let (done, end) = channel();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            for piece in waiting {
                // The service goes on without its log.
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
        // The thread ends when the sender is gone.
        self.pieces = None;
        let _ = self.end.recv_timeout(AT_THE_END);
    }
}
