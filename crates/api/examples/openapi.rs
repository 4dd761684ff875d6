//! Prints the API's document: `cargo run -q -p api --example openapi > openapi/openapi.json`. `postroom openapi` prints the same.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().lock().write_all(api::openapi_json().as_bytes())
}
