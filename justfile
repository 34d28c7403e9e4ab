# The commands of this project; `just` alone lists them. CONTRIBUTING.md says what each needs and how long it takes.

# List the commands.
default:
    @just --list

# Build the program.
build *ARGS:
    cargo build {{ARGS}}

# Run the tests; with a word, those whose name has it.
test *FILTER:
    cargo test --all-features {{FILTER}}

# Check format, lints, licences, spelling, scripts and manifests.
lint:
    .ci/run lint

# Run the gate, as CI does.
gate:
    .ci/run

# Run the drills: alone, gate or all.
drill PART="gate": build
    tests/drills/run {{PART}} target/debug/session-warden

# Run each fuzz target for that many seconds.
fuzz SECONDS="60":
    fuzz/run {{SECONDS}}

# Measure the speed beside the peers.
bench:
    benches/run

# Measure how the code reads, beside fd, zoxide, hyperfine and jj.
code:
    benches/code --peers

# Write the page of commands, the snapshots and the picture again, after a change of texts.
texts:
    UPDATE_DOCS=1 cargo test --all-features --test it commands_page
    INSTA_UPDATE=always cargo test --all-features --test it snapshots::
    docs/picture

# Build and check a release.
release:
    .ci/release
