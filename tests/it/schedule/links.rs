//! A unit has a `/tmp` of its own: whatever a path leads to there by links is mounted in it, and may be written.

use crate::desk::{Desk, settings};
use crate::env::Ran;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A folder below `/tmp`, and one that is not.
struct Places {
    tmp: tempfile::TempDir,
    outside: tempfile::TempDir,
}

impl Places {
    fn new() -> Option<Self> {
        let outside = tempfile::tempdir_in("/dev/shm").ok()?;
        Some(Self { tmp: tempfile::tempdir_in("/tmp").unwrap(), outside })
    }

    /// A link outside of `/tmp` that leads below it by another link, to something that does not exist yet.
    fn link(&self, name: &str) -> (PathBuf, [PathBuf; 2]) {
        let [link, next, target] = [
            self.outside.path().join(name),
            self.tmp.path().join(format!("{name}-next")),
            self.tmp.path().join(format!("{name}-target")),
        ];
        symlink(&next, &link).unwrap();
        symlink(&target, &next).unwrap();
        (link, [next, target])
    }
}

fn unit(desk: &Desk, args: &[String]) -> String {
    let mut command =
        desk.command(["schedule", "print", "--method=systemd-system", "--user=nobody"]);
    let ran = Ran::of(command.args(args));
    ran.exits(0).out.clone()
}

#[track_caller]
fn binds(unit: &str, key: &str, path: &Path) {
    let wanted = format!("-{}", path.display());
    let found = settings(unit, key);
    assert!(found.contains(&wanted.as_str()), "no {wanted} in {key}: {found:?}");
}

#[test]
fn whatever_a_run_writes_is_bound_where_it_leads_to() {
    let Some(places) = Places::new() else { return };
    let desk = Desk::new();
    for (option, is_file) in [
        ("--session-dir", false),
        ("--map", true),
        ("--state-dir", false),
        ("--log", true),
        ("--metrics", true),
    ] {
        // The folder is a link, and there is nothing in it yet.
        let (link, ends) = places.link(option.trim_start_matches('-'));
        let value = if is_file { link.join("file") } else { link.clone() };
        let unit = unit(&desk, &[format!("{option}={}", value.display())]);
        assert!(unit.contains(&format!(" {option}={}\n", value.display())), "{unit}");
        let writes = settings(&unit, "ReadWritePaths").join(" ");
        for end in &ends {
            binds(&unit, "BindPaths", end);
            assert!(writes.contains(&format!("-{}", end.display())), "{option}: {writes}");
        }
        assert!(!settings(&unit, "BindPaths").iter().any(|path| path.contains("/dev/shm")));
    }
}

#[test]
fn a_file_that_is_a_link_is_written_where_it_leads_to() {
    let Some(places) = Places::new() else { return };
    let desk = Desk::new();
    for option in ["--map", "--log", "--metrics"] {
        let link = places.outside.path().join(option);
        let target = places.tmp.path().join(format!("folder{option}/file"));
        symlink(&target, &link).unwrap();
        let unit = unit(&desk, &[format!("{option}={}", link.display())]);
        binds(&unit, "BindPaths", target.parent().unwrap());
    }
}

#[test]
fn the_homes_of_the_clis_are_bound_where_they_lead_to() {
    let Some(places) = Places::new() else { return };
    let desk = Desk::new();
    let home = places.outside.path().join("home");
    fs::create_dir_all(home.join(".codex")).unwrap();
    let all = [".claude", ".codex/sessions", ".gemini", ".vibe"].map(|name| {
        let target = places.tmp.path().join(name.replace('/', "-"));
        symlink(&target, home.join(name)).unwrap();
        target
    });
    let shown = unit(&desk, &[format!("--home={}", home.display())]);
    for target in &all {
        binds(&shown, "BindReadOnlyPaths", target);
    }

    // The home itself, and a folder that a variable names.
    let (link, ends) = places.link("home-link");
    binds(&unit(&desk, &[format!("--home={}", link.display())]), "BindReadOnlyPaths", &ends[1]);
    let (link, ends) = places.link("codex");
    let mut command =
        desk.command(["schedule", "print", "--method=systemd-system", "--user=nobody"]);
    let ran = Ran::of(command.env("CODEX_HOME", &link));
    for end in &ends {
        binds(&ran.exits(0).out, "BindReadOnlyPaths", end);
    }
}

#[test]
fn no_link_of_a_user_opens_what_another_service_keeps_private() {
    let Some(places) = Places::new() else { return };
    let desk = Desk::new();
    let link = places.outside.path().join("link");
    symlink("/tmp/systemd-private-1-other.service-2/tmp", &link).unwrap();
    let unit = unit(&desk, &[format!("--state-dir={}", link.display())]);
    assert!(!unit.contains("systemd-private"), "{unit}");
}
