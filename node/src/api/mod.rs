//! What a node answers to front ends, desktops and operators: the services of
//! `proto/quorumcall/api/v1`.
//!
//! ```text
//!   Desktop.Session ─┐                        ┌─▶ Door (commands, with the fence of the session)
//!   Ingress.Attach  ─┴─ admission ─ exchange ─┤
//!                                             └◀─ hub ◀─ ring of events, state
//! ```
//!
//! **A session is as long as its stream.** Opening one waits for its turn ([`admission`]), logs the
//! agent in, and takes the session's place in the [`hub`], which tells it what is true of its agent
//! from then on. The stream is driven by whoever sends its messages; idle, a session is a few
//! hundred bytes of ours. When it breaks, the [`reaper`] reports it, for as long as it takes. When
//! the node itself breaks, its leader notices, or the node when it starts again: it reports itself
//! as lost before it lets anybody in.
//!
//! A session that was opened by a log-in among [`commands`](crate::submit), without a stream, is
//! left alone while the node lives; whoever opened it ends it.

mod admission;
mod desk;
mod desktop;
mod exchange;
mod hub;
mod ingress;
mod outbox;
mod reaper;
mod streams;

pub use desktop::DesktopService;
pub use ingress::IngressService;
pub use streams::{Streams, VitalTask};
