//! Lazy computation over arrays, block by block, within a memory budget.
//!
//! An expression ([`Lazy`]) knows its type, domain and names; nothing is read until its elements are asked for. A plan cuts
//! the work into blocks, and says before anything runs how much memory they take.
//!
//! ```
//! use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array2};
//! use bigarrays::compute::{ComputeOptions, Lazy};
//!
//! let spec = CreateSpec::new(DataType::U8, "0:2,0:3".parse()?);
//! let array = OpenOptions::new().format("zarr3").create("memory://compute", &spec)?;
//! array.write(&[0, 0], Array2::from_shape_fn((2, 3), |(y, x)| (3 * y + x) as u8).view())?;
//!
//! let lazy = Lazy::of(&array)?;
//! let means = (&lazy * 2)?.mean(&[1])?;
//! assert_eq!((means.dtype(), means.domain().to_string()), (DataType::F64, "0:2".to_owned()));
//! let found = means.compute::<f64>(&ComputeOptions::default())?;
//! assert_eq!(found.into_data().into_raw_vec_and_offset().0, [2.0, 8.0]);
//! # Ok::<(), bigarrays::Error>(())
//! ```

mod aggregate;
mod arguments;
mod block;
mod blocks;
mod boundary;
mod boxes;
mod called;
mod called_windows;
mod calls;
mod cast;
mod chunks;
mod cuts;
mod dense;
mod digest;
mod explain;
mod expr;
mod foreign;
mod function;
mod grids;
mod held;
mod infer;
mod inputs;
mod journal;
mod kernels;
mod ledger;
mod lines;
mod mapping;
mod masked;
mod memory;
mod named;
mod noted;
mod number;
mod operation;
mod operators;
mod overlap;
mod parse;
mod partials;
mod parts;
mod pass;
mod plan;
mod plan_file;
mod planner;
mod program;
mod reading;
mod reduce;
mod reducing;
mod reduction;
mod result_axis;
mod resume;
mod rolling;
mod room;
mod rows;
mod run;
mod search;
mod series;
mod sink;
mod source;
mod sparse;
mod stage;
mod taken;
mod tasks;
mod text;
mod tokens;
mod types;
mod unfinished;
mod viewed;
mod views;
mod weighing;
mod windowed;
mod windows;
mod writing;
mod written;

pub use aggregate::Aggregate;
pub(crate) use blocks::Blocks;
pub use boundary::Boundary;
pub use calls::call;
pub(crate) use cast::cast;
pub use cast::{Cast, OutOfRange, Rounding};
pub(crate) use cuts::Cuts;
pub(crate) use digest::{Digest, Reads};
pub use expr::{Lazy, Operand};
pub use function::Function;
pub(crate) use journal::Entries;
pub use journal::{Earlier, Journal};
pub use named::Argument;
pub(crate) use noted::Made;
pub use number::Number;
pub use operation::Operation;
pub use overlap::Overlap;
pub use parse::{parse, parse_all};
pub use plan::Plan;
pub use plan_file::{PlanFile, PlannedStage};
pub use reduction::Reduction;
pub use rolling::{Anchor, Ends, Rolling};
pub(crate) use room::Room;
pub use run::{ComputeOptions, Target, compute, plan};
pub(crate) use search::{Axis, Found, Search};
pub use series::Cumulative;
pub use source::Source;
pub use types::Literal;
pub use unfinished::Unfinished;
pub use windowed::{Elements, Window};
pub use windows::Windows;
pub use written::identity;
pub(crate) use written::identity_of;
