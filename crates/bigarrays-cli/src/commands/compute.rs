//! `compute`: an expression of arrays, into a new array or as a number.

use std::io::Write;
use std::path::PathBuf;

use bigarrays::base::buffer::{Order, ViewMut};
use bigarrays::compute::{self, Cast, ComputeOptions, Lazy, Number, Plan, Rounding};
use bigarrays::{DataType, Error, Result, format};
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::{LayerArgs, values};
use crate::commands::new::{new_layer, rehearsed};
use crate::interrupt;
use crate::output::{Meter, results};
use crate::session::Session;

/// Compute an expression of arrays, block by block, within a memory budget
///
/// EXPR is of names, numbers, operators and functions as Python and NumPy have them; each name stands for an array. The result
/// goes into a new array, or is printed if it is one number.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(crate) struct ComputeArgs {
    /// What is computed, such as 'mean(t, axis="time") - 273.15'
    #[arg(value_name = "EXPR")]
    expression: String,

    /// An array of the expression
    #[arg(value_name = "NAME=URL", value_parser = source)]
    sources: Vec<(String, String)>,

    /// Path or URL of the array that is made
    #[arg(short, long, value_name = "URL")]
    output: Option<String>,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,

    /// A folder for results that the expression goes on with and that do not fit into the budget: files there while it is
    /// computed
    #[arg(long, help_heading = RUN, value_name = "DIR")]
    scratch: Option<PathBuf>,

    /// Print the plan: passes, blocks, what is read, and what memory is for. Nothing is computed
    #[arg(long, help_heading = RUN, visible_alias = "dry-run")]
    explain: bool,

    /// The format of the new array: precomputed, zarr3, zarr2, ome-zarr, ome-zarr-0.4 or n5
    #[arg(long, help_heading = NEW, value_name = "NAME", default_value = "zarr3")]
    format: String,

    /// Type of the elements of the new array, if another than that of the result; fractions are cut off, and what does not
    /// fit is an error
    #[arg(long, help_heading = NEW, value_name = "TYPE")]
    dtype: Option<DataType>,

    #[command(flatten)]
    layer: LayerArgs,
}

fn source(text: &str) -> std::result::Result<(String, String), String> {
    let (name, url) = text.split_once('=').ok_or("expected NAME=URL")?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
    let is_name = is_name && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_name || url.is_empty() {
        return Err("expected NAME=URL, with letters, digits and _ in the name".to_owned());
    }
    Ok((name.to_owned(), url.to_owned()))
}

fn help() -> String {
    let functions: Vec<&str> = compute::Function::all().map(compute::Function::name).collect();
    let reductions: Vec<&str> = compute::Reduction::all().map(compute::Reduction::name).collect();
    format!(
        "Functions of elements: {}, clip(x, least, most), cast(x, \"type\")\n\nReductions, with axis= a number or name, or a \
         list of them: {}\n\nExamples:\n  bigarrays compute 'a*b + 2' a=volume.zarr b=mask.zarr -o product.zarr\n  bigarrays \
         compute 'mean(t, axis=\"time\") - 273.15' t=s3://bucket/era5.zarr -o climate.zarr --memory 1G\n  bigarrays compute \
         'max(em)' em=precomputed://gs://bucket/em\n  bigarrays compute 'mean(em)' em=em --explain",
        functions.join(", "),
        reductions.join(", ")
    )
}

pub(crate) fn run(args: &ComputeArgs, session: &Session) -> anyhow::Result<()> {
    let mut arrays: Vec<(&str, Lazy)> = Vec::new();
    for (name, url) in &args.sources {
        if arrays.iter().any(|known| known.0 == name) {
            return Err(Error::invalid(format!("two arrays are called {name}")).into());
        }
        arrays.push((name, Lazy::of(&session.open().read_only(true).open(url)?)?));
    }
    let named = |name: &str| Some(arrays.iter().find(|known| known.0 == name)?.1.clone());
    let mut lazy = compute::parse(&args.expression, &named)?;
    if let Some(dtype) = args.dtype {
        lazy = lazy.cast(dtype, Cast { rounding: Rounding::Zero, ..Cast::default() })?;
    }
    match &args.output {
        Some(output) => args.save(&lazy, output, session),
        None => args.print(&lazy, session),
    }
}

impl ComputeArgs {
    fn save(&self, lazy: &Lazy, output: &str, session: &Session) -> anyhow::Result<()> {
        let output = new_layer(output)?;
        lazy.expect_apart(output, &session.open())?;
        let mut spec = self.layer.spec(lazy.dtype(), lazy.domain().clone());
        let is_named = lazy.names().iter().any(Option::is_some);
        spec.array.dimension_names = is_named.then(|| lazy.names().to_vec());
        let (mut spec, notes) = format::fit(format::creator(&self.format)?, spec, &self.format);
        spec.array.incomplete = true;
        notes.iter().for_each(|note| session.terminal.note(note));
        // What does not fit into the budget is refused before anything is made.
        let plan = lazy.plan(Some(&rehearsed(output, &spec, &self.format)?), &self.options())?;
        if self.explain {
            return Ok(writeln!(results(), "{plan}")?);
        }
        let target = session.open().format(&self.format).create(output, &spec)?;
        self.with_progress(&plan, session, |options| lazy.save(&target, options))?;
        session.terminal.note(format_args!("computed {output}: {} over {}", lazy.dtype(), lazy.domain()));
        Ok(())
    }

    fn print(&self, lazy: &Lazy, session: &Session) -> anyhow::Result<()> {
        if lazy.ndim() > 0 && !self.explain {
            let (domain, dtype) = (lazy.domain(), lazy.dtype());
            let reason = format!(
                "the result is {dtype} over {domain}, more than a number; --output says where it goes"
            );
            return Err(Error::invalid(reason).into());
        }
        let plan = lazy.plan(None, &self.options())?;
        if self.explain {
            return Ok(writeln!(results(), "{plan}")?);
        }
        let (mut bytes, size) = ([0; 8], lazy.dtype().size());
        self.with_progress(&plan, session, |options| {
            let out = &mut bytes[..size];
            lazy.compute_into(ViewMut::dense(out, &[], size, Order::C)?, options)
        })?;
        writeln!(results(), "{}", Number::read(lazy.dtype(), &bytes[..size]))?;
        Ok(())
    }

    fn options(&self) -> ComputeOptions<'_> {
        ComputeOptions { memory: self.memory.unwrap_or(0), scratch: self.scratch.as_deref(), progress: None }
    }

    fn with_progress(
        &self,
        plan: &Plan,
        session: &Session,
        work: impl FnOnce(&ComputeOptions<'_>) -> Result<()>,
    ) -> anyhow::Result<()> {
        interrupt::watch()?;
        let meter = Meter::new(format!("computing {}", self.expression), plan.bytes(), session.terminal);
        let tell = |progress| meter.tell(progress);
        let done = work(&ComputeOptions { progress: Some(&tell), ..self.options() });
        meter.clear();
        Ok(done?)
    }
}
