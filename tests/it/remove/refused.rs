//! What keeps a `remove` from everything: then nothing at all is removed.

use super::*;

/// The run ends with 1, says all of that, and the map is as it was; a dry run does the same. A bridge
/// that holds the map is asked for nothing.
#[track_caller]
fn refuses(home: &Home, ids: &str, says: &[&str]) {
    let before = home.env.map_bytes();
    for line in ["remove -n", "remove", "remove --yes --json", "remove -q"] {
        let ran = home.env.run(&format!("{line} {ids}"));
        ran.exits(1).says(says).says(&["error: ", "\nhint: "]);
        assert_eq!((ran.out.as_str(), home.env.map_bytes()), ("", before.clone()), "{ran:?}");
    }
    let bridge = StandIn::on(home.env.map_path());
    let ran = home.env.run(&format!("remove {ids} --bridge {}", bridge.url()));
    ran.exits(1).says(says);
    assert!(bridge.deletes().is_empty(), "{:?}", bridge.deletes());
    assert_eq!(home.env.map_bytes(), before);
    assert!(home.env.litter().is_empty());
    assert_eq!(home.journal("removals.jsonl"), [] as [Value; 0]);
    assert_eq!(home.journal("runs.jsonl"), [] as [Value; 0], "it is no run of history");
}

#[test]
fn a_session_in_use_by_a_process_and_the_idle_ones_beside_it_are_kept() {
    let home = Home::new();
    let running = Running::with(&["claude", "--resume", &home.active]);
    let says =
        format!("cannot remove claude-cli/website (in use by process {} (sh))", running.id());
    refuses(&home, "claude-cli/website", &[&says, "nothing was removed"]);
    refuses(&home, "tax claude-cli/website ro", &[&says]);
    // Idle ones alone can be removed all the while.
    home.removes("tax ro", &[("claude-cli", "tax"), ("new-cli", "round")]);
    drop(running);
    home.removes("claude-cli/website", &[("claude-cli", "website")]);
}

#[test]
fn a_session_whose_record_shows_work_or_whose_lock_is_held_is_kept() {
    let home = Home::new();
    let running = Running::with(&[]);
    let pid = running.id();
    let about = json!({"pid": pid, "sessionId": home.idle, "status": "busy", "updatedAt": 1});
    home.env.file(&format!(".claude/sessions/{pid}.json"), about.to_string(), 0);
    refuses(&home, "tax-return ro", &["claude-cli/tax-return (in use by process"]);
    fs::remove_file(home.env.home(&format!(".claude/sessions/{pid}.json"))).unwrap();

    let path = format!(".codex/thread-writer-locks/{}.lock", home.thread);
    let lock = fs::File::open(home.env.file(&path, "", DAY)).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    refuses(&home, "codex-cli/website ro", &["codex-cli/website (in use by process"]);
    drop(lock);
    home.removes("codex-cli/website", &[("codex-cli", "website")]);
}

#[test]
fn a_session_that_is_held_is_kept_and_one_that_may_be_too() {
    let home = Home::new();
    home.env.run("hold start --chat tax --key a --ttl 1h --reason tool_exec").exits(0);
    refuses(&home, "tax ro", &["claude-cli/tax (held for tool_exec)", "hold list shows"]);
    // Its session is not held under another chat.
    home.removes("tax-return", &[("claude-cli", "tax-return")]);
    home.env.run("hold stop --key a").exits(0);

    let home = Home::new();
    home.env.run(&format!("hold start --session {} --key a --ttl 1h", home.idle)).exits(0);
    refuses(&home, &home.idle, &["claude-cli/tax (held for", "claude-cli/tax-return (held for"]);
    let torn = home.env.home(".local/state/session-warden/holds/torn.json");
    fs::write(&torn, "{").unwrap();
    refuses(&home, "codex-cli/website", &["codex-cli/website (it may be in use)", "torn.json"]);
    fs::remove_file(torn).unwrap();
    home.removes("codex-cli/website", &[("codex-cli", "website")]);
}

#[test]
fn what_is_pinned_is_kept_and_what_an_undo_restored_is_not_pinned_to_you() {
    let home = Home::new();
    home.env.run("pin tax").exits(0);
    refuses(
        &home,
        "tax ro",
        &["claude-cli/tax (it is pinned)", "hint: session-warden pin --remove"],
    );
    home.env.run("pin --remove tax").exits(0);
    home.env.config("[clean]\npin = [\"tax-*\", \"nothing-like-it\"]\n");
    refuses(&home, "tax-return", &["tax-return (it matches a pin pattern)", "configuration"]);
    // Neither warns of a pattern that matches nothing, nor minds what was restored just now.
    for _ in 0..2 {
        let report = home.removes("tax", &[("claude-cli", "tax")]);
        assert_eq!((state(&report, "tax"), &report["warnings"]), ("idle", &json!([])));
    }
}

#[test]
fn what_cannot_be_restored_is_not_removed() {
    let home = Home::new();
    refuses(&home, "number ro", &["new-cli/number (the map has no session there)"]);
}

#[test]
fn an_id_that_names_nothing_or_several_things_names_candidates() {
    let home = Home::new();
    let several = "hint: name one of them: claude-cli/website, codex-cli/website";
    refuses(&home, "website ro", &["\"website\" matches more than one chat or session", several]);
    refuses(&home, "web", &[several]);
    refuses(&home, "ro ta", &["\"ta\" matches more than one", "table-1", "tax, tax-return"]);
    refuses(&home, "tax-retrun ro", &["\"tax-retrun\"", "hint: similar: tax-return"]);
    refuses(
        &home,
        "zzz ro",
        &[
            "\"zzz\" matches no chat or session in this map; nothing was removed",
            "session-warden list shows",
        ],
    );
    refuses(&home, "claude-cli zzz", &["\"claude-cli\" matches no chat or session"]);
    refuses(&home, "codex-cli/tax", &["\"codex-cli/tax\" matches no chat or session"]);

    let chats: Value = (0..9).map(|n| (format!("chat-{n}"), json!(home.idle))).collect();
    home.env.map(json!({ "claude-cli": chats }).to_string());
    let five = "chat-0, chat-1, chat-2, chat-3, chat-4 and 4 more; session-warden list shows all";
    refuses(&home, "chat", &[five]);
}

#[test]
fn wrong_usage_ends_with_two_and_changes_nothing() {
    let home = Home::new();
    let before = home.env.map_bytes();
    for line in [
        "remove",
        "remove -n",
        "remove tax --hours 1",
        "remove tax --all-profiles",
        "remove tax --pin x",
        "remove tax -q -v",
        "remove tax --map m --session-dir d",
        "remove tax --profile nobody",
    ] {
        let ran = home.env.run(line);
        ran.exits(2).says(&["error: "]);
        assert_eq!(ran.out, "");
    }
    let ran = Ran::of(&mut home.env.command(["remove", "--yes", ""]));
    ran.exits(2);
    assert_eq!(home.env.map_bytes(), before);
    assert_eq!(home.journal("runs.jsonl"), [] as [Value; 0]);
}

#[test]
fn without_a_map_nothing_can_be_named() {
    let home = Home::new();
    fs::remove_file(home.env.map_path()).unwrap();
    let ran = home.env.run("remove tax");
    let map = home.env.map_path().display().to_string();
    ran.exits(1).says(&["error: there is no session map at", &map, "hint: --session-dir"]);
    assert!(!home.env.map_path().exists());
}

#[test]
fn what_a_bridge_cannot_be_asked_for_keeps_the_others_too() {
    let home = Home::new();
    let mut map = home.map();
    map["claude-cli"]["a/b"] = home.idle.as_str().into();
    let bridge = StandIn::holding(&map);
    let ran = home.env.run(&format!("remove a/b ro --bridge {}", bridge.url()));
    ran.exits(1).says(&["claude-cli/a/b (its bridge cannot be asked for it)", "--bridge off"]);
    assert!(bridge.deletes().is_empty());
    assert_eq!(bridge.map(), map);
}
