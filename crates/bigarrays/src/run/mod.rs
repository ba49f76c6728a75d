//! How work runs: the CPU pool, how much memory it may take, asking work to stop, and the one block runner.

pub(crate) mod budget;
pub(crate) mod interrupt;
pub(crate) mod pool;
pub(crate) mod runner;
