//! Records as Claude Code writes them, and others.

use super::*;
use serde_json::json;

/// As Claude Code 2.1.332 writes it.
fn whole() -> Value {
    json!({
        "pid": 4121, "procStart": "123456", "sessionId": "7c0d1e2f-3a4b-4c5d-8e6f-708192a3b4c5",
        "cwd": "/home/u/shop", "version": "2.1.332", "startedAt": 1_795_812_417_764_u64,
        "status": "idle", "statusUpdatedAt": 1_795_812_500_001_u64, "kind": "interactive",
        "entrypoint": "sdk-ts", "pidDomain": "linux:0123:pid:[4026531836]",
        "messagingSocketPath": "/tmp/cc-socks/4121.sock", "somethingNew": [1, 2]
    })
}

fn parse(value: &Value) -> Record {
    Record::parse(value.to_string().as_bytes()).unwrap()
}

#[test]
fn every_field_of_a_record_is_read() {
    let record = parse(&whole());
    let expected = Record {
        pid: Some(4121),
        start: Some(123_456),
        pid_domain: Some("linux:0123:pid:[4026531836]".into()),
        session: Some("7c0d1e2f-3a4b-4c5d-8e6f-708192a3b4c5".into()),
        folder: Some("/home/u/shop".into()),
        version: Some("2.1.332".into()),
        started: Some(Timestamp::new(1_795_812_417, 764_000_000)),
        status: Some("idle".into()),
        status_updated: Some(Timestamp::new(1_795_812_500, 1_000_000)),
        kind: Some("interactive".into()),
        entrypoint: Some("sdk-ts".into()),
        has_job: false,
        has_bridge_session: false,
        socket: Some("/tmp/cc-socks/4121.sock".into()),
    };
    assert_eq!(record, expected);
    assert!(record.is_idle());
}

#[test]
fn a_field_of_another_type_is_absent() {
    for wrong in [json!(true), json!({}), json!([1]), json!(-1), json!(1.5), json!(null), json!("")]
    {
        let Value::Object(fields) = whole() else { panic!() };
        let fields = fields.into_iter().map(|(name, _)| (name, wrong.clone()));
        let record = parse(&Value::Object(fields.collect()));
        let expected = Record { has_job: false, has_bridge_session: false, ..Record::default() };
        assert_eq!(record, expected, "{wrong}");
    }
    let mut relative = whole();
    relative["cwd"] = json!("shop");
    relative["messagingSocketPath"] = json!("4121.sock");
    let record = parse(&relative);
    assert_eq!((record.folder, record.socket), (None, None));
}

#[test]
fn a_job_counts_whatever_its_type() {
    for (value, expected) in
        [(json!("x"), true), (json!(7), true), (json!(""), true), (json!(null), false)]
    {
        let mut record = whole();
        record["jobId"] = value.clone();
        record["bridgeSessionId"] = value.clone();
        let record = parse(&record);
        assert_eq!((record.has_job, record.has_bridge_session), (expected, expected), "{value}");
    }
}

#[test]
fn a_start_is_digits_or_a_number() {
    let start = |value: Value| {
        let mut record = whole();
        record["procStart"] = value;
        parse(&record).start
    };
    assert_eq!(start(json!(123)), Some(123));
    for other in ["Fri Nov 27", "+123", " 123", "123 ", "99999999999999999999999"] {
        assert_eq!(start(json!(other)), None, "{other}");
    }
}

#[test]
fn what_is_torn_does_not_parse() {
    let text = whole().to_string();
    for end in 0..text.len() {
        assert_eq!(Record::parse(&text.as_bytes()[..end]), None, "{end}");
    }
    // Written in place over a longer one.
    assert_eq!(Record::parse(format!("{text}le\"}}").as_bytes()), None);
    assert_eq!(Record::parse(br#"{"status":"idle","status":"busy"}"#), None);
    assert_eq!(Record::parse(br#"[4121,"123456"]"#), None);
    assert_eq!(Record::parse(b"null"), None);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "records are written")]
fn a_record_is_read_again_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let read = || RecordReading::read(folder.path(), 4121);
    let path = folder.path().join("4121.json");
    assert_eq!(read(), RecordReading::Absent);

    std::fs::write(&path, "{\"pid\":41").unwrap();
    assert_eq!(RecordReading::read_once(folder.path(), 4121), RecordReading::Torn);
    let started = std::time::Instant::now();
    assert_eq!(read(), RecordReading::Torn);
    assert!(started.elapsed() >= Duration::from_millis(45));

    let text = whole().to_string();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            std::thread::sleep(Duration::from_millis(10));
            std::fs::write(path, text).unwrap();
        }
    });
    let reading = read();
    writer.join().unwrap();
    // Under load, the writer may come too late.
    assert!(reading == RecordReading::Torn || reading.record().unwrap().pid == Some(4121));
    assert_eq!(read().record().unwrap().pid, Some(4121));

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(read(), RecordReading::Unreadable);
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert_eq!(read(), RecordReading::Unreadable);
}
