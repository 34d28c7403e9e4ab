//! Every seed of the fuzz targets, and every input that they have found something with, once more.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use checks::TARGETS;

#[path = "../../fuzz/checks/mod.rs"]
pub(crate) mod checks;

fn seeds_of(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_seed_of_every_fuzz_target_passes() {
    for (target, check) in TARGETS {
        let seeds = seeds_of(target);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for seed in seeds {
            let data = std::fs::read(&seed).unwrap();
            let passes = catch_unwind(|| check(&data)).is_ok();
            assert!(passes, "{} has found something", seed.display());
        }
    }
}

#[test]
fn there_are_no_seeds_without_a_target() {
    for folder in seeds_of("") {
        let name = folder.file_name().unwrap();
        assert!(TARGETS.iter().any(|(target, _)| name == *target), "{}", folder.display());
    }
}
