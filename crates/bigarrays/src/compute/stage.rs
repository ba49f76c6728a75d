//! Passes over the data: expressions are cut where elements are reduced, since all of them have to be seen first. Passes over
//! the same elements are one.

use std::collections::{HashMap, HashSet};

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::groups::Groups;
use crate::compute::infer::Names;
use crate::compute::mapping::{Mapping, Pick};
use crate::compute::reduction::{Method, Reduction};
use crate::compute::same::is_same;

/// One pass over the elements of a domain.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) domain: Domain,
    /// The axes along which elements are reduced, ascending; `None` if they are the results.
    pub(crate) axes: Option<Dims<usize>>,
    /// Whether elements of a row are folded one after the other.
    pub(crate) is_across: bool,
    /// What groups they are in, if each group is reduced on its own.
    pub(crate) by: Option<By>,
    pub(crate) outputs: Vec<Output>,
}

/// Groups, and the number of each element's.
#[derive(Clone, Debug)]
pub(crate) struct By {
    pub(crate) groups: Groups,
    pub(crate) numbers: Lazy,
}

impl PartialEq for By {
    fn eq(&self, other: &Self) -> bool {
        self.groups == other.groups && is_same(&self.numbers, &other.numbers)
    }
}

/// A result of a pass: elements of `expr`, in which nothing is reduced, and what becomes of them.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) expr: Lazy,
    pub(crate) reduction: Option<Reduction>,
    /// What a group without elements has, if that was said.
    pub(crate) fill: Option<[u8; 8]>,
    pub(crate) dtype: DataType,
    /// The domain and names of the result.
    pub(crate) domain: Domain,
    pub(crate) names: Names,
    /// The number by which later passes take it.
    pub(crate) number: usize,
    pub(crate) is_taken: bool,
    /// The chunks of the file that it is kept in for later passes, if not as it comes.
    pub(crate) chunk_shape: Option<Dims<u64>>,
    pub(crate) roots: Vec<Root>,
}

/// An expression that was asked for, and where it places a result: with more axes, each of length 1.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub(crate) number: usize,
    placed: Option<Mapping>,
}

impl Root {
    /// The box of the expression that a box of the result is.
    pub(crate) fn place(&self, part: &Domain) -> Result<Domain> {
        let Some(mapping) = &self.placed else { return Ok(part.clone()) };
        let mut own = part.ranges();
        let range = |axis: usize| match mapping.varies(axis) {
            true => own.next().unwrap_or(0..0),
            false => mapping.domain.range(axis),
        };
        Domain::from_ranges(&(0..mapping.domain.ndim()).map(range).collect::<Dims<_>>())
    }

    /// What the axes of the result have, where those of the expression have this.
    pub(crate) fn of_result<T: Copy>(&self, own: &[T]) -> Dims<T> {
        let varies = |axis: usize| self.placed.as_ref().is_none_or(|mapping| mapping.varies(axis));
        own.iter().enumerate().filter(|(axis, _)| varies(*axis)).map(|(_, one)| *one).collect()
    }
}

/// The passes that `roots` take, in the order in which they can be done. Where one takes a result of an earlier one, it has a
/// [`Kind::Pending`] of its number.
///
/// # Errors
/// Those of making expressions.
pub(crate) fn stages(roots: &[Lazy]) -> Result<Vec<Stage>> {
    let mut cutter = Cutter { outputs: Vec::new(), known: HashMap::new() };
    for (number, root) in roots.iter().enumerate() {
        let expr = cutter.cut(root)?;
        // What is written in other chunks than it is kept in is a pass of its own.
        let is_own = |(result, _): &(usize, Root)| cutter.outputs[*result].output.chunk_shape.is_none();
        if let Some((result, root)) = rooted(&expr, number).filter(is_own) {
            cutter.outputs[result].output.roots.push(root);
            continue;
        }
        let (dtype, domain, names) = (expr.dtype(), expr.domain().clone(), expr.names().into());
        let number_of = cutter.outputs.len();
        let roots = vec![Root { number, placed: None }];
        let (reduction, fill, is_taken) = (None, None, false);
        let (number, chunk_shape) = (number_of, None);
        let output =
            Output { expr, reduction, fill, dtype, domain, names, number, is_taken, chunk_shape, roots };
        cutter.push(output, None, None);
    }
    Ok(cutter.grouped())
}

/// The earlier result that an expression is, but for axes of length 1.
fn rooted(expr: &Lazy, number: usize) -> Option<(usize, Root)> {
    match expr.kind() {
        Kind::Pending(result) => Some((*result, Root { number, placed: None })),
        Kind::View(mapping, of) => {
            let Kind::Pending(result) = of.kind() else { return None };
            let visible = mapping.varying();
            let is_same = mapping.picks.iter().zip(&visible).all(|(pick, &axis)| *pick == Pick::same(axis));
            let is_one = |axis: usize| mapping.varies(axis) || mapping.domain.shape()[axis] == 1;
            let is_whole = visible
                .iter()
                .enumerate()
                .all(|(own, &axis)| mapping.domain.range(axis) == of.domain().range(own));
            let is_placed = visible.len() == mapping.picks.len()
                && is_same
                && is_whole
                && (0..mapping.domain.ndim()).all(is_one);
            is_placed.then(|| (*result, Root { number, placed: Some(Mapping::clone(mapping)) }))
        }
        _ => None,
    }
}

struct Cutter {
    outputs: Vec<Cut>,
    /// What each expression has become.
    known: HashMap<usize, Lazy>,
}

/// A result, along which axes it reduces, how many passes come before its own, and what it reads.
struct Cut {
    output: Output,
    axes: Option<Dims<usize>>,
    is_across: bool,
    by: Option<By>,
    level: usize,
    reads: HashSet<usize>,
}

impl Cut {
    /// All expressions that it is of.
    fn nodes(&self) -> Vec<&Lazy> {
        let numbers = self.by.iter().flat_map(|by| by.numbers.nodes());
        self.output.expr.nodes().into_iter().chain(numbers).collect()
    }
}

impl Cutter {
    fn cut(&mut self, lazy: &Lazy) -> Result<Lazy> {
        if let Some(known) = self.known.get(&lazy.id()) {
            return Ok(known.clone());
        }
        let (dtype, domain, names): (_, _, Names) =
            (lazy.dtype(), lazy.domain().clone(), lazy.names().into());
        let kind = match lazy.kind() {
            Kind::Reduce(along, of) => {
                let (expr, reduction) = (self.cut(of)?, Some(along.reduction));
                let output = Output { reduction, ..self.output(lazy, expr) };
                self.reduced(output, (along.axes.clone(), along.is_across), None)
            }
            Kind::Group(grouping, all) => {
                let (expr, numbers) = (self.cut(&all[0])?, self.cut(&all[1])?);
                let (reduction, fill) = (Some(grouping.reduction), grouping.fill);
                let output = Output { reduction, fill, ..self.output(lazy, expr) };
                let by = By { groups: grouping.by.groups.clone(), numbers };
                self.reduced(output, (grouping.by.axes.clone(), false), Some(by))
            }
            Kind::Source(_) | Kind::Foreign(_) | Kind::Constant(_) | Kind::Pending(_) => {
                return Ok(lazy.clone());
            }
            kind @ Kind::Operation(of, ..) if of.is_kept => {
                let chunk_shape = of.kept_chunk.clone();
                let kind = kind.with(&mut |of| self.cut(of))?;
                let expr = Lazy::new(kind, dtype, domain.clone(), names.clone());
                let output = Output { chunk_shape, ..self.output(lazy, expr) };
                self.push(output, None, None)
            }
            kind => kind.with(&mut |of| self.cut(of))?,
        };
        let cut = Lazy::new(kind, dtype, domain, names);
        self.known.insert(lazy.id(), cut.clone());
        Ok(cut)
    }

    /// The next result: that of `expr`, in place of `lazy`.
    fn output(&self, lazy: &Lazy, expr: Lazy) -> Output {
        Output {
            expr,
            reduction: None,
            fill: None,
            dtype: lazy.dtype(),
            domain: lazy.domain().clone(),
            names: lazy.names().into(),
            number: self.outputs.len(),
            is_taken: false,
            chunk_shape: None,
            roots: Vec::new(),
        }
    }

    /// The same of what is reduced, which may be there already.
    fn reduced(&mut self, output: Output, along: (Dims<usize>, bool), by: Option<By>) -> Kind {
        let is_it = |known: &&Cut| {
            let of = |output: &Output| (output.reduction, output.fill, output.dtype);
            of(&known.output) == of(&output)
                && (known.axes.as_ref(), known.is_across) == (Some(&along.0), along.1)
                && known.by == by
                && is_same(&known.output.expr, &output.expr)
        };
        let known = self.outputs.iter().find(is_it).map(|known| known.output.number);
        known.map_or_else(|| self.push(output, Some(along), by), Kind::Pending)
    }

    /// Adds a result, and gives what stands for it.
    fn push(&mut self, output: Output, along: Option<(Dims<usize>, bool)>, by: Option<By>) -> Kind {
        let (mut level, mut reads) = (0, HashSet::new());
        let numbers = by.iter().flat_map(|by| by.numbers.nodes());
        for lazy in output.expr.nodes().into_iter().chain(numbers) {
            match lazy.kind() {
                Kind::Source(array) => drop(reads.insert(std::ptr::from_ref(array.layout()) as usize)),
                Kind::Foreign(source) => drop(reads.insert(source.id())),
                Kind::Pending(number) => {
                    level = level.max(self.outputs[*number].level + 1);
                    // No address is so high.
                    reads.insert(usize::MAX - number);
                }
                _ => {}
            }
        }
        let number = output.number;
        let (axes, is_across) = along.map_or((None, false), |(axes, is_across)| (Some(axes), is_across));
        self.outputs.push(Cut { output, axes, is_across, by, level, reads });
        Kind::Pending(number)
    }

    /// Results that are of the same elements, reduced along the same axes, are those of one pass.
    fn grouped(mut self) -> Vec<Stage> {
        let taken: HashSet<usize> = self.outputs.iter().flat_map(Cut::nodes).filter_map(taken).collect();
        self.outputs.iter_mut().for_each(|cut| cut.output.is_taken = taken.contains(&cut.output.number));
        let mut found: Vec<(usize, HashSet<usize>, Stage)> = Vec::new();
        for Cut { output, axes, is_across, by, level, reads } in self.outputs {
            let domain = output.expr.domain().clone();
            let mut joined = (level, reads, Stage { domain, axes, is_across, by, outputs: Vec::new() });
            let is_same = |(at, known, stage): &(usize, HashSet<usize>, Stage)| {
                let (_, reads, own) = &joined;
                *at == level
                    && (&stage.domain, &stage.axes, &stage.by) == (&own.domain, &own.axes, &own.by)
                    && stage.is_across == own.is_across
                    && !known.is_disjoint(reads)
            };
            let (same, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_same);
            for (_, known, stage) in same {
                joined.1.extend(known);
                joined.2.outputs.extend(stage.outputs);
            }
            joined.2.outputs.push(output);
            found = others;
            found.push(joined);
        }
        found.sort_by_key(|found| found.0);
        found.into_iter().map(|found| found.2).collect()
    }
}

fn taken(lazy: &Lazy) -> Option<usize> {
    if let Kind::Pending(number) = lazy.kind() { Some(*number) } else { None }
}

/// `lazy` with the results of earlier passes in their places.
///
/// # Errors
/// Those of making expressions of them.
pub(crate) fn filled(lazy: &Lazy, results: &HashMap<usize, Lazy>) -> Result<Lazy> {
    fill(lazy, results, &mut HashMap::new())
}

fn fill(lazy: &Lazy, results: &HashMap<usize, Lazy>, known: &mut HashMap<usize, Lazy>) -> Result<Lazy> {
    if let Some(known) = known.get(&lazy.id()) {
        return Ok(known.clone());
    }
    let filled = match lazy.kind() {
        Kind::Pending(number) => results.get(number).cloned().unwrap_or_else(|| lazy.clone()),
        Kind::View(mapping, of) => fill(of, results, known)?.view(mapping)?,
        Kind::Source(_) | Kind::Foreign(_) | Kind::Constant(_) => lazy.clone(),
        kind => {
            let kind = kind.with(&mut |of| fill(of, results, known))?;
            Lazy::new(kind, lazy.dtype(), lazy.domain().clone(), lazy.names().into())
        }
    };
    known.insert(lazy.id(), filled.clone());
    Ok(filled)
}

impl Stage {
    /// The results that later passes take and that take no room: they are in memory, although others are in files.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Output> {
        self.outputs.iter().filter(|output| output.is_taken && output.is_small())
    }

    /// What is computed, as one would write it.
    pub(crate) fn text(&self) -> String {
        let all = self.outputs.iter().map(|output| output.text(self.axes.as_deref()));
        let all = all.collect::<Vec<_>>().join("; ");
        match &self.by {
            Some(by) if by.groups.labels.is_some() => format!("{all} of each label"),
            Some(by) => format!("{all} of each of {} groups", by.groups.len()),
            None => all,
        }
    }

    /// The same of the results of these numbers alone; `None` if it has not all of them.
    pub(crate) fn only(&self, numbers: &[usize]) -> Option<Self> {
        let one = |number: &usize| self.outputs.iter().find(|output| output.number == *number).cloned();
        let outputs =
            numbers.iter().map(one).collect::<Option<Vec<_>>>().filter(|outputs| !outputs.is_empty())?;
        Some(Self { outputs, ..self.clone() })
    }

    /// The same of other expressions, which `changed` gives.
    ///
    /// # Errors
    /// Those of `changed`.
    pub(crate) fn changed(&self, changed: &mut dyn FnMut(&Lazy) -> Result<Lazy>) -> Result<Self> {
        let mut stage = self.clone();
        for output in &mut stage.outputs {
            output.expr = changed(&output.expr)?;
        }
        if let Some(by) = &mut stage.by {
            by.numbers = changed(&by.numbers)?;
        }
        Ok(stage)
    }

    /// All expressions that it is of.
    pub(crate) fn exprs(&self) -> impl Iterator<Item = &Lazy> {
        let outputs = self.outputs.iter().map(|output| &output.expr);
        outputs.chain(self.by.iter().map(|by| &by.numbers))
    }

    /// The same, each result in a pass of its own.
    pub(crate) fn apart(&self) -> Vec<Self> {
        let one = |output: &Output| Self { outputs: vec![output.clone()], ..self.clone() };
        self.outputs.iter().map(one).collect()
    }
}

impl Stage {
    /// The box of the results that a box of the axes that are not reduced becomes.
    ///
    /// # Errors
    /// Those of boxes.
    pub(crate) fn placed(&self, kept: &Domain) -> Result<Domain> {
        match (&self.by, self.axes.as_deref()) {
            (Some(by), Some([at, ..])) => by.groups.placed(kept, *at),
            _ => Ok(kept.clone()),
        }
    }

    /// How many cells each place along the axes that are not reduced has, whether they are of anything or not.
    pub(crate) fn cells(&self) -> u64 {
        self.by.as_ref().map_or(1, |by| by.groups.dense())
    }

    /// How many elements of a result each of these places has once it is done; none where labels become a table.
    pub(crate) fn groups(&self) -> u64 {
        let of_table = |by: &By| by.groups.labels.is_some();
        self.by.as_ref().map_or(1, |by| if of_table(by) { 0 } else { by.groups.len() })
    }

    /// Whether only groups that are met have cells.
    pub(crate) fn is_sparse(&self) -> bool {
        self.by.as_ref().is_some_and(|by| by.groups.is_sparse())
    }
}

impl Output {
    /// How elements are folded, if they are.
    pub(crate) fn method(&self) -> Option<Method> {
        Some(self.reduction?.method(self.expr.dtype()))
    }

    /// Whether it takes no room: no element, or one without axes.
    pub(crate) fn is_small(&self) -> bool {
        self.domain.ndim() == 0 || self.domain.is_empty()
    }

    fn text(&self, axes: Option<&[usize]>) -> String {
        match (self.reduction, axes) {
            (Some(reduction), Some(axes)) => {
                let axes: Vec<String> = axes.iter().map(ToString::to_string).collect();
                format!("{}({}, axis=[{}])", reduction.name(), self.expr.text(), axes.join(", "))
            }
            _ => self.expr.text(),
        }
    }
}
