//! What a bridge answers, from the bytes of its socket on: a cut answer, one with another status and
//! one of another shape never count as done (B1, B4), whatever the framing; no second call is made of
//! one, so no redirect is followed; and a chat stays one segment of the address (B2).
//!
//! The same bytes are taken for a whole answer, for the body of one, and for a chat's id.

use serde_json::value::RawValue;
use session_warden::map::Address;
use session_warden::map::api::{Api, Deleted, Trouble, is_addressable};
use session_warden::model::{Form, SessionMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::{Members, place_in, text};

const LONG: Duration = Duration::from_secs(9);

/// A longer body is refused where no map is asked for.
const SHORT: usize = 64 << 10;

/// How much is handed over at once. As much as usual would take most of the time.
const BUFFER: usize = 16 << 10;

pub fn check(data: &[u8]) {
    raw(data);
    let place = place_in(data);
    let status = [200, 404, 500, 302][place % 4];
    let lengthy = framed(status, &format!("content-length: {}", data.len()), data);
    let chunked = framed(status, "transfer-encoding: chunked", &chunks(data, place));
    let closed = framed(status, "connection: close", data);
    let told = Told::of(&lengthy);
    assert_eq!(told, Told::of(&chunked), "in chunks");
    assert_eq!(told, Told::of(&closed), "up to the end");
    told.is_right(status, data);

    // The chunk of no bytes ends an answer; the empty line behind it may be missing (RFC 9112, 8).
    let needed = [&lengthy[..], &chunked[..chunked.len() - 2]];
    for whole in needed {
        let cut = place_in(whole).min(whole.len() - 1);
        let told = Told::of(&whole[..cut]);
        assert!(told.is_broken(), "{told:?} of {cut} bytes of {}", whole.len());
    }
    if let Ok(chat) = std::str::from_utf8(data) {
        addressed(chat);
    }
}

/// Whatever bytes come, one call is one call, and only the status of success is taken for it.
fn raw(data: &[u8]) {
    let told = Told::of(data);
    let says = |status: &[u8]| data.windows(status.len()).any(|part| part == status);
    let is_done = told.hello.is_ok() || told.sessions.is_ok() || told.delete == Ok(Deleted::Gone);
    assert!(!is_done || says(b" 200"), "{told:?}");
    assert!(told.delete != Ok(Deleted::Already) || says(b" 404"), "{told:?}");
}

/// An answer with that head and that body; a redirect says where to.
fn framed(status: u16, head: &str, body: &[u8]) -> Vec<u8> {
    let to = if status == 302 { "location: http://127.0.0.1:1/other\r\n" } else { "" };
    [format!("HTTP/1.1 {status} X\r\n{to}{head}\r\n\r\n").as_bytes(), body].concat()
}

/// The body in two chunks, or in one.
fn chunks(body: &[u8], place: usize) -> Vec<u8> {
    let (first, second) = body.split_at(place);
    let mut out = Vec::new();
    for chunk in [first, second, b""].into_iter().enumerate() {
        if chunk.0 == 2 || !chunk.1.is_empty() {
            out.extend(format!("{:x}\r\n", chunk.1.len()).as_bytes());
            out.extend([chunk.1, b"\r\n"].concat());
        }
    }
    out
}

/// What each call made of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    hello: Result<(), Trouble>,
    sessions: Result<Vec<u8>, Trouble>,
    delete: Result<Deleted, Trouble>,
}

impl Told {
    fn of(answer: &[u8]) -> Self {
        let hello = call(answer, "GET / HTTP/1.1", Api::hello);
        let sessions = call(answer, "GET /sessions HTTP/1.1", |api| api.sessions(LONG));
        let delete =
            call(answer, "DELETE /sessions/c?model=m HTTP/1.1", |api| api.delete("m", "c", LONG));
        let sessions = sessions.map(|map| map.bytes().to_vec());
        Self { hello, sessions, delete }
    }

    /// That it is no whole answer, so that nobody takes it for one of somebody else.
    fn is_broken(&self) -> bool {
        matches!(self.hello, Err(Trouble::Broken(_)))
            && matches!(self.sessions, Err(Trouble::Broken(_)))
            && matches!(self.delete, Err(Trouble::Broken(_)))
    }

    /// Whether it is what an answer of that status with that body must be taken for.
    fn is_right(&self, status: u16, body: &[u8]) {
        let members = std::str::from_utf8(body).ok().and_then(Members::of);
        if members.as_ref().is_some_and(|members| !members.are_unique()) {
            // It may be refused, but not understood by one of two equal keys.
            assert!(self.sessions.is_err(), "{self:?}");
            return;
        }
        let value = |key: &str| members.as_ref().and_then(|members| members.get(key));
        let is = |key: &str, text: &str| value(key).and_then(self::text).as_deref() == Some(text);
        let is_about = body.len() <= SHORT
            && ["message", "status", "detail"].iter().all(|key| is_text_or_nothing(value(key)));
        let is_hello = status == 200 && is_about && is("message", "Claude CLI Bridge API");
        assert_eq!(self.hello.is_ok(), is_hello, "{self:?}");
        let map = value("sessions").filter(|_| status == 200).and_then(|map| {
            let map = SessionMap::parse(map.get().into()).ok()?;
            (map.form() == Form::Today).then(|| map.bytes().to_vec())
        });
        assert_eq!(self.sessions.as_ref().ok(), map.as_ref());
        let deleted = match status {
            200 if is_about && is("status", "deleted") => Some(Deleted::Gone),
            404 if is_about && is("detail", "Session not found") => Some(Deleted::Already),
            _ => None,
        };
        assert_eq!(self.delete.as_ref().ok(), deleted.as_ref());
        let troubles = [self.hello.clone().err(), self.sessions.clone().err()];
        for trouble in troubles.into_iter().flatten().chain(self.delete.clone().err()) {
            assert!(matches!(trouble, Trouble::NotThat(_)), "{trouble:?} of a whole answer");
            assert!(!trouble.to_string().contains('\n'));
        }
    }
}

fn is_text_or_nothing(value: Option<&RawValue>) -> bool {
    value.is_none_or(|value| value.get() == "null" || text(value).is_some())
}

/// The request line is what RFC 3986 makes of the chat and the model, and leads back to them.
fn addressed(chat: &str) {
    if !is_addressable(chat) || chat.len() > 1 << 10 {
        return;
    }
    let answer = framed(200, "content-length: 20", br#"{"status":"deleted"}"#);
    let sent = Socket::over(&answer, |api| {
        assert_eq!(api.delete(chat, chat, LONG), Ok(Deleted::Gone));
    });
    let line = sent.lines().next().unwrap_or_default();
    let path = line.strip_prefix("DELETE /sessions/").and_then(|it| it.strip_suffix(" HTTP/1.1"));
    let (first, second) = path.and_then(|path| path.split_once("?model=")).expect("a call");
    for part in [first, second] {
        assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{part}");
        assert_eq!(decoded(part), chat.as_bytes());
    }
    assert_eq!(sent.matches("\r\n\r\n").count(), 1, "one request");
}

fn decoded(part: &str) -> Vec<u8> {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two hex digits"));
        bytes.extend(&piece.as_bytes()[2..]);
    }
    bytes
}

/// One call of a bridge that answers so; that it is one, and the one that is expected.
fn call<T>(answer: &[u8], expected: &str, call: impl FnOnce(&Api) -> T) -> T {
    let mut told = None;
    let sent = Socket::over(answer, |api| told = Some(call(api)));
    assert_eq!(sent.lines().next(), Some(expected), "{sent}");
    assert_eq!(sent.matches(" HTTP/1.1\r\n").count(), 1, "{sent}");
    told.expect("it was called")
}

/// The other end of every connection: what is sent is kept, and the answer is handed out once.
#[derive(Debug, Clone)]
struct Socket {
    answer: Vec<u8>,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Socket {
    /// All that was sent.
    fn over(answer: &[u8], call: impl FnOnce(&Api)) -> String {
        let socket = Self { answer: answer.to_vec(), sent: Arc::default() };
        let agent = ureq::Agent::with_parts(Api::config(), socket.clone(), Nowhere);
        call(&Api::over(Address::local(8000), agent));
        let sent = socket.sent.lock().expect("nobody panicked").clone();
        String::from_utf8(sent).expect("a request is text")
    }
}

impl Connector for Socket {
    type Out = Connection;
    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        let buffers = LazyBuffers::new(BUFFER, BUFFER);
        Ok(Some(Connection { socket: self.clone(), buffers, read: 0 }))
    }
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    buffers: LazyBuffers,
    /// How much of the answer has been handed out.
    read: usize,
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let mut sent = self.socket.sent.lock().expect("nobody panicked");
        sent.extend(&self.buffers.output()[..amount]);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let rest = &self.socket.answer[self.read..];
        let into = self.buffers.input_append_buf();
        let amount = rest.len().min(into.len());
        into[..amount].copy_from_slice(&rest[..amount]);
        self.buffers.input_appended(amount);
        self.read += amount;
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.read < self.socket.answer.len()
    }
}

/// There is one address, and nobody is asked for it.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(([127, 0, 0, 1], 8000).into());
        Ok(addresses)
    }
}
