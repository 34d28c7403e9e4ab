//! A parser that takes nothing but what the text format and promtool's lints allow, and less: one
//! form of white space, gauges only, the one label, no times on samples.

/// A metric and its samples: the value of `profile`, and the number.
#[derive(Debug, PartialEq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) samples: Vec<(String, f64)>,
}

/// The families of a text, or what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Vec<Family>, String> {
    let mut families: Vec<Family> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').ok_or("the last line has no end")?;
        let wrong = |why: &str| format!("{why}: {line:?}");
        let Some(about) = line.strip_prefix("# HELP ") else {
            return Err(wrong("no HELP before it, or a blank line, or another comment"));
        };
        let (name, help) = about.split_once(' ').ok_or_else(|| wrong("no help"))?;
        if !is_name(name) || !is_linted(name) {
            return Err(wrong("no good name"));
        }
        if help.is_empty() || help.trim() != help || help.contains(['\\', '\r']) {
            return Err(wrong("no good help"));
        }
        if families.iter().any(|family| family.name == name) {
            return Err(wrong("its samples do not stand together"));
        }
        let kind = format!("# TYPE {name} gauge\n");
        rest = after.strip_prefix(&kind).ok_or_else(|| wrong("no TYPE after it"))?;
        let mut samples = Vec::new();
        while let Some(after) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('{')) {
            let (profile, after) = profile(after)?;
            let (number, after) = after.split_once('\n').ok_or("the last line has no end")?;
            let number = number.strip_prefix(' ').ok_or_else(|| wrong("no space"))?;
            // A time would be a second number.
            if number.contains(|letter: char| letter.is_whitespace() || letter == '_') {
                return Err(wrong("more than a number"));
            }
            let number: f64 = number.parse().map_err(|_| wrong("no number"))?;
            if samples.iter().any(|(known, _)| *known == profile) {
                return Err(wrong("twice the same series"));
            }
            samples.push((profile, number));
            rest = after;
        }
        if samples.is_empty() {
            return Err(wrong("no samples"));
        }
        families.push(Family { name: name.to_owned(), samples });
    }
    Ok(families)
}

fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

/// promtool's lints for the name of a gauge.
fn is_linted(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    !["total", "count", "sum", "bucket", "info"].iter().any(|end| words.ends_with(&[end]))
        && !words.iter().any(|word| {
            ["gauge", "counter", "summary", "histogram", "ms", "milliseconds", "minutes", "hours"]
                .contains(word)
        })
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The one label `profile` after an opening brace, and what comes after the closing one.
fn profile(text: &str) -> Result<(String, &str), String> {
    let text = text.strip_prefix("profile=\"").ok_or("another label")?;
    let mut value = String::new();
    let mut rest = text;
    loop {
        let special = rest.find(['\\', '"', '\n']).ok_or("no closing quote")?;
        value.push_str(&rest[..special]);
        rest = &rest[special..];
        if let Some(after) = rest.strip_prefix('"') {
            let after = after.strip_prefix('}').ok_or("more than one label")?;
            return Ok((value, after));
        }
        let (letter, after) = match rest.get(..2) {
            Some("\\\\") => ('\\', &rest[2..]),
            Some("\\\"") => ('"', &rest[2..]),
            Some("\\n") => ('\n', &rest[2..]),
            _ => return Err(format!("no such escape: {rest:?}")),
        };
        value.push(letter);
        rest = after;
    }
}

#[test]
fn the_parser_is_strict() {
    let good = "# HELP a_b Help.\n# TYPE a_b gauge\na_b{profile=\"x\"} 1\n";
    assert!(parse(good).is_ok() && parse("").is_ok());
    for (from, to) in [
        ("1\n", "1"),
        ("1\n", "1 5\n"),
        ("1\n", "1\n\n"),
        ("1\n", "one\n"),
        ("} 1", "}  1"),
        ("} 1", "}1"),
        ("1\n", "1\na_b{profile=\"x\"} 2\n"),
        ("1\n", "1\n# HELP a_b Help.\n# TYPE a_b gauge\n"),
        ("gauge\n", "gauge\n# TYPE a_b gauge\n"),
        ("gauge", "counter"),
        ("# TYPE a_b gauge\n", ""),
        ("# HELP a_b Help.\n", ""),
        ("Help.", ""),
        ("a_b{profile=\"x\"} 1\n", ""),
        ("\"x\"", "x"),
        ("\"x\"", "\"x"),
        ("x", "\\x"),
        ("x", "\n"),
        ("profile", "chat"),
        ("\"x\"", "\"x\",y=\"z\""),
        ("a_b{", "c{"),
        ("a_b", "a_total"),
        ("a_b", "a_hours"),
        ("a_b", "1a"),
        ("# H", "#H"),
        ("# H", "\n# H"),
    ] {
        let bad = good.replace(from, to);
        assert!(parse(&bad).is_err(), "{bad:?}");
    }
}
