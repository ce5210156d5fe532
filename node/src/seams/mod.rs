//! What a node gets from outside, so that the same code runs on a machine and under simulation:
//! wall time ([`WallClock`]), byte streams to and from others ([`Connector`], [`Listener`]), files
//! ([`Disk`]), and where secrets are kept ([`Keeper`]). Tasks, monotonic time and randomness come with the runtime
//! ([`openraft_rt::AsyncRuntime`]), Raft's log with [`openraft::storage::RaftLogStorage`].

mod clock;
mod disk;
mod keeper;
mod network;

pub use clock::{SystemClock, WallClock};
pub use disk::{Disk, DiskFile, RealDisk};
pub use keeper::Keeper;
pub use network::{
    Accepted, BoxByteStream, ByteStream, Connector, Listener, TcpAcceptor, TcpConnector,
    TcpConnectorFrom,
};
