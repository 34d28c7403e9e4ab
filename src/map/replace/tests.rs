//! The steps of a replacement one by one, since in a run no other process can be made to act between two
//! of them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::map::map_file::Located;
use crate::os::interrupt::Interrupt;

const OLD: &str = "{}";
const NEW: &str = r#"{"claude-cli": {}}"#;
const THEIRS: &str = r#"{"codex-cli": {"c": "3"}}"#;

struct Folder {
    folder: tempfile::TempDir,
    place: MapPlace,
}

/// As a run does right before it compares what came out; a kill then leaves everything so.
fn change_places(prepared: &mut Prepared<'_>) {
    prepared.temporary.name = prepared.rename_aside(prints()).unwrap();
    prepared.rename(RenameFlags::EXCHANGE).unwrap();
}

fn prints() -> Prints {
    Prints { old: Fingerprint::of(OLD.as_bytes()), new: Fingerprint::of(NEW.as_bytes()) }
}

/// What a kill does instead of a drop.
fn kill(mut prepared: Prepared<'_>) {
    prepared.temporary.is_kept = true;
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let map = folder.path().join("map.json");
        fs::write(&map, OLD).unwrap();
        let Located::Here(place) = MapPlace::locate(&map).unwrap() else { panic!("it is there") };
        Self { folder, place }
    }

    fn prepare(&self) -> Prepared<'_> {
        let there = self.place.read(&Interrupt::default()).unwrap().unwrap();
        self.place.prepare(&there, NEW.as_bytes()).unwrap()
    }

    /// Where the new map is written with that number.
    fn beside(&self, number: u32) -> PathBuf {
        let name = format!(".map.json.session-warden.tmp.{}-{number}", std::process::id());
        self.folder.path().join(name)
    }

    /// What lies under a second name: its path and its content.
    fn aside(&self) -> Option<(PathBuf, String)> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut found =
            paths.filter(|path| path.to_str().unwrap().contains(".session-warden.was."));
        let path = found.next()?;
        assert!(found.next().is_none(), "one at most");
        let content = fs::read_to_string(&path).unwrap();
        Some((path, content))
    }

    /// The next run's sweep, which must leave and name exactly these.
    #[track_caller]
    fn sweeps_but(&self, left: &[PathBuf]) -> Vec<Warning> {
        let warnings = self.place.sweep(&Interrupt::default());
        let told: BTreeSet<_> = warnings.iter().filter_map(|it| it.path.clone()).collect();
        assert_eq!((told, warnings.len()), (left.iter().cloned().collect(), left.len()));
        for warning in &warnings {
            let words =
                [" a newer session map ", self.place.path().to_str().unwrap(), "move it there"];
            assert!(words.iter().all(|part| warning.message.contains(part)), "{warning:?}");
            assert_eq!(warning.code, WarningCode::StaleFile);
        }
        assert!(left.iter().all(|path| path.symlink_metadata().is_ok()), "{left:?}");
        warnings
    }

    fn map(&self) -> String {
        fs::read_to_string(self.place.path()).unwrap()
    }

    fn count(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

#[test]
fn a_link_that_has_the_temporary_name_is_not_followed_w7() {
    let folder = Folder::new();
    let victim = folder.folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.beside(0)).unwrap();
    let prepared = folder.prepare();
    assert_eq!(fs::read_to_string(folder.beside(1)).unwrap(), NEW);
    drop(prepared);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(folder.count(), 3, "the map, the link and what it leads to");
}

#[test]
fn what_came_out_is_put_back_unless_what_is_there_is_newer_still_w8() {
    let folder = Folder::new();
    let mut prepared = folder.prepare();
    prepared.rename(RenameFlags::EXCHANGE).unwrap();
    assert_eq!(folder.map(), NEW);
    prepared.put_back().unwrap();
    assert_eq!(folder.map(), OLD);
    prepared.rename(RenameFlags::EXCHANGE).unwrap();
    fs::write(folder.place.path(), THEIRS).unwrap();
    prepared.put_back().unwrap();
    drop(prepared);
    assert_eq!((folder.map().as_str(), folder.count()), (THEIRS, 1));
}

#[test]
fn a_map_that_cannot_be_put_back_is_left_and_told_of_w8() {
    let folder = Folder::new();
    let mut prepared = folder.prepare();
    prepared.rename(RenameFlags::EXCHANGE).unwrap();
    fs::remove_file(folder.place.path()).unwrap();
    let failure = prepared.put_back().unwrap_err();
    assert_eq!(failure.exit, Exit::Partly);
    assert!(failure.message.contains(folder.beside(0).to_str().unwrap()), "{failure:?}");
    drop(prepared);
    assert_eq!(fs::read_to_string(folder.beside(0)).unwrap(), OLD);
}

#[test]
fn a_map_that_could_not_be_put_back_is_never_swept_w7_w8() {
    let folder = Folder::new();
    let mut prepared = folder.prepare();
    fs::write(folder.place.path(), THEIRS).unwrap();
    change_places(&mut prepared);
    fs::remove_file(folder.place.path()).unwrap();
    let failure = prepared.put_back().unwrap_err();
    drop(prepared);
    let (aside, _) = folder.aside().unwrap();
    assert_eq!(failure.exit, Exit::Partly);
    assert!(failure.message.ends_with(aside.to_str().unwrap()), "{failure:?}");
    for _ in 0..2 {
        folder.sweeps_but(std::slice::from_ref(&aside));
        assert_eq!(fs::read_to_string(&aside).unwrap(), THEIRS);
    }
}

#[test]
fn the_old_map_that_a_killed_run_had_taken_out_goes_w7() {
    let folder = Folder::new();
    let mut prepared = folder.prepare();
    change_places(&mut prepared);
    kill(prepared);
    assert_eq!((folder.aside().unwrap().1.as_str(), folder.map().as_str()), (OLD, NEW));
    folder.sweeps_but(&[]);
    assert_eq!((folder.map().as_str(), folder.count()), (NEW, 1));
}

#[test]
fn a_new_map_that_a_killed_run_never_put_in_goes_w7() {
    let folder = Folder::new();
    let prepared = folder.prepare();
    prepared.rename_aside(prints()).unwrap();
    kill(prepared);
    assert_eq!((folder.aside().unwrap().1.as_str(), folder.map().as_str()), (NEW, OLD));
    folder.sweeps_but(&[]);
    assert_eq!((folder.map().as_str(), folder.count()), (OLD, 1));
}

#[test]
fn half_a_map_of_a_killed_run_goes_w7() {
    let folder = Folder::new();
    fs::write(folder.beside(0), "{\"clau").unwrap();
    folder.sweeps_but(&[]);
    assert_eq!(folder.count(), 1);
}

#[test]
fn what_is_written_into_the_old_map_after_a_kill_stays_w8() {
    // Half of it as well: a writer may just be at it.
    for theirs in [THEIRS, "", &OLD[..1]] {
        let folder = Folder::new();
        let mut writer = fs::File::options().write(true).open(folder.place.path()).unwrap();
        let mut prepared = folder.prepare();
        change_places(&mut prepared);
        kill(prepared);
        writer.set_len(0).unwrap();
        writer.write_all(theirs.as_bytes()).unwrap();
        let (aside, _) = folder.aside().unwrap();
        folder.sweeps_but(std::slice::from_ref(&aside));
        assert_eq!(fs::read_to_string(&aside).unwrap(), theirs);
    }
}

#[test]
fn what_earlier_runs_have_left_is_not_overwritten_w8() {
    let folder = Folder::new();
    let taken = |number: u32| {
        let mut name = folder.place.prefix(Stage::Changing);
        name.push(format!("{}-{number}.{}", std::process::id(), prints().suffix()));
        let path = folder.folder.path().join(name);
        fs::write(&path, THEIRS).unwrap();
        path
    };
    let commit = || {
        let there = folder.place.read(&Interrupt::default()).unwrap().unwrap();
        let ready = folder.prepare().ready(&there)?.expect("the temporary file is there");
        ready.commit(&there, None).map(|ended| matches!(ended, Committed::Replaced))
    };
    let first = taken(0);
    assert!(commit().unwrap());
    assert_eq!((folder.map().as_str(), folder.count()), (NEW, 2));
    assert_eq!(fs::read_to_string(&first).unwrap(), THEIRS);
    // With no such name left, the files do not change places at all.
    fs::write(folder.place.path(), OLD).unwrap();
    let all: Vec<_> = (0..MOST_NAMES).map(taken).collect();
    assert_eq!(commit().unwrap_err().exit, Exit::Failed);
    assert_eq!((folder.map().as_str(), folder.count()), (OLD, 1 + all.len()));
    assert!(all.iter().all(|path| fs::read_to_string(path).unwrap() == THEIRS));
}

#[test]
fn what_has_a_second_name_and_is_no_map_of_the_run_stays_w7() {
    let folder = Folder::new();
    let suffix = prints().suffix();
    let path = |name: &str| folder.folder.path().join(name);
    let prefix = ".map.json.session-warden.was.";
    // Names that cannot be told from one of ours at a glance, all with the old map in them.
    let mut told: Vec<PathBuf> = [
        format!("1-0.{}", suffix.to_uppercase()),
        format!("1-0.{}", &suffix[1..]),
        format!("1-0.{}", suffix.replace('-', "-0")),
        format!("1-0.{}", suffix.replacen(|_| true, "+", 1)),
        format!("1-0.{suffix}.old"),
        format!("1.{suffix}"),
        format!("1-x.{suffix}"),
        format!("-.{suffix}"),
        suffix.clone(),
        String::new(),
    ]
    .map(|rest| path(&format!("{prefix}{rest}")))
    .into();
    for path in &told {
        fs::write(path, OLD).unwrap();
    }
    // What is no file, under a name that is right.
    let right = |number: u32| path(&format!("{prefix}1-{number}.{suffix}"));
    symlink(folder.place.path(), right(1)).unwrap();
    fs::create_dir(right(2)).unwrap();
    let huge = fs::File::create(right(3)).unwrap();
    huge.set_len(super::super::map_file::LARGEST + 1).unwrap();
    told.extend([1, 2, 3].map(right));
    // Names that only look like it belong to others.
    let others = [
        format!(".map.json.session-warden.wasx.1-0.{suffix}"),
        format!("map.json.session-warden.was.1-0.{suffix}"),
        format!(".other.json.session-warden.was.1-0.{suffix}"),
        ".map.json.session-warden.was".to_owned(),
    ];
    for name in &others {
        fs::write(path(name), OLD).unwrap();
    }
    fs::write(right(0), OLD).unwrap();
    let warnings = folder.sweeps_but(&told);
    let unread = |warning: &&Warning| warning.message.starts_with("larger than 256 MiB; ");
    let unread: Vec<_> = warnings.iter().filter(unread).collect();
    assert_eq!((unread.len(), unread[0].path.as_ref()), (1, Some(&right(3))));
    assert!(!right(0).exists());
    assert_eq!(folder.count(), 1 + told.len() + others.len());
}

#[test]
fn fingerprints_are_the_same_in_every_build_w7() {
    // From the authors' own list of test vectors.
    let known =
        [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")];
    for (bytes, print) in known {
        let print_of = Fingerprint::of(bytes.as_bytes());
        let suffix = Prints { old: print_of, new: print_of }.suffix();
        assert_eq!(suffix, format!("{print}-{print}"));
    }
}

#[test]
fn a_map_is_not_replaced_when_it_is_too_late_and_can_be_tried_again_e5() {
    let folder = Folder::new();
    let there = folder.place.read(&Interrupt::default()).unwrap().unwrap();
    let ready = folder.prepare().ready(&there).unwrap().unwrap();
    let passed = Instant::now().checked_sub(std::time::Duration::from_millis(1)).unwrap();
    let Committed::Late(ready) = ready.commit(&there, Some(passed)).unwrap() else {
        panic!("it was in time")
    };
    assert_eq!((folder.map().as_str(), folder.count()), (OLD, 2));
    let soon = Instant::now() + std::time::Duration::from_secs(60);
    assert!(matches!(ready.commit(&there, Some(soon)).unwrap(), Committed::Replaced));
    assert_eq!((folder.map().as_str(), folder.count()), (NEW, 1));
}

#[test]
fn where_files_cannot_change_places_the_new_one_takes_the_old_ones_w1() {
    let folder = Folder::new();
    let prepared = folder.prepare();
    prepared.rename_plainly().unwrap();
    drop(prepared);
    assert_eq!((folder.map().as_str(), folder.count()), (NEW, 1));
}

#[test]
fn a_map_that_is_a_mount_is_told_from_a_folder_that_may_not_be_changed() {
    let folder = Folder::new();
    let prepared = folder.prepare();
    for (error, says) in [(Errno::BUSY, "mount its folder"), (Errno::ACCESS, "replace files")] {
        let failure = prepared.failed(&error.into());
        assert!(failure.hint.as_deref().is_some_and(|hint| hint.contains(says)), "{failure:?}");
    }
}
