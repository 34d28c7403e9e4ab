//! Agents of launchd, as far as they can be tried without one.

use crate::desk::{Desk, files, told};
use std::fs;

const INSTALL: &str = "install --method launchd";

fn agents(desk: &Desk) -> Vec<(String, String)> {
    files(&desk.env.home("Library/LaunchAgents"))
}

#[test]
fn agents_come_are_replaced_and_go() {
    let desk = Desk::new();
    desk.profiles();
    desk.env.file("Library/LaunchAgents/session-warden-mine.plist", "<plist/>", 0);
    let before = agents(&desk);
    let printed = desk.schedule("print --method launchd --every 7m", &[]);
    let ran = desk.schedule(INSTALL, &["--every", "7m"]);
    assert!(ran.exits(0).out.contains("added      "), "{ran:?}");
    let path = desk.env.home("Library/LaunchAgents/session-warden.plist");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(printed.out, format!("# {}\n{text}", path.display()));
    assert!(text.contains("<key>StartInterval</key>\n\t<integer>420</integer>"), "{text}");
    let shown = path.display();
    assert_eq!(desk.changes(), [format!("launchctl load -w {shown}")]);
    let again = desk.schedule(INSTALL, &["--every", "7m"]);
    assert!(again.out.contains("unchanged") && desk.changes().is_empty(), "{again:?}");
    let anew = desk.schedule(INSTALL, &[]);
    assert!(anew.out.contains("replaced"), "{anew:?}");
    assert_eq!(desk.changes().len(), 2, "unloaded and loaded");
    desk.schedule(INSTALL, &["--profile=dev"]).exits(0);
    assert_eq!(agents(&desk).len(), 3);
    desk.schedule("uninstall --method launchd --profile dev", &[]).exits(0);
    assert_eq!(agents(&desk).len(), 2);
    desk.schedule("uninstall --method launchd", &[]).exits(0);
    assert_eq!(agents(&desk), before);
    let ran = desk.schedule("uninstall --method launchd", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "No timer was installed, so none was removed.\n"));
}

#[test]
fn what_an_older_version_installed_is_found() {
    let desk = Desk::new();
    let older =
        "<?xml version=\"1.0\"?>\n<!-- Installed by session-warden schedule 0.0.1 -->\n<plist/>\n";
    desk.env.file("Library/LaunchAgents/session-warden.plist", older, 0);
    desk.schedule("uninstall --method launchd", &[]).exits(0);
    assert_eq!(agents(&desk), []);
}

#[test]
fn where_launchctl_fails_everything_is_as_it_was() {
    let desk = Desk::new();
    desk.fail("launchctl load");
    desk.schedule(INSTALL, &[]).exits(1).says(&["the files were restored"]);
    assert_eq!(agents(&desk), []);
    desk.fail("");
    desk.schedule(INSTALL, &[]).exits(0);
    let before = agents(&desk);
    desk.fail("launchctl load");
    desk.schedule(INSTALL, &["--every=7m"]).exits(1).says(&["the files were restored"]);
    assert_eq!(agents(&desk), before);
}

#[test]
fn an_agent_of_somebody_else_is_not_replaced() {
    let desk = Desk::new();
    desk.env.file("Library/LaunchAgents/session-warden.plist", "<plist/>", 0);
    let before = agents(&desk);
    desk.schedule(INSTALL, &[]).exits(1).says(&["was not installed by session-warden"]);
    assert_eq!((agents(&desk), desk.changes()), (before, vec![]));
}

#[test]
fn what_no_property_list_can_hold_is_refused() {
    let desk = Desk::new();
    for keep in ["--pin=a\u{1}b", "--pin=\u{1b}m", "--log=x\u{7f}\u{2}"] {
        desk.schedule(INSTALL, &[keep]).exits(2).says(&["control characters"]);
    }
    assert_eq!((agents(&desk), desk.changes()), (vec![], vec![]));
    let told = told("launchd", &mut super::print(&desk, &["--pin=a\nb\r\tc"]));
    assert!(told.words.contains(&"--pin=a\nb\r\tc".to_owned()), "{told:?}");
}
