//! Bridges as `/proc` shows them: which process listens at a port, and which session folder a process has.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::proc::{ids, open_files, read_of, read_text};
use super::running::{Process, Processes};

/// How the programs are called that run Python, or a server that is written in it.
const PYTHONS: [&str; 6] = ["python", "pypy", "uvicorn", "gunicorn", "hypercorn", "fastapi"];

/// The map that a listener keeps, as far as `/proc` shows its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The map in that folder.
    Ours,
    /// A map in another folder.
    Others,
    /// It is not known.
    Unknown,
}

/// Returns whose map the listener at that port of one of these addresses of this machine keeps, if
/// ours is in `folder`.
pub fn whose_listener(addresses: &[IpAddr], port: u16, folder: &Path) -> Whose {
    let mut found = holders(addresses, port).map(|id| whose(id, folder));

    // Workers share a socket. If they differ, nothing is known.
    let first = found.next().unwrap_or(Whose::Unknown);
    if found.all(|other| other == first) { first } else { Whose::Unknown }
}

fn whose(id: u32, folder: &Path) -> Whose {
    let Some(environ) = Environ::of(id) else { return Whose::Unknown };
    match environ.session_dir() {
        Some(named) => environ.compare(&named, folder),
        // A bridge may have got its folder in a way that the environment does not show.
        None if environ.compare(&environ.default_session_dir(), folder) == Whose::Ours => {
            Whose::Ours
        }
        None => Whose::Unknown,
    }
}

/// Returns the folder in which the listener at that port keeps its map, if its environment has it.
pub fn folder_of_listener(addresses: &[IpAddr], port: u16) -> Option<PathBuf> {
    holders(addresses, port).find_map(Environ::of)?.session_dir()
}

/// Returns the processes that listen at that port of one of these addresses of this machine.
fn holders(addresses: &[IpAddr], port: u16) -> impl Iterator<Item = u32> {
    let listeners = addresses.iter().flat_map(|address| listeners(*address, port));
    let sockets: HashSet<PathBuf> = listeners.map(|listener| listener.socket).collect();
    let ids = if sockets.is_empty() { Vec::new() } else { ids().unwrap_or_default() };
    ids.into_iter().filter(move |id| {
        open_files(*id).is_ok_and(|files| files.iter().any(|file| sockets.contains(file)))
    })
}

/// Returns the user that listens at that port of one of these addresses of this machine and is none of `trusted`.
pub fn foreign_listener(addresses: &[IpAddr], port: u16, trusted: &[u32]) -> Option<u32> {
    let mut all = addresses.iter().flat_map(|address| listeners(*address, port));
    let listener = all.find(|listener| !trusted.contains(&listener.user))?;
    Some(listener.user)
}

/// A socket that listens.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    local: IpAddr,
    user: u32,
    /// As `/proc/<pid>/fd` names it.
    socket: PathBuf,
}

/// Returns the sockets that listen there: those at that very address, else those at all addresses of its kind, else
/// of the other kind, which may take both.
fn listeners(address: IpAddr, port: u16) -> Vec<Listener> {
    let mut found: [Vec<Listener>; 3] = Default::default();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = read_text(table).unwrap_or_default();
        for listener in table.lines().filter_map(|line| listener(line, port)) {
            let local = listener.local;
            let rank = match local.is_unspecified() {
                _ if local == address => 0,
                true if local.is_ipv4() == address.is_ipv4() => 1,
                true => 2,
                false => continue,
            };
            found[rank].push(listener);
        }
    }
    found.into_iter().find(|sockets| !sockets.is_empty()).unwrap_or_default()
}

/// Returns the socket in a line of `/proc/net/tcp` or `tcp6`, if it listens at that port.
fn listener(line: &str, port: u16) -> Option<Listener> {
    /// The state of a socket that listens.
    const LISTEN: &str = "0A";

    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, local_port) = fields.get(1)?.split_once(':')?;
    if u16::from_str_radix(local_port, 16) != Ok(port) || *fields.get(3)? != LISTEN {
        return None;
    }
    Some(Listener {
        local: address(local)?,
        user: fields.get(7)?.parse().ok()?,
        socket: format!("socket:[{}]", fields.get(9)?).into(),
    })
}

/// Parses an address as those tables have it: words of 32 bits in hex, each in the machine's byte order.
fn address(hex: &str) -> Option<IpAddr> {
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(hex, 0)?).into());
    }

    let mut bytes = [0; 16];
    for (part, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
        part.copy_from_slice(&word(hex, at)?);
    }
    Some(Ipv6Addr::from(bytes).to_canonical())
}

fn word(hex: &str, at: usize) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes())
}

/// The environment that a process was started with, and the folder that it works in.
struct Environ {
    id: u32,
    variables: Vec<u8>,
    works_in: PathBuf,
}

impl Environ {
    fn of(id: u32) -> Option<Self> {
        let variables = read_of(id, "environ").ok()?;
        let works_in = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
        Some(Self { id, variables, works_in })
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.variables.split(|byte| *byte == 0).find_map(|variable| {
            let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            (!value.is_empty()).then_some(value)
        })
    }

    /// Returns the folder in a variable; a relative one is meant from where the process works.
    fn folder(&self, name: &str) -> Option<PathBuf> {
        Some(self.works_in.join(OsStr::from_bytes(self.get(name)?)))
    }

    /// Returns the session folder, if the environment names one.
    fn session_dir(&self) -> Option<PathBuf> {
        self.folder("CLAUDE_SESSION_DIR")
    }

    /// Returns the session folder of a bridge that has no other: one in Python's temporary folder.
    fn default_session_dir(&self) -> PathBuf {
        let named = ["TMPDIR", "TEMP", "TMP"].iter().find_map(|name| self.folder(name));
        named.unwrap_or_else(|| "/tmp".into()).join("claude_sessions")
    }

    /// Compares the folder that the process knows as `theirs` with our `folder`. It may see folders by
    /// other names than we do, as in a container, so their inodes are compared.
    fn compare(&self, theirs: &Path, folder: &Path) -> Whose {
        let seen = Path::new("/proc").join(self.id.to_string()).join("root");
        let theirs = seen.join(theirs.strip_prefix("/").unwrap_or(theirs));
        match (fs::metadata(theirs), fs::metadata(folder)) {
            (Ok(theirs), Ok(ours)) if (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()) => {
                Whose::Ours
            }
            (Ok(_), Ok(_)) => Whose::Others,
            // Ours exists and theirs does not, so it is another folder.
            (Err(error), Ok(_)) if error.kind() == ErrorKind::NotFound => Whose::Others,
            _ => Whose::Unknown,
        }
    }

    fn is_in(&self, theirs: &Path, folder: &Path) -> bool {
        self.compare(theirs, folder) == Whose::Ours
    }
}

/// Returns true if a CLI's process of that id may keep its files in `base`: the folder that
/// `variable` names in its environment, else the one called `folder` in its home.
pub fn may_have_folder(id: u32, variable: Option<(&str, &str)>, folder: &str, base: &Path) -> bool {
    let Some(environ) = Environ::of(id).filter(|environ| !environ.variables.is_empty()) else {
        return true;
    };

    let moved = variable.and_then(|(name, suffix)| Some(environ.folder(name)?.join(suffix)));
    let theirs = moved.or_else(|| Some(environ.folder("HOME")?.join(folder)));
    theirs.is_none_or(|theirs| environ.compare(&theirs, base) != Whose::Others)
}

/// Returns one of those processes that looks like a bridge on the map in `folder`: a Python program
/// whose environment names that folder, or that works in it or has a file in it open. A program without
/// a folder in its environment has the default one, if it also calls itself a bridge.
pub fn bridge_on(folder: &Path, processes: &Processes) -> Option<u32> {
    let mut all = processes.all().iter();
    Some(all.find(|process| is_python(process) && is_on(process, folder))?.id)
}

/// Returns the folders of maps that the environments of those processes name: of bridges that run.
pub fn bridge_folders(processes: &Processes) -> Vec<PathBuf> {
    let bridges = processes.all().iter().filter(|process| is_python(process));
    bridges.filter_map(|process| Environ::of(process.id)?.session_dir()).collect()
}

/// Returns true if a Python runs it, which a script's own name may hide.
fn is_python(process: &Process) -> bool {
    let program = fs::read_link(format!("/proc/{}/exe", process.id)).unwrap_or_default();
    let program = program.file_name().unwrap_or_default();
    PYTHONS.iter().any(|python| {
        process.name.starts_with(python.as_bytes())
            || program.as_bytes().starts_with(python.as_bytes())
    })
}

fn is_on(process: &Process, folder: &Path) -> bool {
    let Some(environ) = Environ::of(process.id) else { return false };
    if let Some(named) = environ.session_dir() {
        return environ.is_in(&named, folder);
    }
    if environ.is_in(&environ.works_in, folder) {
        return true;
    }

    let files = open_files(process.id).unwrap_or_default();
    let files = files.iter().filter(|file| file.is_absolute());
    let folders: HashSet<&Path> = files.filter_map(|file| file.parent()).collect();
    if folders.into_iter().any(|open| environ.is_in(open, folder)) {
        return true;
    }

    let calls_itself_a_bridge = environ.get("CLAUDE_BRIDGE_PORT").is_some()
        || has_bridge(&process.arguments)
        || has_bridge(environ.works_in.as_os_str().as_bytes());
    calls_itself_a_bridge && environ.is_in(&environ.default_session_dir(), folder)
}

fn has_bridge(text: &[u8]) -> bool {
    text.to_ascii_lowercase().windows(6).any(|letters| letters == b"bridge")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    #[test]
    fn a_listener_is_found_by_its_address_and_port_b5() {
        let line = |local: &str| {
            format!(
                "   3: {local} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1"
            )
        };
        let found = |line: &str| listener(line, 8000).map(|listener| listener.local.to_string());
        if cfg!(target_endian = "little") {
            let zeros = "0".repeat(16);
            for (there, address) in [
                ("0100007F:1F40".to_owned(), "127.0.0.1"),
                ("00000000:1F40".to_owned(), "0.0.0.0"),
                (format!("{zeros}{zeros}:1F40"), "::"),
                (format!("{zeros}0000000001000000:1F40"), "::1"),
                (format!("{zeros}FFFF00000100007F:1F40"), "127.0.0.1"),
            ] {
                assert_eq!(found(&line(&there)).as_deref(), Some(address), "{there}");
            }
            for elsewhere in ["0100007F:1F41", "x:1F40", ""] {
                assert_eq!(found(&line(elsewhere)), None, "{elsewhere}");
            }
            assert_eq!(found(&line("0100007F:1F40").replace(" 0A ", " 01 ")), None, "a connection");
        }
        assert_eq!(found(""), None);
        let ours = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = ours.local_addr().unwrap().port();
        let sockets = listeners(Ipv4Addr::LOCALHOST.into(), port);
        assert!(listeners("127.0.0.2".parse().unwrap(), port).is_empty(), "another address");
        let holds = || {
            let files = open_files(std::process::id()).unwrap();
            sockets.iter().any(|listener| files.contains(&listener.socket))
        };
        assert!(holds());
        let (us, here) = (crate::process::user(), [Ipv4Addr::LOCALHOST.into()]);
        assert_eq!(foreign_listener(&here, port, &[us]), None);
        assert_eq!(foreign_listener(&here, port, &[us + 1]), Some(us));
        drop(ours);
        assert_eq!(foreign_listener(&here, port, &[us + 1]), None);
        assert!(!holds());
        // One at all addresses is asked where no listener has that one.
        let all = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = all.local_addr().unwrap().port();
        let at_all = listeners(Ipv4Addr::LOCALHOST.into(), port);
        assert_eq!(at_all.len(), 1);
        if let Ok(_one) = TcpListener::bind(("127.0.0.1", port)) {
            assert_ne!(listeners(Ipv4Addr::LOCALHOST.into(), port), at_all);
        }
    }

    #[test]
    fn a_process_tells_its_session_folder_b5() {
        let told = |value: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "read x"]).stdin(Stdio::piped()).current_dir("/tmp");
            let mut child = command.env("CLAUDE_SESSION_DIR", value).spawn().unwrap();
            let started = std::time::Instant::now();
            let session_dir = || Environ::of(child.id())?.session_dir();
            let mut folder = session_dir();
            while folder.is_none() && !value.is_empty() && started.elapsed().as_secs() < 10 {
                folder = session_dir();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            folder
        };
        assert_eq!(told("/elsewhere"), Some("/elsewhere".into()));
        assert_eq!(told("here"), Some("/tmp/here".into()));
        assert_eq!(told(""), None);
    }
}
