//! What a running bridge is asked when time runs out.

use super::*;
use crate::map::{Address, Rechecked};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const MAP: &str = r#"{"claude-cli": {"a": "1", "b": "2", "c": "3", "d": "4"}}"#;

/// A bridge that holds that map and lets `a` go. The request lines of every call it got.
fn bridge(for_all: Duration) -> (RunningBridge, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let calls = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&calls);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &seen);
        }
    });
    let map = SessionMap::parse(MAP.into()).unwrap();
    let api = Api::new(Address::local(port));
    let new = RunningBridge::new(api, map, None, false, Interrupt::default());
    (RunningBridge { for_all, ..new }, calls)
}

/// Answers one call.
fn answer(mut stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(call) = lines.next() else { return };
    lines.find(String::is_empty);
    let has_let_go = |call: &String| call.starts_with("DELETE /sessions/a?");
    let mut seen = seen.lock().unwrap();
    seen.push(call.clone());
    let body = if call.starts_with("DELETE") {
        r#"{"status": "deleted"}"#.to_owned()
    } else {
        let without = MAP.replace(r#""a": "1", "#, "");
        let map = if seen.iter().any(has_let_go) { without } else { MAP.to_owned() };
        format!(r#"{{"sessions": {map}}}"#)
    };
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}

/// Takes so long to look at the mapping `at` that place.
struct Slow {
    at: MappingIdx,
    takes: Duration,
    /// How long before it returns its look has ended.
    paused: Duration,
    written: Vec<MappingIdx>,
}

impl RemovalGuard for Slow {
    fn record(&mut self, _: &SessionMap, places: &[MappingIdx]) -> Result<(), Failure> {
        self.written.extend(places);
        Ok(())
    }

    fn recheck(&mut self, going: &[MappingIdx]) -> Result<Rechecked, Failure> {
        if going.contains(&self.at) {
            thread::sleep(self.takes);
        }
        Ok(Rechecked {
            still: going.to_vec(),
            ended: Instant::now().checked_sub(self.paused).unwrap(),
        })
    }
}

fn deletes(calls: &Mutex<Vec<String>>) -> Vec<String> {
    let calls = calls.lock().unwrap();
    calls.iter().filter(|call| call.starts_with("DELETE")).cloned().collect()
}

#[test]
fn what_the_time_does_not_suffice_for_is_kept_b3() {
    // A second and a half for all but the last call, and less than the second look takes.
    let (bridge, calls) = bridge(LAST_CALL + Duration::from_millis(1_500));
    let takes = Duration::from_millis(1_600);
    let paused = Duration::ZERO;
    let mut guard = Slow { at: MappingIdx(1), takes, paused, written: Vec::new() };
    let removal = bridge.remove(&[0, 1, 3].map(MappingIdx), &mut guard).unwrap();
    assert_eq!(
        (removal.removed, removal.failed),
        ([0].map(MappingIdx).to_vec(), [1, 3].map(MappingIdx).to_vec())
    );
    assert_eq!(removal.changed, Vec::<MappingIdx>::new());
    let warnings: Vec<&str> = removal.warnings.iter().map(|w| w.message.as_str()).collect();
    let late = format!("the bridge at {}: timed out after 6 s; the rest is kept", bridge.url());
    assert_eq!(warnings, [late]);
    assert!(removal.warnings[0].code.is_trouble());
    // The guard voids the mapping that it recorded and the bridge was not asked to remove.
    assert_eq!(guard.written, [0, 1].map(MappingIdx));
    let deletes = deletes(&calls);
    assert!(deletes.len() == 1 && deletes[0].contains("/sessions/a?model=claude-cli "));
    // The last call verifies all the same.
    assert!(calls.lock().unwrap().last().unwrap().starts_with("GET /sessions "));
}

#[test]
fn without_time_nothing_is_asked_b3() {
    let (bridge, calls) = bridge(LAST_CALL);
    let (takes, paused) = (Duration::ZERO, Duration::ZERO);
    let mut guard = Slow { at: MappingIdx(9), takes, paused, written: Vec::new() };
    let removal = bridge.remove(&[0, 2].map(MappingIdx), &mut guard).unwrap();
    assert_eq!((removal.removed, removal.failed), (vec![], [0, 2].map(MappingIdx).to_vec()));
    assert!(removal.warnings[0].message.contains("timed out after"));
    assert!(calls.lock().unwrap().is_empty() && guard.written.is_empty());
}

#[test]
fn all_calls_of_a_run_have_90_seconds_b3() {
    let api = Api::new(Address::local(1));
    let map = SessionMap::parse(MAP.into()).unwrap();
    let bridge = RunningBridge::new(api, map, None, false, Interrupt::default());
    assert_eq!(bridge.for_all, Duration::from_secs(90));
}

#[test]
fn a_call_that_would_come_too_long_after_the_last_look_is_never_made_e5() {
    let (bridge, calls) = bridge(LAST_CALL + Duration::from_secs(60));
    let (takes, paused) = (Duration::ZERO, Duration::from_millis(51));
    let mut guard = Slow { at: MappingIdx(9), takes, paused, written: Vec::new() };
    let removal = bridge.remove(&[0, 2].map(MappingIdx), &mut guard).unwrap();
    assert_eq!((removal.removed, removal.failed), (vec![], [0, 2].map(MappingIdx).to_vec()));
    let codes: Vec<WarningCode> = removal.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [WarningCode::TooSlow]);
    assert!(deletes(&calls).is_empty());
}
