//! Describes errors in JSON with JSON's own terms instead of Rust's.

use serde_json::Error;

/// Returns the error with its position: `found an array, expected an object at line 1 column 0`.
pub fn json_error(error: &Error) -> String {
    if error.is_eof() {
        return format!("it ends early, at line {} column {}", error.line(), error.column());
    }

    let text = error.to_string();
    let Some((found, expected)) =
        text.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return text;
    };

    let found = match found {
        "sequence" => "an array",
        "map" => "an object",
        "unit value" => "null",
        other => other,
    };

    let (kind, place) = match expected.find(" at line ") {
        Some(end) => expected.split_at(end),
        None => (expected, ""),
    };

    let kind = match kind {
        "a sequence" => "an array",
        "a map" => "an object",
        kind if kind.starts_with("struct ") => "an object",
        kind => kind,
    };

    format!("found {found}, expected {kind}{place}")
}

#[cfg(test)]
mod tests {
    use super::json_error;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_json() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Content {
            #[expect(dead_code, reason = "only read")]
            pins: Vec<String>,
        }
        let of = |json: &str| json_error(&serde_json::from_str::<Content>(json).unwrap_err());
        assert_eq!(of("3"), "found integer `3`, expected an object at line 1 column 1");
        assert_eq!(of(r#"{"pins":{}}"#), "found an object, expected an array at line 1 column 8");
        assert_eq!(of(r#"{"pins":null}"#), "found null, expected an array at line 1 column 12");
        assert_eq!(of(r#"{"a":1}"#), "unknown field `a`, expected `pins` at line 1 column 4");
        assert_eq!(of("{\n"), "it ends early, at line 2 column 0");
        assert_eq!(of("{]"), "key must be a string at line 1 column 2");

        let map = serde_json::from_str::<BTreeMap<String, u8>>("[]").unwrap_err();
        assert_eq!(json_error(&map), "found an array, expected an object at line 1 column 0");
    }
}
