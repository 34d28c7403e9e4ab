//! The answer that Claude writes, as the stream of events that it comes in.

use serde_json::Value;
use std::io::{ErrorKind, Read};

use super::answer::{CallError, error_event, incomplete};
use super::limits;
use super::stream::{Event, Events};
use crate::model::Timestamp;

/// The most that is read of an answer, which is short to so short a prompt.
const LARGEST: usize = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The end of its usage window, if the answer has it.
    pub window_ends: Option<Timestamp>,
}

pub(super) fn read(mut stream: impl Read, now: Timestamp) -> Result<Reply, CallError> {
    let mut events = Events::default();
    let mut seen = Seen::default();
    let mut buffer = [0; 8 << 10];
    let mut length = 0;

    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                length += count;
                if length > LARGEST {
                    return Err(CallError::failed("the answer is larger than 4 MiB"));
                }
                let bytes = buffer.get(..count).unwrap_or_default();
                events.take(bytes, &mut |event| seen.add(event, now));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                // An error in the stream explains more than the fact that it was cut off.
                events.end(&mut |event| seen.add(event, now));
                return Err(seen.error.unwrap_or_else(|| incomplete(error.into())));
            }
        }
    }

    events.end(&mut |event| seen.add(event, now));
    seen.reply()
}

#[derive(Default)]
struct Seen {
    has_answer: bool,
    is_used_up: bool,
    limit_ends: Option<Timestamp>,
    window_ends: Option<Timestamp>,
    error: Option<CallError>,
}

impl Seen {
    fn add(&mut self, event: &Event, now: Timestamp) {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let name = event.name.trim();
        let kind = if name.is_empty() { data["type"].as_str() } else { Some(name) };
        // An error may come under any name.
        let kind = if data["type"] == "error" { Some("error") } else { kind };
        match kind {
            Some("ping") => {}
            Some("error") => {
                // The first one is the cause of the others.
                self.error.get_or_insert_with(|| error_event(&event.data, now));
            }
            Some("message_limit") => {
                self.is_used_up = limits::is_exceeded(&data);
                self.limit_ends = limits::limit(&data, now);
                self.window_ends = limits::window(&data, now);
            }
            _ => self.has_answer |= !event.data.trim().is_empty(),
        }
    }

    fn reply(self) -> Result<Reply, CallError> {
        match self.error {
            // The event about the limit may have its end.
            Some(CallError::Limited { until: None }) => {
                Err(CallError::Limited { until: self.limit_ends })
            }
            Some(error) => Err(error),
            None if self.has_answer => Ok(Reply { window_ends: self.window_ends }),
            None if self.is_used_up => Err(CallError::Limited { until: self.limit_ends }),
            None => Err(CallError::failed("the answer was empty")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply_of(stream: &str) -> Result<Reply, CallError> {
        read(stream.as_bytes(), Timestamp::new(1_777_460_000, 0))
    }

    #[test]
    fn a_stream_is_an_answer_if_it_has_one_and_no_error() {
        let answer = "event: completion\ndata: {\"completion\":\"Hello\"}\n\n";
        let limit = "event: message_limit\ndata: {\"type\":\"message_limit\",\"message_limit\":\
            {\"type\":\"exceeded_limit\",\"windows\":{\"5h\":{\"status\":\"exceeded_limit\",\
            \"resets_at\":1777460900}}}}\n\n";
        let ends = Some(Timestamp::new(1_777_460_900, 0));
        assert_eq!(reply_of(answer), Ok(Reply { window_ends: None }));
        assert_eq!(
            reply_of("data: {\"type\":\"message_start\"}\n\n"),
            Ok(Reply { window_ends: None })
        );
        assert_eq!(reply_of(&format!("{answer}{limit}")), Ok(Reply { window_ends: ends }));
        assert_eq!(reply_of(limit), Err(CallError::Limited { until: ends }));
        for nothing in
            ["", "event: ping\ndata: {}\n\n", "<html>\n<body>no: thing</body>\n", "{\"a\":1}"]
        {
            assert_eq!(
                reply_of(nothing),
                Err(CallError::failed("the answer was empty")),
                "{nothing}"
            );
        }
        for error in
            ["event: error\ndata: {}\n\n", "data: {\"type\":\"error\"}\n\n", "event: error"]
        {
            let stream = format!("{answer}{error}");
            assert_eq!(reply_of(&stream), Err(CallError::failed("the answer ended with an error")));
        }
        for error in
            ["event: completion\ndata: {\"type\":\"error\"}\n\n", "event: error \ndata: {}\n\n"]
        {
            let stream = format!("{answer}{error}");
            assert!(matches!(reply_of(&stream), Err(CallError::Failed { .. })), "{error}");
        }
        let error = "event: error\ndata: {\"error\":{\"type\":\"rate_limit_error\"}}\n\n";
        assert_eq!(reply_of(&format!("{limit}{error}")), Err(CallError::Limited { until: ends }));
        assert!(
            reply_of(&"x".repeat(LARGEST + 1)).is_err_and(|error| {
                error == CallError::failed("the answer is larger than 4 MiB")
            })
        );
    }
}
