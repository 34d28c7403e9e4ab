//! What is told of sessions of every CLI, and what of torn, huge and hostile files.

use super::super::compressed::tests::{bomb, compressed};
use super::super::lines::tests::file;
use super::*;

fn of(text: &[u8], name: &str, records: Records) -> About {
    about(file(text), OsStr::new(name), records, &Interrupt::default()).unwrap()
}

fn expected(project: Option<&str>, message: Option<&str>) -> About {
    About { project: project.map(str::to_owned), message: message.map(str::to_owned) }
}

#[track_caller]
fn check(records: Records, lines: &[&str], project: Option<&str>, message: Option<&str>) {
    let expected = expected(project, message);
    for end in ["\n", "\r\n", "\n\n"] {
        let text = lines.join(end);
        assert_eq!(of(text.as_bytes(), "a.jsonl", records), expected, "{text}");
        let packed = compressed(text.as_bytes());
        assert_eq!(of(&packed, "a.jsonl.zst", records), expected, "{text}, compressed");
    }
}

#[test]
fn claudes_folder_and_first_message() {
    let check = |lines: &[&str], project, message| check(Records::Claude, lines, project, message);
    let other = r#"{"type":"attachment","cwd":"/home/me/first"}"#;
    let user =
        r#"{"type":"user","cwd":"/home/me/later","message":{"role":"user","content":"hello"}}"#;
    check(&[user], Some("/home/me/later"), Some("hello"));
    check(&[other, user], Some("/home/me/first"), Some("hello"));
    check(&[user, &user.replace("hello", "again")], Some("/home/me/later"), Some("hello"));
    check(&[r#"{"cwd":""}"#, r#"{"cwd":7}"#, user], Some("/home/me/later"), Some("hello"));
    check(&[r#"{"message":{"cwd":"/not/this"}}"#], None, None);
    check(&[other, "{\"type\":\"us", user], Some("/home/me/first"), Some("hello"));
    check(&[], None, None);
    for skipped in [
        r#"{"type":"user","isMeta":true,"message":{"content":"no"}}"#,
        r#"{"type":"user","isSidechain":true,"message":{"content":"no"}}"#,
        r#"{"type":"user","origin":{"kind":"task-notification"},"message":{"content":"no"}}"#,
        r#"{"type":"user","isCompactSummary":true,"message":{"content":"no"}}"#,
        r#"{"type":"user","message":{"content":"[Request interrupted by user]"}}"#,
        r#"{"type":"user","message":{"content":[{"type":"text","text":"<ide_opened_file>a</ide_opened_file>"}]}}"#,
        r#"{"type":"assistant","message":{"content":"no"}}"#,
        r#"{"type":"user","message":{"content":"<command-name>/clear</command-name>"}}"#,
        r#"{"type":"user","message":{"content":"\n <local-command-stdout></local-command-stdout>"}}"#,
        r#"{"type":"user","message":{"content":"Caveat: The messages below"}}"#,
        r#"{"type":"user","message":{"content":" \n\t "}}"#,
        r#"{"type":"user","message":{"content":[]}}"#,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"no","text":"no"}]}}"#,
        r#"{"type":"user","message":{"content":[{"type":"text","text":"<command-x>"},["text",7]]}}"#,
        r#"{"type":"user","message":{"content":{"type":"text","text":"no"}}}"#,
        r#"{"type":"user","message":"no"}"#,
        r#"["user","/no",false,false,{"content":"no"}]"#,
    ] {
        check(&[skipped], None, None);
        check(&[skipped, user], Some("/home/me/later"), Some("hello"));
    }
    let typed = r#"{"type":"user","origin":{"kind":"human"},"message":{"content":"typed"}}"#;
    check(&[typed], None, Some("typed"));
    let parts = r#"{"type":"user","isMeta":false,"isSidechain":false,"message":{"content":[{"type":"image","source":{}},{"type":"text","text":"<command-x>"},{"type":"text","text":"look"},{"type":"text","text":"here"}]}}"#;
    check(&[parts], None, Some("look"));
}

#[test]
fn codexs_folder_and_first_message() {
    let check = |lines: &[&str], project, message| check(Records::Codex, lines, project, message);
    let meta = r#"{"timestamp":"x","type":"session_meta","payload":{"id":"a","cwd":"/home/me"}}"#;
    let event = r#"{"type":"event_msg","payload":{"type":"user_message","message":"hello"}}"#;
    let item = r#"{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"sent"}]}}"#;
    check(&[meta, event], Some("/home/me"), Some("hello"));
    check(&[meta, item], Some("/home/me"), Some("sent"));
    check(&[meta, item, event], Some("/home/me"), Some("hello"));
    let ide =
        r"# Context from my IDE setup:\n\n## Active file: a\n\n## My request for Codex:\nasked\n";
    check(&[meta, &event.replace("hello", ide)], Some("/home/me"), Some("asked"));
    check(&[meta, &item.replace("sent", ide)], Some("/home/me"), Some("asked"));
    check(&[&item.replace("sent", "<b> is bold")], None, Some("<b> is bold"));
    check(&[meta, &meta.replace("/home/me", "/other"), event], Some("/home/me"), Some("hello"));
    check(&[r#"{"type":"turn_context","payload":{"cwd":"/other"}}"#, event], None, Some("hello"));
    check(&[&event.replace("user_message", "agent_message"), meta], Some("/home/me"), None);
    for skipped in [
        item.replace("sent", "<environment_context>"),
        item.replace("sent", r"<user_instructions>\n\nbe kind\n\n</user_instructions>"),
        item.replace("sent", "# AGENTS.md instructions for /home/me"),
        item.replace(r#""role":"user""#, r#""role":"developer""#),
        item.replace("input_text", "output_text"),
        item.replace(r#""type":"message""#, r#""type":"reasoning""#),
        item.replace("response_item", "other"),
    ] {
        check(&[&skipped], None, None);
        check(&[&skipped, item], None, Some("sent"));
    }
}

#[test]
fn geminis_first_message() {
    let check = |lines: &[&str], message| check(Records::Gemini, lines, None, message);
    let header = r#"{"sessionId":"a","startTime":"x","kind":"main"}"#;
    let user = r#"{"id":"1","timestamp":"x","type":"user","content":"hello"}"#;
    let parts = r#"{"id":"1","timestamp":"x","type":"user","content":[{"inlineData":{}},{"text":"parts"}]}"#;
    check(&[header, user, parts], Some("hello"));
    check(&[header, parts, user], Some("parts"));
    check(&[header, &user.replace(r#""user""#, r#""gemini""#), r#"{"$set":{}}"#], None);
    check(&[&user.replace('}', r#","cwd":"/no"}"#)], Some("hello"));
    let context = user.replace("hello", "<session_context>x</session_context>");
    check(&[header, &context, parts], Some("parts"));
    let shown = user.replace('}', r#","displayContent":[{"text":"typed"}]}"#);
    check(&[header, &shown], Some("typed"));
}

#[test]
fn an_element_of_unknown_origin_is_the_message_if_nothing_follows() {
    let element =
        r#"{"type":"user","cwd":"/w","message":{"content":"<my-task>\nhello\n</my-task>"}}"#;
    let user = r#"{"type":"user","message":{"content":"again"}}"#;
    let alone = Some("<my-task> hello </my-task>");
    check(Records::Claude, &[element], Some("/w"), alone);
    check(Records::Claude, &[element, user], Some("/w"), Some("again"));
}

#[test]
fn half_a_surrogate_pair_costs_one_letter_only() {
    let user = r#"{"type":"user","message":{"content":"cut \ud83d"}}"#;
    check(Records::Claude, &[user], None, Some("cut \u{FFFD}"));
    let part = r#"{"type":"user","content":[{"text":"\ude00 here"}]}"#;
    check(Records::Gemini, &[part], None, Some("\u{FFFD} here"));
}

#[test]
fn an_older_geminis_first_message() {
    #[track_caller]
    fn check(text: &str, message: Option<&str>) {
        assert_eq!(of(text.as_bytes(), "a.json", Records::Gemini), expected(None, message));
    }
    let text = r#"{"sessionId":"a","messages":[{"type":"info","content":"no"},
        {"type":"user","content":"hello"},{"type":"user","content":"again"}],"x":1}"#;
    check(text, Some("hello"));
    check(&text[..text.find("again").unwrap()], Some("hello"));
    check(&text[..text.find("llo").unwrap()], None);
    check("", None);
    check(&"[".repeat(10 << 20), None);
    let padding = "x".repeat(9 << 20);
    check(&text.replace("again", &padding), Some("hello"));
    check(&text.replace("\"no\"", &format!("\"{padding}\"")), None);
}

#[test]
fn a_message_is_one_line_of_so_many_characters() {
    #[track_caller]
    fn check(said: &str, expected: &str) {
        assert_eq!(one_line(said).as_deref(), Some(expected).filter(|text| !text.is_empty()));
    }
    check("  a\n\n\tb\u{1b}\u{0}c\u{a0}\u{2028} d\r\n", "a b c d");
    check(" \n", "");
    check("", "");
    check(&"ü".repeat(2000), &"ü".repeat(1000));
    check(&"a b ".repeat(1000), "a b ".repeat(250).trim_end());
    check(&format!("{} b", "a".repeat(998)), &format!("{} b", "a".repeat(998)));
    check(&format!("{} b", "a".repeat(999)), &"a".repeat(999));
    check(&format!("{} b", "a".repeat(1000)), &"a".repeat(1000));
}

#[test]
fn only_the_start_is_read() {
    let user = r#"{"type":"user","message":{"content":"late"}}"#;
    let first = r#"{"cwd":"/home/me"}"#;
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let text = [first, &long, user].join("\n");
    assert_eq!(of(text.as_bytes(), "a.jsonl", Records::Claude), expected(Some("/home/me"), None));
    let packed = compressed(text.as_bytes());
    let both = expected(Some("/home/me"), Some("late"));
    assert_eq!(of(&packed, "a.jsonl.zst", Records::Claude), both);
    let text = [first, &long, &long, &long, &long, user].join("\n");
    let packed = compressed(text.as_bytes());
    assert_eq!(of(&packed, "a.zst", Records::Claude), expected(Some("/home/me"), None));
    // Of what follows both, nothing is even looked at.
    let packed =
        [compressed(format!("{first}\n{user}\n").as_bytes()), b"garbage".to_vec()].concat();
    assert_eq!(of(&packed, "a.zst", Records::Claude), both);
}

#[test]
fn hostile_files_tell_nothing() {
    let deep = [b"{\"message\":", &b"[".repeat(10 << 20)[..]].concat();
    let closed = format!(
        r#"{{"type":"user","message":{{"content":{}{}}}}}"#,
        "[".repeat(9999),
        "]".repeat(9999)
    );
    let hostile: [&[u8]; 7] =
        [b"", b"{", &[0; 4096], b"\xff\xfe\n", &deep, closed.as_bytes(), b"{\"cwd\":\"\xff\"}"];
    for text in hostile {
        for records in [Records::Claude, Records::Codex, Records::Gemini, Records::Unknown] {
            assert_eq!(of(text, "a.jsonl", records), About::default());
        }
        assert_eq!(of(text, "a.json", Records::Gemini), About::default());
    }
    assert_eq!(of(&bomb(1 << 16, b' '), "a.zst", Records::Codex), About::default());
    let line = br#"{"type":"session_meta","payload":{"cwd":"/home/me"}}"#;
    let mut packed = compressed(&[&line[..], b"\n"].concat());
    packed.extend(b"torn");
    assert_eq!(of(&packed, "a.zst", Records::Codex), expected(Some("/home/me"), None));
    assert!(
        about(file(b"torn"), OsStr::new("a.zst"), Records::Codex, &Interrupt::default()).is_err()
    );
}
