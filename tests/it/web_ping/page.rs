//! A stand-in for Claude's web page on a loopback port, or one that misbehaves.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(crate) const KEY: &str = "sk-ant-sid01-Qm7xZp2LkR9vTn4W-notforanyeyes_Jd8sAA";
pub(crate) const ORG: &str = "aaaaaaaa-1111-4111-8111-111111111111";

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The four calls by what they are for, and others as they are.
    pub(crate) fn kind(&self) -> String {
        let below = self.path.strip_prefix(&format!("/api/organizations/{ORG}/chat_conversations"));
        match (self.method.as_str(), self.path.as_str(), below) {
            ("GET", "/api/organizations", _) => "list".to_owned(),
            ("POST", _, Some("")) => "begin".to_owned(),
            ("POST", _, Some(rest)) if rest.ends_with("/completion") => "say".to_owned(),
            ("DELETE", _, Some(_)) => "delete".to_owned(),
            _ => format!("{} {}", self.method, self.path),
        }
    }
}

/// What a call gets instead of its answer: the connection comes back if it is left alone.
type Instead = dyn Fn(&Call, TcpStream) -> Option<TcpStream> + Send + Sync;

pub(crate) struct Page {
    pub(crate) port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    calls: Vec<Call>,
    conversations: BTreeSet<String>,
    limit: Option<Value>,
}

impl Page {
    pub(crate) fn new() -> Self {
        Self::hostile(|_, stream| Some(stream))
    }

    pub(crate) fn hostile(
        instead: impl Fn(&Call, TcpStream) -> Option<TcpStream> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let (theirs, instead): (_, Arc<Instead>) = (Arc::clone(&shared), Arc::new(instead));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, instead) = (Arc::clone(&theirs), Arc::clone(&instead));
                thread::spawn(move || serve(stream, &shared, &*instead));
            }
        });
        Self { port, shared }
    }

    /// One that answers calls of that kind so, every time.
    pub(crate) fn answering(kind: &'static str, status: u16, head: &str, body: &str) -> Self {
        let (head, body) = (head.to_owned(), body.to_owned());
        Self::hostile(move |call, mut stream| {
            if call.kind() != kind {
                return Some(stream);
            }
            let _ = answer(&mut stream, status, &head, &body);
            None
        })
    }

    /// One that nobody is at.
    pub(crate) fn nowhere() -> Self {
        Self { port: 1, shared: Arc::default() }
    }

    /// Tells of that limit after each answer.
    pub(crate) fn tells(self, limit: Value) -> Self {
        self.shared.lock().unwrap().limit = Some(limit);
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.lock().unwrap().calls.clone()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.calls().iter().map(Call::kind).collect()
    }

    pub(crate) fn conversations(&self) -> Vec<String> {
        self.shared.lock().unwrap().conversations.iter().cloned().collect()
    }
}

impl Shared {
    fn answer(&mut self, call: &Call) -> (u16, &'static str, String) {
        const JSON: &str = "content-type: application/json\r\n";
        let id = call.path.split('/').nth(5).unwrap_or_default();
        match call.kind().as_str() {
            "list" => {
                let other = "bbbbbbbb-1111-4111-8111-111111111111";
                (200, JSON, json!([{"uuid": ORG, "name": "Me"}, {"uuid": other}]).to_string())
            }
            "begin" => {
                let body: Value = serde_json::from_str(&call.body).unwrap();
                let id = body["uuid"].as_str().unwrap();
                self.conversations.insert(id.to_owned());
                (201, JSON, json!({"uuid": id, "name": "", "model": null}).to_string())
            }
            "say" if self.conversations.contains(id) => {
                let mut stream = events();
                if let Some(limit) = &self.limit {
                    let limit = json!({"type": "message_limit", "message_limit": limit});
                    stream = format!("{stream}event: message_limit\r\ndata: {limit}\r\n\r\n");
                }
                stream += "event: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n";
                (200, "content-type: text/event-stream; charset=utf-8\r\n", stream)
            }
            "delete" if self.conversations.remove(id) => (204, "", String::new()),
            _ => (404, JSON, json!({"error": {"type": "not_found_error"}}).to_string()),
        }
    }
}

/// An answer of Claude's, but for its end.
pub(crate) fn events() -> String {
    let delta = json!({"type": "content_block_delta", "delta": {"text": "Hello!"}});
    format!(
        "event: message_start\r\ndata: {{\"type\":\"message_start\"}}\r\n\r\n: a comment\r\n\
         event: content_block_delta\r\ndata: {delta}\r\n\r\n"
    )
}

fn serve(stream: TcpStream, shared: &Mutex<Shared>, instead: &Instead) {
    let Some(call) = read(&stream) else { return };
    shared.lock().unwrap().calls.push(call.clone());
    let Some(mut stream) = instead(&call, stream) else { return };
    let (status, head, body) = shared.lock().unwrap().answer(&call);
    let _ = answer(&mut stream, status, head, &body);
}

fn read(stream: &TcpStream) -> Option<Call> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call { method, path, headers, body: String::from_utf8(body).unwrap() })
}

/// Writes a whole answer. `head` is made of whole lines.
pub(crate) fn answer(
    stream: &mut TcpStream,
    status: u16,
    head: &str,
    body: &str,
) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} X\r\n{head}content-length: {length}\r\n\r\n{body}")
}

/// Keeps a connection open without a word, for longer than anybody waits.
pub(crate) fn hang(stream: TcpStream) {
    thread::sleep(Duration::from_secs(60));
    drop(stream);
}
