//! What stays in a map stays byte for byte, in its order and its form (R5, promise 3): odd maps by
//! hand, run through the binary. `fidelity_properties` does the same with arbitrary ones.

use crate::child::{ACTIVE, IDLE, two_sessions};

/// Cleans a map in which what stands between ‹ and › is to go, and nothing else. `A` is the active
/// session, `I` the idle one.
#[track_caller]
fn check(template: &str) {
    let template = template.replace("\"A\"", &format!("\"{ACTIVE}\""));
    let template = template.replace("\"I\"", &format!("\"{IDLE}\""));
    let mut expected = String::new();
    for part in template.split('‹') {
        expected.push_str(part.split_once('›').map_or(part, |(_, stays)| stays));
    }
    let env = two_sessions();
    env.map(template.replace(['‹', '›'], ""));
    let ran = env.run("clean --missing keep");
    ran.exits(0);
    let left = String::from_utf8(env.map_bytes()).unwrap();
    assert_eq!(left, expected, "{ran:?}");
    assert!(env.litter().is_empty());
    // What was cut is whole: the next run finds nothing to do in it.
    env.run("clean --missing keep").exits(0);
    assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), expected);
}

#[test]
fn whatever_the_layout_what_stays_stays_as_it_was_r5() {
    // Minified: at the start, in between, at the end, all around.
    check(r#"{"claude-cli":{‹"i":"I",›"a":"A"}}"#);
    check(r#"{"claude-cli":{"a":"A",‹"i":"I",›"b":"A"}}"#);
    check(r#"{"claude-cli":{"a":"A"‹,"i":"I"›}}"#);
    check(r#"{"claude-cli":{‹"i":"I",›"a":"A",‹"j":"I",›"b":"A"‹,"k":"I"›}}"#);
    check(r#"{"claude-cli":{‹"i":"I","j":"I",›"a":"A"‹,"k":"I","l":"I"›}}"#);
    // As the bridge writes it, without a final newline, and with one.
    check(r#"{"claude-cli": {‹"i": "I",› "a": "A"‹, "j": "I"›}, "codex-cli": {}}"#);
    check("{\"claude-cli\": {\"a\": \"A\"‹, \"i\": \"I\"›}}\n");
    // Pretty-printed, with CRLF, with tabs, with blank lines at both ends.
    check(
        "{\n  \"claude-cli\": {‹\n    \"i\": \"I\",›\n    \"a\": \"A\"‹,\n    \"j\": \"I\"›\n  }\n}\n",
    );
    check("{\r\n\t\"claude-cli\": {\r\n\t\t\"a\": \"A\"‹,\r\n\t\t\"i\": \"I\"›\r\n\t}\r\n}\r\n");
    check("\n\n {\t\"claude-cli\"\r:\n{\"a\"  :\t\"A\" ‹,\n\n\"i\"\t:\n\"I\"›}}\n \t\n");
    check("{\"claude-cli\" : { \"a\" : \"A\" ,‹ \"i\" : \"I\" ,› \"b\" : \"A\" } }");
}

#[test]
fn an_emptied_model_stays_as_an_empty_object_r5() {
    check(r#"{"claude-cli": {‹"i": "I"›}}"#);
    check(r#"{"claude-cli": {‹"i": "I", "j": "I"›}, "codex-cli": {}}"#);
    check("{\n  \"claude-cli\": {‹\n    \"i\": \"I\"\n  ›}\n}\n");
    check(r#"{"codex-cli": { }, "claude-cli": {‹"i": "I"›}, "gemini-cli": {}}"#);
}

#[test]
fn the_legacy_form_stays_the_legacy_form_r5() {
    check(r#"{"a": "A",‹ "i": "I",› "b": "A"}"#);
    check(r#"{‹"i": "I",› "a": "A"}"#);
    check("{\n  \"a\": \"A\"‹,\n  \"i\": \"I\"›\n}\n");
    check(r#"{‹"i": "I"›}"#);
    check("{‹\r\n\"i\": \"I\",\r\n\"j\": \"I\"\r\n›}\r\n");
}

#[test]
fn values_that_are_not_ours_stay_as_they_were_written_r5() {
    let numbers = "1, 18446744073709551616, 123456789012345678901234567890, -0, 1.0, 1e2, 1E+2, \
                   0.1000000000000000055, 3.141592653589793238462643383279";
    check(&format!(r#"{{"claude-cli": {{‹"i": "I",› "a": "A"}}, "v": [{numbers}]}}"#));
    check(&format!(r#"{{"claude-cli": {{"n": [{numbers}],‹ "i": "I",› "a": "A"}}}}"#));
    check(r#"{"claude-cli": {‹"i": "I",› "big": 99999999999999999999, "a": "A"}}"#);
    check(
        r#"{"claude-cli": {"n": null,‹ "i": "I",› "t": true, "f": false}, "x": {"y": {"z": [{}]}}}"#,
    );
    // A nested object that looks just like what goes.
    check(r#"{"claude-cli": {‹"i": "I",› "a": {"i": "I"}}, "x": {"claude-cli": {"i": "I"}}}"#);
    check(r#"{"version": 2, "claude-cli": {"a": "A"‹, "i": "I"›}, "note": ["}", "{", "\"", ","]}"#);
    // The same chat and session under a model that is nobody's.
    check(r#"{"other": {"i": "I"}, "claude-cli": {‹"i": "I",› "a": "A"}, "z": {"i": "I"}}"#);
}

#[test]
fn escapes_stay_as_they_were_written_r5() {
    check(r#"{"claude-cli": {"\u0061\/\n": "A",‹ "i": "I",› "é😀": "A", "\ud83d\ude00": "A"}}"#);
    check(r#"{"claude\u002dcli": {"\"}, \\": "A"‹, "\\\"{": "I"›}}"#);
    check(
        r#"{"claude-cli": {‹"]}\\": "I",› "\\": "A"‹, "\"": "I"›}, "\u0000": {"\u007f": "\u0001"}}"#,
    );
    check("{\"claude-cli\": {\"\u{7f}\u{9b}\u{202e}\u{2028}\": \"A\"‹, \"\u{200b}\": \"I\"›}}");
    // A session written with escapes is the session it says.
    let escaped = IDLE.replace('-', "\\u002d");
    check(&format!(r#"{{"claude-cli": {{‹"i": "{escaped}",› "": "A"}}}}"#));
    check(r#"{"a\\": "A",‹ "\"": "I",› "\"\\\"": "A"}"#);
}

#[test]
fn the_order_of_models_and_chats_stays_r5() {
    check(
        r#"{"zz": {"b": "1", "a": "2"}, "claude-cli": {"z": "A",‹ "y": "I",› "b": "A", "a": "A"}, "aa": {}}"#,
    );
}

#[test]
fn a_map_where_nothing_goes_is_not_written_anew_promise_3() {
    for map in [
        "{}",
        " { } ",
        "{\"claude-cli\": {}}\r\n",
        "{\"a\": \"A\"}",
        "{\"claude-cli\" :{\"a\":\"A\" }\t}",
        "{\"other\": {\"i\": \"I\"}, \"n\": 12345678901234567890123}",
    ] {
        check(map);
    }
}
