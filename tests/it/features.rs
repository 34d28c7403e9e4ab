//! What a build lacks is answered with the name of the feature, and does not keep it from anything else.

use crate::child::{both, cleaned, mapped};
use crate::completions::offered;
use crate::env::TestEnv;

const OWN: &str =
    "[[keepalive]]\nid = \"own\"\naction = \"command\"\ncommand = \"true\"\nevery = \"1h\"\n";

/// That call is refused with that feature, in one line and a hint that names it too.
#[cfg(not(all(feature = "serve", feature = "web-ping", feature = "openclaw")))]
#[track_caller]
fn lacks(env: &TestEnv, line: &str, feature: &str, what: &str) {
    let ran = env.run(line);
    ran.exits(2);
    assert_eq!(ran.out, "");
    let lines: Vec<&str> = ran.err.lines().collect();
    let error = format!("error: this build lacks the feature {feature}, which {what} needs");
    assert!(lines.len() == 2 && lines[0] == error, "{ran:?}");
    assert!(lines[1].starts_with("hint: ") && lines[1].ends_with(feature), "{ran:?}");
}

/// Help and completions offer that word, or do not.
#[track_caller]
fn is_offered(word: &str, help: &str, expected: bool) {
    let env = TestEnv::new();
    let ran = env.run(help);
    let offers = ran.out.split(|c: char| !c.is_alphanumeric() && c != '-').any(|it| it == word);
    assert_eq!(offers, expected, "{word} in {help}: {}", ran.out);
    let mut words: Vec<&str> = help.split(' ').filter(|word| *word != "--help").collect();
    words.push(word);
    assert_eq!(offered(&env, &words) == [word], expected, "{word}");
}

#[test]
fn a_build_offers_what_it_has_and_nothing_else() {
    is_offered("keepalive", "--help", cfg!(feature = "keepalive"));
    is_offered("set-key", "keepalive --help", cfg!(feature = "web-ping"));
    let serve = offered(&TestEnv::new(), &["keepalive", "serve"]) == ["serve"];
    assert_eq!(serve, cfg!(feature = "serve"));
    let help = TestEnv::new().run("schedule install --help").out;
    assert_eq!(help.contains("--keepalive"), cfg!(feature = "keepalive"), "{help}");
}

/// Whatever the jobs of a configuration need, a clean does not need it.
#[test]
fn a_clean_does_not_mind_jobs_that_the_build_cannot_run() {
    for action in ["claude-web-ping", "openclaw-touch\"\nagents = \"all\"\nactive_within = \"1h"] {
        let env = mapped();
        env.config(&format!(
            "{OWN}[[keepalive]]\nid = \"b\"\nevery = \"1h\"\naction = \"{action}\"\n"
        ));
        env.run("-n").exits(0);
        assert_eq!(env.map_bytes(), both().as_bytes());
        env.run("config").exits(0);
        env.run("clean").exits(0);
        assert_eq!(env.map_bytes(), cleaned().as_bytes());
    }
}

#[cfg(not(feature = "keepalive"))]
#[test]
fn without_keepalive_its_commands_name_the_feature() {
    let env = mapped();
    env.config(OWN);
    for line in ["", " run", " status --json", " --help", " serve", " run --force own"] {
        lacks(&env, &format!("keepalive{line}"), "keepalive", "keepalive");
    }
    for line in ["install", "install -n", "print"] {
        lacks(&env, &format!("schedule {line} --keepalive"), "keepalive", "schedule --keepalive");
    }
    // A word that nobody knows stays one.
    let ran = env.run("keep-alive");
    assert!(ran.exits(2).err.contains("keep-alive") && !ran.err.contains("feature"), "{ran:?}");
}

#[cfg(all(feature = "keepalive", not(feature = "serve")))]
#[test]
fn without_serve_its_command_names_the_feature() {
    let env = TestEnv::new();
    env.config(OWN);
    for line in ["", " --listen 127.0.0.1:0", " --help"] {
        lacks(&env, &format!("keepalive serve{line}"), "serve", "keepalive serve");
    }
    // Only `keepalive` ever has that command.
    assert!(!env.run("serve").exits(2).err.contains("feature"));
    // The environment of a service that nobody can start is no job.
    let mut status = env.command(["keepalive", "status"]);
    let ran = crate::env::Ran::of(status.env("SESSION_KEY", "sk-ant-sid01-notforanyeyes"));
    assert!(ran.exits(0).out.starts_with("own ("), "{ran:?}");
}

#[cfg(all(feature = "keepalive", not(feature = "web-ping")))]
#[test]
fn without_web_ping_its_jobs_and_its_command_name_the_feature() {
    let env = TestEnv::new();
    let job = "[[keepalive]]\nid = \"web\"\naction = \"claude-web-ping\"\nevery = \"1h\"\n";
    env.config(&format!("{OWN}{job}"));
    check_jobs(&env, "web-ping", "the keep-alive job web");
    lacks(&env, "keepalive set-key", "web-ping", "keepalive set-key");
    // What is wrong with a job is seen all the same.
    env.config(&format!("{job}cli = \"claude\"\n"));
    env.run("keepalive check")
        .exits(2)
        .says(&["cli is not a setting of the action claude-web-ping"]);
}

#[cfg(all(feature = "keepalive", not(feature = "openclaw")))]
#[test]
fn without_openclaw_its_jobs_name_the_feature() {
    let env = TestEnv::new();
    let job = "[[keepalive]]\nid = \"claw\"\naction = \"openclaw-touch\"\nevery = \"1h\"\n\
               agents = \"main\"\nactive_within = \"1h\"\n";
    env.config(&format!("{OWN}{job}"));
    check_jobs(&env, "openclaw", "the keep-alive job claw");
}

/// Every command that jobs matter to names the feature that one of them needs, and runs none.
#[cfg(all(feature = "keepalive", not(all(feature = "openclaw", feature = "web-ping"))))]
#[track_caller]
fn check_jobs(env: &TestEnv, feature: &str, what: &str) {
    let runs = ["run", "run -n", "run own", "status", "status --json", "check", "disable own"];
    for line in runs {
        lacks(env, &format!("keepalive {line}"), feature, what);
    }
    lacks(env, "schedule print --method cron --keepalive", feature, what);
    assert!(!env.home(".local/state/session-warden/keepalive.json").exists());
}
