//! Prometheus' text format, version 0.0.4: the lines of a metric, and the labels in them.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>
//!
//! Which metrics exist, and from where their values come, is decided by the callers.

use std::fmt::Display;
use std::io::{self, Write};

/// The type of a metric, as its `# TYPE` line gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    Counter,
    Gauge,
}

/// The name and the value of the one label that a sample may have.
pub type Label<'a> = Option<(&'a str, &'a str)>;

/// Writes a metric: its help, its type, and a line for each sample.
pub fn write_metric<'a, V: Display>(
    to: &mut dyn Write,
    name: &str,
    metric_type: MetricType,
    help: &str,
    samples: impl IntoIterator<Item = (Label<'a>, V)>,
) -> io::Result<()> {
    let metric_type = match metric_type {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
    };
    write!(to, "# HELP {name} {help}\n# TYPE {name} {metric_type}\n")?;

    for (label, value) in samples {
        match label {
            None => writeln!(to, "{name} {value}")?,
            Some((key, text)) => writeln!(to, "{name}{{{key}=\"{}\"}} {value}", escape(text))?,
        }
    }
    Ok(())
}

/// Returns the text as it is written between the quotes of a label.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Returns the value of the label at the start of `text`, and the text after its closing quote.
pub fn unescape(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        value.push(match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => match letters.next()? {
                'n' => '\n',
                itself @ ('\\' | '"') => itself,
                _ => return None,
            },
            letter => letter,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_help_a_type_and_samples_whose_labels_are_escaped() {
        let mut out = Vec::new();
        let samples = [(None, 1.5), (Some(("job", "a\"b\\c\nd")), 2.0)];
        write_metric(&mut out, "m_total", MetricType::Counter, "Help.", samples).unwrap();
        let expected = "# HELP m_total Help.\n# TYPE m_total counter\nm_total 1.5\n\
                        m_total{job=\"a\\\"b\\\\c\\nd\"} 2\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(unescape("a\\\"b\\\\c\\nd\"} 2"), Some(("a\"b\\c\nd".to_owned(), "} 2")));
        assert_eq!(unescape("a\\x\""), None);
        assert_eq!(unescape("no end"), None);
    }
}
