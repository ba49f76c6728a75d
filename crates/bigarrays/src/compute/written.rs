//! Expressions as data: a list of nodes, each of nodes before it. Journals know them again by it, and plans in files have it.

use std::collections::HashMap;

use crate::array::Array;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::chunk::layout::Layout;
use crate::compute::digest::Digest;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::NAME as HELD;
use crate::compute::mapping::{Mapping, Pick};

/// Where an array is, and all that its elements depend on but its chunks.
pub(crate) fn identity_of(array: &Array) -> Config {
    Config::new("array")
        .with("location", array.store().location(""))
        .with("view", array.transform().config())
        .with("layouts", array.layouts().map(Layout::config).collect::<Parameter>())
        .with("options", array.options().config())
}

/// What expressions are of, for them to be known again.
///
/// # Errors
/// `InvalidArgument` for what is not known again: elements that something else reads, or functions of blocks; a storage
/// error.
pub(super) fn identity_of_leaf(lazy: &Lazy) -> Result<Config> {
    let unknown = |what: &str| {
        let reason = format!("{what} cannot be known again, so that this computation cannot be resumed");
        Err(Error::invalid(reason))
    };
    match lazy.kind() {
        Kind::Source(array) if array.format() == HELD => {
            let Digest(digest) = Digest::of_chunks(array, array.domain())?;
            Ok(Config::new("elements").with("digest", format!("{digest:032x}")))
        }
        Kind::Source(array) => Ok(identity_of(array)),
        Kind::Foreign(source) => unknown(source.name()),
        Kind::Operation(of, number, _) => match of.config(*number)? {
            Some(config) => Ok(config),
            None => unknown("a function of blocks"),
        },
        _ => unknown("an expression"),
    }
}

/// A text that tells expressions from others, and is the same in every run.
///
/// # Errors
/// `InvalidArgument` for what is not known again: elements that something else reads, or functions of blocks; a storage
/// error.
pub fn identity(roots: &[Lazy]) -> Result<String> {
    Ok(Digest::of_text(&written(roots, &mut identity_of_leaf)?.key()))
}

/// Expressions, and all that their elements depend on but what `leaf` gives for arrays, for what something else reads, and
/// for functions of blocks.
///
/// # Errors
/// Those of `leaf`.
pub(super) fn written(roots: &[Lazy], leaf: &mut dyn FnMut(&Lazy) -> Result<Config>) -> Result<Config> {
    let mut writing = Writing { nodes: Vec::new(), known: HashMap::new(), leaf };
    let roots = roots.iter().map(|root| writing.add(root)).collect::<Result<Vec<_>>>()?;
    let nodes: Parameter = writing.nodes.into_iter().collect();
    Ok(Config::new("expressions")
        .with("nodes", nodes)
        .with("roots", roots.into_iter().collect::<Parameter>()))
}

struct Writing<'a> {
    nodes: Vec<Config>,
    /// The number of each expression.
    known: HashMap<usize, usize>,
    leaf: &'a mut dyn FnMut(&Lazy) -> Result<Config>,
}

impl Writing<'_> {
    fn add(&mut self, lazy: &Lazy) -> Result<usize> {
        if let Some(&known) = self.known.get(&lazy.id()) {
            return Ok(known);
        }
        let name = |name: &Option<String>| name.clone().map_or(Parameter::None, Parameter::Text);
        let config = self
            .node(lazy)?
            .with("type", lazy.dtype().name())
            .with("domain", lazy.domain().to_string())
            .with("names", lazy.names().iter().map(name).collect::<Parameter>());
        self.nodes.push(config);
        self.known.insert(lazy.id(), self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }

    fn all(&mut self, of: &[Lazy]) -> Result<Parameter> {
        of.iter().map(|lazy| self.add(lazy)).collect::<Result<Vec<_>>>().map(|all| all.into_iter().collect())
    }

    fn node(&mut self, lazy: &Lazy) -> Result<Config> {
        Ok(match lazy.kind() {
            Kind::Source(_) | Kind::Foreign(_) => (self.leaf)(lazy)?,
            Kind::Operation(_, _, inputs) => (self.leaf)(lazy)?.with("of", self.all(inputs)?),
            Kind::Pending(number) => Config::new("result").with("number", *number),
            Kind::Constant(bytes) => Config::new("constant").with("bits", u64::from_le_bytes(*bytes)),
            Kind::Elementwise(function, arguments) => {
                Config::new("function").with("name", function.name()).with("of", self.all(arguments)?)
            }
            Kind::Convert(of) => Config::new("convert").with("of", self.add(of)?),
            Kind::Cast(of, how) => how.config().with("of", self.add(of)?),
            Kind::Reduce(along, of) => {
                let axes = along.axes.iter().copied().collect::<Parameter>();
                let config = Config::new("reduce").with("name", along.reduction.name()).with("axes", axes);
                let config = if along.is_across { config.with("across", true) } else { config };
                config.with("of", self.add(of)?)
            }
            Kind::Group(grouping, all) => grouping
                .by
                .config("group")
                .with("name", grouping.reduction.name())
                .with("fill", grouping.fill.map(u64::from_ne_bytes))
                .with("of", self.all(all)?),
            Kind::View(mapping, of) => view(mapping).with("of", self.add(of)?),
            Kind::Join(axis, parts) => Config::new("join").with("axis", *axis).with("of", self.all(parts)?),
        })
    }
}

fn view(mapping: &Mapping) -> Config {
    let pick = |pick: &Pick| match pick {
        Pick::Fixed(at) => Config::new("fixed").with("at", *at),
        Pick::Along { axis, offset, step } => {
            Config::new("along").with("axis", *axis).with("offset", *offset).with("step", *step)
        }
        Pick::Listed { axis, coordinates } => {
            Config::new("listed").with("axis", *axis).with("coordinates", &coordinates[..])
        }
    };
    Config::new("view").with("picks", mapping.picks.iter().map(pick).collect::<Parameter>())
}
