//! A stream of server-sent events, parsed as its bytes come (WHATWG HTML, 9.2.6). The reader bounds
//! its length.

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// True after a carriage return, which a line feed may still belong to.
    is_after_return: bool,
    /// True after the first line, which may have a byte order mark.
    has_begun: bool,
}

impl Events {
    /// Takes in more bytes, and hands each event to `each` that they complete.
    pub(super) fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&Event)) {
        for byte in bytes {
            match byte {
                b'\n' if self.is_after_return => {}
                b'\n' | b'\r' => self.end_line(each),
                byte => self.line.push(*byte),
            }
            self.is_after_return = *byte == b'\r';
        }
    }

    /// Ends the stream. An event without an empty line after it counts as well: it may be the error
    /// that ended the stream.
    pub(super) fn end(mut self, each: &mut impl FnMut(&Event)) {
        self.end_line(each);
        self.hand_over(each);
    }

    fn end_line(&mut self, each: &mut impl FnMut(&Event)) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = if self.has_begun { &*line } else { line.trim_start_matches('\u{feff}') };
        self.has_begun = true;
        if line.is_empty() {
            return self.hand_over(each);
        }

        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            // A comment, or a field without meaning here.
            _ => {}
        }
    }

    /// Hands over the event, unless it has neither data nor a name.
    fn hand_over(&mut self, each: &mut impl FnMut(&Event)) {
        let event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) || !event.name.is_empty() {
            each(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[(&str, &str)]) {
        // In pieces of every length, since it comes as the network has it.
        for length in [1, 2, 3, 7, 4096] {
            let mut found: Vec<(String, String)> = Vec::new();
            let mut each = |event: &Event| found.push((event.name.clone(), event.data.clone()));
            let mut events = Events::default();
            stream.as_bytes().chunks(length).for_each(|piece| events.take(piece, &mut each));
            events.end(&mut each);
            let found: Vec<_> = found.iter().map(|(n, d)| (n.as_str(), d.as_str())).collect();
            assert_eq!(found, expected, "{stream:?} in pieces of {length}");
        }
    }

    #[test]
    fn events_are_found_in_any_pieces() {
        check("", &[]);
        check("event: ping\ndata: {}\n\n", &[("ping", "{}")]);
        check("event:a\rdata:1\r\rdata:2\r\r", &[("a", "1"), ("", "2")]);
        check("event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", &[("a", "1"), ("", "2")]);
        check("data: one\ndata:  two\ndata\n\n", &[("", "one\n two\n")]);
        check("\u{feff}: hello\nid: 7\nretry: 5\ndata: é\n\n", &[("", "é")]);
        check("data: a\u{feff}\n\n\n\n", &[("", "a\u{feff}")]);
    }

    #[test]
    fn what_is_cut_off_or_has_no_data_is_seen_as_well() {
        check("event: error\n\n", &[("error", "")]);
        check("event: error\ndata: {\"a\"", &[("error", "{\"a\"")]);
        check("data: 1\n\nevent: error", &[("", "1"), ("error", "")]);
    }
}
