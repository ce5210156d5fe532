//! Faults: simulation, real processes, and the checkers that judge what happened.

pub mod checks;
pub mod cluster;
pub mod door;
pub mod history;
pub mod layer1;
pub mod layer2;
pub mod mutation;
pub mod proxy;
pub mod report;
pub mod sim;
pub mod workload;
