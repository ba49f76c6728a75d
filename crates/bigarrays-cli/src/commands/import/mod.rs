//! `import`: makes a layer from files.

mod run;
mod source;

pub(crate) use run::{ImportArgs, run};
