//! The answer that Claude writes, as the stream of events that it comes in.

use serde_json::Value;
use std::io::Read;

use super::answer::{Trouble, cut, error_event};
use super::key::SessionKey;
use super::limits;
use super::stream::{Event, Events};
use crate::model::Timestamp;

/// The answer to so little is short. This is the most that is read of it.
const LARGEST: usize = 4 << 20;

/// What was learnt from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// When the usage window ends that it lies in, if that was told.
    pub window_ends: Option<Timestamp>,
}

/// Reads the stream of an answer to its end.
pub(super) fn read(
    mut stream: impl Read,
    key: &SessionKey,
    now: Timestamp,
) -> Result<Reply, Trouble> {
    let mut events = Events::default();
    let mut told = Told::default();
    let mut each = |event: &Event| told.take(event, key, now);
    let mut buffer = [0; 8 << 10];
    let mut read = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                read += length;
                if read > LARGEST {
                    return Err(Trouble::failed("the answer is larger than 4 MiB"));
                }
                events.take(buffer.get(..length).unwrap_or_default(), &mut each);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                // What it said before it was cut off tells more.
                events.end(&mut each);
                return Err(told.trouble.unwrap_or_else(|| cut(error.into(), key)));
            }
        }
    }
    events.end(&mut each);
    told.reply()
}

/// What the events of a stream have told so far.
#[derive(Default)]
struct Told {
    has_answer: bool,
    is_used_up: bool,
    limit_ends: Option<Timestamp>,
    window_ends: Option<Timestamp>,
    trouble: Option<Trouble>,
}

impl Told {
    fn take(&mut self, event: &Event, key: &SessionKey, now: Timestamp) {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let name = event.name.trim();
        let kind = if name.is_empty() { data["type"].as_str() } else { Some(name) };
        // An error is one, whatever it is called.
        let kind = if data["type"] == "error" { Some("error") } else { kind };
        match kind {
            Some("ping") => {}
            Some("error") => {
                // The first one is why the others came.
                self.trouble.get_or_insert_with(|| error_event(&event.data, key, now));
            }
            Some("message_limit") => {
                self.is_used_up = limits::is_exceeded(&data);
                self.limit_ends = limits::limit(&data, now);
                self.window_ends = limits::window(&data, now);
            }
            _ => self.has_answer |= !event.data.trim().is_empty(),
        }
    }

    fn reply(self) -> Result<Reply, Trouble> {
        match self {
            // What told of the limit may tell its end as well.
            Self { trouble: Some(Trouble::Limited { until: None }), limit_ends, .. } => {
                Err(Trouble::Limited { until: limit_ends })
            }
            Self { trouble: Some(trouble), .. } => Err(trouble),
            Self { has_answer: true, window_ends, .. } => Ok(Reply { window_ends }),
            Self { is_used_up: true, limit_ends, .. } => {
                Err(Trouble::Limited { until: limit_ends })
            }
            _ => Err(Trouble::failed("the answer was empty")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stream: &str) -> Result<Reply, Trouble> {
        let key = SessionKey::parse("sk-ant-sid01-0123456789abcdef").unwrap();
        read(stream.as_bytes(), &key, Timestamp::new(1_777_460_000, 0))
    }

    #[test]
    fn a_stream_is_an_answer_if_it_has_one_and_no_error() {
        let answer = "event: completion\ndata: {\"completion\":\"Hello\"}\n\n";
        let limit = "event: message_limit\ndata: {\"type\":\"message_limit\",\"message_limit\":\
            {\"type\":\"exceeded_limit\",\"windows\":{\"5h\":{\"status\":\"exceeded_limit\",\
            \"resets_at\":1777460900}}}}\n\n";
        let ends = Some(Timestamp::new(1_777_460_900, 0));
        assert_eq!(told(answer), Ok(Reply { window_ends: None }));
        assert_eq!(told("data: {\"type\":\"message_start\"}\n\n"), Ok(Reply { window_ends: None }));
        assert_eq!(told(&format!("{answer}{limit}")), Ok(Reply { window_ends: ends }));
        assert_eq!(told(limit), Err(Trouble::Limited { until: ends }));
        for nothing in
            ["", "event: ping\ndata: {}\n\n", "<html>\n<body>no: thing</body>\n", "{\"a\":1}"]
        {
            assert_eq!(told(nothing), Err(Trouble::failed("the answer was empty")), "{nothing}");
        }
        for error in
            ["event: error\ndata: {}\n\n", "data: {\"type\":\"error\"}\n\n", "event: error"]
        {
            let stream = format!("{answer}{error}");
            assert_eq!(told(&stream), Err(Trouble::failed("the answer ended with an error")));
        }
        for error in
            ["event: completion\ndata: {\"type\":\"error\"}\n\n", "event: error \ndata: {}\n\n"]
        {
            let stream = format!("{answer}{error}");
            assert!(matches!(told(&stream), Err(Trouble::Failed { .. })), "{error}");
        }
        let error = "event: error\ndata: {\"error\":{\"type\":\"rate_limit_error\"}}\n\n";
        assert_eq!(told(&format!("{limit}{error}")), Err(Trouble::Limited { until: ends }));
        assert!(told(&"x".repeat(LARGEST + 1)).is_err_and(|trouble| {
            trouble == Trouble::failed("the answer is larger than 4 MiB")
        }));
    }
}
