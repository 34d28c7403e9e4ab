//! What a second look at a folder comes to see.
#![expect(
    clippy::disallowed_methods,
    reason = "folders are stamped by the real clock and real writes"
)]

use super::*;
use crate::os::folder::Entry;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

#[test]
fn a_folder_that_has_just_gone_is_empty() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("gone");
    fs::create_dir(&path).unwrap();
    let folder = Folder::open(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    let index = SessionIndex::new(Timestamp::MAX);
    let mut found = EvidenceCollector::new(&index, None, None);
    found.list(&folder, &mut |_, entry| panic!("{entry:?} is in it"));
    assert_eq!((found.reading, found.warnings.len()), (Reading::Whole, 0));
}

#[test]
fn a_listing_that_does_not_come_to_its_end_leaves_the_tree_not_read_whole_d1_d5() {
    let temporary = tempfile::tempdir().unwrap();
    for name in ["one", "two", "three"] {
        fs::write(temporary.path().join(name), "").unwrap();
    }
    let index = SessionIndex::new(Timestamp::MAX);
    for (entries_left, seen, reading) in [(3, 3, Reading::Whole), (2, 2, Reading::Partly)] {
        let mut found =
            EvidenceCollector { entries_left, ..EvidenceCollector::new(&index, None, None) };
        let mut count = 0;
        found.list(&Folder::open(temporary.path()).unwrap(), &mut |_, _| {
            count += 1;
            true
        });
        assert_eq!((count, found.reading), (seen, reading));
        assert_eq!(found.warnings.is_empty(), reading == Reading::Whole);
    }
}

#[test]
fn a_signal_ends_a_listing_which_is_then_not_whole_x5() {
    let temporary = tempfile::tempdir().unwrap();
    for number in 0..3 * BATCH {
        fs::write(temporary.path().join(number.to_string()), "").unwrap();
    }
    let folder = || Folder::open(temporary.path()).unwrap();
    let index = SessionIndex::new(Timestamp::MAX);
    let interrupt = Interrupt::default();
    let mut found = EvidenceCollector::new(&index, None, None).heeding(interrupt.clone());
    interrupt.progress().begin(Phase::Listing, 0);
    let mut count = 0;
    let mut each = |_: &mut EvidenceCollector, _: &Entry<'_>| {
        count += 1;
        if count == BATCH / 2 {
            interrupt.ask();
        }
        false
    };
    found.list(&folder(), &mut each);
    found.list(&folder(), &mut each);
    assert!(count <= BATCH, "{count} entries were looked at");
    assert_eq!(found.reading, Reading::Partly);
    assert_eq!(interrupt.progress().now().done, BATCH);

    // Work that no signal ends goes on, and its progress is the same.
    let unheeded = interrupt.unheeded();
    let mut found = EvidenceCollector::new(&index, None, None).heeding(unheeded);
    let mut count = 0;
    found.list(&folder(), &mut |_, _| {
        count += 1;
        false
    });
    assert_eq!((count, found.reading), (3 * BATCH, Reading::Whole));
    assert_eq!(interrupt.progress().now().done, 4 * BATCH);
}

#[test]
fn only_what_mattered_is_looked_at_again() {
    let temporary = tempfile::tempdir().unwrap();
    for name in ["one", "two", "three"] {
        fs::write(temporary.path().join(name), "").unwrap();
    }
    symlink("one", temporary.path().join("link")).unwrap();
    let late = Timestamp::from(SystemTime::now() + Duration::from_secs(60));
    let index = SessionIndex::new(Timestamp::MAX);
    let list = |memory| {
        let mut names = Vec::new();
        let mut found = EvidenceCollector::new(&index, None, Some(memory));
        found.list(&Folder::open(temporary.path()).unwrap(), &mut |_, entry| {
            names.push(entry.name().to_str().unwrap().to_owned());
            entry.name() == "two"
        });
        assert_eq!(found.reading, Reading::Whole);
        names.sort_unstable();
        (names, found.memory.unwrap())
    };
    let (names, memory) = list(Memory::new(late));
    assert_eq!(names, ["link", "one", "three", "two"]);
    let (names, memory) = list(memory);
    // What a link leads to may have changed.
    assert_eq!(names, ["link", "two"]);
    fs::remove_file(temporary.path().join("three")).unwrap();
    let (names, _) = list(memory);
    assert_eq!(names, ["link", "one", "two"]);
}
