//! Passes over the data: an expression is cut where elements are reduced, since all of them have to be seen first.

use std::collections::HashMap;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::infer::Names;
use crate::compute::reduction::Reduction;

/// One pass: elements of `expr`, in which nothing is reduced, and what becomes of them.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) expr: Lazy,
    /// What they are reduced to, along which axes; `None` if they are the result.
    pub(crate) reduce: Option<(Reduction, Dims<usize>)>,
    pub(crate) dtype: DataType,
    /// The domain and names of the result.
    pub(crate) domain: Domain,
    pub(crate) names: Names,
}

/// The passes that `root` takes, the last of which gives its elements. Where one takes those of an earlier one, it has a
/// [`Kind::Pending`] of its number.
pub(crate) fn stages(root: &Lazy) -> Vec<Stage> {
    let mut cutter = Cutter { stages: Vec::new(), known: HashMap::new() };
    let expr = cutter.cut(root);
    // The last pass may be a reduction itself.
    if !matches!(expr.kind(), Kind::Pending(last) if last + 1 == cutter.stages.len()) {
        cutter.stages.push(Stage {
            dtype: expr.dtype(),
            domain: expr.domain().clone(),
            names: expr.names().into(),
            expr,
            reduce: None,
        });
    }
    cutter.stages
}

struct Cutter {
    stages: Vec<Stage>,
    /// What each expression has become.
    known: HashMap<usize, Lazy>,
}

impl Cutter {
    fn cut(&mut self, lazy: &Lazy) -> Lazy {
        if let Some(known) = self.known.get(&lazy.id()) {
            return known.clone();
        }
        let (dtype, domain, names) = (lazy.dtype(), lazy.domain().clone(), lazy.names().into());
        let kind = match lazy.kind() {
            Kind::Source(_) | Kind::Constant(_) | Kind::Pending(_) => return lazy.clone(),
            Kind::Convert(of) => Kind::Convert(self.cut(of)),
            Kind::Cast(of, how) => Kind::Cast(self.cut(of), *how),
            Kind::Elementwise(function, of) => {
                Kind::Elementwise(*function, of.iter().map(|of| self.cut(of)).collect())
            }
            Kind::Reduce(reduction, of, axes) => {
                let expr = self.cut(of);
                let reduce = Some((*reduction, axes.clone()));
                let (domain, names) = (domain.clone(), lazy.names().into());
                self.stages.push(Stage { expr, reduce, dtype, domain, names });
                Kind::Pending(self.stages.len() - 1)
            }
        };
        let cut = Lazy::new(kind, dtype, domain, names);
        self.known.insert(lazy.id(), cut.clone());
        cut
    }
}

/// `lazy` with the results of earlier passes in their places.
///
/// # Errors
/// Those of making expressions of them.
pub(crate) fn filled(lazy: &Lazy, results: &[Lazy]) -> Result<Lazy> {
    let mut known = HashMap::new();
    fill(lazy, results, &mut known)
}

fn fill(lazy: &Lazy, results: &[Lazy], known: &mut HashMap<usize, Lazy>) -> Result<Lazy> {
    if let Some(known) = known.get(&lazy.id()) {
        return Ok(known.clone());
    }
    let mut one = |of: &Lazy| fill(of, results, known);
    let kind = match lazy.kind() {
        Kind::Pending(number) => {
            let result = &results[*number];
            // It may have been moved since.
            let offset: Dims<i64> = lazy
                .domain()
                .origin()
                .iter()
                .zip(result.domain().origin())
                .map(|(to, from)| to - from)
                .collect();
            return result.translate(&offset);
        }
        Kind::Source(_) | Kind::Constant(_) => return Ok(lazy.clone()),
        Kind::Convert(of) => Kind::Convert(one(of)?),
        Kind::Cast(of, how) => Kind::Cast(one(of)?, *how),
        Kind::Elementwise(function, of) => {
            Kind::Elementwise(*function, of.iter().map(one).collect::<Result<_>>()?)
        }
        Kind::Reduce(reduction, of, axes) => Kind::Reduce(*reduction, one(of)?, axes.clone()),
    };
    let filled = Lazy::new(kind, lazy.dtype(), lazy.domain().clone(), lazy.names().into());
    known.insert(lazy.id(), filled.clone());
    Ok(filled)
}

impl Stage {
    /// What is computed, as one would write it.
    pub(crate) fn text(&self) -> String {
        match &self.reduce {
            None => self.expr.text(),
            Some((reduction, axes)) => {
                let axes: Vec<String> = axes.iter().map(ToString::to_string).collect();
                format!("{}({}, axis=[{}])", reduction.name(), self.expr.text(), axes.join(", "))
            }
        }
    }
}
