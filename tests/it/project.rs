//! The project against its own rules: layers, the length of files, requirements with tests, and the demo.

use std::fs;
use std::path::{Path, PathBuf};

use crate::env::{Ran, TestEnv};

/// Lowest first; each layer may import only those before it.
const LAYERS: [&str; 15] = [
    "model",
    "os",
    "process",
    "journal",
    "holds",
    "provider",
    "map",
    "keepalive",
    "config",
    "schedule",
    "report",
    "clean",
    "ui",
    "commands",
    "cli",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Every source file with the name of its layer.
fn files() -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let named = files.into_iter().map(|path| {
        let below = path.strip_prefix(&src).unwrap();
        let layer = Path::new(below.iter().next().unwrap()).file_stem().unwrap();
        let layer = layer.to_str().unwrap().to_owned();
        (path, layer)
    });
    named.collect()
}

#[test]
fn no_layer_imports_upwards() {
    let rank = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    for (path, layer) in files() {
        if layer == "lib" || layer == "main" {
            continue;
        }
        let own = rank(&layer).unwrap_or_else(|| panic!("{layer} has no place in the layers"));
        let text = fs::read_to_string(&path).unwrap();
        for after in text.split("crate::").skip(1) {
            let name: String =
                after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let other = rank(&name)
                .unwrap_or_else(|| panic!("{}: no layer called {name:?}", path.display()));
            assert!(other <= own, "{} imports {name}, which lies above it", path.display());
        }
    }
}

#[test]
fn only_the_ui_prints() {
    // The standard output of a watcher is a pipe to the process that starts it.
    let is_other = |(path, layer): &(PathBuf, String)| {
        layer != "ui" && !path.ends_with("src/process/detached.rs")
    };
    for (path, _) in files().into_iter().filter(is_other) {
        let text = fs::read_to_string(&path).unwrap();
        for stream in ["io::stdout", "io::stderr", "StdoutLock", "print_help()", ".print()"] {
            assert!(!text.contains(stream), "{} has {stream}", path.display());
        }
    }
}

#[test]
fn the_model_is_pure() {
    for (path, layer) in files() {
        let text = fs::read_to_string(&path).unwrap();
        let is_of_jobs = path.strip_prefix(root()).unwrap().starts_with("src/keepalive/job");
        if layer == "model" || is_of_jobs {
            for edge in ["std::fs", "std::env", "std::net", "std::process", "::now()", "rustix"] {
                assert!(!text.contains(edge), "{} uses {edge}", path.display());
            }
        }
        assert!(text.starts_with("//!"), "{} does not say what it is for", path.display());
        assert!(text.lines().count() <= 400, "{} is too long", path.display());
    }
}

#[test]
fn every_requirement_has_a_row_that_names_tests_which_are_there() {
    let mut sources = Vec::new();
    self::sources(&root().join("src"), &mut sources);
    self::sources(&root().join("tests/it"), &mut sources);
    let code: String = sources.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells.len() == 5 && cells[1].ends_with(|end: char| end.is_ascii_digit()))
        .collect();
    let ids: Vec<String> =
        [("W", 10), ("R", 5), ("D", 6), ("B", 6), ("P", 5), ("S", 4), ("X", 7), ("E", 7)]
            .iter()
            .flat_map(|(letter, most)| (1..=*most).map(move |number| format!("{letter}{number}")))
            .collect();
    assert_eq!(rows.iter().map(|cells| cells[1]).collect::<Vec<_>>(), ids);
    for cells in rows {
        let tag = format!("_{}", cells[1].to_lowercase());
        for name in cells[3].split(", ").map(|name| name.trim_matches('`')) {
            if name.contains('/') {
                assert!(root().join(name).is_file(), "{name} is not there");
            } else {
                assert!(code.contains(&format!("fn {name}(")), "there is no test {name}");
                let is_for = name.ends_with(&tag) || name.contains(&format!("{tag}_"));
                assert!(is_for, "{name} is not for {}", cells[1]);
            }
        }
    }
}

#[cfg(feature = "keepalive")]
#[test]
fn help_and_version_go_to_standard_output() {
    let env = TestEnv::new();
    for line in ["--help", "clean --help", "demo --help", "--version"] {
        let ran = env.run(line);
        ran.exits(0);
        assert!(ran.err.is_empty() && !ran.out.is_empty(), "{ran:?}");
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
    }
}

/// The demo is the README's first command: it must show the real thing, and leave nothing.
#[test]
fn the_demo_shows_a_clean_and_removes_its_home() {
    let env = TestEnv::new();
    let temporary = env.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = env.command(["demo"]);
    // None of the user's own settings may reach the demo.
    command.env("TMPDIR", &temporary).env("CODEX_HOME", "/nowhere").env("CLAUDE_CONFIG_DIR", "/no");
    let ran = Ran::of(&mut command);
    ran.exits(0);
    assert_eq!(ran.err, "");
    for shown in [
        "$ session-warden clean --dry-run",
        "$ session-warden clean --bridge off",
        "  Would clean up: 4 mappings",
        "  Cleaned up: 4 mappings",
        "  Active (kept): 3",
        "  Idle (>2h): 3",
        "  Missing files: 1",
        "  Unknown (kept): 1",
        "$ session-warden undo",
        "Restored: 4 mappings",
    ] {
        assert!(ran.out.contains(shown), "no {shown:?} in {}", ran.out);
    }
    let maps: Vec<&str> = ran.out.split("$ cat bridge/session_map.json").skip(1).collect();
    assert!(maps[0].contains("tax-return") && maps[0].contains("website"), "{}", ran.out);
    let after_clean = maps[1].split("$ session-warden undo").next().unwrap();
    assert!(!after_clean.contains("tax-return") && after_clean.contains("website"), "{}", ran.out);
    assert!(maps[2].contains("tax-return") && maps[2].contains("old-idea"), "{}", ran.out);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "the demo left something behind");
}
