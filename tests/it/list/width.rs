//! A list fits its terminal, whatever is in it, and shows all of it that there is.

use super::{A, B, GONE, at, home, list, names, talk};
use crate::child::bounded;
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv};
use serde_json::json;
use std::time::Instant;
use unicode_width::UnicodeWidthStr;

/// Texts that are wider, narrower or more than they look.
const ODD: [&str; 9] = [
    "日本語の長いチャット名前です、とても長い名前なので切られます",
    "\u{1b}[31mred\u{1b}[2J and \u{7}bell, \u{1b}]0;title\u{7} and more",
    "\u{202e}desrever\u{202c} \u{2066}isolated\u{2069} \u{200b}\u{feff}",
    "two\nlines\r\n\tand a tab",
    "e\u{301}\u{301}\u{301} with marks, and 👩‍👩‍👧‍👦 families, and 🇳🇴 flags",
    "c1\u{9b}31m\u{85}\u{7f}",
    "/a/very/long/path/that/does/not/fit/anywhere/in/eighty/columns/of/a/terminal/at/all",
    "short",
    "한국어 대화 이름이 아주 길어서 잘려야 합니다 그렇지 않으면 줄이 넘칩니다",
];

fn odd_home() -> TestEnv {
    let env = TestEnv::new();
    let mut map = json!({"claude-cli": {}, "codex-cli": {}, "gemini-cli": {}});
    for (text, number) in ODD.into_iter().zip(0_u64..) {
        for (cli, model) in [("claude", "claude-cli"), ("codex", "codex-cli")] {
            let id = format!("{number:08}-0a1b-4c2d-8e3f-0000000{}", &format!("{cli:0<5}x")[..5]);
            let id = id.replace(|c: char| !c.is_ascii_hexdigit() && c != '-', "a");
            talk(&env, cli, &id, text, text, HOUR * (number * 40 + 1));
            map[model][text] = json!(id);
        }
        map[text] = json!({ text: text });
    }
    env.map(map.to_string());
    env
}

/// Asserts that no line of the table is wider than that, by what it counts as a whole and by what its
/// letters do, and that nothing in it acts on a terminal.
#[track_caller]
fn fits(ran: &Ran, columns: usize) -> usize {
    let title = |line: &&str| !line.contains("  CLI  ");
    let table: Vec<&str> =
        ran.out.lines().skip_while(title).take_while(|line| !line.is_empty()).collect();
    for line in &table {
        let letters: usize =
            line.chars().map(|c| unicode_width::UnicodeWidthChar::width(c).unwrap_or(9)).sum();
        let width = line.width().max(letters);
        assert!(width <= columns, "{width} columns, not {columns}: {line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    assert!(!ran.out.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}']), "{ran:?}");
    table.iter().skip(1).filter(|line| !line.starts_with("          ")).count()
}

#[test]
fn no_line_is_longer_than_the_terminal_is_wide() {
    let env = odd_home();
    for columns in [60, 72, 80, 100, 132, 200, 300] {
        for line in ["", "--sort model", "--sort size"] {
            let ran = at(&env, columns, line);
            assert_eq!(fits(ran.exits(0), columns), ODD.len() * 3);
        }
    }
    // Where there is no room for a project, it is left out.
    assert!(!at(&env, 60, "--sort size").out.contains("PROJECT"));
    // What is narrower than any table is as wide as the narrowest.
    for columns in [0, 1, 59] {
        fits(&at(&env, columns, ""), 60);
    }
    env.map("{}");
    for columns in [60, 80, 200] {
        let ran = at(&env, columns, "--unmapped");
        assert_eq!(fits(ran.exits(0), columns), ODD.len() * 2);
    }
}

#[test]
fn columns_stand_below_each_other() {
    let env = odd_home();
    for columns in [80, 200] {
        let out = at(&env, columns, "").out;
        let title = out.lines().find(|line| line.contains("FIRST MESSAGE")).unwrap();
        let starts = ["CLI", "CHAT", "PROJECT", "FIRST"].map(|name| title.find(name).unwrap());
        let rows = out.lines().skip_while(|line| *line != title).skip(1);
        let rows = rows.take_while(|line| !line.is_empty());
        for row in rows {
            for start in starts {
                // Two spaces end in that column, as far as the letters before it are wide.
                let mut width = 0;
                let before: String = row
                    .chars()
                    .take_while(|c| {
                        let fits = width < start;
                        width += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
                        fits
                    })
                    .collect();
                assert!(before.ends_with("  "), "column {start} of {row:?}: {before:?}");
            }
        }
    }
}

#[test]
fn a_wide_terminal_shows_more() {
    let env = home();
    let said = "Please write a test for every width, and look at all of them. ".repeat(9);
    talk(&env, "claude", A, "/srv/with/a/rather/long/path/to/website", &said, DAY);
    let row = |columns: usize| {
        let out = at(&env, columns, "").out;
        out.lines().find(|line| line.contains("menu")).unwrap().to_owned()
    };
    let (narrow, wide) = (row(80), row(200));
    assert!(narrow.ends_with('…') && narrow.width() > 75, "{narrow}");
    assert!(wide.ends_with('…') && wide.width() > 195, "{wide}");
    assert!(narrow.contains("…") && narrow.contains("to/website"), "its end is kept: {narrow}");
    assert!(wide.contains("/srv/with/a/rather/long/path/to/website"), "{wide}");
    // Without a terminal and without COLUMNS, only the message is cut.
    let piped = env.run("list").out;
    let line = piped.lines().find(|line| line.contains("menu")).unwrap();
    assert!(line.contains("  /srv/with/a/rather/long/path/to/website  Please write"), "{piped}");
    assert!(line.ends_with('…') && line.width() > 160, "{piped}");
    let mut command = env.command(["list"]);
    assert_eq!(Ran::of(command.env("COLUMNS", "many")).out, piped);
}

#[test]
fn long_chats_stay_apart() {
    let env = TestEnv::new();
    let mut chats = serde_json::Map::new();
    for number in 0..40 {
        chats.insert(format!("telegram-group-1234567890-user-{number}-of-them"), GONE.into());
    }
    env.map(json!({"claude-cli": chats}).to_string());
    talk(&env, "claude", B, "/srv", "hi", MINUTE);
    let out = at(&env, 80, "--missing remove").out;
    let mut rows: Vec<&str> = out.lines().filter(|line| line.starts_with("missing")).collect();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 40, "two rows look the same: {out}");
    // In a pipe, and with every detail, no id is cut.
    for out in [env.run("list --missing remove").out, at(&env, 80, "-v --missing remove").out] {
        let row = out.lines().find(|line| line.contains("-user-7-"));
        assert!(row.unwrap().contains("  telegram-group-1234567890-user-7-of-them  "), "{out}");
    }
}

#[test]
fn the_home_is_shown_as_such_where_it_is_one() {
    let env = home();
    let home = env.home("").to_str().unwrap().trim_end_matches('/').to_owned();
    for (project, shown) in [
        (home.clone(), "  ~  "),
        (format!("{home}/src"), "  ~/src  "),
        (format!("{home}-other"), "-other  "),
        ("/srv".to_owned(), "  /srv  "),
    ] {
        talk(&env, "claude", A, &project, "hello", DAY);
        let out = at(&env, 200, "").out;
        let row = out.lines().find(|line| line.contains("menu")).unwrap();
        assert!(row.contains(shown), "{shown:?} is not in {row:?}");
        let is_other = project.ends_with("-other");
        assert_eq!(row.contains(&home), is_other, "{row:?}");
        assert_eq!(crate::env::row(&list(&env, "", 0), "menu")["project"], project);
    }
}

#[test]
fn five_thousand_sessions_are_listed_all() {
    const COUNT: usize = 5000;
    let env = TestEnv::new();
    let mut map = json!({"claude-cli": {}, "codex-cli": {}, "gemini-cli": {}});
    let mut expected = Vec::new();
    for number in 0..COUNT {
        let (cli, model) =
            [("claude", "claude-cli"), ("codex", "codex-cli"), ("gemini", "gemini-cli")]
                [number % 3];
        let id = format!("{number:08}-0a1b-4c2d-8e3f-{number:012}");
        talk(
            &env,
            cli,
            &id,
            "project",
            &format!("question {number}"),
            DAY + (COUNT - number) as u64 * 10,
        );
        map[model][format!("chat-{number}")] = json!(id);
        expected.push(format!("chat-{number}"));
    }
    env.map(map.to_string());
    let start = Instant::now();
    let mut command = env.command(["list", "--format", "json"]);
    let listed = super::listed(bounded(&mut command).exits(0));
    let took = start.elapsed();
    assert_eq!(names(&listed), expected, "the oldest first");
    for (row, number) in listed["sessions"].as_array().unwrap().iter().zip(0..) {
        assert_eq!(row["message"], format!("question {number}"));
        assert_eq!(row["project"], "project");
    }
    assert!(took.as_secs() < 60, "{took:?}");
    let text = at(&env, 80, "");
    assert_eq!(fits(text.exits(0), 80), COUNT);
    assert_eq!(text.err, "");
    assert!(text.out.ends_with("\n5000 mappings: 5000 idle\n"), "{}", &text.out[..200]);
    env.map("{}");
    assert_eq!(list(&env, "--unmapped", 0)["sessions"].as_array().unwrap().len(), COUNT);
}
