//! The operating system's random bytes, from the seed on a thread that runs a simulation.
//!
//! The standard library takes the keys of `HashMap`s from there, and with them the order in which
//! maps anywhere in the program are walked. This takes the place of the C library's `getrandom`,
//! which it asks. Threads that run no simulation get real entropy.
//!
//! `ring` asks the kernel past the C library. Its keys, nonces and signatures stay random; see
//! [`network`](super::network) for why that changes no schedule.

use std::cell::Cell;

use super::mix;

thread_local! {
    static STREAM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes the random bytes of this thread follow from a seed, for as long as the thread lives.
pub(super) fn seed_thread(seed: u64) {
    STREAM.set(Some(mix(seed, 0x0e77)));
}

#[cfg(target_os = "linux")]
mod linux {
    use std::cell::Cell;
    use std::ffi::{c_uint, c_void};
    use std::fs::File;
    use std::io::Read;

    use super::{STREAM, mix};

    fn fill(bytes: &mut [u8]) -> bool {
        // A thread that is ending has no locals any more.
        let Some(stream) = STREAM.try_with(Cell::get).ok().flatten() else {
            let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
            return read.is_ok();
        };
        let mut state = stream;
        for chunk in bytes.chunks_mut(8) {
            state = mix(state, 1);
            chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
        }
        STREAM.set(Some(mix(state, 2)));
        true
    }

    /// As `getrandom(2)`.
    ///
    /// # Safety
    ///
    /// As of the C library's: `length` bytes from `buffer` on may be written.
    #[allow(unsafe_code)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _: c_uint) -> isize {
        let mut block = [0; 256];
        let mut done = 0;
        while done < length {
            let part = (length - done).min(block.len());
            if !fill(&mut block[..part]) {
                return -1;
            }
            // SAFETY: `done + part <= length`, and the caller owns `length` bytes there; a block
            // on this stack does not overlap them.
            unsafe {
                buffer.cast::<u8>().add(done).copy_from_nonoverlapping(block.as_ptr(), part);
            }
            done += part;
        }
        // No buffer is longer than an isize.
        length as isize
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::HashMap;

    use crate::sim::run;

    fn order_of_a_map(seed: u64) -> Vec<u32> {
        run(seed, |_| async {
            let map: HashMap<u32, ()> = (0..100).map(|n| (n, ())).collect();
            map.into_keys().collect()
        })
    }

    #[test]
    fn maps_are_walked_in_an_order_the_seed_decides() {
        assert_eq!(order_of_a_map(1), order_of_a_map(1));
        assert_ne!(order_of_a_map(1), order_of_a_map(2));
    }

    #[test]
    fn threads_without_a_simulation_have_real_entropy() {
        let order = || {
            let thread = std::thread::spawn(|| {
                (0..100).map(|n| (n, ())).collect::<HashMap<u32, ()>>().into_keys().collect()
            });
            let order: Vec<u32> = thread.join().expect("no panic");
            order
        };
        assert_ne!(order(), order());
    }
}
