//! The map changes under the run, at the very moment before it is replaced or right after: what
//! somebody else wrote survives (W8, promise 4). Through the library, where that moment can be met.

use rustix::process::getpid;
use session_warden::map::{Access, FileMap, MapStore, Rechecked, Removal, RemovalGuard};
use session_warden::model::{Exit, Failure, MappingIdx, SessionMap, WarningCode};
use session_warden::os::interrupt::Interrupt;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Two that go, at the places 0 and 2, and one that stays.
const MAP: &str = r#"{"claude-cli": {"a": "1", "b": "2"}, "codex-cli": {"c": "3"}}"#;
const GOING: [MappingIdx; 2] = [MappingIdx(0), MappingIdx(2)];
const CUT: &str = r#"{"claude-cli": { "b": "2"}, "codex-cli": {}}"#;

/// Looks again with a closure, and writes nothing down.
struct Look<F>(F);

impl<F: FnMut(&[MappingIdx]) -> Result<Vec<MappingIdx>, Failure>> RemovalGuard for Look<F> {
    fn recheck(&mut self, going: &[MappingIdx]) -> Result<Rechecked, Failure> {
        Ok(Rechecked { still: self.0(going)?, ended: Instant::now() })
    }

    fn record(&mut self, _: &SessionMap, _: &[MappingIdx]) -> Result<(), Failure> {
        Ok(())
    }
}

struct Place {
    folder: tempfile::TempDir,
    map: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let map = folder.path().join("session_map.json");
        fs::write(&map, MAP).unwrap();
        Self { folder, map }
    }

    fn open(&self) -> FileMap {
        FileMap::open(self.map.clone(), Access::Change, Interrupt::default()).unwrap()
    }

    /// Lets both go, calling `meanwhile` with the number of the look at each second look.
    fn remove(&self, mut meanwhile: impl FnMut(u32, &Path)) -> Result<Removal, Failure> {
        let mut looks = 0;
        let removal = self.open().remove(
            &GOING,
            &mut Look(|places: &[MappingIdx]| {
                looks += 1;
                meanwhile(looks, &self.map);
                Ok(places.to_vec())
            }),
        );
        assert!(self.litter().is_empty(), "{:?}", self.litter());
        removal
    }

    fn content(&self) -> String {
        fs::read_to_string(&self.map).unwrap()
    }

    fn litter(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| [".tmp.", ".was."].iter().any(|part| name.contains(part))).collect()
    }
}

/// Writes as the bridge does: truncated, then written.
fn rewrite(map: &Path, content: &str) {
    fs::write(map, content).unwrap();
}

/// Writes as a careful program does.
fn replace(map: &Path, content: &str) {
    let beside = map.with_extension(getpid().to_string());
    fs::write(&beside, content).unwrap();
    fs::rename(beside, map).unwrap();
}

/// Somebody writes `theirs` right before the map is replaced: `removed` still goes, `changed` does
/// not, and the map is then `after`.
#[track_caller]
fn check(theirs: &str, removed: &[MappingIdx], changed: &[MappingIdx], after: &str) {
    for write in [rewrite, replace] {
        let place = Place::new();
        let removal = place
            .remove(|look, map| {
                if look == 1 {
                    write(map, theirs);
                }
            })
            .unwrap();
        assert_eq!(place.content(), after);
        assert_eq!((&removal.removed[..], &removal.changed[..]), (removed, changed));
        assert!(removal.warnings.is_empty(), "{removal:?}");
    }
}

#[test]
fn without_a_change_they_just_go() {
    let place = Place::new();
    let removal = place.remove(|_, _| {}).unwrap();
    assert_eq!((&removal.removed[..], &removal.changed[..]), (&GOING[..], &[][..]));
    assert_eq!(place.content(), CUT);
}

#[test]
fn a_mapping_added_meanwhile_stays_w8() {
    check(
        r#"{"claude-cli": {"new": "9", "a": "1", "b": "2", "n": "8"}, "codex-cli": {"c": "3"}}"#,
        &GOING,
        &[],
        r#"{"claude-cli": {"new": "9", "b": "2", "n": "8"}, "codex-cli": {}}"#,
    );
    // In another layout, with another model, and the same chat and session under it.
    check(
        "{\n \"gemini-cli\": {\"a\": \"1\"},\n \"codex-cli\": {\"c\": \"3\"},\n \"claude-cli\": {\"a\": \"1\"}\n}",
        &GOING,
        &[],
        "{\n \"gemini-cli\": {\"a\": \"1\"},\n \"codex-cli\": {},\n \"claude-cli\": {}\n}",
    );
}

#[test]
fn a_mapping_that_leads_elsewhere_meanwhile_stays_w8() {
    check(
        r#"{"claude-cli": {"a": "other", "b": "2"}, "codex-cli": {"c": "3"}}"#,
        &[MappingIdx(2)],
        &[MappingIdx(0)],
        r#"{"claude-cli": {"a": "other", "b": "2"}, "codex-cli": {}}"#,
    );
    // Both: then there is nothing to write, and the file is as its writer left it.
    let both = r#"{"claude-cli": {"a": "other", "b": "2"}, "codex-cli": {"c": null}}"#;
    check(both, &[], &GOING, both);
    // The session is there, but as another chat's.
    let moved = r#"{"claude-cli": {"A": "1", "b": "2"}, "codex-cli": {"C": "3"}}"#;
    check(moved, &[], &GOING, moved);
    // The same chat and session, but under another model.
    let moved = r#"{"codex-cli": {"a": "1"}, "claude-cli": {"c": "3"}}"#;
    check(moved, &[], &GOING, moved);
}

#[test]
fn a_mapping_that_somebody_else_removed_is_not_ours_w8() {
    check(
        r#"{"claude-cli": {"b": "2"}, "codex-cli": {"c": "3"}}"#,
        &[MappingIdx(2)],
        &[MappingIdx(0)],
        r#"{"claude-cli": {"b": "2"}, "codex-cli": {}}"#,
    );
    check("{}", &[], &GOING, "{}");
}

#[test]
fn a_map_that_changed_its_form_meanwhile_keeps_it_w8() {
    check(
        r#"{"a": "1", "b": "2", "c": "3"}"#,
        &[MappingIdx(0)],
        &[MappingIdx(2)],
        r#"{ "b": "2", "c": "3"}"#,
    );
}

#[test]
fn the_same_bytes_in_another_file_are_a_change_w8() {
    let place = Place::new();
    let mut looks = 0;
    let removal = place
        .remove(|look, map| {
            looks = look;
            if look == 1 {
                replace(map, MAP);
            }
        })
        .unwrap();
    assert_eq!((looks, place.content().as_str()), (2, CUT), "it was looked at again");
    assert_eq!(removal.removed, GOING);
}

#[test]
fn a_map_that_is_gone_stays_gone_w8() {
    let place = Place::new();
    let removal = place.remove(|_, map| fs::remove_file(map).unwrap()).unwrap();
    assert!(removal.removed.is_empty());
    assert_eq!(removal.changed, GOING);
    assert!(!place.map.exists());
}

#[test]
fn a_map_that_became_no_file_is_an_error_w8() {
    let place = Place::new();
    let failure = place
        .remove(|_, map| {
            fs::remove_file(map).unwrap();
            fs::create_dir(map).unwrap();
        })
        .unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert!(failure.message.contains(place.map.to_str().unwrap()), "{failure}");
    assert!(place.map.is_dir());
}

#[test]
fn a_map_that_changes_at_each_attempt_is_left_alone_after_five_w8() {
    for write in [rewrite, replace] {
        let place = Place::new();
        let (mut looks, mut written) = (0, (0, 0, 0));
        // A rename changes the ctime of a file as well.
        let touched = |map: &Path| {
            let about = fs::metadata(map).unwrap();
            (about.ino(), about.ctime(), about.ctime_nsec())
        };
        let theirs = |look| MAP.replace(r#""b": "2""#, &format!(r#""b": "2", "n": "{look}""#));
        let failure = place
            .remove(|look, map| {
                looks = look;
                write(map, &theirs(look));
                written = touched(map);
                // File systems count time in ticks of some milliseconds.
                thread::sleep(Duration::from_millis(20));
            })
            .unwrap_err();
        assert_eq!((looks, failure.exit), (5, Exit::Failed));
        assert!(failure.message.contains(place.map.to_str().unwrap()), "{failure}");
        assert_eq!(place.content(), theirs(5));
        assert_eq!(touched(&place.map), written, "it was not even moved");
    }
    // Four times is no more than a busy bridge.
    let place = Place::new();
    let removal = place.remove(|look, map| {
        if look < 5 {
            rewrite(map, &MAP.replace("\"2\"", &format!("\"2-{look}\"")));
        }
    });
    assert_eq!(removal.unwrap().removed, GOING);
    assert_eq!(place.content(), CUT.replace("\"2\"", "\"2-4\""));
}

#[test]
fn a_write_that_is_under_way_is_waited_for_w8() {
    let place = Place::new();
    let theirs = r#"{"claude-cli": {"a": "1", "n": "9"}, "codex-cli": {"c": "3"}}"#;
    let mut writer = None;
    let removal = place.remove(|look, map| {
        if look == 1 {
            let mut file = File::create(map).unwrap();
            file.write_all(&theirs.as_bytes()[..20]).unwrap();
            writer = Some(thread::spawn(move || {
                thread::sleep(Duration::from_millis(200));
                file.write_all(&theirs.as_bytes()[20..]).unwrap();
            }));
        }
    });
    writer.unwrap().join().unwrap();
    assert_eq!(removal.unwrap().removed, GOING);
    assert_eq!(place.content(), r#"{"claude-cli": { "n": "9"}, "codex-cli": {}}"#);
}

#[test]
fn a_write_that_never_ends_is_an_error_w8() {
    let place = Place::new();
    let failure = place.remove(|_, map| rewrite(map, "{\"claude-cli\": {")).unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert_eq!(place.content(), "{\"claude-cli\": {");
}

#[test]
fn what_a_second_look_keeps_does_not_go_d6() {
    let place = Place::new();
    let removal =
        place.open().remove(&GOING, &mut Look(|_: &[MappingIdx]| Ok(vec![MappingIdx(2)]))).unwrap();
    assert_eq!(removal.removed, [MappingIdx(2)]);
    assert_eq!(place.content(), MAP.replace(r#""c": "3""#, ""));
    // All of it: not a byte is written.
    let place = Place::new();
    let before = fs::metadata(&place.map).unwrap().ino();
    let removal =
        place.open().remove(&GOING, &mut Look(|_: &[MappingIdx]| Ok(Vec::new()))).unwrap();
    assert!(removal.removed.is_empty() && removal.changed.is_empty());
    assert_eq!((place.content().as_str(), fs::metadata(&place.map).unwrap().ino()), (MAP, before));
    // And a look that fails leaves the map alone.
    let failed =
        place.open().remove(&GOING, &mut Look(|_: &[MappingIdx]| Err(Failure::new("no home"))));
    assert_eq!(failed.unwrap_err().message, "no home");
    assert_eq!(place.content(), MAP);
    assert!(place.litter().is_empty());
}

#[test]
fn a_stop_right_before_the_rename_leaves_the_map_alone_x5() {
    let place = Place::new();
    let interrupt = Interrupt::default();
    let map = FileMap::open(place.map.clone(), Access::Change, interrupt.clone()).unwrap();
    let failure = map.remove(
        &GOING,
        &mut Look(|places: &[MappingIdx]| {
            interrupt.ask();
            Ok(places.to_vec())
        }),
    );
    assert_eq!(failure.unwrap_err().exit, Exit::Failed);
    assert_eq!(place.content(), MAP);
    assert!(place.litter().is_empty());
}

#[test]
fn a_map_opened_for_reading_is_not_changed() {
    let place = Place::new();
    let map = FileMap::open(place.map.clone(), Access::Read, Interrupt::default()).unwrap();
    assert!(map.remove(&GOING, &mut Look(|places: &[MappingIdx]| Ok(places.to_vec()))).is_err());
    assert_eq!(place.content(), MAP);
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1);
}

#[test]
fn a_map_that_another_run_holds_is_not_even_read_x1() {
    let place = Place::new();
    let held = place.open();
    let open = || FileMap::open(place.map.clone(), Access::Change, Interrupt::default());
    assert_eq!(open().unwrap_err().exit, Exit::Locked);
    drop(held);
    assert!(open().is_ok());
}

/// A writer that has the map open when it is replaced, and writes `theirs` into that file as soon
/// as it is. It may come too late for the run to see, which nobody can help.
fn late_writer(place: &Place, theirs: &str) -> Result<Removal, Failure> {
    let old = fs::metadata(&place.map).unwrap().ino();
    thread::scope(|scope| {
        let mut is_started = false;
        place.remove(|_, map| {
            if is_started {
                return;
            }
            is_started = true;
            let file = File::options().write(true).open(map).unwrap();
            let map = map.to_owned();
            scope.spawn(move || {
                // Without a pause: there is not much time.
                while fs::metadata(&map).unwrap().ino() == old {}
                file.set_len(0).unwrap();
                (&file).write_all(theirs.as_bytes()).unwrap();
            });
        })
    })
}

/// A map that takes a moment to compare, so that a late writer has that moment.
fn padded(map: &str) -> String {
    map.replacen('{', &format!("{{{}", " ".repeat(8 << 20)), 1)
}

#[test]
fn what_is_written_into_the_replaced_file_is_merged_w8() {
    let theirs = r#"{"claude-cli": {"a": "1", "late": "9", "b": "2"}, "codex-cli": {"c": "4"}}"#;
    let merged = r#"{"claude-cli": { "late": "9", "b": "2"}, "codex-cli": {"c": "4"}}"#;
    for _ in 0..40 {
        let place = Place::new();
        fs::write(&place.map, padded(MAP)).unwrap();
        let removal = late_writer(&place, theirs).unwrap();
        if place.content() == merged {
            assert_eq!(
                (&removal.removed[..], &removal.changed[..]),
                (&[MappingIdx(0)][..], &[MappingIdx(2)][..])
            );
            assert!(removal.warnings.is_empty(), "{removal:?}");
            return;
        }
        assert_eq!(place.content(), padded(CUT), "either merged, or written too late");
    }
    panic!("in 40 attempts nothing was merged");
}

/// Somebody who has the map open when it is replaced calls `write` with that file as soon as it is.
fn when_replaced(
    place: &Place,
    mut look: impl FnMut(u32, &Path),
    write: impl FnOnce(&File) + Send,
) -> Removal {
    let old = fs::metadata(&place.map).unwrap().ino();
    let mut write = Some(write);
    let removal = thread::scope(|scope| {
        place.remove(|number, map| {
            look(number, map);
            let Some(write) = write.take() else { return };
            let (file, map) = (File::options().write(true).open(map).unwrap(), map.to_owned());
            scope.spawn(move || {
                while fs::metadata(&map).is_ok_and(|now| now.ino() == old) {}
                write(&file);
            });
        })
    });
    removal.unwrap()
}

#[test]
fn what_is_written_where_the_replaced_file_was_compared_already_is_merged_w8() {
    let end = " ".repeat(8 << 20);
    let theirs = r#"{"claude-cli": {"a": "1", "l": "9"}, "codex-cli": {"c": "3"}}"#;
    let merged = r#"{"claude-cli": { "l": "9"}, "codex-cli": {}}"#;
    for _ in 0..40 {
        let place = Place::new();
        fs::write(&place.map, format!("{MAP}{end}")).unwrap();
        let old = fs::metadata(&place.map).unwrap().ino();
        let mut was_put_back = false;
        let look = |look, map: &Path| {
            was_put_back |= look > 1 && fs::metadata(map).unwrap().ino() == old;
        };
        let write = |file: &File| file.write_all_at(theirs.as_bytes(), 0).unwrap();
        let removal = when_replaced(&place, look, write);
        assert!(removal.warnings.is_empty(), "{removal:?}");
        let content = place.content();
        if content.trim_end() == merged && !was_put_back {
            return;
        }
        assert!([merged, CUT].contains(&content.trim_end()), "seen in time, or written too late");
    }
    panic!("in 40 attempts nothing was written behind the comparison");
}

/// What comes out of the map's place is put back where it was written to, unless somebody has put a
/// newer map there by then.
#[test]
fn a_map_that_is_newer_than_what_would_be_put_back_stays_w8() {
    let newer = r#"{"claude-cli": {"a": "1", "newer": "9"}, "codex-cli": {"c": "3"}}"#;
    for round in 0..20 {
        let place = Place::new();
        let map = padded(MAP);
        fs::write(&place.map, &map).unwrap();
        // At its end, which is compared last.
        let at = u64::try_from(map.len() - MAP.len() + 1).unwrap();
        let tail = MAP[1..].replace("\"2\"", "\"5\"");
        let write = |file: &File| {
            file.write_all_at(tail.as_bytes(), at).unwrap();
            replace(&place.map, newer);
        };
        when_replaced(&place, |_, _| {}, write);
        assert!(place.content().contains("newer"), "{round}: {}", place.content().trim());
    }
}

#[test]
fn what_is_written_into_the_replaced_file_and_is_no_map_is_told_of_w8() {
    let torn = "{\"claude-cli\": ";
    for _ in 0..40 {
        let place = Place::new();
        fs::write(&place.map, padded(MAP)).unwrap();
        match late_writer(&place, torn) {
            // Seen while the two files changed places: the writer's is put back as it is.
            Err(failure) => {
                assert_eq!(failure.exit, Exit::Failed);
                assert_eq!((place.content().as_str(), place.litter().len()), (torn, 0));
                return;
            }
            Ok(removal) => {
                assert_eq!((place.content(), removal.removed), (padded(CUT), GOING.to_vec()));
                if let [warning] = &removal.warnings[..] {
                    assert_eq!(warning.code, WarningCode::LateWrite);
                    assert!(warning.code.is_trouble(), "the exit code is 3");
                    return;
                }
            }
        }
    }
    panic!("in 40 attempts nothing was told");
}

/// Somebody puts a map of their own in the place of ours at any moment of the replacement: it is
/// there afterwards, whatever else is.
#[test]
fn a_map_that_comes_by_rename_during_the_replacement_is_not_lost_w8() {
    let theirs = r#"{"claude-cli": {"a": "1", "late": "9", "b": "2"}, "codex-cli": {"c": "4"}}"#;
    for round in 0..200 {
        let place = Place::new();
        fs::write(&place.map, padded(MAP).replacen(&" ".repeat(7 << 20), "", 1)).unwrap();
        let beside = place.map.with_extension("theirs");
        fs::write(&beside, theirs).unwrap();
        let removal = thread::scope(|scope| {
            place.remove(|_, map| {
                let (from, to) = (beside.clone(), map.to_owned());
                scope.spawn(move || {
                    // From before the comparison until after the rename.
                    thread::sleep(Duration::from_micros(round * 10));
                    // Once is enough, should it be asked to look again.
                    let _ = fs::rename(from, to);
                });
            })
        });
        let now = place.content();
        assert!(now.contains(r#""late": "9""#) && now.contains(r#""c": "4""#), "{round}: {now}");
        assert!(removal.is_ok() && place.litter().is_empty(), "{removal:?}");
    }
}
