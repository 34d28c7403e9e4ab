//! The steps of a replacement one by one, since in a run nobody else can be made to act between two
//! of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::disk::interrupt::Interrupt;
use crate::disk::map_file::Located;

const OLD: &str = "{}";
const NEW: &str = r#"{"claude-cli": {}}"#;
const THEIRS: &str = r#"{"codex-cli": {"c": "3"}}"#;

struct Folder {
    folder: tempfile::TempDir,
    place: MapPlace,
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
