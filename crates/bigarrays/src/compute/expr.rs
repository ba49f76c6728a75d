//! Expressions: what is to be computed of what.

use std::collections::HashSet;
use std::sync::Arc;

use crate::array::{Array, OpenOptions, canonical};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::cast::{Cast, OutOfRange};
use crate::compute::function::Function;
use crate::compute::groups::Grouping;
use crate::compute::held::{self, held};
use crate::compute::infer::{self, Names};
use crate::compute::kernels::convert;
use crate::compute::mapping::Mapping;
use crate::compute::number::Number;
use crate::compute::reduction::Reduction;
use crate::compute::source::Foreign;
use crate::compute::types::Literal;
use crate::compute::windowed::Windowed;
use crate::format::{self, Address};

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

/// How many expressions may be within each other: walks over them are recursive.
pub(super) const DEEPEST: usize = 400;

#[derive(Debug)]
pub(crate) enum Kind {
    /// A stored array, a view of one, or elements in memory.
    Source(Box<Array>),
    /// Elements that something else reads.
    Foreign(Foreign),
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
    /// What groups of the first become, by the numbers that the second has.
    Group(Box<Grouping>, Dims<Lazy>),
    /// What a view shows of a source, of an earlier result, of what is joined or, if it only repeats it, of a reduction.
    View(Box<Mapping>, Lazy),
    /// Expressions behind each other along an axis.
    Join(usize, Dims<Lazy>),
    /// A result, by number, of the general operation on these.
    Operation(Arc<Windowed>, usize, Dims<Lazy>),
}

impl Kind {
    /// The expressions that it is made of.
    fn arguments(&self) -> &[Lazy] {
        match self {
            Self::Source(_) | Self::Foreign(_) | Self::Constant(_) | Self::Pending(_) => &[],
            Self::Convert(of) | Self::Cast(of, _) | Self::Reduce(_, of) | Self::View(_, of) => {
                std::slice::from_ref(of)
            }
            Self::Elementwise(_, all)
            | Self::Join(_, all)
            | Self::Operation(_, _, all)
            | Self::Group(_, all) => all,
        }
    }
}

impl Kind {
    /// The same of other expressions, which `changed` gives.
    pub(super) fn with(&self, changed: &mut dyn FnMut(&Lazy) -> Result<Lazy>) -> Result<Self> {
        Ok(match self {
            Self::Source(array) => Self::Source(array.clone()),
            Self::Foreign(source) => Self::Foreign(source.clone()),
            Self::Constant(bytes) => Self::Constant(*bytes),
            Self::Pending(number) => Self::Pending(*number),
            Self::Convert(of) => Self::Convert(changed(of)?),
            Self::Cast(of, how) => Self::Cast(changed(of)?, *how),
            Self::Reduce(along, of) => Self::Reduce(along.clone(), changed(of)?),
            Self::Group(grouping, all) => {
                Self::Group(grouping.clone(), all.iter().map(changed).collect::<Result<_>>()?)
            }
            Self::View(mapping, of) => Self::View(mapping.clone(), changed(of)?),
            Self::Join(axis, all) => Self::Join(*axis, all.iter().map(changed).collect::<Result<_>>()?),
            Self::Operation(of, number, all) => {
                let all = all.iter().map(changed).collect::<Result<_>>()?;
                Self::Operation(Arc::clone(of), *number, all)
            }
            Self::Elementwise(function, all) => {
                Self::Elementwise(*function, all.iter().map(changed).collect::<Result<_>>()?)
            }
        })
    }
}

/// A reduction along some axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Along {
    pub(crate) reduction: Reduction,
    /// Ascending.
    pub(crate) axes: Dims<usize>,
    /// Whether elements of a row become one after the other, as those do that others lie between: this is a slice of what has them.
    pub(crate) is_across: bool,
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

    /// The bytes of a constant; none of anything else.
    pub(super) fn constant_bytes(&self) -> Vec<u8> {
        match self.kind() {
            Kind::Constant(bytes) => bytes[..self.dtype().size()].to_vec(),
            _ => Vec::new(),
        }
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.node.kind
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
            // What is asked for is whether it is true.
            Operand::Literal(literal) if dtype == DataType::Bool => {
                Self::constant(Literal::Bool(literal.is_true()).bytes(dtype)?, dtype)
            }
            Operand::Literal(literal) => Self::constant(literal.bytes(dtype)?, dtype),
        };
        let arguments: Dims<Self> =
            operands.iter().zip(&signature.arguments).map(one).collect::<Result<_>>().map_err(during)?;
        if function == Function::Power {
            expect_powers(&arguments).map_err(during)?;
        }
        Self::elementwise(function, arguments, signature.result).map_err(during)
    }

    /// An error if there are too many expressions within each other for another one around them.
    pub(super) fn expect_shallow(&self) -> Result<()> {
        self.expect_within(DEEPEST)
    }

    /// An error unless there are fewer expressions within each other.
    pub(super) fn expect_within(&self, deepest: usize) -> Result<()> {
        if self.node.depth < deepest {
            return Ok(());
        }
        let reason = format!("more than {deepest} functions within each other; save what is in between");
        Err(Error::unsupported(reason))
    }

    /// A function of arguments of the types that it takes.
    ///
    /// # Errors
    /// `InvalidArgument` if they are of others, too many or too few, or do not agree in domain or names.
    pub(super) fn of_arguments(function: Function, arguments: Dims<Self>) -> Result<Self> {
        let dtypes: Dims<DataType> = arguments.iter().map(Self::dtype).collect();
        let other = || Error::invalid(format!("{} is not of {dtypes:?}", function.name()));
        if arguments.len() != function.arity() {
            return Err(other());
        }
        let signature = function.signature(&dtypes)?;
        if signature.arguments != dtypes {
            return Err(other());
        }
        if function == Function::Power {
            expect_powers(&arguments)?;
        }
        Self::elementwise(function, arguments, signature.result)
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
            let (domain, names) = (self.node.domain.clone(), self.node.names.clone());
            return Ok(Self::new(Kind::Constant(to[0].to_ne_bytes()), dtype, domain, names));
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

    /// The same elements along axes with these names; those of operands have to agree.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many names as axes.
    pub fn renamed(&self, names: &[Option<String>]) -> Result<Self> {
        if names.len() != self.ndim() {
            return Err(Error::invalid(format!("{} names of {} axes", names.len(), self.ndim())));
        }
        let kind = self.kind().with(&mut |of| Ok(of.clone()))?;
        Ok(Self::new(kind, self.dtype(), self.node.domain.clone(), names.into()))
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
        _ if is_of_unsigned(exponent) => Ok(()),
        _ => Err(Error::unsupported(
            "whole numbers to powers that may be negative; cast the exponents to unsigned numbers, or to float64",
        )),
    }
}

/// Whether elements of a signed type are those of an unsigned one.
fn is_of_unsigned(lazy: &Lazy) -> bool {
    match lazy.kind() {
        Kind::Convert(of) => !crate::compute::types::is_signed(of.dtype()) || is_of_unsigned(of),
        Kind::Cast(of, how) => {
            let is_unsigned = !of.dtype().is_float() && !crate::compute::types::is_signed(of.dtype());
            is_unsigned && how.out_of_range != OutOfRange::Wrap
        }
        _ => false,
    }
}

impl Lazy {
    /// An error if an array that this is of is, or may be, the one at `address`, is in it or has it in itself. Nothing is read
    /// or made.
    ///
    /// # Errors
    /// `InvalidArgument`; those of finding the store.
    pub fn expect_apart<'a>(&self, address: impl Into<Address<'a>>, options: &OpenOptions) -> Result<()> {
        let address = address.into();
        let store = format::store_at(address, options.format_options())?;
        self.expect_apart_from(&canonical(&store.location("")), &address.shown())
    }

    /// The same of a location that is canonical.
    pub(super) fn expect_apart_from(&self, to: &str, shown: &str) -> Result<()> {
        let is_in = |one: &str, other: &str| {
            let rest = one.strip_prefix(other.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for source in self.sources().into_iter().filter(|source| source.format() != held::NAME) {
            let from = source.canonical_location();
            if is_in(&from, to) || is_in(to, &from) {
                let reason = "the result would overwrite what it is made of; save it to another place";
                return Err(Error::invalid(reason).during("saving to").at(shown.to_owned()));
            }
        }
        Ok(())
    }

    /// An error if elements depend on those of `array` elsewhere: who changes that block by block would change what the next
    /// blocks are made of.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn expect_in_place_of(&self, array: &Array) -> Result<()> {
        let to = array.canonical_location();
        let (mut seen, mut left) = (HashSet::new(), vec![self]);
        while let Some(lazy) = left.pop() {
            if !seen.insert(lazy.id()) {
                continue;
            }
            match lazy.kind() {
                Kind::Source(own) if own.transform().axes == array.transform().axes => {}
                Kind::Elementwise(..) | Kind::Convert(_) | Kind::Cast(..) => {
                    left.extend(lazy.kind().arguments());
                }
                _ => lazy.expect_apart_from(&to, array.url())?,
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
}
