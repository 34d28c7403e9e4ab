//! A stand-in for the bridge on a loopback port: its map in memory, rewritten as a whole and not
//! atomically at each change, as the real one does. Or one that misbehaves.

use crate::env::{Ran, TestEnv};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a connection gets instead of the bridge's answer.
pub type Misbehaviour = Arc<dyn Fn(&str, TcpStream) -> Option<TcpStream> + Send + Sync>;

/// A bridge that runs until the test ends.
pub struct StandIn {
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
    stopped: Arc<AtomicBool>,
}

struct Shared {
    map: Map<String, Value>,
    /// Where the map is written to.
    file: Option<PathBuf>,
    /// Every request line.
    requests: Vec<String>,
}

impl StandIn {
    /// A bridge that has read its map from `file`.
    pub fn on(file: PathBuf) -> Self {
        let map = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        Self::start(map, Some(file), Arc::new(|_, stream| Some(stream)))
    }

    /// A bridge with that map, which it writes nowhere.
    pub fn holding(map: &Value) -> Self {
        Self::start(map.as_object().unwrap().clone(), None, Arc::new(|_, stream| Some(stream)))
    }

    /// One that misbehaves: `instead` gets each request line, and the connection back if it
    /// leaves it alone.
    pub fn hostile(
        map: &Value,
        instead: impl Fn(&str, TcpStream) -> Option<TcpStream> + Send + Sync + 'static,
    ) -> Self {
        Self::start(map.as_object().unwrap().clone(), None, Arc::new(instead))
    }

    /// One that has read its map from `file`, and may misbehave.
    pub fn hostile_on(
        file: PathBuf,
        instead: impl Fn(&str, TcpStream) -> Option<TcpStream> + Send + Sync + 'static,
    ) -> Self {
        let map = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        Self::start(map, Some(file), Arc::new(instead))
    }

    fn start(map: Map<String, Value>, file: Option<PathBuf>, instead: Misbehaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared { map, file, requests: Vec::new() }));
        let theirs = Arc::clone(&shared);
        let stopped = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stopped);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, instead) = (Arc::clone(&theirs), Arc::clone(&instead));
                thread::spawn(move || serve(stream, &shared, &instead));
            }
        });
        Self { port, shared, stopped }
    }

    /// Listens no more: from now on connections are refused.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The one that it waits for, and then those that it has accepted before, if any.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn map(&self) -> Value {
        Value::Object(self.shared.lock().unwrap().map.clone())
    }

    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().unwrap().requests.clone()
    }

    pub fn deletes(&self) -> Vec<String> {
        let mut requests = self.requests();
        requests.retain(|request| request.starts_with("DELETE"));
        requests
    }

    /// What the next new chat does: the map is changed in memory and written out whole.
    pub fn chat(&self, model: &str, chat: &str, session: &str) {
        let mut shared = self.shared.lock().unwrap();
        shared.map.entry(model).or_insert_with(|| json!({}))[chat] = session.into();
        shared.write_out();
    }
}

impl Shared {
    fn write_out(&self) {
        if let Some(file) = &self.file {
            fs::write(file, serde_json::to_vec(&self.map).unwrap()).unwrap();
        }
    }

    fn answer(&mut self, request: &str) -> (u16, Value) {
        let (method, target) = request.split_once(' ').unwrap_or(("", ""));
        let target = target.split(' ').next().unwrap_or("");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match (method, path.strip_prefix("/sessions")) {
            ("GET", None) => (
                200,
                json!({"message": "Claude CLI Bridge API", "version": "1",
                "status": "running", "active_sessions": 0}),
            ),
            ("GET", Some("")) => (200, json!({"sessions": self.map})),
            ("DELETE", Some(chat)) => {
                let chat = decoded(chat.trim_start_matches('/'));
                let model = decoded(query.strip_prefix("model=").unwrap_or(""));
                let Some(chats) = self.map.get_mut(&model).and_then(Value::as_object_mut) else {
                    return (400, json!({"detail": format!("Unsupported model: {model}")}));
                };
                if chats.remove(&chat).is_none() {
                    return (404, json!({"detail": "Session not found"}));
                }
                self.write_out();
                (200, json!({"status": "deleted", "chat_id": chat, "models": [model]}))
            }
            _ => (404, json!({"detail": "Not Found"})),
        }
    }
}

fn serve(stream: TcpStream, shared: &Mutex<Shared>, instead: &Misbehaviour) {
    let mut stream = stream;
    loop {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        let request = request.trim_end().to_owned();
        shared.lock().unwrap().requests.push(request.clone());
        let Some(back) = instead(&request, stream) else { return };
        stream = back;
        let (status, body) = shared.lock().unwrap().answer(&request);
        if answer(&mut stream, status, &body.to_string()).is_err() {
            return;
        }
    }
}

/// Runs on the map's file, with `--bridge auto` meaning that port.
#[track_caller]
pub fn auto(env: &TestEnv, port: u16, line: &str) -> Ran {
    let mut command = env.command(line.split_whitespace());
    Ran::of(command.env("CLAUDE_BRIDGE_PORT", port.to_string()))
}

/// Writes a whole answer.
pub fn answer(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Writes again and again, until the other side has had enough.
pub fn drip(mut stream: TcpStream, bytes: &[u8], pause: Duration) {
    for _ in 0..20_000 {
        if stream.write_all(bytes).is_err() {
            return;
        }
        thread::sleep(pause);
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&hex, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
