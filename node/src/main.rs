//! The daemon `quorumcall-node`.

fn main() {}
