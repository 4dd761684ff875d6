# The short names of what one does here. `just` lists them; each is one line that can be typed without it.

_list:
    @just --list --unsorted

# See it work: the story, then a server to play with
demo *args:
    cargo run -p server -- demo {{args}}

# Everything, with the servers it needs; or as cargo test takes it: just test -p mail
test *args:
    ./scripts/test {{args}}

# A heap of 100,000 owed rows of fifty tenants, on both pairings (CI runs a smaller one)
drain:
    POSTROOM_TEST_OWED_ROWS=100000 ./scripts/test -p worker --test draining -- --test-threads 1

# What a process costs that has nothing to do; wants POSTROOM_TEST_POSTGRES
idle *args:
    ./scripts/idle {{args}}

# Redis lists against streams, measured on a Redis of its own (docs/decisions/0006-queue-lists-and-lanes.md)
transports:
    cargo run -p worker --example transports

# What must be green before a change lands
ci:
    .ci/run

# What it costs: the tables of docs/PERFORMANCE.md. Or a part of them, with another seed: just bench intake --seed 4
bench *args:
    ./scripts/install
    cargo build --profile measure -p server -p bench
    {{justfile_directory()}}/target/measure/bench run {{args}}

# The compiler alone
check:
    cargo check --workspace --all-targets

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

format:
    cargo fmt --all

# Write openapi/openapi.json from the code
openapi:
    cargo run -p server -- openapi --write

# A server for development on SQLite, with what .env says
run:
    POSTROOM_ENV=development cargo run -p server -- run

doctor:
    POSTROOM_ENV=development cargo run -p server -- doctor

# The binary for production, without the sandbox
build:
    cargo build --release --locked -p server --no-default-features

image:
    docker build -f docker/Dockerfile -t postroom .
