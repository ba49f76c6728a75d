//! How work runs: the CPU pool, asking work to stop, and the one block runner.

pub(crate) mod interrupt;
pub(crate) mod pool;
pub(crate) mod runner;
