//! Expressions as programs over tiles: a list of loops, each over so few elements that they stay in the cache.

use std::collections::HashMap;

use bytemuck::Pod;

use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::cast::{Cast, cast};
use crate::compute::expr::{Kind, Lazy};
use crate::compute::kernels::{Kernel, convert, kernel};
use crate::compute::same::is_same;

/// Elements of a tile.
pub(crate) const TILE: usize = 2048;

/// Where elements of a tile are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// Those of an input.
    Input(usize),
    /// In the thread's own memory.
    Register(usize),
}

#[derive(Clone, Copy)]
enum Work {
    Kernel(Kernel),
    Cast(DataType, DataType, Cast),
}

/// A loop over a tile.
struct Step {
    work: Work,
    /// Where arguments are, and the bytes of an element of each.
    arguments: Dims<(Place, usize)>,
    register: usize,
    /// Bytes of an element of the result.
    size: usize,
}

/// Expressions in which nothing is reduced, as loops.
pub(crate) struct Program {
    /// What is read, each once: sources, views and what is joined.
    pub(crate) inputs: Vec<Lazy>,
    steps: Vec<Step>,
    constants: Vec<(usize, DataType, [u8; 8])>,
    registers: usize,
    results: Vec<(Place, DataType)>,
}

impl Program {
    /// The loops that give the elements of each expression, in these types.
    ///
    /// # Errors
    /// `Unsupported` for what there is no loop for.
    pub(crate) fn new(exprs: &[(Lazy, DataType)]) -> Result<Self> {
        let mut lowering = Lowering::default();
        let mut results = Vec::new();
        for (expr, to) in exprs {
            let place = lowering.lower(expr)?;
            results.push((lowering.convert(place, expr.dtype(), *to)?, *to));
        }
        let Lowering { inputs, steps, constants, registers, .. } = lowering;
        Ok(Self { inputs, steps, constants, registers, results })
    }
}

impl Program {
    /// Bytes of an element of each result.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.results.iter().map(|result| result.1.size())
    }

    /// For each result the input that it is, if nothing is computed for it.
    pub(crate) fn passed(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        self.results.iter().map(|result| match result.0 {
            Place::Input(at) => Some(at),
            Place::Register(_) => None,
        })
    }
}

#[derive(Default)]
struct Lowering {
    inputs: Vec<Lazy>,
    steps: Vec<Step>,
    constants: Vec<(usize, DataType, [u8; 8])>,
    registers: usize,
    /// Where expressions are.
    known: HashMap<usize, Place>,
    /// Where what is computed by the same loop of the same arguments is.
    same: HashMap<(String, Dims<Place>), Place>,
}

impl Lowering {
    fn lower(&mut self, lazy: &Lazy) -> Result<Place> {
        if let Some(&place) = self.known.get(&lazy.id()) {
            return Ok(place);
        }
        let place = match lazy.kind() {
            Kind::Source(_)
            | Kind::Foreign(_)
            | Kind::View(..)
            | Kind::Join(..)
            | Kind::Operation(..)
            | Kind::Pending(_) => self.input(lazy),
            Kind::Constant(bytes) => self.constant(lazy.dtype(), *bytes),
            Kind::Convert(of) => {
                let place = self.lower(of)?;
                self.convert(place, of.dtype(), lazy.dtype())?
            }
            Kind::Cast(of, how) => {
                let place = self.lower(of)?;
                let work = Work::Cast(of.dtype(), lazy.dtype(), *how);
                let arguments = [(place, of.dtype().size())].into_iter().collect();
                self.step(
                    work,
                    format!("{:?} {}", how.config(), lazy.dtype()),
                    arguments,
                    lazy.dtype().size(),
                )
            }
            Kind::Elementwise(function, of) => {
                let mut arguments: Dims<(Place, DataType)> = Dims::new();
                for of in of {
                    let (place, dtype) = (self.lower(of)?, of.dtype());
                    // Chosen elements are only copied.
                    let is_half = dtype == DataType::F16 && !function.chooses();
                    let own = if is_half { DataType::F32 } else { dtype };
                    arguments.push((self.convert(place, dtype, own)?, own));
                }
                let types: Dims<DataType> = arguments.iter().map(|argument| argument.1).collect();
                let work = Work::Kernel(kernel(*function, &types)?);
                let is_half = lazy.dtype() == DataType::F16 && !function.chooses();
                let result = if is_half { DataType::F32 } else { lazy.dtype() };
                let sized = arguments.iter().map(|(place, dtype)| (*place, dtype.size())).collect();
                let place = self.step(work, format!("{function:?} {types:?}"), sized, result.size());
                self.convert(place, result, lazy.dtype())?
            }
            Kind::Reduce(..) | Kind::Group(..) => {
                return Err(Error::unsupported("a reduction within a pass"));
            }
        };
        self.known.insert(lazy.id(), place);
        Ok(place)
    }

    /// The same elements of the same array are read once.
    fn input(&mut self, lazy: &Lazy) -> Place {
        let at = self.inputs.iter().position(|known| is_same(known, lazy)).unwrap_or_else(|| {
            self.inputs.push(lazy.clone());
            self.inputs.len() - 1
        });
        Place::Input(at)
    }

    fn constant(&mut self, dtype: DataType, bytes: [u8; 8]) -> Place {
        let known = self.constants.iter().find(|known| (known.1, known.2) == (dtype, bytes));
        if let Some(known) = known {
            return Place::Register(known.0);
        }
        self.constants.push((self.registers, dtype, bytes));
        self.registers += 1;
        Place::Register(self.registers - 1)
    }

    fn convert(&mut self, place: Place, from: DataType, to: DataType) -> Result<Place> {
        if from == to {
            return Ok(place);
        }
        let none = || Error::unsupported(format!("{from} as {to}"));
        let work = Work::Kernel(convert(from, to).ok_or_else(none)?);
        let arguments = [(place, from.size())].into_iter().collect();
        Ok(self.step(work, format!("{from} {to}"), arguments, to.size()))
    }

    fn step(&mut self, work: Work, name: String, arguments: Dims<(Place, usize)>, size: usize) -> Place {
        let key = (name, arguments.iter().map(|argument| argument.0).collect());
        if let Some(&place) = self.same.get(&key) {
            return place;
        }
        let register = self.registers;
        self.registers += 1;
        self.steps.push(Step { work, arguments, register, size });
        self.same.insert(key, Place::Register(register));
        Place::Register(register)
    }
}

/// Elements of an input: from where on, and how far apart, in elements.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) step: usize,
}

/// A thread's memory for a program.
pub(crate) struct Machine<'p> {
    program: &'p Program,
    registers: Vec<Vec<u64>>,
    /// Elements of inputs that do not follow each other.
    gathered: Vec<Vec<u64>>,
}

impl<'p> Machine<'p> {
    pub(crate) fn new(program: &'p Program) -> Self {
        let mut registers = vec![Vec::new(); program.registers];
        for step in &program.steps {
            registers[step.register] = vec![0; TILE];
        }
        for (register, dtype, bytes) in &program.constants {
            let mut filled = vec![0u64; TILE];
            let size = dtype.size();
            let all: &mut [u8] = bytemuck::cast_slice_mut(&mut filled);
            all.chunks_exact_mut(size).for_each(|element| element.copy_from_slice(&bytes[..size]));
            registers[*register] = filled;
        }
        Self { program, registers, gathered: vec![Vec::new(); program.inputs.len()] }
    }

    /// Computes a tile of at most [`TILE`] elements.
    ///
    /// # Errors
    /// `InvalidArgument` if an element does not fit into the type that it is cast to.
    pub(crate) fn run(&mut self, inputs: &[Elements<'_>], count: usize) -> Result<()> {
        let Self { program, registers, gathered } = self;
        for ((input, lazy), gathered) in inputs.iter().zip(&program.inputs).zip(gathered.iter_mut()) {
            if input.step != 1 && count > 1 {
                gather(*input, lazy.dtype().size(), count, gathered);
            }
        }
        for step in &program.steps {
            // Arguments are in other registers.
            let mut out = std::mem::take(&mut registers[step.register]);
            let arguments: Dims<&[u8]> = step
                .arguments
                .iter()
                .map(|&(place, size)| elements(place, size, count, inputs, gathered, registers))
                .collect();
            let bytes = &mut bytemuck::cast_slice_mut(&mut out)[..count * step.size];
            let done = match step.work {
                Work::Kernel(kernel) => {
                    kernel(&arguments, bytes);
                    Ok(())
                }
                Work::Cast(from, to, how) => cast(from, arguments[0], to, bytes, how),
            };
            drop(arguments);
            registers[step.register] = out;
            done?;
        }
        Ok(())
    }

    /// The bytes of the one element that all elements of a result are, if they are those of an input that has no others.
    pub(crate) fn uniform<'m>(&self, number: usize, inputs: &'m [Elements<'_>]) -> Option<&'m [u8]> {
        let (place, dtype) = self.program.results[number];
        match place {
            Place::Input(at) if inputs[at].step == 0 => Some(&inputs[at].bytes[..dtype.size()]),
            _ => None,
        }
    }

    /// The bytes of a result of the tile that was computed last, of the same inputs. They are aligned as 8 bytes if they are
    /// not those of an input.
    pub(crate) fn result<'m>(&'m self, number: usize, inputs: &'m [Elements<'_>], count: usize) -> &'m [u8] {
        let (place, dtype) = self.program.results[number];
        elements(place, dtype.size(), count, inputs, &self.gathered, &self.registers)
    }
}

/// The elements at a place.
fn elements<'m>(
    place: Place,
    size: usize,
    count: usize,
    inputs: &'m [Elements<'_>],
    gathered: &'m [Vec<u64>],
    registers: &'m [Vec<u64>],
) -> &'m [u8] {
    match place {
        Place::Input(at) if inputs[at].step == 1 || count == 1 => &inputs[at].bytes[..count * size],
        Place::Input(at) => &bytemuck::cast_slice(&gathered[at])[..count * size],
        Place::Register(at) => &bytemuck::cast_slice(&registers[at])[..count * size],
    }
}

/// Brings elements that are apart together, or repeats one.
fn gather(input: Elements<'_>, size: usize, count: usize, into: &mut Vec<u64>) {
    fn go<T: Pod>(input: Elements<'_>, count: usize, into: &mut [u64]) {
        let (from, out): (&[T], &mut [T]) =
            (bytemuck::cast_slice(input.bytes), bytemuck::cast_slice_mut(into));
        match input.step {
            0 => out[..count].fill(from[0]),
            step => {
                out[..count].iter_mut().zip(from.iter().step_by(step)).for_each(|(out, one)| *out = *one);
            }
        }
    }
    into.resize(TILE, 0);
    match size {
        1 => go::<u8>(input, count, into),
        2 => go::<u16>(input, count, into),
        4 => go::<u32>(input, count, into),
        _ => go::<u64>(input, count, into),
    }
}
