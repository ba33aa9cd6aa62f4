//! The `nmc` binary.
fn main() {}
