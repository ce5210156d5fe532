//! Faults: simulation, real processes, and the checkers that judge what happened.

pub mod sim;
