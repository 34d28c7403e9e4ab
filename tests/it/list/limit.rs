//! `--limit`, and the process that a mapping is kept for.

use super::{A, at, home, list, names, talk};
use crate::env::{DAY, row};
use serde_json::json;

#[test]
fn the_first_rows_are_shown_and_all_are_counted() {
    let env = home();
    let all = list(&env, "", 0);
    for limit in [0, 1, 4, 5, 6, usize::MAX] {
        let some = list(&env, &format!("--limit {limit}"), 0);
        let shown = limit.min(5);
        assert_eq!(names(&some), names(&all)[..shown]);
        assert_eq!(some["summary"]["shown"], shown);
        for total in ["total", "size_bytes", "idle", "missing"] {
            assert_eq!(some["summary"][total], all["summary"][total], "{total}");
        }
    }
    let text = at(&env, 100, "--limit 2").out;
    let end = "\n\n5 mappings: 1 active, 2 idle, 1 missing, 1 unknown\n\
               3 more not shown because of --limit 2\n";
    assert!(text.contains("menu") && text.contains("trains") && !text.contains("api"), "{text}");
    assert!(text.ends_with(end), "{text}");
    assert!(!at(&env, 100, "--limit 5").out.contains("not shown"));
    let none = at(&env, 100, "--limit 0 --sort size").out;
    assert!(none.contains("\n5 more not shown because of --limit 0\n"), "{none}");
    for wrong in ["--limit -1", "--limit x", "--limit", "--limit 1 --limit 2"] {
        assert_eq!(at(&env, 80, wrong).exits(2).out, "", "{wrong}");
    }
}

#[test]
fn the_process_that_a_mapping_is_kept_for_is_shown() {
    let env = home();
    assert!(!at(&env, 100, "").out.contains("PROCESS"), "there is none");
    let running = crate::in_use::fresh_id();
    talk(&env, "claude", &running, "/srv", "Are you there?", DAY);
    let process = crate::in_use::Running::with(&["--resume", &running]);
    env.map(json!({"claude-cli": {"menu": A, "busy": running}}).to_string());
    let list = list(&env, "", 0);
    let busy = row(&list, "busy");
    assert_eq!(busy["state"], "in_use");
    let pid = busy["process"]["pid"].as_u64().unwrap();
    let name = busy["process"]["name"].as_str().unwrap();
    assert!(row(&list, "menu")["process"].is_null());
    for columns in [80, 100, 200] {
        let text = at(&env, columns, "").out;
        let title = text.lines().find(|line| line.contains("FIRST MESSAGE")).unwrap();
        let line = text.lines().find(|line| line.contains("busy")).unwrap();
        assert!(title.ends_with("  PROCESS"), "{text}");
        assert!(line.ends_with(&format!("  {pid} {name}")), "{text}");
        assert_eq!(title.find("PROCESS"), line.find(&format!("{pid} ")), "{text}");
    }
    drop(process);
}
