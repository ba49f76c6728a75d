//! `resize`: gives an array another shape.

use bigarrays::Error;
use clap::Args;

use crate::args::values::List;
use crate::session::Session;

/// Give an array of Zarr or N5 another shape
///
/// What it gains is fill value. Where it shrinks, what is outside then is lost: chunks that lie outside are
/// removed. Arrays that are open elsewhere keep the shape that they were opened with.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays resize volume.zarr 800,10000,10000
  bigarrays resize volume.zarr 100,10000,10000 --shrink")]
pub(crate) struct ResizeArgs {
    /// Path or URL of the array
    url: String,

    /// Its new length along each axis, in the order of `bigarrays info`
    #[arg(value_name = "N,N,…")]
    shape: List<u64>,

    /// Let it lose elements
    #[arg(long)]
    shrink: bool,
}

pub(crate) fn run(args: &ResizeArgs, session: &Session) -> anyhow::Result<()> {
    let List(shape) = &args.shape;
    let array = session.open().incomplete(true).open(&args.url)?;
    let shrinks = array.shape().iter().zip(shape).any(|(old, new)| new < old);
    if shrinks && array.shape().len() == shape.len() && !args.shrink {
        let message = format!(
            "{shape:?} is less than {:?}, so that elements would be lost; say --shrink to lose them",
            array.shape()
        );
        return Err(Error::invalid(message).during("resizing").at(&args.url).into());
    }
    session.open().format(array.format()).resize(&args.url, shape)?;
    session.terminal.note(format_args!("resized {} from {:?} to {shape:?}", args.url, array.shape()));
    Ok(())
}
