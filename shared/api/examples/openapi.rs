//! Prints the OpenAPI document, made anew of the routes: `make schemas`.

use std::io::Write;

use api::{openapi, routes};

fn main() -> std::io::Result<()> {
    let document = openapi::document(&routes::described());
    std::io::stdout().write_all(openapi::text(&document).as_bytes())
}
