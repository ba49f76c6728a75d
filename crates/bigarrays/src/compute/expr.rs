//! Expressions: what is to be computed of what.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::array::{Array, Index, Transform};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::cast::Cast;
use crate::compute::function::Function;
use crate::compute::held::{self, held};
use crate::compute::infer::{self, Names, is_repeated};
use crate::compute::kernels::convert;
use crate::compute::number::Number;
use crate::compute::reduction::Reduction;
use crate::compute::types::Literal;

/// An array that is computed when its elements are asked for. Cheap to clone.
///
/// Coordinates are absolute, as those of arrays: operands have to agree in domain on every axis that they share.
#[derive(Clone)]
pub struct Lazy {
    node: Arc<Node>,
}

/// An expression and what is known of it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) dtype: DataType,
    pub(crate) domain: Domain,
    pub(crate) names: Names,
    /// How many expressions are within each other.
    depth: usize,
}

/// What slices of expressions, by their ids, are.
type Slices = HashMap<(usize, Dims<Index>), Lazy>;

/// What expressions, by their ids, are at other coordinates.
type Moved = HashMap<(usize, Dims<i64>), Lazy>;

/// How many expressions may be within each other: walks over them are recursive.
const DEEPEST: usize = 400;

/// Bytes of an expression's text, behind which no operands are written out.
const LONGEST: usize = 10_000;

#[derive(Debug)]
pub(crate) enum Kind {
    /// A stored array, a view of one, or elements in memory.
    Source(Box<Array>),
    /// The result of an earlier pass.
    Pending(usize),
    /// One element without axes.
    Constant([u8; 8]),
    /// A function of elements, of arguments of the types that it takes.
    Elementwise(Function, Dims<Lazy>),
    /// The nearest element of another type, which holds it.
    Convert(Lazy),
    /// Elements of another type.
    Cast(Lazy, Cast),
    /// What elements along some axes become.
    Reduce(Along, Lazy),
}

impl Kind {
    /// The expressions that it is made of.
    fn arguments(&self) -> &[Lazy] {
        match self {
            Self::Source(_) | Self::Constant(_) | Self::Pending(_) => &[],
            Self::Convert(of) | Self::Cast(of, _) | Self::Reduce(_, of) => std::slice::from_ref(of),
            Self::Elementwise(_, all) => all,
        }
    }
}

/// A reduction along some axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Along {
    pub(crate) reduction: Reduction,
    /// Ascending.
    pub(crate) axes: Dims<usize>,
    /// Whether the result has them as well, each of length 1.
    pub(crate) keeps: bool,
}

/// What a function is of.
#[derive(Clone, Debug)]
pub enum Operand {
    /// Elements of an expression.
    Lazy(Lazy),
    /// A number, which takes the type of the expressions that it meets.
    Literal(Literal),
}

impl From<&Lazy> for Operand {
    fn from(lazy: &Lazy) -> Self {
        Self::Lazy(lazy.clone())
    }
}

impl<T: Into<Literal>> From<T> for Operand {
    fn from(literal: T) -> Self {
        Self::Literal(literal.into())
    }
}

impl Lazy {
    /// The elements of an array, or of a view of one, in its domain.
    ///
    /// # Errors
    /// `Unsupported` if they are no numbers.
    pub fn of(array: &Array) -> Result<Self> {
        let dtype = array.dtype();
        if !dtype.is_number() {
            let reason = format!("{dtype} elements are no numbers to compute with");
            return Err(Error::unsupported(reason).at(array.url()));
        }
        let names = array.dimension_names().iter().map(|name| name.map(str::to_owned)).collect();
        Ok(Self::new(Kind::Source(Box::new(array.clone())), dtype, array.domain().clone(), names))
    }

    /// Elements in memory, dense in C order, which are copied.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many as the domain has; `Unsupported` if they are no numbers.
    pub fn of_elements(domain: &Domain, dtype: DataType, elements: &[u8]) -> Result<Self> {
        let bytes = domain.shape().iter().try_fold(dtype.size() as u64, |all, &n| all.checked_mul(n));
        if bytes != Some(elements.len() as u64) {
            return Err(Error::invalid(format!(
                "{} bytes are no {dtype} elements of {domain}",
                elements.len()
            )));
        }
        if domain.ndim() > 0 {
            let names = Dims::from_elem(None, domain.ndim());
            return Self::of(&held(domain, dtype, &names, elements)?);
        }
        let mut element = [0; 8];
        let Some(bytes) = element.get_mut(..elements.len()) else {
            return Err(Error::unsupported(format!("{dtype} elements are no numbers to compute with")));
        };
        bytes.copy_from_slice(elements);
        Self::constant(element, dtype)
    }

    pub(super) fn new(kind: Kind, dtype: DataType, domain: Domain, names: Names) -> Self {
        let depth = kind.arguments().iter().map(|lazy| lazy.node.depth).max().unwrap_or(0);
        Self { node: Arc::new(Node { kind, dtype, domain, names, depth: depth + 1 }) }
    }

    /// One element, without axes.
    pub(super) fn constant(element: [u8; 8], dtype: DataType) -> Result<Self> {
        Ok(Self::new(Kind::Constant(element), dtype, Domain::from_shape(&[])?, Dims::new()))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.node.kind
    }

    /// An error if there may be nothing around this.
    fn expect_shallow(&self) -> Result<()> {
        if self.node.depth < DEEPEST {
            return Ok(());
        }
        let reason = format!("more than {DEEPEST} functions within each other; save what is in between");
        Err(Error::unsupported(reason))
    }

    /// What tells this from all other expressions, and clones not from each other.
    pub(super) fn id(&self) -> usize {
        Arc::as_ptr(&self.node) as usize
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DataType {
        self.node.dtype
    }

    /// Where the elements are.
    pub fn domain(&self) -> &Domain {
        &self.node.domain
    }

    /// Names of the axes, as far as operands have any.
    pub fn names(&self) -> &[Option<String>] {
        &self.node.names
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.node.domain.ndim()
    }

    /// A function of elements: of all operands at one coordinate. Types are NumPy's; literals take those of the others.
    ///
    /// # Errors
    /// `InvalidArgument` if the operands are too many or too few, do not agree in domain or names, or if there is no such
    /// function of their types.
    pub fn apply(function: Function, operands: &[Operand]) -> Result<Self> {
        if operands.len() != function.arity() {
            let (name, arity) = (function.name(), function.arity());
            return Err(Error::invalid(format!("{name} is of {arity} operands, not of {}", operands.len())));
        }
        let during = |error: Error| error.during(function.name());
        for operand in operands {
            if let Operand::Lazy(lazy) = operand {
                lazy.expect_shallow().map_err(during)?;
            }
        }
        let dtypes = types_of(function, operands);
        let signature = function.signature(&dtypes).map_err(during)?;
        let one = |(operand, &dtype): (&Operand, &DataType)| match operand {
            Operand::Lazy(lazy) => lazy.converted(dtype),
            Operand::Literal(literal) => Self::constant(literal.bytes(dtype)?, dtype),
        };
        let arguments: Dims<Self> =
            operands.iter().zip(&signature.arguments).map(one).collect::<Result<_>>().map_err(during)?;
        if function == Function::Power {
            expect_powers(&arguments).map_err(during)?;
        }
        Self::elementwise(function, arguments, signature.result).map_err(during)
    }

    fn elementwise(function: Function, arguments: Dims<Self>, result: DataType) -> Result<Self> {
        let domains: Vec<&Domain> = arguments.iter().map(Self::domain).collect();
        let names: Vec<&Names> = arguments.iter().map(|argument| &argument.node.names).collect();
        let (domain, names) = (infer::broadcast(&domains)?, infer::names(&names)?);
        Ok(Self::new(Kind::Elementwise(function, arguments), result, domain, names))
    }

    /// The same elements in a type that holds them, or comes nearest.
    pub(super) fn converted(&self, dtype: DataType) -> Result<Self> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        if let Kind::Constant(bytes) = self.kind()
            && let Some(kernel) = convert(self.dtype(), dtype)
        {
            // Aligned as any element.
            let (from, mut to) = ([u64::from_ne_bytes(*bytes)], [0u64]);
            let of = |dtype: DataType| dtype.size();
            let from: &[u8] = &bytemuck::cast_slice(&from)[..of(self.dtype())];
            kernel(&[from], &mut bytemuck::cast_slice_mut(&mut to)[..of(dtype)]);
            return Self::constant(to[0].to_ne_bytes(), dtype);
        }
        Ok(Self::new(Kind::Convert(self.clone()), dtype, self.node.domain.clone(), self.node.names.clone()))
    }

    /// The elements in another type, as `how` says; the default refuses what does not fit.
    pub fn cast(&self, dtype: DataType, how: Cast) -> Result<Self> {
        if !dtype.is_number() {
            return Err(Error::unsupported(format!("casting to {dtype}")));
        }
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        self.expect_shallow().map_err(|error| error.during("cast"))?;
        let (domain, names) = (self.node.domain.clone(), self.node.names.clone());
        Ok(Self::new(Kind::Cast(self.clone(), how), dtype, domain, names))
    }

    /// What the elements along `axes` become; along all of them, if there are none. The axes are gone from the result, or are
    /// of length 1 if it `keeps` them.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, one named twice, or no elements where the result is not defined.
    pub fn reduce(&self, reduction: Reduction, axes: &[usize], keeps: bool) -> Result<Self> {
        self.expect_shallow().map_err(|error| error.during(reduction.name()))?;
        let ndim = self.ndim();
        let mut axes: Dims<usize> = if axes.is_empty() { (0..ndim).collect() } else { axes.into() };
        axes.sort_unstable();
        let is_twice = axes.windows(2).any(|pair| pair[0] == pair[1]);
        if is_twice || axes.iter().any(|&axis| axis >= ndim) {
            return Err(Error::invalid(format!("axes {axes:?} of {ndim}")).during(reduction.name()));
        }
        let shape = self.domain().shape();
        reduction.expect_elements(axes.iter().map(|&axis| shape[axis]).fold(1, u64::saturating_mul))?;
        let dtype = reduction.result(self.dtype());
        if axes.is_empty() {
            // Of one element each.
            return match reduction {
                Reduction::Any | Reduction::All => self.converted(DataType::Bool),
                Reduction::CountNonzero => self.converted(DataType::Bool)?.converted(dtype),
                _ => self.converted(dtype),
            };
        }
        let left = |axis: &usize| keeps || !axes.contains(axis);
        let range = |axis: usize| match self.domain().range(axis) {
            range if axes.contains(&axis) => range.start..range.start + 1,
            range => range,
        };
        let ranges: Dims<_> = (0..ndim).filter(left).map(range).collect();
        let names = (0..ndim).filter(left).map(|axis| self.node.names[axis].clone()).collect();
        let kind = Kind::Reduce(Along { reduction, axes, keeps }, self.clone());
        Ok(Self::new(kind, dtype, Domain::from_ranges(&ranges)?, names))
    }

    /// The sum along `axes`, or of all elements if there are none.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn sum(&self, axes: &[usize]) -> Result<Self> {
        self.reduce(Reduction::Sum, axes, false)
    }

    /// The mean along `axes`, or of all elements if there are none.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn mean(&self, axes: &[usize]) -> Result<Self> {
        self.reduce(Reduction::Mean, axes, false)
    }

    /// The variance along `axes`, or of all elements if there are none: the sum of squared distances from the mean, divided by
    /// the number of elements less `correction`. It is computed in `float64`, in two passes.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn variance(&self, axes: &[usize], correction: f64, keeps: bool) -> Result<Self> {
        let dtype = if self.dtype().is_float() { self.dtype() } else { DataType::F64 };
        let all: Dims<usize> = (0..self.ndim()).collect();
        let reduced = if axes.is_empty() { &all } else { axes };
        let wide = self.converted(DataType::F64)?;
        let distance = (&wide - &wide.reduce(Reduction::Mean, reduced, true)?)?;
        let squares = Self::apply(Function::Square, &[(&distance).into()])?;
        let shape = self.domain().shape();
        let count = reduced.iter().filter_map(|&axis| shape.get(axis)).map(|&n| n as f64).product::<f64>();
        let sum = squares.reduce(Reduction::Sum, reduced, keeps)?;
        (&sum / (count - correction).max(0.0))?.converted(dtype)
    }

    /// The position of the axis of this name.
    ///
    /// # Errors
    /// `InvalidArgument` if no axis is called so.
    pub fn axis(&self, name: &str) -> Result<usize> {
        let found = self.names().iter().position(|known| known.as_deref() == Some(name));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.names().iter().flatten().map(String::as_str).collect();
            Error::invalid(format!("no axis is called {name:?}; there are {}", known.join(", ")))
        })
    }

    /// The part of the elements that `indices` select, as views of arrays do: a slice keeps coordinates, a step divides
    /// them. Only what is needed of the operands is read.
    ///
    /// # Errors
    /// `OutOfBounds` for an index or a slice outside the domain, `InvalidArgument` for a wrong number of indices.
    pub fn slice(&self, indices: &[Index]) -> Result<Self> {
        self.sliced(indices, &mut Slices::new())
    }

    /// As [`Lazy::slice`], of what is sliced already where it is used several times.
    fn sliced(&self, indices: &[Index], known: &mut Slices) -> Result<Self> {
        let key = (self.id(), Dims::from(indices));
        if let Some(sliced) = known.get(&key) {
            return Ok(sliced.clone());
        }
        let sliced = self.slice_anew(indices, known)?;
        known.insert(key, sliced.clone());
        Ok(sliced)
    }

    fn slice_anew(&self, indices: &[Index], known: &mut Slices) -> Result<Self> {
        let domain = Transform::identity(self.domain()).index(indices)?.domain;
        let kept = |(index, name): (&Index, &Option<String>)| match index {
            Index::At(_) => None,
            Index::Slice { .. } => Some(name.clone()),
        };
        let inside = |range: std::ops::Range<i64>, index: &Index| match index {
            Index::Slice { start, stop, .. } => [start, stop]
                .into_iter()
                .flatten()
                .all(|&bound| bound >= range.start.saturating_sub(1) && bound <= range.end),
            Index::At(_) => true,
        };
        if !self.domain().ranges().zip(indices).all(|(range, index)| inside(range, index)) {
            let reason = format!("a slice reaches outside the domain {}", self.domain());
            return Err(Error::new(crate::base::error::ErrorKind::OutOfBounds, reason));
        }
        let names: Names = indices.iter().zip(&self.node.names).filter_map(kept).collect();
        let kind = match self.kind() {
            Kind::Source(array) => return Self::of(&array.slice(indices)?),
            Kind::Constant(_) | Kind::Pending(_) => return Ok(self.clone()),
            Kind::Convert(of) => Kind::Convert(of.sliced(indices, known)?),
            Kind::Cast(of, how) => Kind::Cast(of.sliced(indices, known)?, *how),
            Kind::Elementwise(function, arguments) => {
                let one = |argument: &Self| self.slice_of(argument, indices, &domain, known);
                Kind::Elementwise(*function, arguments.iter().map(one).collect::<Result<_>>()?)
            }
            Kind::Reduce(along, of) => along.slice(of, indices, known)?,
        };
        Ok(Self::new(kind, self.dtype(), domain, names))
    }

    /// What of an argument a slice of its function's result, over `domain`, is of.
    fn slice_of(
        &self,
        argument: &Self,
        indices: &[Index],
        domain: &Domain,
        known: &mut Slices,
    ) -> Result<Self> {
        let skipped = self.ndim() - argument.ndim();
        let (mut own, mut offset): (Dims<Index>, Dims<i64>) = (Dims::new(), Dims::new());
        let mut place =
            indices[..skipped].iter().filter(|index| matches!(index, Index::Slice { .. })).count();
        for (axis, index) in indices[skipped..].iter().enumerate() {
            let start = argument.domain().origin()[axis];
            let (length, of) = (argument.domain().shape()[axis], self.domain().shape()[axis + skipped]);
            match (index, is_repeated(length, of)) {
                (Index::At(_), true) => own.push(Index::At(start)),
                (Index::At(at), false) => own.push(Index::At(*at)),
                (Index::Slice { .. }, true) => {
                    own.push(Index::ALL);
                    // A result of length 1 has it at this coordinate as well.
                    offset.push(domain.origin()[place].wrapping_sub(start));
                    place += 1;
                }
                (slice, false) => {
                    own.push(*slice);
                    offset.push(0);
                    place += 1;
                }
            }
        }
        argument.sliced(&own, known)?.translate(&offset)
    }

    /// The same elements at coordinates moved by `offset`.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many offsets as axes, or coordinates leave their range.
    pub fn translate(&self, offset: &[i64]) -> Result<Self> {
        self.translated(offset, &mut HashMap::new())
    }

    /// As [`Lazy::translate`], of what is moved already where it is used several times.
    fn translated(&self, offset: &[i64], known: &mut Moved) -> Result<Self> {
        let key = (self.id(), Dims::from(offset));
        if let Some(moved) = known.get(&key) {
            return Ok(moved.clone());
        }
        let moved = self.translate_anew(offset, known)?;
        known.insert(key, moved.clone());
        Ok(moved)
    }

    fn translate_anew(&self, offset: &[i64], known: &mut Moved) -> Result<Self> {
        if offset.iter().all(|&offset| offset == 0) && offset.len() == self.ndim() {
            return Ok(self.clone());
        }
        let domain = self.domain().translate(offset)?;
        let mut of = |argument: &Self| argument.translated(&offset[self.ndim() - argument.ndim()..], known);
        let kind = match self.kind() {
            Kind::Source(array) => Kind::Source(Box::new(array.translate(offset)?)),
            Kind::Constant(bytes) => Kind::Constant(*bytes),
            Kind::Pending(number) => Kind::Pending(*number),
            Kind::Convert(one) => Kind::Convert(of(one)?),
            Kind::Cast(one, how) => Kind::Cast(of(one)?, *how),
            Kind::Elementwise(function, arguments) => {
                Kind::Elementwise(*function, arguments.iter().map(of).collect::<Result<_>>()?)
            }
            Kind::Reduce(along, one) => {
                let mut own = offset.iter();
                let all = (0..one.ndim()).map(|axis| match along.axes.contains(&axis) && !along.keeps {
                    true => 0,
                    false => own.next().copied().unwrap_or(0),
                });
                Kind::Reduce(along.clone(), one.translated(&all.collect::<Dims<i64>>(), known)?)
            }
        };
        Ok(Self::new(kind, self.dtype(), domain, self.node.names.clone()))
    }
}

impl Along {
    /// The reduction of what of `of` a slice of its result needs.
    fn slice(&self, of: &Lazy, indices: &[Index], known: &mut Slices) -> Result<Kind> {
        let mut own = indices.iter();
        let (mut all, mut dropped): (Dims<Index>, usize) = (Dims::new(), 0);
        for axis in 0..of.ndim() {
            let is_reduced = self.axes.contains(&axis);
            let index = if is_reduced && !self.keeps { None } else { own.next() };
            dropped += usize::from(is_reduced && matches!(index, Some(Index::At(_))));
            all.push(index.copied().filter(|_| !is_reduced).unwrap_or(Index::ALL));
        }
        if dropped > 0 && dropped < self.axes.len() {
            let reason =
                "an index for some of the axes that a reduction keeps; give one for all of them, or slices";
            return Err(Error::unsupported(reason));
        }
        let gone = |axis: usize| all[..axis].iter().filter(|at| matches!(at, Index::At(_))).count();
        let axes = self.axes.iter().map(|&axis| axis - gone(axis)).collect();
        let along = Self { reduction: self.reduction, axes, keeps: self.keeps && dropped == 0 };
        Ok(Kind::Reduce(along, of.sliced(&all, known)?))
    }

    /// The reduction of `of` as one would write it.
    pub(crate) fn text(&self, of: &str) -> String {
        format!("{}({of}{}", self.reduction.name(), self.rest())
    }

    /// What one would write behind what is reduced.
    fn rest(&self) -> String {
        let axes: Vec<String> = self.axes.iter().map(ToString::to_string).collect();
        format!(", axis=[{}])", axes.join(", "))
    }
}

/// The types that operands are taken to have.
fn types_of(function: Function, operands: &[Operand]) -> Dims<DataType> {
    use crate::compute::types::{common, range};
    // A condition has no part in the type of what is chosen.
    let skipped = usize::from(function.chooses());
    let of = |operand: &Operand| match operand {
        Operand::Lazy(lazy) => Some(lazy.dtype()),
        Operand::Literal(_) => None,
    };
    let strong = operands.iter().skip(skipped).filter_map(of).reduce(common);
    let weak = |literal: &Literal| match (strong, literal) {
        (None, literal) => literal.own_type(),
        // Comparing with a number that no element has is no error.
        (Some(dtype), Literal::Whole(whole)) if function.compares() && !dtype.is_float() => {
            let (least, most) = range(dtype);
            match (least..=most).contains(whole) {
                true => literal.with(dtype),
                false if i64::try_from(*whole).is_ok() => DataType::I64,
                false if u64::try_from(*whole).is_ok() => DataType::U64,
                false => DataType::F64,
            }
        }
        (Some(dtype), literal) => literal.with(dtype),
    };
    let one = |operand: &Operand| match operand {
        Operand::Lazy(lazy) => lazy.dtype(),
        Operand::Literal(literal) => weak(literal),
    };
    operands.iter().map(one).collect()
}

/// An error if whole numbers may be raised to negative ones, which gives no whole numbers.
fn expect_powers(arguments: &[Lazy]) -> Result<()> {
    let Some(exponent) = arguments.get(1) else { return Ok(()) };
    if exponent.dtype().is_float() || !crate::compute::types::is_signed(exponent.dtype()) {
        return Ok(());
    }
    match exponent.kind() {
        Kind::Constant(bytes) => {
            let size = exponent.dtype().size();
            match Number::read(exponent.dtype(), &bytes[..size]) {
                Number::Whole(number) if number < 0 => {
                    Err(Error::invalid("whole numbers to negative whole powers are none; cast to float64"))
                }
                _ => Ok(()),
            }
        }
        _ => Err(Error::unsupported(
            "whole numbers to powers that may be negative; cast the exponents to unsigned numbers, or to float64",
        )),
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The expression as one would write it, its type and its domain.
impl fmt::Display for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} [{}]", self.text(), self.dtype(), self.domain())
    }
}

impl Lazy {
    /// An error if an array that this is of is, or may be, the one at `target`.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(super) fn expect_apart(&self, target: &Array) -> Result<()> {
        let to = target.canonical_location();
        for source in self.sources() {
            if source.canonical_location() == to && source.format() != held::NAME {
                let reason = "the result would overwrite what it is made of; save it to another place";
                return Err(Error::invalid(reason).during("saving to").at(target.url()));
            }
        }
        Ok(())
    }

    /// The arrays that this is of.
    fn sources(&self) -> Vec<&Array> {
        let nodes = self.nodes().into_iter();
        nodes
            .filter_map(|lazy| if let Kind::Source(array) = lazy.kind() { Some(&**array) } else { None })
            .collect()
    }

    /// How many expressions it is made of.
    pub(crate) fn size(&self) -> usize {
        self.nodes().len()
    }

    /// This and all expressions that it is made of, each once.
    pub(crate) fn nodes(&self) -> Vec<&Self> {
        let (mut found, mut seen, mut left) = (Vec::new(), HashSet::new(), vec![self]);
        while let Some(lazy) = left.pop() {
            if !seen.insert(lazy.id()) {
                continue;
            }
            found.push(lazy);
            left.extend(lazy.kind().arguments());
        }
        found
    }

    /// The expression as one would write it; sources by the last part of their URL. What is used several times is
    /// written as often, so that an `…` stands for operands behind the first 10,000 characters or so.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        if out.len() >= LONGEST {
            out.push('…');
            return;
        }
        match self.kind() {
            Kind::Source(array) => {
                let url = crate::base::text::redact(array.url());
                let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                out.push_str(if name.is_empty() { "array" } else { name });
            }
            Kind::Constant(bytes) => {
                out.push_str(&Number::read(self.dtype(), &bytes[..self.dtype().size()]).to_string());
            }
            Kind::Pending(number) => out.push_str(&format!("pass {}", number + 1)),
            Kind::Convert(of) => of.write(out),
            Kind::Cast(of, _) => {
                out.push_str("cast(");
                of.write(out);
                out.push_str(&format!(", {})", self.dtype()));
            }
            Kind::Elementwise(function, arguments) => write_function(*function, arguments, out),
            Kind::Reduce(along, of) => {
                out.push_str(along.reduction.name());
                out.push('(');
                of.write(out);
                out.push_str(&along.rest());
            }
        }
    }
}

fn write_function(function: Function, arguments: &[Lazy], out: &mut String) {
    let sign = operator(function).filter(|_| arguments.len() == 2);
    out.push_str(if sign.is_some() { "" } else { function.name() });
    out.push('(');
    for (number, argument) in arguments.iter().enumerate() {
        match sign {
            _ if number == 0 => {}
            Some(sign) => out.extend([" ", sign, " "]),
            None => out.push_str(", "),
        }
        argument.write(out);
    }
    out.push(')');
}

/// The sign of a function between its operands.
fn operator(function: Function) -> Option<&'static str> {
    Some(match function {
        Function::Add => "+",
        Function::Subtract => "-",
        Function::Multiply => "*",
        Function::Divide => "/",
        Function::FloorDivide => "//",
        Function::Remainder => "%",
        Function::Power => "**",
        Function::Equal => "==",
        Function::NotEqual => "!=",
        Function::Less => "<",
        Function::LessEqual => "<=",
        Function::Greater => ">",
        Function::GreaterEqual => ">=",
        Function::BitwiseAnd => "&",
        Function::BitwiseOr => "|",
        Function::BitwiseXor => "^",
        Function::LeftShift => "<<",
        Function::RightShift => ">>",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::OpenOptions;
    use crate::compute::ComputeOptions;
    use crate::format::CreateSpec;

    type Step = dyn Fn(&Lazy) -> Result<Lazy>;

    fn elements() -> Lazy {
        Lazy::of_elements(&Domain::from_shape(&[2]).unwrap(), DataType::U8, &[1, 2]).unwrap()
    }

    #[test]
    fn no_step_puts_more_within_each_other_than_walks_can_take() {
        let steps: [&Step; 4] = [
            &|lazy| Lazy::apply(Function::Negative, &[lazy.into()]),
            &|lazy| {
                lazy.cast(
                    if lazy.dtype() == DataType::U8 { DataType::U16 } else { DataType::U8 },
                    Cast::default(),
                )
            },
            &|lazy| lazy.reduce(Reduction::Max, &[0], true),
            &|lazy| lazy.mean(&[])?.reduce(Reduction::CountNonzero, &[], false),
        ];
        for (number, step) in steps.iter().enumerate() {
            let mut lazy = elements();
            let error = (0..10_000).find_map(|_| step(&lazy).map(|next| lazy = next).err());
            assert!(error.is_some_and(|error| error.to_string().contains("within each other")), "{number}");
        }
    }

    #[test]
    fn more_elements_than_can_be_counted_are_some() {
        let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[1 << 32, 1 << 32]).unwrap());
        spec.storage.chunk_shape = Some(vec![64, 64]);
        let array = OpenOptions::new().format("zarr3").create("memory://uncountable", &spec).unwrap();
        let least = Lazy::of(&array).unwrap().reduce(Reduction::Min, &[], false).unwrap();
        assert!(least.plan(None, &ComputeOptions::default()).unwrap().blocks() > 1);
    }

    #[test]
    fn what_is_used_several_times_is_walked_once() {
        let mut lazy = elements();
        for _ in 0..100 {
            lazy = Lazy::apply(Function::BitwiseXor, &[(&lazy).into(), (&lazy).into()]).unwrap();
        }
        assert!(lazy.text().starts_with("((((") && lazy.text().len() < 12_000);
        let slice = Index::Slice { start: Some(1), stop: None, step: 1 };
        let (moved, sliced) = (lazy.translate(&[3]).unwrap(), lazy.slice(&[slice]).unwrap());
        assert_eq!([lazy.size(), moved.size(), sliced.size()], [101; 3]);
        assert_eq!(lazy.slice(&[Index::At(1)]).unwrap().size(), 101);
    }
}
