//! What expressions and arrays are, as data that tells equal ones from others in later runs.

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

/// Expressions as a list of nodes, each of nodes before it, and the numbers of the expressions themselves.
#[derive(Default)]
pub(super) struct Identity {
    nodes: Vec<Config>,
    known: HashMap<usize, usize>,
}

impl Identity {
    /// Expressions, and all that their elements depend on but chunks of stored arrays.
    ///
    /// # Errors
    /// `InvalidArgument` if an expression is of something that is not known again: elements that something else reads, or
    /// functions of blocks; a storage error.
    pub(super) fn of(roots: &[Lazy]) -> Result<Config> {
        let mut identity = Self::default();
        let roots = roots.iter().map(|root| identity.add(root)).collect::<Result<Vec<_>>>()?;
        let nodes: Parameter = identity.nodes.into_iter().collect();
        Ok(Config::new("expressions")
            .with("nodes", nodes)
            .with("roots", roots.into_iter().collect::<Parameter>()))
    }

    fn add(&mut self, lazy: &Lazy) -> Result<usize> {
        if let Some(&known) = self.known.get(&lazy.id()) {
            return Ok(known);
        }
        let config = self.node(lazy)?;
        self.nodes.push(config.with("type", lazy.dtype().name()).with("domain", lazy.domain().to_string()));
        self.known.insert(lazy.id(), self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }

    fn all(&mut self, of: &[Lazy]) -> Result<Parameter> {
        of.iter().map(|lazy| self.add(lazy)).collect::<Result<Vec<_>>>().map(|all| all.into_iter().collect())
    }

    fn node(&mut self, lazy: &Lazy) -> Result<Config> {
        let unknown = |what: &str| {
            let reason = format!("{what} cannot be known again, so that this computation cannot be resumed");
            Err(Error::invalid(reason))
        };
        Ok(match lazy.kind() {
            Kind::Source(array) if array.format() == HELD => {
                let Digest(digest) = Digest::of_chunks(array, array.domain())?;
                Config::new("elements").with("digest", format!("{digest:032x}"))
            }
            Kind::Source(array) => identity_of(array),
            Kind::Foreign(source) => return unknown(source.name()),
            Kind::Operation(..) => return unknown("a function of blocks"),
            Kind::Pending(number) => Config::new("result").with("number", *number),
            Kind::Constant(bytes) => Config::new("constant").with("bits", u64::from_le_bytes(*bytes)),
            Kind::Elementwise(function, arguments) => {
                Config::new("function").with("name", function.name()).with("of", self.all(arguments)?)
            }
            Kind::Convert(of) => Config::new("convert").with("of", self.add(of)?),
            Kind::Cast(of, how) => how.config().with("of", self.add(of)?),
            Kind::Reduce(along, of) => {
                let axes = along.axes.iter().copied().collect::<Parameter>();
                Config::new("reduce")
                    .with("name", along.reduction.name())
                    .with("axes", axes)
                    .with("of", self.add(of)?)
            }
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
