//! One connection through the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use super::{BYTES_MAX, State, Wire};

/// Bytes read at a time.
const PIECE_BYTES: usize = 64 << 10;
/// What keeping a piece costs beside its bytes, about.
const PIECE_COST: u32 = 256;

/// Something under way: bytes, or the end of them, and when it arrives.
struct Piece {
    due: Instant,
    bytes: Option<Bytes>,
    /// Its part of [`BYTES_MAX`], given back when it is gone.
    _room: Option<OwnedSemaphorePermit>,
}

/// Carries bytes both ways until both ends have closed. Nothing arrives before the connection is
/// `opened`.
pub(super) async fn relay(
    a: TcpStream,
    b: TcpStream,
    there: Arc<State>,
    back: Arc<State>,
    opened: Instant,
) {
    let (from_a, to_a) = a.into_split();
    let (from_b, to_b) = b.into_split();
    // What each still holds goes when both are over: dropping the way to an end would close it.
    let _held = tokio::join!(carry(from_a, to_b, there, opened), carry(from_b, to_a, back, opened));
}

/// Takes bytes and passes none on, until the other end closes: a connection into a black hole.
pub(super) async fn swallow(mut stream: TcpStream) {
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// Carries bytes one way until their sender closes. Gives the way to the receiver back, still open if
/// the end was swallowed.
async fn carry(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    wire: Arc<State>,
    opened: Instant,
) -> OwnedWriteHalf {
    let (pieces, under_way) = mpsc::unbounded_channel();
    let mute = AtomicBool::new(false);
    let ((), to) = tokio::join!(
        take(from, pieces, &wire, &mute, opened),
        deliver(under_way, to, &wire, &mute)
    );
    to
}

/// Reads what is sent; when it arrives is known then.
async fn take(
    mut from: OwnedReadHalf,
    pieces: mpsc::UnboundedSender<Piece>,
    wire: &State,
    mute: &AtomicBool,
    opened: Instant,
) {
    let room = Arc::new(Semaphore::new(BYTES_MAX as usize));
    let mut buffer = vec![0; PIECE_BYTES];
    let mut due = opened;
    loop {
        // A sender that was killed resets the connection: an end like any other.
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let (kind, delay) = wire.load();
        if kind == Wire::BlackHole {
            mute.store(true, Ordering::Relaxed);
        }
        // A delay that shrinks lets nobody overtake.
        due = due.max(Instant::now() + delay).max(opened + delay);
        let (bytes, _room) = if read == 0 {
            (None, None)
        } else {
            let cost = PIECE_COST + u32::try_from(read).unwrap_or(u32::MAX);
            // It is never closed.
            let Ok(room) = room.clone().acquire_many_owned(cost).await else { return };
            (Some(Bytes::copy_from_slice(&buffer[..read])), Some(room))
        };
        // Whoever delivers goes on until there are no more.
        let _ = pieces.send(Piece { due, bytes, _room });
        if read == 0 {
            return;
        }
    }
}

/// Writes what has arrived. A receiver that is gone is found out about by what *it* sends: its end. To
/// the sender nothing is said here.
async fn deliver(
    mut under_way: mpsc::UnboundedReceiver<Piece>,
    mut to: OwnedWriteHalf,
    wire: &State,
    mute: &AtomicBool,
) -> OwnedWriteHalf {
    let mut is_gone = false;
    while let Some(piece) = under_way.recv().await {
        if piece.due > Instant::now() {
            sleep_until(piece.due).await;
        }
        if wire.wire() == Wire::BlackHole {
            mute.store(true, Ordering::Relaxed);
        }
        if mute.load(Ordering::Relaxed) || is_gone {
            continue;
        }
        is_gone = match piece.bytes {
            Some(bytes) => to.write_all(&bytes).await.is_err(),
            None => to.shutdown().await.is_err(),
        };
    }
    to
}
