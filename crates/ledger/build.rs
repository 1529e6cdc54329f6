//! Rebuilds when a migration is added: migrations are compiled in, and cargo does not see new files
//! by itself.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
