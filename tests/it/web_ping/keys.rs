//! The session key: where it comes from, how it is stored, and that it is shown nowhere.

use rustix::process::Signal;
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use super::*;
use crate::child::{WithMode, finish, pid, start, unprivileged, wait_until, with_mode};

/// A home with a job that names no file.
fn bare(page: &Page) -> TestEnv {
    let env = TestEnv::new();
    let job =
        "[[keepalive]]\nid = \"web\"\naction = \"claude-web-ping\"\nevery = \"1h\"\nattempts = 1\n";
    env.config(&format!("{job}base_url = \"{}\"\n", page.url()));
    env
}

/// The keys that the page was shown.
fn shown(page: &Page) -> Vec<String> {
    let keys =
        page.calls().into_iter().filter(|call| call.kind() == "list").map(|call| {
            call.header("cookie").unwrap().strip_prefix("sessionKey=").unwrap().to_owned()
        });
    keys.collect()
}

#[test]
fn a_key_comes_from_its_file_a_credential_the_environment_or_the_usual_file_in_that_order() {
    let page = Page::new();
    let env = bare(&page);
    let ran = run(&env, "run");
    ran.exits(3);
    assert_eq!(
        ran.out,
        "web: refused: there is no session key; store one with session-warden keepalive set-key\n"
    );
    assert_eq!((run(&env, "check").code, page.calls().len()), (3, 0));
    fs::write(state_folder(&env).join("session-key"), "sk-ant-sid01-usual-file\n").unwrap();
    let _private: WithMode = with_mode(state_folder(&env).join("session-key"), 0o600);
    let mut said = String::new();
    let mut ping = |variables: &[(&str, &Path)]| {
        for line in ["check", "run --force"] {
            let mut command = command(&env, line);
            command.envs(variables.iter().copied());
            let ran = bounded(&mut command);
            ran.exits(0);
            said += &ran.out;
            said += &ran.err;
        }
    };
    ping(&[]);
    let variable = ("SESSION_KEY", Path::new("sk-ant-sid01-variable"));
    ping(&[variable]);
    let folder = env.path("credentials");
    fs::create_dir(&folder).unwrap();
    ping(&[variable, ("CREDENTIALS_DIRECTORY", &folder)]);
    // As systemd lays it: by its mode alone a group could read it.
    fs::write(folder.join("session-key"), "sk-ant-sid01-credential").unwrap();
    fs::set_permissions(folder.join("session-key"), fs::Permissions::from_mode(0o440)).unwrap();
    ping(&[variable, ("CREDENTIALS_DIRECTORY", &folder)]);
    let keys = ["usual-file", "variable", "variable", "credential"];
    assert_eq!(shown(&page), keys.map(|key| format!("sk-ant-sid01-{key}")));
    assert!(said.contains("ok       web: the session key comes from SESSION_KEY\n"), "{said}");
    assert!(!said.contains("sk-ant"), "{said}");

    // A file that is named, and nothing else then.
    let (env, named) = (home(&page), "sk-ant-sid01-named");
    key(&env, named);
    let mut command = command(&env, "run");
    bounded(command.env("SESSION_KEY", "sk-ant-sid01-variable")).exits(0);
    assert_eq!(shown(&page).last().unwrap(), named);
    fs::remove_file(env.home("key")).unwrap();
    let ran = bounded(command.arg("--force"));
    ran.exits(3);
    let says = format!("web: refused: the key file {} does not exist\n", env.home("key").display());
    assert_eq!(ran.out, says);
}

#[test]
fn a_file_that_others_may_read_is_refused_and_one_that_is_mended_is_taken() {
    let page = Page::new();
    let env = home(&page);
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(env.home("key"), fs::Permissions::from_mode(mode)).unwrap();
        let checked = run(&env, "check");
        checked.exits(3);
        let says = format!("other users can read it (mode {mode:04o}); run chmod 600");
        assert!(
            checked.out.starts_with("problem  web: ") && checked.out.contains(&says),
            "{checked:?}"
        );
    }
    let ran = run(&env, "run");
    ran.exits(3);
    assert!(ran.out.contains("refused: cannot read the session key from"), "{ran:?}");
    assert!(status(&env)["disabled"].is_string());
    for mode in [0o600, 0o400] {
        fs::set_permissions(env.home("key"), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(run(&env, "run --force").out, "web: done\n");
    }
    // What is no file, and what is no key.
    fs::set_permissions(env.home("key"), fs::Permissions::from_mode(0o600)).unwrap();
    for text in ["", "two\nlines", "a;b", &"x".repeat(9000)] {
        fs::write(env.home("key"), text).unwrap();
        let checked = run(&env, "check");
        assert!(checked.exits(3).out.contains("does not hold a session key: it "), "{checked:?}");
    }
    fs::remove_file(env.home("key")).unwrap();
    fs::create_dir(env.home("key")).unwrap();
    assert!(run(&env, "check").exits(3).out.contains("not a regular file"));
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let page = Page::new();
    let env = home(&page);
    // Root's own is taken by root alone, and here it cannot even be read by another.
    std::os::unix::fs::lchown(env.home("key"), Some(12_345), None).unwrap();
    let checked = run(&env, "check");
    assert!(checked.exits(3).out.contains("it belongs to user 12345"), "{checked:?}");
    bounded(&mut unprivileged(&env, "keepalive check")).exits(0);
}

#[test]
fn a_key_that_is_echoed_is_in_no_output_and_no_file() {
    let json = |text: &str| json!({"error": {"type": text, "message": text}}).to_string();
    let escaped: Vec<String> =
        KEY.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
    let escaped = escaped.concat();
    let percent = KEY.replace('-', "%2D").replace('_', "%5F");
    let mut said = String::new();
    for kind in ALL {
        for status in [200, 400, 401, 403, 429, 500] {
            for echo in [
                json(KEY),
                json(&percent),
                format!("{{\"error\":{{\"type\":\"x\",\"message\":\"bad {escaped}\"}}}}"),
                format!("{{\"uuid\":\"{KEY}\"}}"),
                format!("[{{\"uuid\":\"{KEY}\"}}]"),
                format!("event: error\ndata: {}\n\n", json(KEY)),
                format!("<p>{KEY}</p>"),
            ] {
                let head = format!("x-key: {KEY}\r\nlocation: /{KEY}\r\n");
                let page = Page::answering(kind, status, &head, &echo);
                let env = home(&page);
                let is_first = said.len() < 5000;
                let more: &[&str] =
                    if is_first { &["status", "check", "run --force"] } else { &[] };
                for line in ["run", "status --format json"].iter().chain(more) {
                    let ran = run(&env, line);
                    said += &ran.out;
                    said += &ran.err;
                }
                said += &fs::read_to_string(state_folder(&env).join("keepalive.json")).unwrap();
                assert_eq!(fs::read_dir(state_folder(&env)).unwrap().count(), 2);
            }
        }
    }
    assert!(said.contains("failed: HTTP 400\n"), "nothing but the status");
    assert!(!said.contains("[hidden]"), "no text of the page");
    for part in ["Qm7xZp2L", "notforanyeyes", "sk-ant", &percent[10..], "u0051"] {
        assert!(!said.contains(part), "{part}");
    }
}

fn set(env: &TestEnv, line: &str, text: &str) -> Ran {
    let mut command = command(env, &format!("set-key {line}"));
    let mut child = start(command.stdin(Stdio::piped()));
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    finish(child)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_key_is_stored_for_its_owner_alone_and_used_from_there() {
    let page = Page::new();
    let env = bare(&page);
    let usual = state_folder(&env).join("session-key");
    let ran = set(&env, "", &format!("  {KEY}\r\n"));
    ran.exits(0);
    assert_eq!(ran.out, format!("Stored the session key in {}\n", usual.display()));
    assert_eq!((ran.err.as_str(), fs::read_to_string(&usual).unwrap()), ("", format!("{KEY}\n")));
    assert_eq!((mode(&usual), mode(&state_folder(&env))), (0o600, 0o700));
    assert_eq!(run(&env, "run").out, "web: done\n");
    assert_eq!(shown(&page), [KEY]);
    // Another one takes its place, whatever the mode was; it lies in the file of the job that has one.
    fs::set_permissions(&usual, fs::Permissions::from_mode(0o644)).unwrap();
    set(&env, "web", "sk-ant-sid02-next").exits(0);
    assert_eq!(
        (mode(&usual), fs::read_to_string(&usual).unwrap()),
        (0o600, "sk-ant-sid02-next\n".into())
    );
    let env = home(&page);
    fs::remove_file(env.home("key")).unwrap();
    set(&env, "", KEY).exits(0);
    assert_eq!(mode(&env.home("key")), 0o600);
    assert_eq!(run(&env, "check").out.lines().count(), 1);
    // A place that comes before, and one that is no key of the page's.
    let env = bare(&page);
    let mut command = command(&env, "set-key");
    command.env("SESSION_KEY", "sk-ant-sid01-other").stdin(Stdio::piped());
    let mut child = start(&mut command);
    child.stdin.take().unwrap().write_all(b"sk-ant-api03-oops").unwrap();
    let ran = finish(child);
    ran.exits(0).says(&["hint: SESSION_KEY is set"]);
    ran.says(&["warning: this does not look like a session key", "hint: if pings are refused"]);
}

#[test]
fn a_key_that_cannot_be_stored_is_told_in_a_line_and_never_shown() {
    let page = Page::new();
    let env = bare(&page);
    for text in ["", "\n", "secret\nsecret", "secret;", "sessionKey=secret", &"secret".repeat(4000)]
    {
        let ran = set(&env, "", text);
        ran.exits(2)
            .says(&["this is not a session key: it ", "hint: copy the value of the cookie"]);
        assert!(!ran.err.contains("secret") && ran.out.is_empty(), "{ran:?}");
    }
    assert!(!state_folder(&env).join("session-key").exists());
    set(&env, "nope", KEY).exits(2).says(&["no job \"nope\"", "the jobs are web"]);
    for line in
        [KEY.to_owned(), format!("web {KEY}"), format!("--key={KEY}"), format!("--config {KEY}")]
    {
        let ran = set(&env, &line, "");
        ran.exits(2);
        assert!(!ran.err.contains("notforanyeyes"), "{ran:?}");
    }
    set(&env, KEY, "").says(&["a key on the command line can be read"]);
    for line in ["run", "enable", "disable"] {
        let ran = run(&env, &format!("{line} {KEY}"));
        ran.exits(2).says(&["no job \"[hidden]\""]);
    }
    // Several files, another kind of job, and a place where nothing can be written.
    let job = "[[keepalive]]\naction = \"claude-web-ping\"\nevery = \"1h\"\n";
    let own =
        "[[keepalive]]\nid = \"own\"\naction = \"command\"\ncommand = \"x\"\nevery = \"1h\"\n";
    env.config(&format!("{job}id = \"a\"\nkey_file = \"a\"\n{job}id = \"b\"\n{own}"));
    set(&env, "", KEY).exits(2).says(&["several key files", "ID is a or b"]);
    set(&env, "own", KEY).exits(2).says(&["job \"own\" is not a claude-web-ping"]);
    set(&env, "a", KEY).exits(0);
    assert_eq!(mode(&env.home(".config/session-warden/a")), 0o600);
    env.config(&format!("{job}id = \"a\"\nkey_file = \"/dev/null/key\"\n"));
    set(&env, "", KEY).exits(1).says(&["cannot write /dev/null/key: not a directory"]);
}

/// A terminal, as its program and its user see it.
fn terminal() -> (OwnedFd, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc_noctty());
    (user, options.read(true).write(true).open(name.to_str().unwrap()).unwrap())
}

fn libc_noctty() -> i32 {
    rustix::fs::OFlags::NOCTTY.bits().cast_signed()
}

#[test]
fn a_terminal_does_not_show_the_key_and_shows_what_is_typed_again_afterwards() {
    for end in ["typed", "stopped"] {
        let page = Page::new();
        let env = bare(&page);
        let (user, program) = terminal();
        let echoes = || tcgetattr(&user).unwrap().local_modes.contains(LocalModes::ECHO);
        assert!(echoes());
        let mut command = command(&env, "set-key");
        let child = start(command.stdin(program.try_clone().unwrap()));
        wait_until(|| !echoes());
        let mut user_end = File::from(user.try_clone().unwrap());
        if end == "stopped" {
            user_end.write_all(b"sk-ant-sid01-half").unwrap();
            rustix::process::kill_process(pid(&child), Signal::INT).unwrap();
            finish(child).exits(1).says(&["nothing was stored"]);
            assert!(!state_folder(&env).join("session-key").exists());
        } else {
            user_end.write_all(format!("{KEY}\n").as_bytes()).unwrap();
            let ran = finish(child);
            ran.exits(0).says(&["Session key of claude.ai (not shown): "]);
            let stored = fs::read_to_string(state_folder(&env).join("session-key")).unwrap();
            assert_eq!(stored, format!("{KEY}\n"));
            // What the terminal has shown is the end of the line.
            let mut shown = [0; 256];
            let length = user_end.read(&mut shown).unwrap();
            assert_eq!(&shown[..length], b"\r\n");
        }
        assert!(echoes());
        drop(program);
    }
}

#[test]
fn a_job_that_makes_no_sense_is_told_with_its_line() {
    let job = "[[keepalive]]\nid = \"w\"\naction = \"claude-web-ping\"\n";
    let every = "every = \"1h\"\n";
    for (more, line, said) in [
        ("before_expiry = \"5m\"\n", 4, "needs every or daily"),
        ("", 1, "exactly one of"),
        ("every = \"1h\"\ncli = \"claude\"\n", 5, "not a setting of the action claude-web-ping"),
        ("every = \"1h\"\nbase_url = \"http://claude.ai\"\n", 5, "plain http"),
        ("every = \"1h\"\nbase_url = \"https://u:p@claude.ai\"\n", 5, "a host and a port"),
        ("every = \"1h\"\nbase_url = \"https://claude.ai/api\"\n", 5, "a host and a port"),
        ("every = \"1h\"\nkey_file = \"sk-ant-sid01-oops\"\n", 5, "looks like the key itself"),
        ("every = \"1h\"\nkey_file = 7\n", 5, "not a string"),
        ("every = \"1h\"\nsession_key = \"x\"\n", 5, "unknown key \"session_key\""),
    ] {
        let env = TestEnv::new();
        env.config(&format!("{job}{more}"));
        let ran = run(&env, "run");
        ran.exits(2).says(&[said, &format!("config.toml:{line}: ")]);
        assert!(!ran.err.contains("oops"), "{ran:?}");
    }
    let env = TestEnv::new();
    env.config(&format!(
        "[[keepalive]]\nid = \"c\"\naction = \"command\"\ncommand = \"x\"\n{every}key_file = \"x\"\n"
    ));
    run(&env, "run").exits(2).says(&["config.toml:6: ", "not a setting of the action command"]);
    let env = TestEnv::new();
    env.config(&format!("{job}{every}min_gap = \"5s\"\n"));
    run(&env, "run -n").exits(0).says(&["min_gap 5s is too short; 2m is used"]);
}

#[test]
fn no_proxy_of_the_environment_is_asked() {
    let (page, proxy) = (Page::new(), Page::new());
    let env = home(&page);
    let mut command = command(&env, "run");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
    {
        command.env(name, proxy.url());
    }
    assert_eq!(bounded(&mut command).out, "web: done\n");
    assert_eq!((page.calls().len(), proxy.calls().len()), (4, 0));
}

#[test]
fn a_credential_that_cannot_be_seen_is_told_and_no_other_key_is_taken() {
    let page = Page::new();
    let env = bare(&page);
    let mut check = command(&env, "check");
    check.env("CREDENTIALS_DIRECTORY", env.file("no-folder", "x", 0));
    let ran = bounded(check.env("SESSION_KEY", "sk-ant-sid01-variable"));
    assert!(ran.exits(3).out.starts_with("problem  web: cannot read the session key"), "{ran:?}");
    assert!(ran.out.contains("no-folder/session-key"), "{ran:?}");
}
