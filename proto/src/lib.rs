//! The stored formats and the gRPC contract of Quorumcall, generated from `quorumcall/**/*.proto`.

/// What is written to disk: log entries, snapshots, records.
pub mod stored {
    /// Version 1.
    #[allow(missing_docs, reason = "generated; the .proto files are the documentation")]
    #[allow(clippy::large_enum_variant, reason = "generated; decoded and taken apart at once")]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/quorumcall.stored.v1.rs"));
    }
}

/// What nodes say to each other.
pub mod peer {
    /// Version 1.
    #[allow(missing_docs, reason = "generated; the .proto files are the documentation")]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/quorumcall.peer.v1.rs"));
    }
}

/// What front ends, desktops and operators say to nodes.
pub mod api {
    /// Version 1.
    #[allow(missing_docs, reason = "generated; the .proto files are the documentation")]
    #[allow(clippy::large_enum_variant, reason = "generated; decoded and taken apart at once")]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/quorumcall.api.v1.rs"));
    }
}

/// What every gRPC server tells, whatever it is a server of.
pub mod grpc {
    /// Whether it serves.
    pub mod health {
        /// Version 1.
        #[allow(missing_docs, reason = "generated; the .proto files are the documentation")]
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
        }
    }

    /// What its services look like.
    pub mod reflection {
        /// Version 1.
        #[allow(missing_docs, reason = "generated; the .proto files are the documentation")]
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/grpc.reflection.v1.rs"));
        }
    }
}

/// All .proto files as an encoded `google.protobuf.FileDescriptorSet`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
