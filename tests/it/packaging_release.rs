//! What is released, as files: the package for Debian, the image, and the manifests for Kubernetes. That
//! they work is shown by `tests/drills/deb.sh` and `tests/drills/podman.py`, and that they are valid by
//! `.ci/manifests`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::env::TestEnv;

const OVERLAYS: [&str; 2] = ["bridge", "map-folder"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The lines of a file that say something, without what they are indented by.
fn lines(file: &str) -> Vec<String> {
    let text = text(file);
    let said =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    said.map(str::to_owned).collect()
}

fn overlay(name: &str, file: &str) -> String {
    format!("packaging/kubernetes/{name}/{file}")
}

/// All of these lines are there, each so often.
#[track_caller]
fn has(file: &str, wanted: &[&str]) {
    let lines = lines(file);
    for line in wanted {
        assert!(lines.iter().any(|said| said == line), "{file} has no {line:?}");
    }
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    let section = format!("\n## [{version}] - 20");
    assert!(text("CHANGELOG.md").contains(&section), "CHANGELOG.md has no section of {version}");
    let debian = text("packaging/deb/changelog");
    assert!(debian.starts_with(&format!("session-warden ({version}-1) ")), "{debian}");
    has("packaging/container/Dockerfile", &[&format!("ARG VERSION={version}")]);
    for name in OVERLAYS.into_iter().chain(["keepalive"]) {
        has(&overlay(name, "kustomization.yaml"), &[&format!("newTag: {version}")]);
    }
    for (file, named) in [
        ("packaging/container/Dockerfile", format!("-t session-warden:{version} .")),
        ("docs/fleet.md", format!("-t session-warden:{version} .")),
        ("README.md", format!("./session-warden_{version}-1_amd64.deb")),
        ("docs/install.md", format!("./session-warden_{version}-1_amd64.deb")),
    ] {
        assert!(text(file).contains(&named), "{file} has no {named}");
    }
}

#[test]
fn a_maintainer_has_one_address() {
    let manifest = text("Cargo.toml");
    let (_, maintainer) = manifest.split_once("maintainer = \"").unwrap();
    let (maintainer, _) = maintainer.split_once('"').unwrap();
    assert!(text("packaging/deb/changelog").contains(&format!("\n -- {maintainer}  ")));
}

#[test]
fn the_scripts_of_the_package_enable_and_start_nothing() {
    for script in ["postinst", "prerm", "postrm"] {
        let file = format!("packaging/deb/{script}");
        assert!(text(&file).starts_with("#!/bin/sh\n"), "{file}");
        has(&file, &["set -e"]);
        for line in lines(&file) {
            for word in line.split(|c: char| !c.is_ascii_alphanumeric()) {
                let forbidden = ["enable", "start", "restart", "preset", "adduser", "useradd"];
                assert!(!forbidden.contains(&word), "{file}: {line}");
            }
        }
    }
}

/// What the package has, it has under its own path of the binary.
#[test]
fn whatever_names_the_binary_is_in_the_package_and_is_rewritten_for_it() {
    let build = text("packaging/build");
    let rewritten = ["%h/.local/bin/session-warden", "/usr/local/bin/session-warden"];
    for place in rewritten {
        assert!(build.contains(&place.replace(".local", "\\.local")), "{place}");
    }
    let manifest = text("Cargo.toml");
    let mut seen = 0;
    for (folder, asset) in [
        ("systemd/system", "package/systemd/system/*"),
        ("systemd/user", "package/systemd/user/*"),
        ("cron", "package/examples/*"),
        ("hooks", "packaging/hooks/*.json"),
        ("hooks/openclaw/session-warden", "packaging/hooks/openclaw/session-warden/*"),
        ("prometheus", "packaging/prometheus/*"),
    ] {
        assert!(manifest.contains(asset), "{asset}");
        let entries = fs::read_dir(root().join("packaging").join(folder)).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let text = fs::read_to_string(path).unwrap();
            let elsewhere = text.split("bin/session-warden").count() - 1;
            let known: usize = rewritten.iter().map(|place| text.matches(place).count()).sum();
            assert_eq!(elsewhere, known, "{text}");
            seen += known;
        }
    }
    assert!(seen >= 4, "the units and cron lines name the binary, {seen} times");
}

#[test]
fn what_the_image_sets_is_what_the_cluster_sets() {
    let docker = text("packaging/container/Dockerfile");
    let (_, said) = docker.split_once("\nENV ").unwrap();
    let base = lines("packaging/kubernetes/base/cronjob.yaml");
    let mut count = 0;
    for pair in said.lines().next().unwrap().split(' ') {
        let (name, value) = pair.split_once('=').unwrap();
        let at = base.iter().position(|line| *line == format!("- name: {name}")).unwrap();
        assert_eq!(base[at + 1], format!("value: {value}"));
        count += 1;
    }
    assert_eq!(count, 2);
    assert!(docker.contains("\nUSER 65532:65532\n"), "not root, and by number");
    assert!(docker.contains("\nFROM scratch\n"));
}

#[test]
fn a_pod_has_no_privilege_and_a_run_has_an_end() {
    has(
        "packaging/kubernetes/base/cronjob.yaml",
        &[
            "concurrencyPolicy: Forbid",
            "startingDeadlineSeconds: 600",
            "activeDeadlineSeconds: 300",
            "backoffLimit: 0",
            "restartPolicy: Never",
            "automountServiceAccountToken: false",
            "runAsNonRoot: true",
            "type: RuntimeDefault",
            "allowPrivilegeEscalation: false",
            "privileged: false",
            "readOnlyRootFilesystem: true",
            "drop: [\"ALL\"]",
            "memory: 256Mi",
            "claimName: session-warden-state",
        ],
    );
    for file in ["bridge/cronjob.yaml", "map-folder/cronjob.yaml", "base/cronjob.yaml"] {
        for line in lines(&format!("packaging/kubernetes/{file}")) {
            for key in ["hostPath", "hostNetwork", "hostPID", "emptyDir", "add:"] {
                assert!(!line.starts_with(key) && !line.starts_with(&format!("- {key}")), "{line}");
            }
        }
    }
}

#[test]
fn an_overlay_runs_as_the_owner_of_the_sessions_and_only_looks_at_them() {
    for name in OVERLAYS {
        let file = overlay(name, "cronjob.yaml");
        let whole = text(&file);
        let (before, _) = whole.split_once("runAsUser: ").unwrap();
        let comment = before.trim_end().lines().next_back().unwrap();
        assert!(comment.trim_start().starts_with('#'), "{file} says why: {comment}");
        let lines = lines(&file);
        let at = lines.iter().position(|line| line == "mountPath: /home/sessions").unwrap();
        assert_eq!(lines[at + 1], "readOnly: true");
    }
    has(&overlay("bridge", "cronjob.yaml"), &["- --bridge", "- http://bridge:8000"]);
    has(&overlay("bridge", "cronjob.yaml"), &["- --allow-remote-bridge"]);
    has(&overlay("map-folder", "cronjob.yaml"), &["- --session-dir", "- /map", "mountPath: /map"]);
}

/// A configuration that is refused would end every run with 2.
#[test]
fn the_configurations_of_the_overlays_are_taken() {
    for name in ["base", "bridge", "map-folder"] {
        let file = root().join(overlay(name, "config.toml"));
        let env = TestEnv::new();
        let ran = env.run(&format!("config --config {}", file.display()));
        ran.exits(0);
        assert_eq!(ran.err, "");
        if name != "base" {
            assert!(ran.out.contains(file.to_str().unwrap()), "{}", ran.out);
        }
    }
}

#[test]
fn every_folder_for_kubernetes_is_told_of() {
    let page = text("docs/fleet.md");
    for entry in fs::read_dir(root().join("packaging/kubernetes")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("| `{name}/` |")), "docs/fleet.md does not tell of {name}");
        assert!(path.join("kustomization.yaml").is_file(), "{name}");
    }
}

/// Where a link leads, seen from the file that has it; nothing for one that leaves the project.
fn targets(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
    let inside = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
    let path = |link: String| file.parent().unwrap().join(link.split('#').next().unwrap());
    inside.map(path).collect()
}

#[test]
fn links_in_the_pages_lead_somewhere() {
    let mut pages: Vec<PathBuf> = Vec::new();
    for folder in [root(), root().join("docs")] {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let links: Vec<PathBuf> = pages.iter().flat_map(|page| targets(page)).collect();
    assert!(pages.len() >= 20 && links.len() >= 80, "{pages:?}: {links:?}");
    for link in links {
        assert!(link.exists(), "{} is not there", link.display());
    }
    let readme = targets(&root().join("README.md"));
    for page in ["docs/fleet.md", "docs/README.md", "CONTRIBUTING.md"] {
        assert!(readme.contains(&root().join(page)), "the README has no link to {page}");
    }
}

#[test]
fn keep_alive_in_a_cluster_is_one_pod_that_is_probed_and_has_time_to_end() {
    has(
        &overlay("keepalive", "deployment.yaml"),
        &[
            "replicas: 1",
            "type: Recreate",
            "terminationGracePeriodSeconds: 90",
            "runAsNonRoot: true",
            "readOnlyRootFilesystem: true",
            "allowPrivilegeEscalation: false",
            "path: /health",
            "path: /status",
            "containerPort: 3000",
            "- name: SESSION_KEY",
            "key: session-key",
            "claimName: session-warden-keepalive-state",
        ],
    );
    // The key is in no file here, and what shows its shape is not applied.
    has(&overlay("keepalive", "secret.yaml"), &["session-key: \"\""]);
    let listed = lines(&overlay("keepalive", "kustomization.yaml"));
    assert!(!listed.iter().any(|line| line.contains("secret")), "{listed:?}");
    // Whatever the environment of the service may hold is in the example, and commented but for the key.
    let example = text("packaging/container/keepalive.env.example");
    for name in ["PROMPT_INTERVAL_MS", "PORT", "TIMEZONE", "SILENCE_START", "SILENCE_END"] {
        assert!(example.contains(&format!("\n#{name}=")), "{name}");
    }
    assert!(example.contains("\nSESSION_KEY=\n"));
}
