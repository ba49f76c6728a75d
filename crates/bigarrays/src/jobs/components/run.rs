//! Planning the two passes, and running them.

use std::marker::PhantomData;

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::{Cuts, Digest, Entries, identity_of, is_of_space};
use crate::jobs::blockwise::{Blockwise, Writing, keep_words, kept_words};
use crate::jobs::components::measure::{Measures, measured};
use crate::jobs::components::naming::{Naming, leave_names};
use crate::jobs::components::options::{Components, ComponentsOptions};
use crate::jobs::components::part::Part;
use crate::jobs::components::rule::{Cell, Rule};
use crate::jobs::components::scan::Scan;
use crate::jobs::components::table::{Numbers, Table};
use crate::jobs::geometry::{Geometry, Neighbours, in_order};
use crate::jobs::sharing::entries;
use crate::run::budget;
use crate::run::runner::Progress;

/// Bytes of an element beside those of the source, if it is a component of its own: its run, its name, whether it reaches an end, and
/// its first element.
const OWN: u64 = 8 + 4 + 1 + 8;

/// The same while it is written, beside its new number: its run, its first element, and its number among all.
const WRITTEN: u64 = 8 + 8 + 8;

/// Set for numbers of blocks of the second pass.
const SECOND: u64 = 1 << 63;

/// Components that are found, of what, and how.
pub(super) struct Run<'a, T, R> {
    blocks: Blockwise<'a>,
    options: &'a ComponentsOptions<'a>,
    rule: &'a R,
    neighbours: Neighbours,
    /// Steps to blocks beside one.
    steps: Vec<Dims<i8>>,
    memory: u64,
    of: PhantomData<fn(T)>,
}

/// The bytes of an element while it is found and written.
fn held(source: DataType, target: DataType) -> u64 {
    (source.size() as u64 + OWN).max(target.size() as u64 + WRITTEN)
}

fn expect_target(source: &Array, target: &Array) -> Result<()> {
    if !matches!(target.dtype(), DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64) {
        let reason = format!("elements are {}; components have the types uint8 to uint64", target.dtype());
        return Err(Error::invalid(reason).during("writing components to").at(target.url()));
    }
    let too_many = |_| Error::unsupported("arrays of more than 2^64 elements");
    source.domain().checked_len().map(drop).map_err(too_many)
}

impl<'a, T: Cell, R: Rule<T>> Run<'a, T, R> {
    /// Plans the passes.
    ///
    /// # Errors
    /// `InvalidArgument`, `MemoryBudget`; a storage error.
    pub(super) fn new(
        source: &Array,
        target: &'a Array,
        options: &'a ComponentsOptions<'a>,
        rule: &'a R,
    ) -> Result<Self> {
        expect_target(source, target)?;
        let joins = source.axis_names().iter().map(|name| is_of_space(name)).collect::<Vec<_>>();
        let joins = in_order(source.order(), joins.into_iter());
        let neighbours = Neighbours::of(options.connectivity, joins)?;
        let memory = budget::of_job(options.memory);
        let context = |error: Error| match error.kind() {
            ErrorKind::MemoryBudget => {
                error.during("looking for components, whose blocks have three quarters of the budget")
            }
            _ => error,
        };
        let is_empty = rule.is_background(T::of_bytes(source.layout().fill.as_bytes()))
            && target.layout().fill.is_zero();
        // The rest is for components.
        let room = (memory - memory / 4, held(source.dtype(), target.dtype()));
        let blocks = Blockwise::new(source, target, room, is_empty, options.sharing).map_err(context)?;
        let may: Dims<bool> = Dims::from_elem(true, source.ndim());
        let mut steps = neighbours.steps(neighbours.order, &may, false);
        steps.retain(|step| step.iter().any(|&one| one != 0));
        Ok(Self { blocks, options, rule, neighbours, steps, memory, of: PhantomData })
    }

    /// Finds all components, and writes them.
    ///
    /// # Errors
    /// `MemoryBudget` if there are too many; `InvalidArgument` if the target has too few numbers; `Cancelled`; those of reading and
    /// writing.
    pub(super) fn run(&self) -> Result<Components> {
        let (peak_memory, target) = (self.blocks.plan.peak_memory, self.blocks.target);
        let nothing = Components { count: 0, voxels: None, boxes: None, peak_memory, found: 0 };
        if self.options.dry_run {
            return Ok(nothing);
        }
        let key = self.config().key();
        let entries = entries((self.options.journal, self.options.sharing), &key);
        let room = self.blocks.room(self.memory);
        if let Some(entries) = entries.as_ref().filter(|_| self.blocks.does_share()) {
            self.find(room, Some(entries))?;
            self.write(Naming::Left(entries), None, Some(entries))?;
            return Ok(nothing);
        }
        let numbers = self.find(room, entries.as_ref())?;
        let (count, size) = (numbers.count(), target.dtype().size());
        if size < 8 && count >> (8 * size) > 0 {
            let reason = format!("there are {count} components, more than {} has numbers", target.dtype());
            return Err(Error::invalid(reason).during("writing components to").at(target.url()));
        }
        let left = room.saturating_sub(numbers.bytes());
        let measures = match self.options.statistics {
            true => Some(Measures::new(count, target.ndim(), left)?),
            false => None,
        };
        if let Some(entries) = entries.as_ref().filter(|_| self.options.sharing.is_some()) {
            self.leave_names(&numbers, entries)?;
        }
        let found = self.write(Naming::Found(&numbers), measures.as_ref(), entries.as_ref())?;
        self.blocks.source.expect_as_opened()?;
        self.options.journal.map_or(Ok(()), |journal| journal.note_done(&key))?;
        target.complete_if_whole()?;
        let (voxels, boxes) = measures.map(Measures::finish).transpose()?.unzip();
        Ok(Components { count, voxels, boxes, peak_memory, found })
    }

    /// All that the outcome depends on but elements.
    fn config(&self) -> Config {
        let number = |number: Option<_>| {
            number.map_or(Parameter::None, |number| Parameter::Text(format!("{number:?}")))
        };
        let joins = self.neighbours.joins.iter().map(|&joins| u64::from(joins));
        Config::new("components")
            .with("source", identity_of(&self.blocks.source))
            .with("target", identity_of(self.blocks.target))
            .with("neighbours", self.neighbours.order as u64)
            .with("joins", joins.collect::<Parameter>())
            .with("background", number(self.options.background))
            .with("binary", u64::from(self.options.binary))
            .with("above", number(self.options.above))
            .with("cuts", self.blocks.plan.blocks.cuts.iter().map(Cuts::config).collect::<Parameter>())
    }

    /// Tells of a pass, before which as many have been.
    fn tell(&self, passes: u64, progress: Progress) {
        let bytes = self.blocks.plan.bytes;
        if let Some(tell) = self.options.progress {
            let done = bytes.saturating_mul(passes).saturating_add(progress.done);
            tell(Progress { done, total: bytes.saturating_mul(2) });
        }
    }

    /// The first pass: finds the components of all blocks, and which of them are one.
    fn find(&self, room: u64, entries: Option<&Entries<'_>>) -> Result<Numbers> {
        let in_flight = self.blocks.plan.in_flight as u64;
        let table = Table::new(&self.neighbours, room, in_flight, self.largest_part());
        self.blocks.each(Some(0), &|progress| self.tell(0, progress), &|number, block| {
            let position = self.blocks.plan.position(number);
            if !self.blocks.does_share() {
                table.wait(position)?;
            }
            let (part, from) = match entries {
                Some(entries) => self.kept(number, block, entries)?,
                None => self.part(number, block)?,
            };
            match self.blocks.does_share() {
                // The one who leads joins what it finds.
                true => Ok(()),
                false => table.add((position, number), part, from, &self.beside(number)),
            }
        })?;
        Ok(table.numbers())
    }

    /// The most bytes that a block leaves for those beside it.
    fn largest_part(&self) -> u64 {
        let cuts = &self.blocks.plan.blocks.cuts;
        let lengths: Dims<u64> = cuts.iter().map(Cuts::longest).collect();
        let all = lengths.iter().fold(1u64, |all, &length| all.saturating_mul(length));
        Part::most(all, &lengths)
    }

    /// Leaves the numbers of components to the processes that write them.
    fn leave_names(&self, numbers: &Numbers, entries: &Entries<'_>) -> Result<()> {
        self.blocks.each(None, &|_| {}, &|number, block| {
            let (part, _) = self.kept(number, block, entries)?;
            leave_names(entries, number, numbers, &part.firsts)
        })
    }

    /// The blocks beside one that have anything to do, by the steps that lead there.
    fn beside(&self, number: u64) -> Vec<(u64, Dims<i8>)> {
        let plan = &self.blocks.plan;
        let places = plan.blocks.places(number);
        let beside = |step: &Dims<i8>| {
            let along = in_order(self.blocks.source.order(), step.iter().copied());
            let mut there: Dims<u64> = Dims::new();
            for ((place, step), cuts) in places.iter().zip(along).zip(&plan.blocks.cuts) {
                there.push(place.checked_add_signed(step.into()).filter(|&place| place < cuts.len())?);
            }
            let other = plan.blocks.number(&there);
            let is_there = plan.only.as_ref().is_none_or(|only| only.contains(other));
            is_there.then(|| (other, step.clone()))
        };
        self.steps.iter().filter_map(beside).collect()
    }

    /// The components of a block.
    fn scan(&self, number: u64, block: &Domain) -> Result<(Scan, Geometry, Vec<T>, Option<Digest>)> {
        let (elements, from) = self.blocks.read(block)?;
        let mut geometry = self.blocks.geometry(number, block);
        let joins = self.neighbours.joins.iter();
        let apart = geometry.beside.iter_mut().zip(joins).filter(|(_, joins)| !**joins);
        apart.for_each(|(beside, _)| *beside = [false; 2]);
        let scan = Scan::of(&elements, &geometry, &self.neighbours, self.rule);
        Ok((scan, geometry, elements, from))
    }

    /// What a block leaves for others, and what it was read from.
    fn part(&self, number: u64, block: &Domain) -> Result<(Part, Option<Digest>)> {
        let (scan, geometry, elements, from) = self.scan(number, block)?;
        Ok((Part::of(&scan, &elements, &geometry, self.rule), from))
    }

    /// The same as an earlier run or another process has left it, or made now and left for others.
    fn kept(&self, number: u64, block: &Domain, entries: &Entries<'_>) -> Result<(Part, Option<Digest>)> {
        if let Some((bytes, from)) = self.blocks.found(number, block, entries)? {
            return Ok((Part::of_bytes(&bytes)?, from));
        }
        let (part, from) = self.part(number, block)?;
        self.blocks.leave(number, &part.to_bytes(), from, entries)?;
        Ok((part, from))
    }

    /// The second pass: writes the numbers of all components. Returns how many blocks were found as an earlier run or another process had
    /// left them.
    fn write(
        &self,
        naming: Naming<'_>,
        measures: Option<&Measures>,
        entries: Option<&Entries<'_>>,
    ) -> Result<u64> {
        let all = match naming {
            Naming::Found(numbers) => entries.map(|_| (numbers, numbers.digest_of_all())),
            Naming::Left(_) => None,
        };
        let from = |number: u64| {
            let (numbers, all) = all?;
            let known = numbers.block(number)?;
            known.from.map(|_| numbers.digest(&known, all))
        };
        let measuring = (measures, entries);
        let writing = Writing {
            pass: 1,
            entries,
            mark: SECOND,
            from: &|number, _| Ok(from(number)),
            make: &|number, block, target| {
                self.make(number, block, (naming, measuring), Some(target))?;
                Ok(from(number))
            },
            found: &|number, block| {
                let Some(measures) = measures else { return Ok(()) };
                match entries.map_or(Ok(None), |entries| kept_words(entries, SECOND | number))? {
                    Some(words) => measures.add(&words),
                    None => self.make(number, block, (naming, measuring), None),
                }
            },
        };
        self.blocks.write(&|progress| self.tell(1, progress), &writing)
    }

    /// Measures the components of a block, and writes them to a target if there is one.
    fn make(
        &self,
        number: u64,
        block: &Domain,
        (naming, (measures, entries)): (Naming<'_>, (Option<&Measures>, Option<&Entries<'_>>)),
        target: Option<&Array>,
    ) -> Result<()> {
        let (known, left) = naming.block(number)?;
        let count = block.checked_len()? as usize;
        if known.count == 0 {
            let zeros =
                |target: &Array| self.blocks.put(block, target, &vec![0; count * target.dtype().size()]);
            return target.map_or(Ok(()), zeros);
        }
        let (scan, geometry, elements, from) = self.scan(number, block)?;
        drop(elements);
        let is_so = (scan.count, scan.touching) == (known.count, known.touching)
            && from.zip(known.from).is_none_or(|(now, then)| now == then);
        if !is_so {
            let reason = "elements have changed while components were looked for; run it again";
            return Err(Error::corrupt(reason).at(self.blocks.source.url()));
        }
        let names = naming.names((known, left), &scan, &geometry)?;
        if self.options.statistics {
            let words = measured(block, self.blocks.source.order(), (&scan, &geometry), &names);
            measures.map_or(Ok(()), |measures| measures.add(&words))?;
            entries.map_or(Ok(()), |entries| keep_words(entries, SECOND | number, &words))?;
        }
        let Some(target) = target else { return Ok(()) };
        let bytes = match target.dtype().size() {
            1 => filled::<1>(&scan, count, |name| [names[name as usize] as u8]),
            2 => filled::<2>(&scan, count, |name| (names[name as usize] as u16).to_ne_bytes()),
            4 => filled::<4>(&scan, count, |name| (names[name as usize] as u32).to_ne_bytes()),
            _ => filled::<8>(&scan, count, |name| names[name as usize].to_ne_bytes()),
        };
        self.blocks.put(block, target, &bytes)
    }
}

/// The bytes of elements of `N` bytes each.
fn filled<const N: usize>(scan: &Scan, count: usize, number: impl Fn(u32) -> [u8; N]) -> Vec<u8> {
    let mut elements = vec![[0u8; N]; count];
    scan.fill(&mut elements, number);
    elements.into_flattened()
}
