//! Publishing over whatever may lie there already.

use super::*;
use rustix::fs::{FileType, Mode};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};
use tempfile::{TempDir, tempdir};

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

#[test]
fn the_file_is_whole_has_its_mode_and_is_alone_x7() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("warden.prom");
    // Not what a umask leaves of anything.
    for (bytes, wanted) in [("old, and longer", 0o644), ("new", 0o666), ("", 0o604)] {
        publish(&path, bytes.as_bytes(), wanted).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
        assert_eq!(mode(&path), wanted);
    }
    assert_eq!(names(&folder), ["warden.prom"]);
}

#[test]
fn whoever_has_the_old_file_open_reads_it_to_its_end_x7() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("warden.prom");
    publish(&path, b"old", 0o644).unwrap();
    let open = File::open(&path).unwrap();
    publish(&path, b"new", 0o644).unwrap();
    assert_eq!(io::read_to_string(open).unwrap(), "old");
}

#[test]
fn a_link_stays_and_leads_to_the_new_file() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).unwrap();
    symlink("second", at("first")).unwrap();
    symlink("real/../real/warden.prom", at("second")).unwrap();
    // The first time it leads to nothing yet.
    for bytes in ["one", "two"] {
        publish(&at("first"), bytes.as_bytes(), 0o644).unwrap();
        assert_eq!(fs::read_to_string(at("real/warden.prom")).unwrap(), bytes);
        assert!(at("first").is_symlink() && at("second").is_symlink());
    }
    assert_eq!(names(&folder), ["first", "real", "second"]);
    symlink("round", at("round")).unwrap();
    assert!(publish(&at("round"), b"", 0o644).is_err());
}

#[test]
fn a_link_that_anybody_could_lay_is_not_followed() {
    assert!(is_foreign(1000, 0) && is_foreign(1000, 1001));
    assert!(!is_foreign(1000, 1000) && !is_foreign(0, 1000), "our own, and root's");
}

#[test]
fn what_is_no_file_is_refused_and_stays() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    #[cfg(target_os = "linux")]
    rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    symlink("folder", at("link")).unwrap();
    let before = names(&folder);
    for name in ["folder", "folder/", "folder/.", "folder/..", "socket", "link", "no/x"] {
        assert!(publish(&at(name), b"bytes", 0o644).is_err(), "{name}");
    }
    #[cfg(target_os = "linux")]
    assert!(publish(&at("fifo"), b"bytes", 0o644).is_err());
    assert!(publish(Path::new("/dev/null"), b"bytes", 0o644).is_err());
    assert!(publish(Path::new("/"), b"bytes", 0o644).is_err());
    assert!(publish(Path::new(""), b"bytes", 0o644).is_err());
    assert_eq!(names(&folder), before);
    assert_eq!(fs::read_dir(at("folder")).unwrap().count(), 0);
}

#[test]
fn a_temporary_file_is_hidden_and_goes_when_it_is_not_published_x7() {
    let folder = tempdir().unwrap();
    let open = Folder::open(folder.path()).unwrap();
    let create = || TemporaryFile::create(open.as_fd(), OsStr::new("warden.prom"), 0o600).unwrap();
    let (temporary, second) = (create(), create());
    let there = names(&folder);
    assert_eq!(there.len(), 2);
    for name in there {
        assert!(name.starts_with(".warden.prom.session-warden.tmp."), "{name}");
        assert_ne!(Path::new(&name).extension(), Some(OsStr::new("prom")), "{name}");
    }
    fs::create_dir(folder.path().join("warden.prom")).unwrap();
    assert!(temporary.rename_to(OsStr::new("warden.prom")).is_err());
    drop(second);
    assert_eq!(names(&folder), ["warden.prom"]);
}

#[test]
fn only_what_a_killed_run_has_left_of_the_same_file_is_swept() {
    let folder = tempdir().unwrap();
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3600);
    let make = |name: &str, written: SystemTime| {
        let file = File::create(folder.path().join(name)).unwrap();
        file.set_modified(written).unwrap();
    };
    let stays = [
        ".other.prom.session-warden.tmp.1-0",
        ".warden.prom.session-warden.tmp.",
        ".warden.prom.session-warden.tmp.1-0.session-warden.tmp.1-0",
        ".warden.prom.session-warden.tmp.1-x",
        "warden.prom.session-warden.tmp.1-0",
    ];
    for name in stays {
        make(name, hours(9));
    }
    make(".warden.prom.session-warden.tmp.2-0", hours(0));
    make(".warden.prom.session-warden.tmp.3-12", hours(2));
    fs::create_dir(folder.path().join(".warden.prom.session-warden.tmp.4-0")).unwrap();
    publish(&folder.path().join("warden.prom"), b"", 0o644).unwrap();
    let mut left = stays.map(str::to_owned).to_vec();
    left.extend([2, 4].map(|process| format!(".warden.prom.session-warden.tmp.{process}-0")));
    left.push("warden.prom".to_owned());
    left.sort_unstable();
    assert_eq!(names(&folder), left);
}
