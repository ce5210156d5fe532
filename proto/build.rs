//! Generates Rust from the .proto files, without a `protoc` on the machine.

use std::error::Error;

const FILES: [&str; 1] = ["quorumcall/stored/v1/contact.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
