//! Credential files of every kind, made up, and what is said of them.
#![expect(clippy::disallowed_methods, reason = "credential files are made up")]

use super::*;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

/// What must be in nothing that is returned.
const ACCESS: &str = "sk-ant-oat01-fabricatedAccess";
const REFRESH: &str = "sk-ant-ort01-fabricatedRefresh";
const KEY: &str = "sk-proj-fabricatedKey";

/// 2026-01-05T10:00:00Z.
fn now() -> Timestamp {
    Timestamp::new(1_767_607_200, 0)
}

const LATER: u64 = 1_767_610_800;

struct Home(tempfile::TempDir);

impl Home {
    fn new(cli: Cli, text: impl AsRef<[u8]>) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        fs::write(this.file(cli), text).unwrap();
        this
    }

    fn file(&self, cli: Cli) -> PathBuf {
        self.0.path().join(file_of(cli))
    }

    fn expiry(&self, cli: Cli) -> Expiry {
        let told = expiry(cli, self.0.path(), now());
        let hash = credential_hash(cli, self.0.path());
        let shown = format!("{told:?} {hash:?} {:?}", read(cli, self.0.path()));
        for secret in [ACCESS, REFRESH, KEY, "fabricated", "sk-"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(hash.is_none_or(|hash| hash.len() == 16));
        told
    }
}

#[track_caller]
fn check(cli: Cli, file: &Value, expected: &Expiry) {
    assert_eq!(&Home::new(cli, file.to_string()).expiry(cli), expected, "{file}");
}

fn at(seconds: u64) -> Expiry {
    Expiry::At(Timestamp::new(i64::try_from(seconds).unwrap(), 0))
}

fn unknown(why: &str) -> Expiry {
    Expiry::Unknown(why.to_owned())
}

/// A JWT with those claims.
fn jwt(claims: &Value) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let claims = claims.to_string();
    let mut text = String::new();
    for three in claims.as_bytes().chunks(3) {
        let all =
            three.iter().chain(&[0; 2]).take(3).fold(0, |all, byte| all << 8 | usize::from(*byte));
        for place in 0..=three.len() {
            text.push(char::from(LETTERS[all >> (18 - 6 * place) & 63]));
        }
    }
    format!("eyJfabricated.{text}.fabricated")
}

#[test]
fn claude_tells_milliseconds() {
    let login = |access, refresh, expires: Value| {
        json!({"claudeAiOauth": {"accessToken": access, "refreshToken": refresh,
               "expiresAt": expires, "scopes": ["user:inference"], "subscriptionType": "max"},
               "mcpOAuth": {"x": {"accessToken": ACCESS}}})
    };
    let claude = |file: Value, expected: &Expiry| check(Cli::Claude, &file, expected);
    claude(login(ACCESS, REFRESH, json!(LATER * 1000)), &at(LATER));
    // It is healthy, since its CLI renews it.
    claude(login(ACCESS, REFRESH, json!(1_767_600_000_000_u64)), &at(1_767_600_000));
    claude(login("", REFRESH, json!(0)), &at(0));
    claude(login("", "", json!(0)), &Expiry::LogInAgain);
    claude(login(ACCESS, "", json!(1_767_600_000_000_u64)), &Expiry::LogInAgain);
    claude(login(ACCESS, "", json!(LATER * 1000)), &at(LATER));
    let no_expiry = unknown(".credentials.json has no expiry time");
    for expires in [Value::Null, json!("soon"), json!(-5)] {
        claude(login(ACCESS, REFRESH, expires), &no_expiry);
    }
    claude(json!({}), &unknown(".credentials.json has no login"));
    claude(json!({"claudeAiOauth": null}), &unknown(".credentials.json has no login"));
    let other = unknown(".credentials.json has an unknown format");
    claude(json!({"claudeAiOauth": ACCESS}), &other);
    claude(json!([{"claudeAiOauth": {}}]), &other);
}

#[test]
fn codex_tells_by_its_token_or_by_its_last_renewal() {
    let codex = |file: Value, expected: &Expiry| check(Cli::Codex, &file, expected);
    let tokens = |access: &str| {
        json!({"id_token": ACCESS, "access_token": access,
                                       "refresh_token": REFRESH, "account_id": "x"})
    };
    let file = |tokens: Value, renewed: Value| {
        json!({"OPENAI_API_KEY": null, "tokens": tokens,
                                                      "last_refresh": renewed})
    };
    for padding in ["", "1", "12"] {
        let access = jwt(&json!({"exp": LATER, "sub": format!("\u{fc}?{padding}")}));
        codex(file(tokens(&access), json!("2026-01-01T00:00:00Z")), &at(LATER));
    }
    let eight_days_on = at(1_767_225_600 + 8 * 24 * 60 * 60);
    for access in [ACCESS, "a.b.c", "a.!.c", &jwt(&json!({"sub": 1})), &jwt(&json!({"exp": -1}))] {
        codex(file(tokens(access), json!("2026-01-01T00:00:00Z")), &eight_days_on);
    }
    let no_expiry = unknown("auth.json has no expiry time");
    codex(file(tokens(ACCESS), Value::Null), &no_expiry);
    codex(file(tokens(ACCESS), json!("yesterday")), &no_expiry);
    let empty = json!({"access_token": "", "refresh_token": ""});
    codex(file(empty.clone(), json!("2026-01-01T00:00:00Z")), &Expiry::LogInAgain);
    let key = unknown("an API key does not expire");
    codex(json!({"OPENAI_API_KEY": KEY}), &key);
    codex(json!({"OPENAI_API_KEY": KEY, "tokens": null, "last_refresh": null}), &key);
    codex(json!({"OPENAI_API_KEY": KEY, "tokens": empty}), &key);
    codex(file(Value::Null, Value::Null), &unknown("auth.json has no login"));
}

#[test]
fn gemini_tells_milliseconds() {
    let gemini = |file: Value, expected: &Expiry| check(Cli::Gemini, &file, expected);
    let login = |expires: Value| {
        json!({"access_token": ACCESS, "refresh_token": REFRESH,
                                        "token_type": "Bearer", "expiry_date": expires})
    };
    gemini(login(json!(LATER * 1000)), &at(LATER));
    gemini(login(json!(1_767_610_800_000.0)), &at(LATER));
    gemini(login(Value::Null), &unknown("oauth_creds.json has no expiry time"));
    gemini(json!({"access_token": "", "refresh_token": ""}), &Expiry::LogInAgain);
    let none = unknown("oauth_creds.json has no login");
    gemini(json!({}), &none);
    gemini(json!({"access_token": [ACCESS], "refresh_token": {"x": REFRESH}}), &none);
}

#[test]
fn what_cannot_be_read_is_not_known() {
    let cli = Cli::Gemini;
    let home = Home::new(cli, vec![b' '; (1 << 20) + 1]);
    assert_eq!(
        home.expiry(cli),
        unknown("oauth_creds.json is larger than 1 MiB, so it is not a login")
    );
    fs::remove_file(home.file(cli)).unwrap();
    assert_eq!(home.expiry(cli), unknown("there is no oauth_creds.json"));
    assert_eq!(
        expiry(cli, Path::new("/no/such/home"), now()),
        unknown("there is no oauth_creds.json")
    );
    fs::create_dir(home.file(cli)).unwrap();
    let not_a_file = unknown("cannot read oauth_creds.json: not a regular file");
    assert_eq!(home.expiry(cli), not_a_file);
    fs::remove_dir(home.file(cli)).unwrap();
    let made = std::process::Command::new("mkfifo").arg(home.file(cli)).status().unwrap();
    assert!(made.success());
    assert_eq!(home.expiry(cli), not_a_file, "it is not waited for");
    fs::remove_file(home.file(cli)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", home.file(cli)).unwrap();
    let Expiry::Unknown(why) = home.expiry(cli) else { panic!("a link was followed") };
    assert!(why.starts_with("cannot read oauth_creds.json: "), "{why}");
}

#[test]
fn a_half_written_file_is_read_again_and_not_judged() {
    let whole = json!({"claudeAiOauth": {"accessToken": ACCESS, "refreshToken": REFRESH,
                                         "expiresAt": LATER * 1000}})
    .to_string();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        let home = Home::new(Cli::Claude, &whole[..length]);
        let file = home.file(Cli::Claude);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(250));
                fs::write(&file, &whole).unwrap();
            });
            assert_eq!(expiry(Cli::Claude, home.0.path(), now()), at(LATER), "{length}");
        });
    }
    let torn = Home::new(Cli::Claude, &whole[..whole.len() / 2]);
    let start = Instant::now();
    let being_written = unknown(".credentials.json is incomplete or damaged");
    assert_eq!(expiry(Cli::Claude, torn.0.path(), now()), being_written);
    assert!(start.elapsed() >= Duration::from_millis(1900), "it was not waited for");
}

#[test]
fn another_login_has_another_hash() {
    let hash = |access: &str, expires: u64| {
        let file = json!({"claudeAiOauth": {"accessToken": access, "refreshToken": REFRESH,
                                            "expiresAt": expires}});
        let home = Home::new(Cli::Claude, file.to_string());
        credential_hash(Cli::Claude, home.0.path()).unwrap()
    };
    assert_eq!(hash(ACCESS, 1000), hash(ACCESS, 1000));
    assert_ne!(hash(ACCESS, 1000), hash("sk-other", 1000));
    assert_ne!(hash(ACCESS, 1000), hash(ACCESS, 2000));
    let of_key = |key: &str| {
        let home = Home::new(Cli::Codex, json!({"OPENAI_API_KEY": key}).to_string());
        credential_hash(Cli::Codex, home.0.path()).unwrap()
    };
    assert_ne!(of_key(KEY), of_key("sk-other"));
    assert_eq!(credential_hash(Cli::Codex, Path::new("/no/such/home")), None);
}

#[test]
fn a_login_may_be_a_link() {
    let claude = json!({"claudeAiOauth": {
        "accessToken": ACCESS, "refreshToken": REFRESH, "expiresAt": LATER * 1000,
    }});
    let (own, elsewhere) = (Home(tempfile::tempdir().unwrap()), tempfile::tempdir().unwrap());
    let file = elsewhere.path().join("claude-login.json");
    fs::write(&file, claude.to_string()).unwrap();
    std::os::unix::fs::symlink(&file, own.file(Cli::Claude)).unwrap();
    assert_eq!(own.expiry(Cli::Claude), at(LATER));
    fs::remove_file(&file).unwrap();
    assert!(matches!(own.expiry(Cli::Claude), Expiry::Unknown(_)), "it leads nowhere");
}
