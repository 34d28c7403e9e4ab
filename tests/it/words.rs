//! The vocabulary: texts for users are free of the words that this project does not use.

use std::fs;
use std::path::{Path, PathBuf};

/// Whole words and phrases, in lower case, with what to write instead.
const AVOIDED: [(&str, &str); 41] = [
    ("would go", "would remove"),
    ("let go", "remove"),
    ("lets go", "removes"),
    ("letting go", "removing"),
    ("let nothing go", "removed nothing"),
    ("nothing goes", "nothing is removed"),
    ("what goes", "what is removed"),
    ("what went", "what was removed"),
    ("is let be", "is kept"),
    ("put back", "restore, restored"),
    ("puts back", "restores"),
    ("put it back", "restore it"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("lately", "recently"),
    ("trouble", "problem"),
    ("somebody", "another user, another process"),
    ("somebody else", "another user"),
    ("whoever", "the user who, a process that"),
    ("nobody", "no user, no process"),
    ("tell", "show, report"),
    ("tells", "shows, reports"),
    ("told", "shown, reported"),
    ("says", "shows, reports"),
    ("said", "shown, set"),
    ("lies", "is"),
    ("stands", "is"),
    ("for ever", "forever, for good"),
    ("a right one is", "for example"),
    ("right key", "valid key"),
    ("is no object", "is not an object"),
    ("is no address", "is not an address"),
    ("what holds now", "effective settings"),
    ("what is held", "active holds"),
    ("not wholly", "not completely"),
    ("as it was", "unchanged"),
    ("adds up", "is combined"),
    ("add up", "are combined"),
    ("runs there were", "past runs"),
    ("schedule install keep", "schedule install --keepalive"),
];

/// The worst of the old vocabulary, which comments in `src` are free of as well.
const AVOIDED_IN_COMMENTS: [&str; 17] = [
    "let go",
    "lets go",
    "letting go",
    "what goes",
    "what went",
    "is let be",
    "put it back",
    "mend",
    "mends",
    "mended",
    "lately",
    "somebody",
    "whoever",
    "nobody",
    "told",
    "for ever",
    "not wholly",
];

/// Files and folders of texts for users. A folder counts with all that is in it.
const TEXTS: [&str; 9] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "Cargo.toml",
    "docs",
    "install.sh",
    "packaging",
    "tests/it/snapshots",
];

/// Files in these folders that are not checked: output of the program, a script, a plot, and the licence.
///
/// `docs/commands.md` is the help of every command, and the snapshots are reports and messages.
const EXCEPT: [&str; 5] = [
    "docs/demo-dark.svg",
    "docs/demo-light.svg",
    "docs/performance.svg",
    "docs/picture",
    "packaging/deb/copyright",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(path: &Path, into: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), into);
        }
    } else if !EXCEPT.iter().any(|except| root().join(except) == path) {
        into.push(path.to_owned());
    }
}

/// The avoided words in a text, each with its line.
///
/// Words are separated by anything but letters, digits, `_` and `-`, so names such as `restored.jsonl`
/// and those of tests do not count. Whitespace does not matter, so a phrase may run over two lines.
fn avoided_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut words: Vec<(String, usize)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let separated = line.split(|c: char| !c.is_alphanumeric() && !['_', '-'].contains(&c));
        let separated =
            separated.map(|word| word.trim_matches('-')).filter(|word| !word.is_empty());
        words.extend(separated.map(|word| (word.to_lowercase(), number + 1)));
    }
    for (avoided, instead) in AVOIDED {
        let phrase: Vec<&str> = avoided.split(' ').collect();
        for window in words.windows(phrase.len()) {
            let is_same = window.iter().zip(&phrase).all(|((word, _), other)| word == other);
            if is_same {
                found.push(format!("line {}: {avoided:?}, write {instead:?}", window[0].1));
            }
        }
    }
    found
}

#[test]
fn texts_for_users_have_no_avoided_words() {
    let mut paths = Vec::new();
    for text in TEXTS {
        files(&root().join(text), &mut paths);
    }
    assert!(paths.len() >= 50, "{paths:?}");
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        found.extend(avoided_in(&text).into_iter().map(|word| format!("{name}: {word}")));
    }
    assert!(found.is_empty(), "{} words:\n{}", found.len(), found.join("\n"));
}

/// The comments of a source file, without names in backquotes. Each keeps its line.
fn comments(text: &str) -> String {
    let mut comments = String::new();
    for line in text.lines() {
        if let Some(comment) = line.trim_start().strip_prefix("//") {
            comments.extend(comment.trim_start_matches(['/', '!']).split('`').step_by(2));
        }
        comments.push('\n');
    }
    comments
}

#[test]
fn comments_in_the_source_have_none_of_the_worst_words() {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    assert!(paths.len() >= 200, "{paths:?}");
    let mut found = Vec::new();
    let is_of_tests = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    for path in paths.iter().filter(|path| {
        path.extension().is_some_and(|end| end == "rs")
            && !is_of_tests(path.strip_prefix(root().join("src")).unwrap())
    }) {
        let comments = comments(&fs::read_to_string(path).unwrap());
        let words = avoided_in(&comments).into_iter();
        let words = words.filter(|word| {
            AVOIDED_IN_COMMENTS.iter().any(|avoided| word.contains(&format!("{avoided:?}, write")))
        });
        found.extend(words.map(|word| format!("{}: {word}", path.display())));
    }
    assert!(found.is_empty(), "{} words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn avoided_words_are_found_over_two_lines_and_not_in_names() {
    assert_eq!(avoided_in("It would\n  go now.").len(), 1);
    assert_eq!(avoided_in("Mend it, lately.").len(), 2);
    let source = "fn told() {}\n/// Whoever `told`\nlet a = 1; // nobody\n";
    assert_eq!(avoided_in(&comments(source)).len(), 1);
    assert_eq!(avoided_in("restored.jsonl, amendment, ids_are_kept_and_told_b2").len(), 0);
}
