//! Generates Rust from the .proto files, without a `protoc` on the machine, and the descriptors that
//! gRPC reflection tells clients.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

const FOLDERS: [&str; 5] = [
    "grpc/health/v1",
    "grpc/reflection/v1",
    "quorumcall/api/v1",
    "quorumcall/peer/v1",
    "quorumcall/stored/v1",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        println!("cargo:rerun-if-changed={folder}");
        for entry in fs::read_dir(folder)? {
            files.push(entry?.path());
        }
    }
    files.sort();
    let descriptors = protox::compile(files, ["."])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        // What is in it must not come into a log by way of `Debug`.
        .skip_debug(["quorumcall.peer.v1.FetchAuthorityResponse"])
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
