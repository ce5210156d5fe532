//! The contract with front ends, desktops and operators, over the wire: three nodes in one process.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

mod centre;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod grpc;
mod impact;
mod reads;
mod watches;
