//! Reading files of unknown origin. Whatever is at a path, a FIFO, a device, a sparse file or one that never ends:
//! it is not waited for, no more of it is read than was asked for, and a long reading ends with a signal or with the
//! time that a run has for it (S2).

use rustix::fs::CWD;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::folder::{Links, regular_file};
use super::interrupt::Interrupt;

/// For how long, in all, a run reads on in files behind their first part.
pub const MOST_TIME: Duration = Duration::from_secs(30);

/// Opens the regular file at `path`, to read it.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    regular_file(CWD, path, links).map(|(file, _)| file)
}

/// Returns the content of the regular file at `path`, of at most that many bytes.
///
/// # Errors
/// `FileTooLarge` instead of a part of a larger file: the rest could matter.
pub fn whole(path: &Path, links: Links, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path, links)?;
    check_size(file.metadata()?.len(), most)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    check_size(bytes.len() as u64, most)?;
    Ok(bytes)
}

/// Returns an error for more bytes than that.
pub fn check_size(size: u64, most: u64) -> io::Result<()> {
    if size <= most {
        return Ok(());
    }
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(bits, _)| most >> bits << bits == most);
    let (count, unit) = unit.map_or((most, "bytes"), |(bits, unit)| (most >> bits, *unit));
    Err(io::Error::new(ErrorKind::FileTooLarge, format!("larger than {count} {unit}")))
}

/// Ends a long reading of one file.
#[derive(Debug)]
pub struct Pace {
    interrupt: Interrupt,
    last: Option<Instant>,
}

impl Pace {
    pub fn new(interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), last: None }
    }

    /// Called before each part of the file.
    ///
    /// # Errors
    /// If a signal asks to stop; and from the second part on, if this run has read for long enough. The kind is never
    /// `Interrupted`, after which readers try again.
    pub fn step(&mut self) -> io::Result<()> {
        if self.interrupt.asked() {
            return Err(io::Error::other("stopped by a signal"));
        }
        let now = Instant::now();
        if let Some(last) = self.last.replace(now)
            && self.interrupt.spend(now.duration_since(last)) > MOST_TIME
        {
            let most = MOST_TIME.as_secs();
            return Err(io::Error::other(format!("this run has read files for {most} s")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_a_regular_file_is_read_and_none_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (fifo, mode) = (at("fifo"), rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        std::os::unix::fs::symlink(file.path(), at("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("endless")).unwrap();

        for path in [&fifo, &at("socket"), folder.path(), &at("endless"), Path::new("/dev/zero")] {
            assert!(open(path, Links::Follow).is_err(), "{}", path.display());
        }
        assert_eq!(open(&at("link"), Links::Refuse).unwrap_err().to_string(), "it is a link");
        assert!(open(&at("link"), Links::Follow).is_ok());
        assert!(open(file.path(), Links::Refuse).is_ok());
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 << 10).unwrap();
        let read = |most| whole(file.path(), Links::Refuse, most);
        assert_eq!(read(64 << 10).unwrap().len(), 64 << 10);
        let error = read((64 << 10) - 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "larger than 65535 bytes");
        // This much cannot be had, so it is not asked for.
        file.as_file().set_len(1 << 42).unwrap();
        assert_eq!(read(1 << 20).unwrap_err().to_string(), "larger than 1 MiB");
        // The kernel's own files show no size.
        assert!(!whole(Path::new("/proc/self/stat"), Links::Follow, 1 << 20).unwrap().is_empty());
        assert!(whole(Path::new("/proc/self/stat"), Links::Follow, 3).is_err());
    }

    #[test]
    fn a_reading_ends_with_a_signal_and_with_the_time_of_its_run() {
        let interrupt = Interrupt::default();
        let mut pace = Pace::new(&interrupt);
        pace.step().unwrap();
        pace.step().unwrap();
        interrupt.spend(MOST_TIME);
        assert_eq!(pace.step().unwrap_err().to_string(), "this run has read files for 30 s");

        // The first part of each file is still read, and another run has its own time.
        let mut next = Pace::new(&interrupt);
        next.step().unwrap();
        next.step().unwrap_err();
        let mut pace = Pace::new(&interrupt.of_a_run());
        pace.step().unwrap();
        pace.step().unwrap();
        interrupt.ask();
        let error = pace.step().unwrap_err();
        assert_eq!(error.to_string(), "stopped by a signal");
        assert_ne!(error.kind(), ErrorKind::Interrupted);
    }
}
