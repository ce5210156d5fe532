//! gRPC over any byte stream and any runtime: what tonic's own transport does over TCP and tokio,
//! so that the same code runs on machines and under simulation.

mod channel;
mod counted;
mod http2;
mod server;
mod tally;

pub use channel::{Channel, ClientTls, Dial, RpcError};
pub use http2::{Executor, Timer};
pub use server::{Caller, Gate, Server};
pub use tally::{Call, MethodTally, OTHER, Refusal, RpcTally, STATUSES};
