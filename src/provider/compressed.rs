//! Zstandard as a stream of text: every frame of a file, one after the other, within bounds.
//!
//! ruzstd decodes one frame. Several frames, frames to skip and checksums are left to its callers. A file
//! that ends early, has garbage in it or claims too much is an error, since the newest records are the last
//! ones.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};

use crate::os::interrupt::Interrupt;
use crate::os::reading::Pace;

/// The largest window that is allocated: `zstd --long` needs it, and `zstd` itself decodes it.
const LARGEST_WINDOW: u64 = 128 << 20;

/// How much is decompressed of one file. Frames can promise any amount in a few bytes.
const LARGEST: u64 = 4 << 30;

/// How many bytes of text one compressed byte may stand for, behind the first ones: of sessions it is some dozen, and
/// zstd can say 32,768.
const MOST_TEXT: u64 = 1_000;
const FREE: u64 = 16 << 20;

/// A file whose bytes are counted, and which is read no longer than the run may.
struct Counted<R> {
    source: R,
    count: u64,
    pace: Pace,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.pace.step()?;
        let read = self.source.read(into)?;
        self.count += read as u64;
        Ok(read)
    }
}

pub(super) struct Frames<R: Read> {
    source: BufReader<Counted<R>>,
    decoder: FrameDecoder,
    is_within: bool,
    /// True once a frame was begun: an empty file is an error, a file of an empty frame is not.
    is_begun: bool,
    left: u64,
    /// How much text there was.
    text: u64,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(source: R, interrupt: &Interrupt) -> Self {
        Self::up_to(LARGEST, source, interrupt)
    }

    fn up_to(largest: u64, source: R, interrupt: &Interrupt) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        let source = Counted { source, count: 0, pace: Pace::new(interrupt) };
        let source = BufReader::with_capacity(64 << 10, source);
        Self { source, decoder, is_within: false, is_begun: false, left: largest, text: 0 }
    }

    /// Begins the next frame, skipping frames without text. Returns false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return if self.is_begun { Ok(false) } else { Err(ends_early()) };
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    (self.is_within, self.is_begun) = (true, true);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    // Skipped bytes count as well, so that a file of nothing else has an end.
                    self.spend(length)?;
                    let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(ends_early());
                    }
                    self.is_begun = true;
                }
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.is_within = false;
        let expected = self.decoder.get_checksum_from_data();
        if expected.is_some() && expected != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("its checksum does not match"));
        }
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| io::Error::other("it decompresses to more than is read of one file"))?;
        Ok(())
    }

    /// The error of the decoder, unless its source has ended the reading.
    fn broken(&mut self, error: &FrameDecoderError) -> io::Error {
        let ended = self.source.get_mut().pace.step().err();
        ended.unwrap_or_else(|| {
            io::Error::other(format!("its compressed text cannot be read: {error}"))
        })
    }

    /// Counts text that was decompressed.
    fn add_text(&mut self, bytes: u64) -> io::Result<()> {
        self.spend(bytes)?;
        self.text += bytes;
        let most = self.source.get_ref().count.saturating_mul(MOST_TEXT).saturating_add(FREE);
        if self.text > most {
            let why = format!("it decompresses to more than {MOST_TEXT} times its size");
            return Err(io::Error::other(why));
        }
        Ok(())
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // What the reader holds already may stand for gigabytes.
        self.source.get_mut().pace.step()?;
        while !into.is_empty() {
            if !self.is_within && !self.begin()? {
                break;
            }
            // Block by block, so that never much more than the window is held.
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.source, one);
                decoded.map_err(|error| self.broken(&error))?;
            }
            let read = self.decoder.read(into)?;
            if read > 0 {
                self.add_text(read as u64)?;
                return Ok(read);
            }
            self.end()?;
        }
        Ok(0)
    }
}

fn ends_early() -> io::Error {
    io::Error::other("its compressed text ends early")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    /// One frame that holds `text`.
    pub(in super::super) fn compressed(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn skippable(length: u32, held: usize) -> Vec<u8> {
        let mut frame = vec![0x5a, 0x2a, 0x4d, 0x18];
        frame.extend(length.to_le_bytes());
        frame.resize(8 + held, 7);
        frame
    }

    /// A frame of `blocks` times 128 KiB of `byte`, in 4 bytes each.
    pub(in super::super) fn bomb(blocks: usize, byte: u8) -> Vec<u8> {
        // A window of 128 KiB, then blocks of one repeated byte, of which the last one says so.
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
        for block in 1..=blocks {
            let header = (128 << 10 << 3) | (1 << 1) | u32::from(block == blocks);
            frame.extend(&header.to_le_bytes()[..3]);
            frame.push(byte);
        }
        frame
    }

    fn read(file: &[u8]) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        match Frames::up_to(1 << 20, file, &Interrupt::default()).read_to_end(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(error.to_string()),
        }
    }

    fn error_of(file: impl Read, interrupt: &Interrupt) -> String {
        io::copy(&mut Frames::new(file, interrupt), &mut io::sink()).unwrap_err().to_string()
    }

    #[test]
    fn text_of_a_thousand_times_its_file_is_not_read_to_its_end() {
        let length = |file: &[u8]| {
            io::copy(&mut Frames::new(file, &Interrupt::default()), &mut io::sink()).ok()
        };
        assert_eq!(length(&bomb(128, b' ')), Some(16 << 20), "a little of it is");
        let error = error_of(&bomb(1_024, b' ')[..], &Interrupt::default());
        assert_eq!(error, "it decompresses to more than 1000 times its size");
    }

    #[test]
    fn a_file_that_never_ends_is_left_with_a_signal_and_with_the_time_of_the_run() {
        /// A frame of blocks without text.
        fn endless() -> impl Read {
            (&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3][..]).chain(io::repeat(0))
        }
        let interrupt = Interrupt::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(50));
                interrupt.ask();
            });
            assert_eq!(error_of(endless(), &interrupt), "stopped by a signal");
        });
        let interrupt = Interrupt::default();
        interrupt.spend(crate::os::reading::MOST_TIME);
        assert_eq!(error_of(endless(), &interrupt), "this run has read files for 30 s");
    }

    #[test]
    fn every_frame_is_read() {
        #[track_caller]
        fn check(frames: &[&[u8]], text: &[u8]) {
            assert_eq!(read(&frames.concat()).as_deref(), Ok(text));
        }
        let long = b"0123456789\n".repeat(20_000);
        check(&[&compressed(b"a\n")], b"a\n");
        check(&[&compressed(b"a\nb"), &compressed(b"c\n")], b"a\nbc\n");
        check(&[&compressed(b""), &compressed(b"a")], b"a");
        check(&[&skippable(3, 3), &compressed(b"a"), &skippable(0, 0), &compressed(b"b")], b"ab");
        check(&[&compressed(&long), &compressed(b"end")], &[&long[..], b"end"].concat());
        check(&[&bomb(2, b' ')], &vec![b' '; 256 << 10]);
        check(&[&skippable(3, 3)], b"");
    }

    #[test]
    fn what_is_broken_is_never_merely_shorter() {
        #[track_caller]
        fn check(file: &[u8], why: &str) {
            let error = read(file).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let whole = [compressed(&b"0123456789\n".repeat(99)), compressed(b"end")].concat();
        let second = compressed(&b"0123456789\n".repeat(99)).len();
        for length in (0..whole.len()).filter(|length| *length != second) {
            assert!(read(&whole[..length]).is_err(), "{length} bytes");
        }
        check(b"", "ends early");
        check(b"plain text", "cannot be read");
        check(&[&whole[..], b"garbage"].concat(), "cannot be read");
        check(&skippable(9, 3), "ends early");
        check(&skippable(u32::MAX, 3), "more than is read");
        check(&bomb(9, b' '), "more than is read");
        check(&[0x28, 0xb5, 0x2f, 0xfd, 0, 31 << 3], "cannot be read");
        // A window of one step above 128 MiB.
        check(&[0x28, 0xb5, 0x2f, 0xfd, 0, (17 << 3) | 1], "cannot be read");
        let mut other = compressed(b"0123456789");
        let place = other.windows(3).position(|bytes| bytes == b"345").unwrap();
        other[place] = b'9';
        check(&other, "checksum");
    }
}
