//! The migrations are compiled in; without this a new one would be left out until something else changes.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
