//! Generates Rust from the .proto files, without a `protoc` on the machine.

use std::error::Error;

const FILES: [&str; 16] = [
    "quorumcall/peer/v1/peer.proto",
    "quorumcall/stored/v1/agent_command.proto",
    "quorumcall/stored/v1/channel.proto",
    "quorumcall/stored/v1/cluster_command.proto",
    "quorumcall/stored/v1/config.proto",
    "quorumcall/stored/v1/config_command.proto",
    "quorumcall/stored/v1/contact.proto",
    "quorumcall/stored/v1/contact_command.proto",
    "quorumcall/stored/v1/entry.proto",
    "quorumcall/stored/v1/raft.proto",
    "quorumcall/stored/v1/record.proto",
    "quorumcall/stored/v1/reply.proto",
    "quorumcall/stored/v1/site_command.proto",
    "quorumcall/stored/v1/state.proto",
    "quorumcall/stored/v1/storage.proto",
    "quorumcall/stored/v1/work_command.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    tonic_prost_build::configure().bytes(".").build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
