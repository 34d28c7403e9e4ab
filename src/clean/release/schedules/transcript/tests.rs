//! Transcripts with calls, with mentions, and torn.

#![expect(clippy::disallowed_methods, reason = "transcripts are written")]

use super::*;
use serde_json::json;

fn call(tool: &str, time: &str) -> String {
    let tool = json!({"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}});
    json!({"type": "assistant", "timestamp": time, "message": {"content": [tool]}}).to_string()
}

fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
}

fn calls_of(lines: &str) -> Calls {
    let mut scan = TranscriptScan::new(PathBuf::new());
    scan.scan_lines(lines.as_bytes(), &Interrupt::default()).unwrap();
    Calls { cron: scan.last_cron(), wakeup: scan.last_wakeup() }
}

const EARLY: &str = "2026-11-01T10:00:00.000Z";
const LATE: &str = "2026-11-27T10:00:00.000Z";

#[test]
fn the_latest_call_of_each_tool_counts() {
    let lines = [call(CRON, LATE), call(CRON, EARLY), call(WAKEUP, EARLY), call("Bash", LATE)];
    let found = calls_of(&lines.join("\n"));
    assert_eq!(found, Calls { cron: time(LATE), wakeup: time(EARLY) });
    assert_eq!(calls_of(""), Calls::default());
    assert_eq!(calls_of(&call("CronDelete", LATE)), Calls::default());
}

#[test]
fn a_text_or_a_list_that_mentions_a_tool_is_no_call() {
    let text = json!({"type": "user", "timestamp": LATE, "message": {"content": "use CronCreate"}});
    let list = json!({"type": "attachment", "attachment": {"addedNames": [CRON, WAKEUP]}});
    assert_eq!(calls_of(&format!("{text}\n{list}\n")), Calls::default());
    // As Claude Code 2.1.332 writes what it may call into the transcript of every session.
    let schema = json!({"name": WAKEUP, "input_schema": {"properties": {"prompt": {}}}});
    let definition = json!({"name": WAKEUP, "description": "Schedule when to …", "schema": schema});
    let offered = json!({"type": "attachment", "attachment": {"tools": [definition]}});
    let shape = json!({"type": "api-request-shape", "shape": {"tools": [schema]}});
    let used = json!({"type": "tools-used", "tools": [CRON]});
    assert_eq!(calls_of(&format!("{offered}\n{shape}\n{used}\n")), Calls::default());
    // A text that holds a call in turn.
    let quoted = json!({"type": "user", "message": {"content": call(CRON, LATE)}});
    assert_eq!(calls_of(&quoted.to_string()), Calls::default());
}

#[test]
fn what_a_session_takes_over_from_an_earlier_one_counts() {
    let carry = |fields: serde_json::Value| {
        let mut attachment = json!({"type": CARRY, "tasks": [], "otherArmed": []});
        attachment.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let record = json!({"type": "attachment", "attachment": attachment, "timestamp": LATE});
        calls_of(&record.to_string())
    };
    let late = time(LATE);
    assert_eq!(carry(json!({})), Calls::default());
    assert_eq!(carry(json!({"wakeup": null})), Calls::default());
    let armed = json!([{"id": "82d82969", "cron": "*/30 * * * *", "recurring": true}]);
    assert_eq!(carry(json!({"otherArmed": armed})), Calls { cron: late, wakeup: None });
    assert_eq!(carry(json!({"tasks": armed})), Calls { cron: late, wakeup: None });
    assert_eq!(carry(json!({"new": {"x": 1}})), Calls { cron: late, wakeup: None });
    let wakeup = json!({"prompt": "/loop x", "scheduledFor": 1_795_861_140_000_u64});
    assert_eq!(carry(json!({"wakeup": wakeup})), Calls { cron: None, wakeup: late });
    // Torn.
    assert_eq!(calls_of("{\"type\":\"session_cron_carry\"").cron, Some(Timestamp::MAX));
}

#[test]
fn a_call_whose_time_is_not_known_is_of_now() {
    let unknown = Some(Timestamp::MAX);
    for line in [
        call(CRON, "yesterday"),
        json!({"message": {"content": [{"name": CRON, "input": {}}]}}).to_string(),
        json!({"timestamp": 5, "type": "server_tool_use", "name": CRON}).to_string(),
        format!("{}garbage", call(CRON, EARLY)),
        "\u{0}CronCreate".to_owned(),
        call(CRON, EARLY)[..100].to_owned() + CRON,
    ] {
        assert_eq!(calls_of(&line).cron, unknown, "{line}");
        assert_eq!(calls_of(&format!("{}\n{line}\n{{}}\n", call(CRON, EARLY))).cron, unknown);
    }
    let deep = "[".repeat(200) + "\"" + WAKEUP + "\"" + &"]".repeat(200);
    assert_eq!(calls_of(&deep).wakeup, unknown);
}

#[test]
fn a_line_that_is_too_long_counts_by_its_names() {
    let mut line = Line::new();
    line.extend(b"{\"x\":\"");
    line.extend(&vec![b'x'; LONGEST_LINE - 10]);
    // The name is cut where the line becomes too long.
    line.extend(b"xxxxxxxxxxCronCr");
    assert!(line.is_too_long && line.bytes.len() < 100);
    line.extend(b"eate\"}\n");
    assert_eq!(line.calls(), Calls { cron: Some(Timestamp::MAX), wakeup: None });
    line.clear();
    line.extend(b"{}\n");
    assert_eq!(line.calls(), Calls::default());
}

#[test]
fn a_scan_goes_on_where_the_last_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.jsonl");
    let interrupt = Interrupt::default();
    let mut scan = TranscriptScan::new(path.clone());
    scan.scan(&interrupt).unwrap();
    assert_eq!((scan.last_cron(), scan.offset), (None, 0));

    let whole = call("Bash", EARLY) + "\n";
    fs::write(&path, format!("{whole}{}", &call(CRON, LATE)[..90])).unwrap();
    scan.scan(&interrupt).unwrap();
    assert_eq!(scan.offset, whole.len() as u64);
    fs::write(&path, format!("{whole}{}\n", call(CRON, LATE))).unwrap();
    scan.scan(&interrupt).unwrap();
    assert_eq!(scan.last_cron(), time(LATE));

    // Replaced, and shorter.
    fs::write(&path, "{}\n").unwrap();
    scan.scan(&interrupt).unwrap();
    assert_eq!((scan.last_cron(), scan.offset), (time(LATE), 3));
    fs::remove_file(&path).unwrap();
    scan.scan(&interrupt).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(scan.scan(&interrupt).is_err());
}

#[test]
fn a_part_of_a_line_counts_only_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.jsonl");
    let mut scan = TranscriptScan::new(path.clone());
    let mention = json!({"timestamp": EARLY, "text": "CronCreate and more"}).to_string();
    let cut = mention.find(" and").unwrap();
    fs::write(&path, &mention[..cut]).unwrap();
    scan.scan(&Interrupt::default()).unwrap();
    assert_eq!(scan.last_cron(), Some(Timestamp::MAX));
    fs::write(&path, mention + "\n").unwrap();
    scan.scan(&Interrupt::default()).unwrap();
    assert_eq!(scan.last_cron(), None);
}

#[test]
fn a_signal_ends_a_scan() {
    let interrupt = Interrupt::default();
    interrupt.ask();
    let mut scan = TranscriptScan::new(PathBuf::new());
    assert!(scan.scan_lines(&b"{}\n"[..], &interrupt).is_err());
}

#[test]
fn the_transcripts_of_a_session_are_found_by_their_names() {
    const SESSION: &str = "7c0d1e2f-3a4b-4c5d-8e6f-708192a3b4c5";
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join("projects").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{}\n").unwrap();
        path
    };
    let upper = SESSION.to_uppercase();
    let mut expected = vec![
        file(&format!("-a/{SESSION}.jsonl")),
        file(&format!("-b/{upper}.jsonl")),
        file(&format!("-a/{SESSION}/subagents/deep/agent-1.jsonl")),
    ];
    file(&format!("-a/{SESSION}.jsonl.bak"));
    file(&format!("-a/{SESSION}/custom-title.json"));
    file(&format!("-a/x{SESSION}.jsonl"));
    file("-a/other.jsonl");
    file(&format!("{SESSION}.jsonl"));

    let of = |folder: PathBuf, session: &str| -> Vec<PathBuf> {
        transcripts(&folder, [session]).unwrap().into_values().flatten().collect()
    };
    let mut found = of(folder.path().join("projects"), SESSION);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(of(folder.path().join("nowhere"), SESSION).is_empty());
    assert!(of(folder.path().join("projects"), "../-a/other").is_empty());
}
