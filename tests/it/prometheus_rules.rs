//! The alert rules that come with the program, against the metrics that it writes.
//!
//! They are read as the little of YAML that they are written in: anything else fails, whatever
//! YAML would make of it.

use session_warden::model::Timestamp;
use session_warden::report::{Measured, Summary, write_metrics};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// An alert's settings by name; those of labels and annotations with that name before a dot.
type Alert = BTreeMap<String, String>;

fn rules() -> String {
    let path = "packaging/prometheus/session-warden.rules.yml";
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Reads groups of alerts in their one form, or says what is not of it.
fn parse(text: &str) -> Result<Vec<Alert>, String> {
    if !text.ends_with('\n') || text.contains(['\t', '\r']) {
        return Err("tabs, carriage returns, or no end".to_owned());
    }
    let is_content = |line: &&str| !line.is_empty() && !line.trim_start().starts_with('#');
    let mut lines = text.lines().filter(is_content);
    for expected in ["groups:", "  - name: session-warden", "    rules:"] {
        if lines.next() != Some(expected) {
            return Err(format!("not {expected:?}"));
        }
    }
    let mut alerts: Vec<Alert> = Vec::new();
    let mut block = String::new();
    for line in lines {
        let wrong = |why: &str| format!("{why}: {line:?}");
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let (key, value) = content.split_once(':').ok_or_else(|| wrong("no key"))?;
        if let (6, Some("alert")) = (indent, key.strip_prefix("- ")) {
            alerts.push(Alert::from([("alert".to_owned(), scalar(value)?)]));
            block.clear();
            continue;
        }
        let alert = alerts.last_mut().ok_or_else(|| wrong("before the first alert"))?;
        let key = match (indent, key, value) {
            (8, "labels" | "annotations", "") => {
                block = format!("{key}.");
                if alert.keys().any(|known| known.starts_with(&block)) {
                    return Err(wrong("twice"));
                }
                continue;
            }
            (8, "expr" | "for", _) if block.is_empty() => key.to_owned(),
            (10, "severity" | "summary" | "description", _) if !block.is_empty() => {
                format!("{block}{key}")
            }
            _ => return Err(wrong("a key that does not belong there")),
        };
        if alert.insert(key, scalar(value)?).is_some() {
            return Err(wrong("twice"));
        }
    }
    Ok(alerts)
}

/// A value after its colon: plain where nothing in it could mean anything else, or quoted.
fn scalar(value: &str) -> Result<String, String> {
    let text = value.strip_prefix(' ').ok_or_else(|| format!("no value: {value:?}"))?;
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let is_good = match inner {
        Some(inner) => !inner.contains('\''),
        None => {
            text.starts_with(|first: char| first.is_ascii_alphanumeric())
                && !text.ends_with(|last: char| last.is_whitespace() || last == ':')
                && ![": ", " #", "'", "\"", "{{"].iter().any(|special| text.contains(special))
        }
    };
    if is_good { Ok(inner.unwrap_or(text).to_owned()) } else { Err(format!("quote {text:?}")) }
}

/// The names in the HELP lines of what is written.
fn metrics() -> BTreeSet<String> {
    let run = Measured {
        profile: String::new(),
        at: Timestamp::new(1_795_241_706, 0),
        took: Duration::from_secs(1),
        exit: 0,
        dry_run: false,
        threshold_seconds: 7200,
        summary: Some(Summary::default()),
        oldest_idle_seconds: 0,
    };
    let mut out = Vec::new();
    write_metrics("", &[run], true, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let helps = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
    helps.map(|help| help.split(' ').next().unwrap().to_owned()).collect()
}

/// Everything in `text` that looks like one of our metrics.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("session_warden")).map(str::to_owned).collect()
}

#[test]
fn every_metric_that_the_rules_name_is_written() {
    let (named, written) = (named(&rules()), metrics());
    assert!(named.len() >= 3, "{named:?}");
    assert!(named.is_subset(&written), "{:?} are not written", &named - &written);
}

#[test]
fn the_rules_are_whole_and_say_what_to_do() {
    let alerts = parse(&rules()).unwrap();
    let names: Vec<&str> = alerts.iter().map(|alert| alert["alert"].as_str()).collect();
    assert_eq!(names, ["SessionWardenNoSuccess", "SessionWardenAbsent", "SessionWardenFailing"]);
    for alert in &alerts {
        let name = &alert["alert"];
        for key in ["expr", "labels.severity", "annotations.summary", "annotations.description"] {
            assert!(alert.contains_key(key), "{name} has no {key}");
        }
        assert!(!named(&alert["expr"]).is_empty(), "{name} looks at nothing of ours");
        for (open, close) in [("(", ")"), ("{{", "}}"), ("{{ with", "{{ end }}")] {
            let count =
                |what: &str| alert.values().map(|text| text.matches(what).count()).sum::<usize>();
            assert_eq!(count(open), count(close), "{open} in {name}");
        }
        if let Some(time) = alert.get("for") {
            let number = time.strip_suffix(['s', 'm', 'h']).unwrap();
            assert!(number.bytes().all(|digit| digit.is_ascii_digit()), "{time}");
        }
    }
    let expression = "time() - session_warden_last_success_timestamp_seconds > 3 * 3600";
    assert_eq!(alerts[0]["expr"], expression);
}

#[test]
fn what_is_not_well_formed_is_seen() {
    let good = rules();
    for (from, to) in [
        ("        expr:", "       expr:"),
        ("        expr:", "\texpr:"),
        ("expr:", "exprs:"),
        ("expr:", "expr"),
        ("expr: ", "expr:"),
        ("        for: 15m", "        for: 15m\n        for: 15m"),
        ("    rules:", "  rules:"),
        ("groups:", "group:"),
        ("summary: '", "summary: "),
        ("fails'", "fails"),
        ("no session-warden", "no session-warden's"),
        ("      - alert: SessionWardenNoSuccess\n", ""),
    ] {
        assert!(good.contains(from));
        assert!(parse(&good.replacen(from, to, 1)).is_err(), "{from:?} as {to:?}");
    }
}
