//! A running bridge: it is asked to let go, and its file is never edited behind its back.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{ACTIVE, IDLE, bounded, through_shell, two_sessions};
use crate::env::{DAY, HOUR, MINUTE, Ran, row, state};
use crate::stand_in::{StandIn, answer, auto, drip};

fn both() -> Value {
    json!({"claude-cli": {"a": ACTIVE, "i": IDLE}, "codex-cli": {}})
}

#[test]
fn a_bridge_lets_go_and_nothing_comes_back_with_the_next_chat() {
    let env = two_sessions();
    let odd = ["a b", "x?model=y", "%2F", "é&=#", "line\r\nbreak", "..."];
    let mut map = both();
    for chat in odd {
        map["claude-cli"][chat] = IDLE.into();
    }
    // The same chat under another model, whose session is in use.
    env.session("codex", "0192f3a4-5b6c-7d8e-9f00-112233445566", MINUTE);
    map["codex-cli"]["i"] = "0192f3a4-5b6c-7d8e-9f00-112233445566".into();
    for named in [true, false] {
        env.map(map.to_string());
        let bridge = StandIn::on(env.map_path());
        let line = "clean --format json";
        let ran = if named {
            env.run(&format!("{line} --bridge {}", bridge.url()))
        } else {
            auto(&env, bridge.port, line)
        };
        ran.exits(0);
        let report = ran.report();
        assert_eq!(report["source"]["kind"], "bridge");
        assert_eq!(report["source"]["url"], bridge.url());
        assert_eq!(report["summary"]["removed"], odd.len() + 1);
        let left = json!({"claude-cli": {"a": ACTIVE}, "codex-cli": map["codex-cli"]});
        assert_eq!((bridge.map(), env.map_now()), (left.clone(), left));
        bridge.chat("claude-cli", "new", ACTIVE);
        assert!(env.map_now()["claude-cli"].get("i").is_none());
        let deletes = bridge.deletes();
        assert_eq!(deletes.len(), odd.len() + 1);
        let whole = |request: &String| request.contains("?model=claude-cli HTTP/1.1");
        assert!(deletes.iter().all(whole), "{deletes:#?}");
    }
}

#[test]
fn a_dry_run_only_asks_and_says_who_holds_the_map() {
    let env = two_sessions();
    env.map(both().to_string());
    let bridge = StandIn::on(env.map_path());
    let ran = auto(&env, bridge.port, "-n -v");
    ran.exits(0);
    assert!(ran.out.contains(&format!("\n  bridge: the bridge at {}", bridge.url())));
    assert!(ran.out.contains("Would clean up: 1 mapping\n"), "{}", ran.out);
    assert!(bridge.deletes().is_empty());
    let asked = bridge.requests().len();
    let ran = auto(&env, bridge.port, "-n -v --bridge off");
    assert_eq!(bridge.requests().len(), asked, "it is never asked");
    assert!(ran.out.contains("\n  file: no bridge was asked"), "{}", ran.out);
    let ran = env.run("-n -v");
    assert!(ran.out.contains("\n  file: no bridge listens at http://127.0.0.1:1"));
}

#[test]
fn a_named_bridge_needs_no_file_and_undo_asks_where_it_is() {
    let env = two_sessions();
    let bridge = StandIn::holding(&both());
    let line = format!("clean --format json --bridge {}", bridge.url());
    let report = env.run(&line).report();
    assert_eq!((&report["source"]["map"], state(&report, "i")), (&Value::Null, "idle"));
    assert_eq!(bridge.map()["claude-cli"], json!({"a": ACTIVE}));
    env.run("undo").exits(1).says(&["asked a bridge", "hint: --map FILE"]);
    let map = env.map(json!({"claude-cli": {"a": ACTIVE}}).to_string());
    let undo = format!("undo --map {}", map.display());
    // The bridge that the run asked still runs, wherever the usual one would be.
    env.run(&undo).exits(1).says(&[&format!("a bridge runs at {}", bridge.url())]);
    bridge.stop();
    env.run(&undo).exits(0);
    assert_eq!(env.map_now()["claude-cli"], both()["claude-cli"]);
}

#[test]
fn undo_is_refused_beside_a_running_bridge() {
    let env = two_sessions();
    env.map(both().to_string());
    let bridge = StandIn::on(env.map_path());
    auto(&env, bridge.port, "clean").exits(0);
    let before = env.map_bytes();
    let ran = auto(&env, bridge.port, "undo");
    ran.exits(1).says(&["a bridge runs at", "stop it, run undo, start it again"]);
    assert_eq!(env.map_bytes(), before);
    auto(&env, bridge.port, "undo -n").exits(0);
    env.run("undo").exits(1).says(&["a bridge runs at", &bridge.url()]);
    bridge.stop();
    auto(&env, bridge.port, "undo").exits(0);
    assert_eq!(env.map_now(), both());
}

#[test]
fn ids_that_no_call_can_name_are_kept_and_told_b2() {
    let env = two_sessions();
    let chats = ["", ".", "..", "a/b"];
    let mut map = both();
    for chat in chats {
        map["claude-cli"][chat] = IDLE.into();
    }
    let bridge = StandIn::holding(&map);
    let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
    ran.exits(3);
    let report = ran.report();
    for chat in chats {
        assert_eq!(row(&report, chat)["action"], "failed");
    }
    assert_eq!(
        (&report["summary"]["failed"], &report["summary"]["removed"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(bridge.deletes().len(), 1);
    let text = env.run(&format!("clean --bridge {}", bridge.url()));
    assert!(text.out.contains("  Failed: 4\n  Cleaned up: 0 mappings"), "{}", text.out);
}

#[test]
fn a_session_that_was_swapped_meanwhile_is_not_deleted_b3() {
    let env = two_sessions();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let swapped = json!({"sessions": {"claude-cli": {"a": ACTIVE, "i": ACTIVE}}}).to_string();
    // The map is read once to judge; before the DELETE it is another.
    let bridge = StandIn::hostile(&both(), move |request, mut stream| {
        if request.starts_with("GET /sessions") && count.fetch_add(1, Ordering::SeqCst) > 0 {
            answer(&mut stream, 200, &swapped).unwrap();
            return None;
        }
        Some(stream)
    });
    let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
    ran.exits(0);
    assert_eq!(row(&ran.report(), "i")["reason"], "changed meanwhile");
    assert!(bridge.deletes().is_empty() && asked.load(Ordering::SeqCst) > 1);
}

#[test]
fn a_session_used_before_its_call_is_not_deleted_b3() {
    let env = two_sessions();
    let file = env.session("claude", IDLE, 5 * HOUR);
    let asked = AtomicUsize::new(0);
    let bridge = StandIn::hostile(&both(), move |request, stream| {
        if request.starts_with("GET /sessions") && asked.fetch_add(1, Ordering::SeqCst) == 1 {
            fs::write(&file, "used").unwrap();
        }
        Some(stream)
    });
    let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
    ran.exits(0);
    assert_eq!(row(&ran.report(), "i")["reason"], "used meanwhile");
    assert!(bridge.deletes().is_empty());
}

#[test]
fn after_the_first_delete_no_file_is_edited_b4() {
    let env = two_sessions();
    let mut map = both();
    for chat in ["b", "c"] {
        map["claude-cli"][chat] = IDLE.into();
    }
    // Named, and found by itself, with its file: that is then as the bridge wrote it.
    for (dies, is_named) in [(true, true), (false, true), (true, false), (false, false)] {
        env.map(map.to_string());
        let deletes = AtomicUsize::new(0);
        let misbehaves = move |request: &str, mut stream: TcpStream| {
            if request.starts_with("DELETE") && deletes.fetch_add(1, Ordering::SeqCst) == 1 {
                if !dies {
                    answer(&mut stream, 500, "{}").unwrap();
                }
                return None;
            }
            Some(stream)
        };
        let before = env.map_now();
        let (bridge, ran) = if is_named {
            let bridge = StandIn::hostile(&map, misbehaves);
            let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
            (bridge, ran)
        } else {
            let bridge = StandIn::hostile_on(env.map_path(), misbehaves);
            let ran = auto(&env, bridge.port, "clean --format json");
            (bridge, ran)
        };
        ran.exits(3);
        let summary = &ran.report()["summary"];
        assert_eq!((&summary["removed"], &summary["failed"]), (&json!(1), &json!(2)), "{ran:?}");
        assert_eq!(env.map_now(), if is_named { before } else { bridge.map() });
        assert_eq!(bridge.deletes().len(), 2);
    }
}

#[test]
fn a_bridge_whose_map_is_only_a_copy_gets_one_delete_at_most_b5() {
    let env = two_sessions();
    let mut map = both();
    map["claude-cli"]["j"] = IDLE.into();
    env.map(map.to_string());
    let copy = StandIn::holding(&map);
    let before = env.map_bytes();
    let ran = auto(&env, copy.port, "clean --format json");
    ran.exits(3).says(&["this bridge has another map"]);
    assert_eq!((copy.deletes().len(), env.map_bytes()), (1, before));
    assert_eq!(ran.report()["summary"]["failed"], 1);
}

#[test]
fn another_bridges_map_is_never_touched_b5() {
    for theirs in [
        json!({"claude-cli": {"other": IDLE}}),
        json!({}),
        json!({"claude-cli": {"i": ACTIVE}}),
        // Neither holds all of the other.
        json!({"claude-cli": {"i": IDLE, "other": ACTIVE}}),
    ] {
        let env = two_sessions();
        env.map(both().to_string());
        let other = StandIn::holding(&theirs);
        let ran = auto(&env, other.port, "clean --format json");
        ran.exits(3).says(&["holds another map"]);
        assert_eq!(ran.report()["source"]["kind"], "file");
        assert!(other.deletes().is_empty());
        assert_eq!(env.map_now()["claude-cli"], json!({"a": ACTIVE}));
    }
    // One that holds more than the file, or less, is the file's own.
    for theirs in [json!({"claude-cli": {"i": IDLE}}), {
        let mut more = both();
        more["claude-cli"]["new"] = ACTIVE.into();
        more
    }] {
        let env = two_sessions();
        env.map(both().to_string());
        let bridge = StandIn::holding(&theirs);
        let ran = auto(&env, bridge.port, "-n --format json");
        assert_eq!(ran.report()["source"]["kind"], "bridge", "{theirs}");
    }
}

#[test]
fn a_named_map_means_its_file_b5() {
    let env = two_sessions();
    let map = env.map(both().to_string());
    let copy = StandIn::holding(&both());
    for option in ["", "--bridge auto"] {
        let line = format!("clean --format json {option} --map {}", map.display());
        auto(&env, copy.port, &line).exits(0);
        assert!(copy.requests().is_empty());
    }
    assert_eq!(env.map_now()["claude-cli"], json!({"a": ACTIVE}));
}

#[test]
fn a_bridge_that_lets_nothing_go_is_found_out() {
    let env = two_sessions();
    let bridge = StandIn::hostile(&both(), |request, mut stream| {
        if request.starts_with("DELETE") {
            answer(&mut stream, 200, r#"{"status":"deleted"}"#).unwrap();
            return None;
        }
        Some(stream)
    });
    let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
    ran.exits(3);
    assert_eq!(row(&ran.report(), "i")["action"], "failed");
}

/// A server that does that with every connection.
type Hostile = (&'static str, bool, fn(TcpStream));

/// The name, whether it is a whole answer that is not the bridge's, and what it does (B1).
const HOSTILE: [Hostile; 11] = [
    ("redirect", true, |mut s| {
        let _ = write!(
            s,
            "HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
        );
    }),
    ("status 500", true, |mut s| answer(&mut s, 500, "{}").unwrap_or_default()),
    ("another service", true, |mut s| answer(&mut s, 200, "{\"hello\": 1}").unwrap_or_default()),
    ("no json", true, |mut s| answer(&mut s, 200, "<html>").unwrap_or_default()),
    ("silence", false, |s| {
        thread::sleep(Duration::from_secs(12));
        drop(s);
    }),
    ("closes", false, drop),
    ("garbage", false, |mut s| {
        let _ = s.write_all(b"\x00\xff\x00 220 hello\r\n\r\n");
    }),
    ("short body", false, |mut s| {
        let _ = write!(s, "HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{{");
    }),
    ("bad chunks", false, |mut s| {
        let _ = write!(s, "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n");
    }),
    ("slow head", false, |s| drip(s, b"H", Duration::from_millis(200))),
    ("headers without end", false, |mut s| {
        let _ = s.write_all(b"HTTP/1.1 200 X\r\n");
        drip(s, &b"x-y: z\r\n".repeat(1000), Duration::from_millis(1));
    }),
];

#[test]
fn hostile_servers_end_the_run_in_time_b1_b4() {
    thread::scope(|scope| {
        for (name, is_whole, act) in HOSTILE {
            scope.spawn(move || {
                let env = two_sessions();
                env.map(both().to_string());
                let before = env.map_bytes();
                let server = StandIn::hostile(&both(), move |_, stream| {
                    act(stream);
                    None
                });
                let start = Instant::now();
                let ran = env.run(&format!("clean --bridge {}", server.url()));
                ran.exits(1).says(&["cannot ask the bridge at", "hint: ", "--bridge off"]);
                assert!(start.elapsed() < Duration::from_secs(10), "{name}");
                assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before), "{name}");
                let ran = auto(&env, server.port, "clean");
                assert_eq!(ran.code, i32::from(!is_whole), "{name}: {ran:?}");
                let gone = env.map_now()["claude-cli"].get("i").is_none();
                assert_eq!(gone, is_whole, "{name}");
            });
        }
    });
}

#[test]
fn bodies_without_end_are_cut_off_b1() {
    for pause in [Duration::ZERO, Duration::from_millis(100)] {
        let env = two_sessions();
        let server = StandIn::hostile(&both(), move |_, mut stream| {
            let head = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let chunk = [b"10000\r\n".to_vec(), vec![b' '; 64 << 10], b"\r\n".to_vec()].concat();
            drip(stream, &chunk, pause);
            None
        });
        let start = Instant::now();
        // In 5 s there comes far more than that.
        let line = format!("clean --bridge {}", server.url());
        let ran = bounded(&mut through_shell(&env, "ulimit -v 80000 &&", &line, ""));
        ran.exits(1);
        assert!(!ran.err.contains("memory"), "{ran:?}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn only_status_200_and_the_right_shape_are_an_answer_b1() {
    let mut map = both();
    map["claude-cli"]["j"] = IDLE.into();
    let sessions = json!({ "sessions": map }).to_string();
    let hello = r#"{"message": "Claude CLI Bridge API"}"#;
    for (call, status, body, code) in [
        ("GET / ", 203, hello, 1),
        ("GET / ", 200, r#"{"message": "Another API"}"#, 1),
        ("GET /sessions ", 203, sessions.as_str(), 1),
        ("GET /sessions ", 200, "[]", 1),
        ("DELETE ", 203, r#"{"status": "deleted"}"#, 3),
        ("DELETE ", 200, r#"{"status": "ok"}"#, 3),
    ] {
        let (env, text) = (two_sessions(), body.to_owned());
        let bridge = StandIn::hostile(&map, move |request, mut stream| {
            if request.starts_with(call) {
                answer(&mut stream, status, &text).unwrap();
                return None;
            }
            Some(stream)
        });
        let ran = env.run(&format!("clean --bridge {}", bridge.url()));
        assert_eq!(ran.code, code, "{call}{status} {body}: {ran:?}");
        assert_eq!(bridge.deletes().len(), usize::from(code == 3), "{call}{status} {body}");
        assert_eq!(bridge.map(), map, "{call}{status} {body}");
    }
}

#[test]
fn no_proxy_and_no_redirect_are_obeyed_b1() {
    let env = two_sessions();
    env.map(both().to_string());
    let (bridge, proxy) = (StandIn::on(env.map_path()), StandIn::holding(&both()));
    let mut command = env.command(["clean", "--bridge", &bridge.url()]);
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"] {
        command.env(variable, proxy.url());
    }
    Ran::of(&mut command).exits(0);
    assert!(proxy.requests().is_empty() && !bridge.deletes().is_empty());
    let target = StandIn::holding(&both());
    let to = target.url();
    let server = StandIn::hostile(&both(), move |request, mut stream| {
        let path = request.split(' ').nth(1).unwrap();
        write!(stream, "HTTP/1.1 307 X\r\nlocation: {to}{path}\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        None
    });
    env.run(&format!("clean --bridge {}", server.url())).exits(1);
    assert!(target.requests().is_empty());
}

#[test]
fn only_loopback_is_asked_unless_allowed_b6() {
    let env = two_sessions();
    // An address for documentation, which nobody has.
    env.run("clean --bridge http://192.0.2.1:9").exits(2).says(&["--allow-remote-bridge"]);
    env.run("clean --bridge http://example.invalid").exits(2).says(&["--allow-remote-bridge"]);
    for wrong in ["https://127.0.0.1", "on", "http://127.0.0.1:8000/x"] {
        env.run(&format!("clean --bridge {wrong}")).exits(2).says(&["for example --bridge http"]);
    }
    let mut command = env.command(["clean"]);
    Ran::of(command.env("CLAUDE_BRIDGE_PORT", "x"))
        .exits(2)
        .says(&["for example CLAUDE_BRIDGE_PORT=8000"]);
}

#[test]
fn a_process_that_looks_like_the_bridge_is_warned_of() {
    let env = two_sessions();
    env.session("claude", IDLE, DAY);
    let program = env.path("python3-bridge");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
    let start = |folder: &str| {
        let mut command = std::process::Command::new(&program);
        command.args(["-c", "sleep 60; :"]).env("CLAUDE_SESSION_DIR", folder);
        crate::in_use::Running::started(&mut command)
    };
    let other = start("/elsewhere");
    env.map(both().to_string());
    env.run("clean --bridge off").exits(0);
    drop(other);
    env.map(both().to_string());
    let _bridge = start(env.path("bridge").to_str().unwrap());
    for line in ["clean -n --bridge off", "clean"] {
        let ran = env.run(line);
        ran.exits(3).says(&["looks like this map's bridge", "--bridge URL"]);
    }
    assert_eq!(env.map_now()["claude-cli"], json!({"a": ACTIVE}), "it was asked for");
    env.run("clean").exits(0);
}

#[test]
fn a_bridge_whose_sessions_fail_gets_no_edit_behind_its_back_b4() {
    let env = two_sessions();
    env.map(both().to_string());
    let before = env.map_bytes();
    let bridge = StandIn::hostile(&both(), |request, mut stream| {
        if request.starts_with("GET /sessions") {
            answer(&mut stream, 500, "{}").unwrap();
            return None;
        }
        Some(stream)
    });
    auto(&env, bridge.port, "clean").exits(1).says(&["--bridge off"]);
    assert_eq!(env.map_bytes(), before);
}
