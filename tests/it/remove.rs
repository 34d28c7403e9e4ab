//! `remove`: what is named is removed whatever its state, or nothing is.

use serde_json::{Value, json};
use std::fs;

use crate::child::bounded;
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row, state};
use crate::in_use::{Running, fresh_id};
use crate::stand_in::{StandIn, auto};

mod asked;
mod meanwhile;
mod refused;

/// Two sessions of Claude's and one of Codex's, used a minute ago, five hours ago and a day ago.
struct Home {
    env: TestEnv,
    active: String,
    idle: String,
    thread: String,
}

impl Home {
    fn new() -> Self {
        let (env, ids) = (TestEnv::new(), [fresh_id(), fresh_id(), fresh_id()]);
        env.session("claude", &ids[0], MINUTE);
        env.session("claude", &ids[1], 5 * HOUR);
        env.session("codex", &ids[2], DAY);
        let [active, idle, thread] = ids;
        let home = Self { env, active, idle, thread };
        home.write_map();
        home
    }

    fn map(&self) -> Value {
        json!({
            "claude-cli": {"website": self.active, "tax": self.idle, "tax-return": self.idle},
            "codex-cli": {"website": self.thread, "odd": "no-uuid"},
            "new-cli": {"round": "table-1", "number": 7},
        })
    }

    fn write_map(&self) {
        self.env.map(self.map().to_string());
    }

    /// The map without these mappings.
    fn without(&self, gone: &[(&str, &str)]) -> Value {
        let mut map = self.map();
        for (model, chat) in gone {
            let removed = map[*model].as_object_mut().unwrap().remove(*chat);
            assert!(removed.is_some(), "{model}/{chat}");
        }
        map
    }

    fn journal(&self, name: &str) -> Vec<Value> {
        self.env.journal(name)
    }

    /// These IDs name these mappings, in a dry run and in a real one, which are then restored.
    #[track_caller]
    fn removes(&self, ids: &str, gone: &[(&str, &str)]) -> Value {
        self.write_map();
        let before = self.env.map_bytes();
        let dry = self.env.json(&format!("remove -n {ids}"));
        assert_eq!(self.env.map_bytes(), before, "a dry run changes nothing");
        let real = self.env.json(&format!("remove {ids}"));
        assert_eq!(self.env.map_now(), self.without(gone), "{ids}: {real:#}");

        let rows = |report: &Value| -> Vec<Value> {
            let rows = report["sessions"].as_array().unwrap().iter();
            rows.map(|row| json!([row["model"], row["chat_id"], row["state"], row["reason"]]))
                .collect()
        };
        assert_eq!(rows(&dry), rows(&real), "the dry run makes the same plan");
        assert_eq!(real["summary"]["removed"], gone.len());
        assert_eq!(dry["summary"]["would_remove"], gone.len());
        assert_eq!(real["summary"]["checked"], gone.len(), "nothing else is looked at");

        let undo = self.env.run("undo --bridge off");
        undo.exits(0);
        assert_eq!(self.env.map_now(), self.map(), "{undo:?}");
        real
    }
}

#[test]
fn an_active_mapping_is_removed_and_its_session_is_left_alone() {
    let home = Home::new();
    let file = home.env.home(&format!(".claude/projects/-w/{}.jsonl", home.active));
    let before = fs::read(&file).unwrap();
    let report = home.removes("claude-cli/website", &[("claude-cli", "website")]);
    assert_eq!(fs::read(&file).unwrap(), before);
    let row = row(&report, "website");
    assert_eq!((&row["state"], &row["action"]), (&json!("active"), &json!("removed")));
    assert_eq!(row["reason"], "removed by hand");
    assert!(row["last_used"].is_string(), "{row}");
    assert_eq!((&report["summary"]["active"], &report["warnings"]), (&json!(1), &json!([])));

    let removal = &home.journal("removals.jsonl")[0];
    assert_eq!(removal["session"], home.active);
    assert_eq!(
        (&removal["reason"], &removal["chat"]),
        (&json!("removed by hand"), &json!("website"))
    );
    let runs = home.journal("runs.jsonl");
    assert_eq!((&runs[0]["exit"], &runs[0]["summary"]["removed"]), (&json!(0), &json!(1)));
    assert!(home.env.run("history").out.contains(removal["run"].as_str().unwrap()));

    let text = home.env.run("remove claude-cli/website");
    text.exits(0);
    assert!(text.out.contains("  Active: 1\n") && text.out.contains("Cleaned up: 1 "), "{text:?}");
    assert!(!text.out.contains("(kept)"), "{text:?}");
}

#[test]
fn whatever_the_state_is_the_mapping_is_removed_and_nothing_is_warned_of() {
    let home = Home::new();
    let gone = [
        ("claude-cli", "tax"),
        ("codex-cli", "website"),
        ("codex-cli", "odd"),
        ("new-cli", "round"),
    ];
    let report = home.removes("tax codex-cli/website odd table-1", &gone);
    let states = ["tax", "website", "odd", "round"].map(|chat| state(&report, chat).to_owned());
    assert_eq!(states, ["idle", "idle", "unknown", "unknown"]);
    assert_eq!(report["warnings"], json!([]));

    // The only session of its CLI has no file, or the CLI has no folder at all.
    fs::remove_dir_all(home.env.home(".codex")).unwrap();
    let report = home.removes("codex-cli/website", &[("codex-cli", "website")]);
    assert_eq!((state(&report, "website"), &report["warnings"]), ("unknown", &json!([])));
    fs::remove_dir_all(home.env.home(".claude/projects/-w")).unwrap();
    let report = home.removes("tax-return", &[("claude-cli", "tax-return")]);
    assert_eq!((state(&report, "tax-return"), &report["warnings"]), ("missing", &json!([])));
}

#[test]
fn an_id_is_a_chat_a_session_or_a_prefix_that_only_one_of_them_has() {
    let home = Home::new();
    let both = [("claude-cli", "tax"), ("claude-cli", "tax-return")];
    home.removes("tax", &both[..1]);
    home.removes("tax-", &both[1..]);
    home.removes("claude-cli/tax-r", &both[1..]);
    home.removes("codex-cli/website", &[("codex-cli", "website")]);
    home.removes("claude-cli/we", &[("claude-cli", "website")]);
    home.removes("ro", &[("new-cli", "round")]);
    home.removes("table", &[("new-cli", "round")]);
    // A session names every chat that maps it, however it is written.
    home.removes(&home.idle, &both);
    home.removes(&home.idle.to_uppercase(), &both);
    home.removes(&home.thread, &[("codex-cli", "website")]);
    // Each mapping once, whatever names it.
    home.removes(&format!("tax {} tax-return tax", home.idle), &both);
}

#[test]
fn what_a_policy_goes_by_does_not_bound_what_was_named() {
    let home = Home::new();
    let files = ["metrics", "log"].map(|name| home.env.path(name));
    let [metrics, log] = files.each_ref().map(|path| path.display());
    home.env.config(&format!(
        "[clean]\nprovider = [\"codex\"]\nmax_remove = 0\nmissing = \"keep\"\nmetrics = \"{metrics}\"\n\
         log = \"{log}\"\n[[profile]]\nname = \"p\"\nsession_dir = \"{}\"\n",
        home.env.path("bridge").display()
    ));
    home.removes("tax ro", &[("claude-cli", "tax"), ("new-cli", "round")]);
    home.removes("tax --profile p", &[("claude-cli", "tax")]);
    assert!(files.iter().all(|file| !file.exists()), "these are about the runs of a timer");
}

#[test]
fn a_running_bridge_is_asked_and_its_file_is_not_edited() {
    let home = Home::new();
    for named in [true, false] {
        home.write_map();
        let bridge = StandIn::on(home.env.map_path());
        let line = "remove claude-cli/website tax --format json";
        let run = |line: &str| {
            if named {
                home.env.run(&format!("{line} --bridge {}", bridge.url()))
            } else {
                auto(&home.env, bridge.port, line)
            }
        };
        let dry = run(&format!("{line} -n"));
        assert_eq!(dry.exits(0).report()["summary"]["would_remove"], 2);
        assert!(bridge.deletes().is_empty());
        let report = run(line).exits(0).report();
        assert_eq!(report["source"]["url"], bridge.url());
        assert_eq!((&report["summary"]["removed"], &report["warnings"]), (&json!(2), &json!([])));
        let left = home.without(&[("claude-cli", "website"), ("claude-cli", "tax")]);
        assert_eq!((bridge.map(), home.env.map_now()), (left.clone(), left));
        assert_eq!(bridge.deletes().len(), 2);

        bridge.chat("claude-cli", "later", &home.active);
        assert!(home.env.map_now()["claude-cli"].get("tax").is_none(), "nothing comes back");
        bridge.stop();
        let undo = format!("undo --bridge off --map {}", home.env.map_path().display());
        home.env.run(&undo).exits(0);
        let mut all = home.map();
        all["claude-cli"]["later"] = home.active.as_str().into();
        assert_eq!(home.env.map_now(), all);
    }
}

#[test]
fn a_session_whose_process_is_idle_is_removed_with_a_warning() {
    let home = Home::new();
    let running = Running::with(&[]);
    let pid = running.id();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let started = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned();
    let about = json!({"pid": pid, "sessionId": home.idle, "status": "idle", "procStart": started});
    home.env.file(&format!(".claude/sessions/{pid}.json"), about.to_string(), DAY);
    assert_eq!(state(&home.env.json("-n"), "tax"), "resident");
    let report = home.removes("tax", &[("claude-cli", "tax")]);
    assert_eq!((state(&report, "tax"), &report["summary"]["resident"]), ("resident", &json!(1)));
    assert_eq!(report["warnings"][0]["code"], "still_running");
    let ran = home.env.run("remove tax");
    ran.exits(0).says(&[&format!("warning: process {pid} "), "of chat \"tax\" is idle", "hint: "]);
    assert!(ran.out.contains("  Resident: 1 ("), "{ran:?}");
}

#[test]
fn a_map_in_legacy_form_has_its_mappings_removed_too() {
    let home = Home::new();
    let map = json!({"a": home.active, "b": home.idle});
    home.env.map(map.to_string());
    home.env.run("remove claude-cli/a").exits(0);
    assert_eq!(home.env.map_now(), json!({"b": home.idle}));
    home.env.run("undo --bridge off").exits(0);
    assert_eq!(home.env.map_now(), map);
}

#[test]
fn quiet_prints_nothing_and_a_closed_pipe_is_no_error() {
    let home = Home::new();
    let ran = home.env.run("remove -q tax");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    assert_eq!(home.env.map_now(), home.without(&[("claude-cli", "tax")]));
    let ran = bounded(&mut crate::child::through_shell(&home.env, "", "remove ro", "| true"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(home.env.map_now()["new-cli"].get("round").is_none());
}
