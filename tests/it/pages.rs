//! The README and the pages in `docs/` against the program: its help, its commands, its demo, and the
//! links between them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::docs::commands;
use crate::env::TestEnv;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The README, and every page in `docs/` but the generated one, by path.
fn pages() -> BTreeMap<String, String> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_page = |name: &String| Path::new(name).extension().is_some_and(|end| end == "md");
    let pages = names.filter(|name| is_page(name) && name != "commands.md");
    let files = pages.map(|name| format!("docs/{name}")).chain(["README.md".to_owned()]);
    files.map(|file| (file.clone(), read(&file))).collect()
}

#[test]
fn the_readme_fits_on_a_page() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 180, "{} lines", readme.lines().count());
    assert!(readme.len() <= 10 * 1024, "{} bytes", readme.len());
}

/// Each task of a new user, with the command that the README gives for it.
#[test]
fn the_readme_answers_what_a_new_user_asks() {
    let readme = read("README.md");
    for command in [
        "session-warden -n",
        "session-warden list -v",
        "session-warden undo",
        "session-warden pin ID",
        "session-warden remove ID",
        "session-warden schedule install",
        "session-warden history latest",
        "claude --resume ID",
        "./install.sh",
        "cargo run -- demo",
        "cargo test --all-features",
    ] {
        assert!(readme.contains(command), "the README has no {command:?}");
    }
}

#[test]
fn every_command_is_explained_in_a_page() {
    let pages = pages();
    for (path, _) in commands().iter().skip(1) {
        let forms = [format!("session-warden {path}"), format!("`{path}"), format!("-- {path}")];
        let is_there = |text: &String| forms.iter().any(|form| text.contains(form));
        assert!(pages.values().any(is_there), "no page has {path}");
    }
}

#[test]
fn every_page_is_in_the_index() {
    let index = read("docs/README.md");
    for file in pages().keys().filter_map(|file| file.strip_prefix("docs/")) {
        assert!(file == "README.md" || index.contains(&format!("]({file})")), "{file} is missing");
    }
}

/// `docs/commands.md`, as the program's help makes it.
fn commands_page() -> String {
    let mut page = "# Commands\n\n\
        The help of every command. This page is generated: `UPDATE_DOCS=1 cargo test --test it commands_page`.\n"
        .to_owned();
    for (path, _) in commands() {
        let help = TestEnv::new().run(&format!("{path} --help"));
        help.exits(0);
        let (level, title) = match path.split_whitespace().count() {
            0 => ("##", "session-warden"),
            1 => ("##", path.as_str()),
            _ => ("###", path.as_str()),
        };
        let help = help.out.trim_end();
        write!(page, "\n{level} {title}\n\n```text\n{help}\n```\n").unwrap();
    }
    page
}

#[test]
fn the_commands_page_is_the_real_help() {
    let page = commands_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join("docs/commands.md"), &page).unwrap();
    }
    let committed = read("docs/commands.md");
    let hint = "run UPDATE_DOCS=1 cargo test --test it commands_page";
    for (there, here) in committed.lines().zip(page.lines()) {
        assert_eq!(there, here, "docs/commands.md is out of date: {hint}");
    }
    assert!(committed == page, "docs/commands.md is out of date: {hint}");
}

/// The text of an SVG by `docs/picture`, in which each line of text is one line of the file.
fn text_of_picture(svg: &str) -> Vec<String> {
    let rows = svg.lines().filter(|line| line.starts_with("<text "));
    let plain = rows.map(|row| {
        let pieces = row.split('<').skip(1).filter_map(|tag| tag.split_once('>'));
        let text: String = pieces.map(|(_, text)| text).collect();
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    });
    plain.collect()
}

/// The words of a line, without what differs from run to run: times, ids of runs, and the temporary folder.
fn fixed(line: &str) -> Vec<String> {
    let word = |word: &str| {
        if word.contains("/session-warden-demo") {
            let below = word.split_once("/session-warden-demo").unwrap().1;
            return below.split_once('/').map_or(String::new(), |(_, path)| path.to_owned());
        }
        let is_number = word.contains([':', '-']) && word.bytes().all(|b| !b.is_ascii_lowercase());
        if is_number && word.len() >= 5 && word.starts_with(|first: char| first.is_ascii_digit()) {
            return "TIME".to_owned();
        }
        word.to_owned()
    };
    line.split_whitespace().filter(|word| *word != "UTC").map(word).collect()
}

#[test]
fn the_picture_shows_the_real_demo() {
    let env = TestEnv::new();
    let demo = env.run("demo");
    demo.exits(0);
    let demo: Vec<&str> = demo.out.lines().collect();
    let shown = text_of_picture(&read("docs/demo-light.svg"));
    assert_eq!(shown, text_of_picture(&read("docs/demo-dark.svg")), "the pictures differ");
    assert!(shown.len() >= 10 && shown[0].starts_with("$ session-warden"), "{shown:?}");
    // Each command that is drawn, with its output to the last line before the next one.
    let starts: Vec<usize> = (0..shown.len()).filter(|row| shown[*row].starts_with("$ ")).collect();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(shown.len());
        let drawn: Vec<_> = shown[*start..end].iter().map(|line| fixed(line)).collect();
        let at = demo.iter().position(|line| *line == shown[*start]);
        let at = at.unwrap_or_else(|| panic!("the demo has no {:?}", shown[*start]));
        let next = demo[at + 1..].iter().position(|line| line.starts_with("$ "));
        let end = next.map_or(demo.len(), |next| at + 1 + next);
        let real: Vec<_> = demo[at..end].iter().map(|line| fixed(line)).collect();
        let trim = |mut lines: Vec<Vec<String>>| {
            while lines.last().is_some_and(Vec::is_empty) {
                lines.pop();
            }
            lines
        };
        assert_eq!(trim(drawn), trim(real), "the pictures are out of date: run docs/picture");
    }
}

#[test]
fn the_pictures_are_small_and_ask_for_nothing() {
    for theme in ["light", "dark"] {
        let svg = read(&format!("docs/demo-{theme}.svg"));
        assert!(svg.len() < 40 * 1024, "{} bytes", svg.len());
        for foreign in ["<script", "<image", "<style", "href", "url("] {
            assert!(!svg.contains(foreign), "{foreign} in the {theme} picture");
        }
        let namespace = "http://www.w3.org/2000/svg";
        assert_eq!(svg.matches("http").count(), svg.matches(namespace).count());
        assert!(read("README.md").contains(&format!("\"docs/demo-{theme}.svg\"")));
    }
}

/// The headings of a page, as links name them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_to_headings_that_are_there() {
    let mut checked = 0;
    for (file, text) in pages() {
        let folder = Path::new(&file).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let Some((page, anchor)) = link.split_once('#').filter(|_| !link.contains("://"))
            else {
                continue;
            };
            let target = if page.is_empty() { PathBuf::from(&file) } else { folder.join(page) };
            let target = fs::read_to_string(root().join(&target)).unwrap();
            assert!(anchors(&target).contains(&anchor.to_owned()), "{file}: no {link}");
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked} links to headings");
}
