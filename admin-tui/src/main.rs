//! `quorumcall`: the operator's program.

fn main() {}
