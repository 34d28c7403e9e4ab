//! The units, cron lines and the launch agent in `packaging/`, as files: what `schedule` rewrites in
//! them, what a run needs to be given, and what must never be taken from it. That they work is shown
//! by `tests/drills/systemd.sh`.

use std::fs;
use std::path::{Path, PathBuf};

const SERVICES: [&str; 2] =
    ["systemd/user/session-warden.service", "systemd/system/session-warden@.service"];
const FAILURES: [&str; 2] = [
    "systemd/user/session-warden-failed@.service",
    "systemd/system/session-warden-failed@.service",
];
const TIMERS: [&str; 2] =
    ["systemd/user/session-warden.timer", "systemd/system/session-warden@.timer"];
/// Those of keep-alive.
const KEEP_SERVICES: [&str; 2] = [
    "systemd/user/session-warden-keepalive.service",
    "systemd/system/session-warden-keepalive@.service",
];
const KEEP_TIMERS: [&str; 2] = [
    "systemd/user/session-warden-keepalive.timer",
    "systemd/system/session-warden-keepalive@.timer",
];
/// `keepalive serve`, which comes without a timer.
const SERVE: &str = "systemd/system/session-warden-serve@.service";
const CRON: [&str; 2] = ["cron/session-warden.crontab", "cron/session-warden.cron.d"];
const AGENT: &str = "launchd/session-warden.plist";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

fn text(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// The lines of a file that say something.
fn lines(file: &str) -> Vec<String> {
    let text = text(file);
    assert!(text.ends_with('\n') && !text.contains(['\t', '\r']), "{file}: odd white space");
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().filter(is_said).map(str::to_owned).collect()
}

/// The values of a key in a unit, in order. Whatever else is in the unit must be of a unit's form, on
/// one line.
#[track_caller]
fn values(file: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in lines(file) {
        assert!(!line.ends_with('\\'), "{file} goes on in another line: {line}");
        if line.starts_with('[') {
            assert!(
                ["[Unit]", "[Service]", "[Timer]", "[Install]"].contains(&line.as_str()),
                "{line}"
            );
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{file}: {line:?}"));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{file}: {line:?}");
        if name == key {
            found.push(value.to_owned());
        }
    }
    found
}

#[track_caller]
fn check(file: &str, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        assert_eq!(values(file, key), [*value], "{key} in {file}");
    }
}

#[track_caller]
fn lacks(file: &str, keys: &[&str]) {
    for key in keys {
        assert_eq!(values(file, key), <[String; 0]>::default(), "{key} in {file}");
    }
}

#[test]
fn every_unit_is_one_of_these() {
    let all = [SERVICES, FAILURES, TIMERS, KEEP_SERVICES, KEEP_TIMERS].concat();
    for place in ["systemd/user", "systemd/system"] {
        let entries = fs::read_dir(folder().join(place)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| format!("{place}/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
        let of_place = all.iter().chain([&SERVE]).filter(|file| file.starts_with(place));
        let mut wanted: Vec<String> = of_place.map(|file| (*file).to_owned()).collect();
        names.sort();
        wanted.sort();
        assert_eq!(names, wanted);
    }
}

#[test]
fn the_service_is_handed_its_key_and_started_again_where_that_may_help() {
    check(
        SERVE,
        &[
            ("ExecStart", "/usr/local/bin/session-warden keepalive serve"),
            ("User", "%i"),
            ("LoadCredential", "session-key:/etc/session-warden/%i.key"),
            ("Restart", "on-failure"),
            ("RestartPreventExitStatus", "2 75"),
            ("KillMode", "mixed"),
            ("TimeoutStopSec", "3min"),
            ("WantedBy", "multi-user.target"),
        ],
    );
}

#[test]
fn a_clean_is_run_by_one_line_with_one_path_and_without_q() {
    check(SERVICES[0], &[("ExecStart", "%h/.local/bin/session-warden clean")]);
    check(SERVICES[1], &[("ExecStart", "/usr/local/bin/session-warden clean"), ("User", "%i")]);
    for file in SERVICES {
        lacks(file, &["ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost", "Environment"]);
    }
}

#[test]
fn a_clean_gets_what_it_needs() {
    for file in SERVICES {
        check(
            file,
            &[
                ("Type", "oneshot"),
                ("SuccessExitStatus", "75"),
                ("TimeoutStartSec", "2min"),
                ("UMask", "0077"),
                ("OnFailure", "session-warden-failed@%n.service"),
                ("SyslogIdentifier", "session-warden"),
                ("NoNewPrivileges", "yes"),
                ("RestrictSUIDSGID", "yes"),
                ("SystemCallErrorNumber", "EPERM"),
            ],
        );
        // A map keeps its group, which takes a call that is also in @privileged: so that comes last.
        assert_eq!(
            values(file, "SystemCallFilter"),
            ["@system-service", "~@privileged @resources", "@chown"]
        );
        assert!(values(file, "RestrictAddressFamilies")[0].starts_with("AF_INET AF_INET6"));
        // The report goes to the journal as it is by default; no folder is made elsewhere; who uses a
        // session is seen in /proc; and nothing else of the user's is removed.
        lacks(
            file,
            &[
                "StandardOutput",
                "StandardError",
                "StateDirectory",
                "ProcSubset",
                "ProtectProc",
                "PrivateUsers",
                "PrivatePIDs",
                "PrivateNetwork",
                "RemoveIPC",
                "DynamicUser",
            ],
        );
    }
}

#[test]
fn the_system_unit_may_write_to_the_map_and_the_state_and_ask_a_bridge() {
    let file = SERVICES[1];
    check(
        file,
        &[
            ("ProtectSystem", "strict"),
            ("ProtectHome", "read-only"),
            ("PrivateTmp", "yes"),
            ("BindPaths", "-/tmp/claude_sessions"),
            ("IPAddressDeny", "any"),
            ("IPAddressAllow", "localhost"),
            ("CapabilityBoundingSet", ""),
        ],
    );
    assert_eq!(
        values(file, "ReadWritePaths"),
        ["-/tmp/claude_sessions", "-/home/%i/.local/state/session-warden"]
    );
    // %h is root's home there.
    assert!(lines(file).iter().all(|line| !line.contains("%h")));
}

#[test]
fn the_user_unit_takes_no_namespace_and_no_privilege() {
    let mounts = ["ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts"];
    let paths = ["ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "BindPaths"];
    let kernel = ["ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs"];
    let more = ["ProtectControlGroups", "ProtectClock", "ProtectHostname", "CapabilityBoundingSet"];
    for file in [SERVICES[0], FAILURES[0]] {
        for keys in [&mounts[..], &paths, &kernel, &more, &["IPAddressDeny", "User", "Group"]] {
            lacks(file, keys);
        }
    }
}

#[test]
fn a_timer_fires_once_an_hour() {
    for file in TIMERS {
        check(
            file,
            &[
                ("OnCalendar", "hourly"),
                ("RandomizedDelaySec", "10min"),
                ("FixedRandomDelay", "yes"),
                ("Persistent", "yes"),
                ("WantedBy", "timers.target"),
            ],
        );
        // It starts the service of its own name.
        lacks(file, &["Unit", "OnActiveSec", "OnBootSec", "OnUnitActiveSec"]);
    }
}

#[test]
fn a_pass_of_keep_alive_may_do_what_its_jobs_need() {
    check(KEEP_SERVICES[0], &[("ExecStart", "%h/.local/bin/session-warden keepalive run -q")]);
    let system = [("ExecStart", "/usr/local/bin/session-warden keepalive run -q"), ("User", "%i")];
    check(KEEP_SERVICES[1], &system);
    for file in KEEP_SERVICES {
        check(
            file,
            &[
                ("Type", "oneshot"),
                ("SuccessExitStatus", "75"),
                // A CLI that is killed while it renews its login can break it.
                ("TimeoutStartSec", "infinity"),
                ("KillMode", "mixed"),
                ("TimeoutStopSec", "3min"),
                ("OnFailure", "session-warden-failed@%n.service"),
            ],
        );
    }
    let user = lines(KEEP_SERVICES[0]);
    let service = user.iter().skip_while(|line| *line != "[Service]").skip(1);
    let keys: Vec<&str> = service.map(|line| line.split('=').next().unwrap()).collect();
    let known = [
        "Type",
        "ExecStart",
        "SyslogIdentifier",
        "SuccessExitStatus",
        "TimeoutStartSec",
        "KillMode",
        "TimeoutStopSec",
        "UMask",
    ];
    // Whatever else it has would forbid something.
    assert!(keys.iter().all(|key| known.contains(key)), "{keys:?}");
    for file in KEEP_TIMERS {
        check(
            file,
            &[("OnCalendar", "*:0/1"), ("Persistent", "yes"), ("WantedBy", "timers.target")],
        );
        lacks(file, &["Unit", "OnActiveSec", "OnBootSec", "OnUnitActiveSec"]);
    }
}

#[test]
fn the_system_units_of_keep_alive_forbid_what_no_cli_needs_and_name_the_rest() {
    for file in [KEEP_SERVICES[1], SERVE] {
        check(
            file,
            &[
                ("NoNewPrivileges", "yes"),
                ("CapabilityBoundingSet", ""),
                ("LockPersonality", "yes"),
                ("PrivateDevices", "yes"),
                ("ProtectClock", "yes"),
                ("ProtectControlGroups", "yes"),
                ("ProtectHostname", "yes"),
                ("ProtectKernelModules", "yes"),
                ("ProtectSystem", "full"),
                ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
                ("RestrictRealtime", "yes"),
                ("RestrictSUIDSGID", "yes"),
                ("SystemCallArchitectures", "native"),
                ("SystemCallErrorNumber", "EPERM"),
            ],
        );
        let left_out = [
            "MemoryDenyWriteExecute",
            "RestrictNamespaces",
            "ProtectKernelTunables",
            "ProtectKernelLogs",
            "ProcSubset",
            "ProtectProc",
            "ProtectHome",
            "PrivateTmp",
            "PrivateUsers",
            "RemoveIPC",
            "PrivateNetwork",
            "IPAddressDeny",
        ];
        lacks(file, &left_out);
        let text = text(file);
        for key in left_out {
            assert!(text.contains(&format!("{key}=")), "{file} gives no reason for {key}=");
        }
    }
}

#[test]
fn a_failure_is_one_line_at_priority_err() {
    for (file, ask) in FAILURES.into_iter().zip(["--user -t session-warden", "-u %i"]) {
        let command = format!("/bin/echo \"%i has failed; its report: journalctl {ask}\"");
        check(
            file,
            &[
                ("Type", "oneshot"),
                ("ExecStart", &command),
                ("StandardOutput", "journal"),
                ("SyslogIdentifier", "session-warden-failed"),
                ("SyslogLevel", "err"),
            ],
        );
        // One that failed and started itself would never end.
        lacks(file, &["OnFailure"]);
    }
}

#[test]
fn cron_runs_it_at_five_past_with_q() {
    let clean = "/usr/local/bin/session-warden clean -q";
    assert_eq!(lines(CRON[0]), [format!("5 * * * * {clean}")]);
    assert_eq!(lines(CRON[1]), [format!("5 * * * * root {clean}")]);
}

/// The tags of an XML file, with what stands before each; comments, the declaration and the document's
/// type are left out.
fn tags(xml: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), xml);
    while let Some((before, after)) = rest.split_once('<') {
        let end = if after.starts_with("!--") { "-->" } else { ">" };
        let (tag, after) = after.split_once(end).expect("a tag that ends");
        if let Some(comment) = tag.strip_prefix("!--") {
            assert!(!comment.contains("--"), "no comment of XML's: {comment}");
        } else if !tag.starts_with(['?', '!']) {
            assert!(!before.contains('>') && !tag.contains('<'), "{before:?} {tag:?}");
            found.push((before.trim().to_owned(), tag.to_owned()));
        }
        rest = after;
    }
    assert_eq!(rest, "\n");
    found
}

#[test]
fn the_launch_agent_is_a_property_list() {
    let text = text(AGENT);
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist "));
    let mut open: Vec<String> = Vec::new();
    // Keys and values in order, each value under its tag.
    let mut said = Vec::new();
    for (before, tag) in tags(&text) {
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            if ["key", "string", "integer"].contains(&name) {
                said.push(format!("{name} {before}"));
            }
        } else {
            assert_eq!(before, "", "text outside of a value");
            open.push(tag.split(' ').next().unwrap().to_owned());
        }
    }
    assert_eq!(open, Vec::<String>::new(), "tags that do not end");
    assert_eq!(
        said,
        [
            "key Label",
            "string session-warden",
            "key ProgramArguments",
            "string /usr/local/bin/session-warden",
            "string clean",
            "key StartCalendarInterval",
            "key Minute",
            "integer 5",
            "key ProcessType",
            "string Background",
            "key Umask",
            "integer 63",
        ]
    );
}

#[test]
fn every_file_is_valid_as_it_stands() {
    for file in [&SERVICES[..], &FAILURES, &TIMERS, &CRON, &[AGENT]].concat() {
        let text = text(file);
        for placeholder in ["@BIN", "@@", "{{", "}}", "${", "<path", "TODO", "FIXME", "CHANGEME"] {
            assert!(!text.contains(placeholder), "{placeholder} in {file}");
        }
        if file.starts_with("systemd") {
            for line in lines(file) {
                for specifier in line.split('%').skip(1) {
                    let is_known = specifier.starts_with(['i', 'h', 'n']);
                    assert!(is_known, "%{specifier} in {file}");
                }
            }
        }
    }
}

#[test]
fn every_comment_in_a_unit_has_at_most_two_lines() {
    for file in [&SERVICES[..], &FAILURES, &TIMERS, &KEEP_SERVICES, &KEEP_TIMERS, &[SERVE]].concat()
    {
        let mut comments = 0;
        for line in text(file).lines() {
            comments = if line.starts_with('#') { comments + 1 } else { 0 };
            assert!(comments <= 2, "{file}: {line}");
        }
    }
}
