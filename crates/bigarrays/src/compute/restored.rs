//! Expressions that were written, made again: by the functions that make them anew, so that what is damaged is an error.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::array::{AxisMap, Transform};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::boundary::Boundary;
use crate::compute::cast::Cast;
use crate::compute::dense::Kernel;
use crate::compute::expr::{DEEPEST, Kind, Lazy};
use crate::compute::fields::{
    damaged, domain, expect, fill, flag, inner, list, named, number, position, positions, text, whole, wholes,
};
use crate::compute::function::Function;
use crate::compute::groups::{Grouped, Grouping};
use crate::compute::infer::Names;
use crate::compute::mapping::{Mapping, Pick};
use crate::compute::operation::Operation;
use crate::compute::overlap::{BlockFunction, Overlap};
use crate::compute::reduction::Reduction;
use crate::compute::site::Site;
use crate::compute::windows::Windows;
use crate::compute::{
    aggregate, back, contraction, counting, digits, histogram, lookup, narrowed, quantile, remap, series,
    sketch, stencil, weighing,
};

/// Makes a kernel of its configuration; what does not fit to the operation is an error, so that the kernel finds what it needs in
/// any block.
type Read = fn(&Value, &Site<'_>) -> Result<Arc<dyn Kernel>>;

/// What kernels are called in their configurations, and who reads these.
const KERNELS: &[(&str, Read)] = &[
    ("windows", aggregate::read),
    ("back", back::read),
    ("products", contraction::read_products),
    ("sparse", contraction::read_sparse),
    ("bins", histogram::read),
    ("lookup", lookup::read),
    ("quantiles", quantile::read),
    ("ranks", counting::read),
    ("remap", remap::read),
    ("running", series::read_running),
    ("copy", series::read_copying),
    ("digits", digits::read),
    ("narrowed", narrowed::read),
    ("differences", series::read_differing),
    ("sketch", sketch::read_sketch),
    ("approx_quantile", sketch::read_found),
    ("filter", stencil::read),
    ("weighed", weighing::read),
];

/// The kernel of this configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
fn kernel((name, config): (&str, &Value), site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let known = KERNELS.iter().find(|known| known.0 == name).ok_or_else(damaged)?;
    known.1(config, site)
}

/// The expressions that were written, where `leaf` reads what another `leaf` wrote.
///
/// # Errors
/// `InvalidArgument` for what is no such text; those of `leaf` and of making expressions.
pub(super) fn read(
    whole: &Value,
    functions: Option<&FindFunction<'_>>,
    leaf: &mut dyn FnMut(&str, &Value) -> Result<Lazy>,
) -> Result<Vec<Lazy>> {
    let (_, whole) = named(whole).ok_or_else(damaged)?;
    let mut reading = Reading { nodes: Vec::new(), mapped: HashMap::new(), functions, leaf };
    for node in list(whole, "nodes")? {
        let (name, node) = named(node).ok_or_else(damaged)?;
        let lazy = reading.node(name, node)?;
        // Types are converted between functions.
        lazy.expect_within(2 * DEEPEST)?;
        let is_so =
            lazy.dtype().name() == text(node, "type")? && lazy.domain().to_string() == text(node, "domain")?;
        if !is_so {
            return Err(damaged());
        }
        let names = names(node)?;
        reading.nodes.push(if lazy.names() == &names[..] { lazy } else { lazy.renamed(&names)? });
    }
    list(whole, "roots")?.iter().map(|root| reading.at(root)).collect()
}

fn names(node: &Value) -> Result<Names> {
    list(node, "names")?.iter().map(|name| name.as_str().map(str::to_owned)).map(Ok).collect()
}

/// Finds a function of blocks by the text that it is known by, and the types of its results.
pub type FindFunction<'a> = dyn Fn(&str, &[DataType]) -> Result<BlockFunction> + 'a;

struct Reading<'a> {
    nodes: Vec<Lazy>,
    /// The results of functions of blocks, by what is called.
    mapped: HashMap<String, Vec<Lazy>>,
    functions: Option<&'a FindFunction<'a>>,
    leaf: &'a mut dyn FnMut(&str, &Value) -> Result<Lazy>,
}

impl Reading<'_> {
    fn at(&self, number: &Value) -> Result<Lazy> {
        let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
        number.and_then(|number| self.nodes.get(number)).cloned().ok_or_else(damaged)
    }

    fn of(&self, node: &Value) -> Result<Lazy> {
        self.at(node.get("of").ok_or_else(damaged)?)
    }

    fn all(&self, node: &Value) -> Result<Dims<Lazy>> {
        list(node, "of")?.iter().map(|number| self.at(number)).collect()
    }

    fn operation(&self, node: &Value) -> Result<Lazy> {
        let inputs = self.all(node)?;
        let loops = domain(text(node, "loops")?)?;
        let bound = |axis: &Value| {
            let (name, windows) = named(axis).ok_or_else(damaged)?;
            Ok((position(windows, "axis")?, Windows::read(name, windows)?))
        };
        let bounds =
            |axes: &Value| axes.as_array().ok_or_else(damaged)?.iter().map(bound).collect::<Result<_>>();
        let windows = list(node, "windows")?.iter().map(bounds).collect::<Result<Vec<Vec<_>>>>()?;
        expect(windows.len() == inputs.len() && !inputs.is_empty())?;
        let mut operation = Operation::over(&loops.ranges().collect::<Vec<_>>());
        for (lazy, windows) in inputs.iter().zip(&windows) {
            operation = operation.input(lazy, windows);
        }
        if let Some((_, by)) = node.get("grouped").and_then(named) {
            operation = operation.grouped(Grouped::read(by, inputs[0].domain())?);
        }
        if flag(node, "kept")? {
            operation = operation.kept();
        }
        let dtype = number(node)?;
        let each: Vec<_> = (0..loops.ndim()).map(|axis| (axis, Windows::Each)).collect();
        let operation = operation.output(dtype, &each);
        operation.check()?;
        let site = Site { loops: &loops, inputs: &inputs, windows: &windows, dtype };
        let kernel = kernel(inner(node, "kernel")?, &site)?;
        operation.kernel(text(node, "called")?.to_owned(), kernel)
    }

    /// A result of a function of blocks, which is called once for all of them.
    fn mapped(&mut self, node: &Value) -> Result<Lazy> {
        let known = text(node, "known")?;
        let call = ["known", "depth", "boundary", "trim", "types", "of"].map(|name| &node[name]);
        let call = serde_json::json!(call).to_string();
        let at = position(node, "number")?;
        if let Some(results) = self.mapped.get(&call) {
            return results.get(at).cloned().ok_or_else(damaged);
        }
        let dtype = |value: &Value| value.as_str().ok_or_else(damaged)?.parse();
        let dtypes = list(node, "types")?.iter().map(dtype).collect::<Result<Vec<DataType>>>()?;
        let functions = self.functions.ok_or_else(|| {
            let reason = "it calls a function that another program has; those of Python are run by bigarrays.Plan, in Python";
            Error::invalid(reason)
        })?;
        let results =
            Lazy::map_function(&functions(known, &dtypes)?, &self.all(node)?, &overlap(node)?, &dtypes)?;
        self.mapped.entry(call).or_insert(results).get(at).cloned().ok_or_else(damaged)
    }

    fn group(&self, node: &Value) -> Result<Lazy> {
        let all = self.all(node)?;
        let [of, numbers] = &all[..] else { return Err(damaged()) };
        let reduction = Reduction::named(text(node, "name")?).ok_or_else(damaged)?;
        let by = Grouped::read(node, of.domain())?;
        let is_so = numbers.domain() == of.domain() && numbers.dtype() == DataType::I64;
        if !is_so || reduction != reduction.of(of.dtype()) {
            return Err(damaged());
        }
        let dtype = reduction.result(of.dtype());
        of.of_groups(Grouping { reduction, by, fill: fill(node, dtype)? }, numbers, dtype)
    }

    fn node(&mut self, name: &str, node: &Value) -> Result<Lazy> {
        match name {
            "constant" => {
                let bits = node.get("bits").and_then(Value::as_u64).ok_or_else(damaged)?;
                let domain = domain(text(node, "domain")?)?;
                let names = Names::from_elem(None, domain.ndim());
                Ok(Lazy::new(Kind::Constant(bits.to_le_bytes()), number(node)?, domain, names))
            }
            "function" => {
                let function = Function::named(text(node, "name")?).ok_or_else(damaged)?;
                Lazy::of_arguments(function, self.all(node)?)
            }
            "convert" => self.of(node)?.converted(number(node)?),
            "cast" => {
                let how = Cast::named(text(node, "rounding")?, text(node, "out_of_range")?);
                self.of(node)?.cast(number(node)?, how.ok_or_else(damaged)?)
            }
            "reduce" => {
                let reduction = Reduction::named(text(node, "name")?).ok_or_else(damaged)?;
                let axes = positions(node, "axes")?;
                // Without axes, all would be meant.
                expect(!axes.is_empty())?;
                let made = self.of(node)?.reduce(reduction, &axes, false)?;
                if node.get("across").is_some() && flag(node, "across")? { made.across() } else { Ok(made) }
            }
            "group" => self.group(node),
            "operation" => self.operation(node),
            "mapped" => self.mapped(node),
            "view" => {
                let of = self.of(node)?;
                let mapping = mapping(node, of.domain())?;
                let is_shown = match of.kind() {
                    Kind::Source(_)
                    | Kind::Foreign(_)
                    | Kind::Join(..)
                    | Kind::Operation(..)
                    | Kind::Group(..) => true,
                    Kind::Reduce(..) => mapping.only_repeats(of.domain()),
                    _ => false,
                };
                if !is_shown {
                    return Err(damaged());
                }
                let (dtype, domain) = (of.dtype(), mapping.domain.clone());
                let names = mapping.names(of.names());
                Ok(Lazy::new(Kind::View(Box::new(mapping), of), dtype, domain, names))
            }
            "join" => Lazy::concatenate(&self.all(node)?, position(node, "axis")?),
            other => (self.leaf)(other, node),
        }
    }
}

/// What a function of blocks sees beside them.
fn overlap(node: &Value) -> Result<Overlap> {
    let depth = |value: &Value| Some((value.get(0)?.as_u64()?, value.get(1)?.as_u64()?));
    let boundary = |value: &Value| match named(value) {
        Some((name, config)) => Boundary::read(name, config).map(Some),
        None => Ok(None),
    };
    Ok(Overlap {
        depth: list(node, "depth")?.iter().map(depth).collect::<Option<_>>().ok_or_else(damaged)?,
        boundary: list(node, "boundary")?.iter().map(boundary).collect::<Result<_>>()?,
        trim: flag(node, "trim")?,
    })
}

/// A view of what is over `shown`.
fn mapping(node: &Value, shown: &Domain) -> Result<Mapping> {
    let domain = domain(text(node, "domain")?)?;
    let pick = |pick: &Value| {
        let (name, pick) = named(pick).ok_or_else(damaged)?;
        Ok(match name {
            "fixed" => Pick::Fixed(whole(pick, "at")?),
            "along" => Pick::Along {
                axis: position(pick, "axis")?,
                offset: whole(pick, "offset")?,
                step: whole(pick, "step")?,
            },
            "listed" => {
                let coordinates = wholes(pick, "coordinates")?.into();
                Pick::Listed { axis: position(pick, "axis")?, coordinates }
            }
            _ => return Err(damaged()),
        })
    };
    let picks = list(node, "picks")?.iter().map(pick).collect::<Result<Dims<_>>>()?;
    Mapping::checked(domain, picks, shown)
}

/// The view of an array that was written as [`Transform::config`] gives it.
///
/// # Errors
/// `InvalidArgument` for what is no such text.
pub(super) fn transform(value: &Value) -> Result<Transform> {
    let (_, value) = named(value).ok_or_else(damaged)?;
    let axis = |axis: &Value| {
        let (name, axis) = named(axis).ok_or_else(damaged)?;
        Ok(match name {
            "fixed" => AxisMap::Fixed(whole(axis, "at")?),
            "along" => AxisMap::Along {
                axis: position(axis, "axis")?,
                offset: whole(axis, "offset")?,
                step: whole(axis, "step")?,
            },
            _ => return Err(damaged()),
        })
    };
    Ok(Transform {
        domain: domain(text(value, "domain")?)?,
        axes: list(value, "axes")?.iter().map(axis).collect::<Result<_>>()?,
    })
}
