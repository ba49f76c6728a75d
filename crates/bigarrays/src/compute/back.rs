//! Results of groups where the elements of the groups were.

use std::sync::Arc;

use bytemuck::Pod;
use serde_json::Value;

use crate::array::Index;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::{Kind, Lazy, Operand};
use crate::compute::fields::{count, damaged, expect, fill, flags, position};
use crate::compute::function::Function;
use crate::compute::groups::Grouped;
use crate::compute::held::NAME as HELD;
use crate::compute::operation::Operation;
use crate::compute::run::ComputeOptions;
use crate::compute::site::Site;
use crate::compute::types::Literal;
use crate::compute::windows::Windows;

/// The most labels in memory that become coordinates of a view.
const LISTED: u64 = 1 << 20;

/// The most coordinates that are elements in memory.
const COORDINATES: u64 = 1 << 24;

impl Lazy {
    /// Results of groups at the elements of the groups: over the domain of what was grouped, but of length 1 along axes that
    /// were reduced and have no labels. So `&t - &mean.back()?` are the distances from the means of groups. Elements of no
    /// group have NaN.
    ///
    /// # Errors
    /// `InvalidArgument` if this is no result of groups; if some elements belong to no group, and the results are no
    /// floating-point numbers. See [`Lazy::back_or`].
    pub fn back(&self) -> Result<Self> {
        self.back_to(None).map_err(|error| error.during("back"))
    }

    /// As [`Lazy::back`], where elements of no group have `fill`.
    ///
    /// # Errors
    /// As [`Lazy::back`].
    pub fn back_or(&self, fill: impl Into<Literal>) -> Result<Self> {
        self.back_to(Some(fill.into())).map_err(|error| error.during("back"))
    }

    fn back_to(&self, fill: Option<Literal>) -> Result<Self> {
        let none = || Error::invalid(format!("{} is no result of groups", self.text()));
        let found = self.nodes().into_iter().find_map(|node| grouping_of(node, self.domain()));
        let (by, domain, numbers) = found.ok_or_else(none)?;
        let labels = numbers.along(&by.labelled)?;
        let is_held = labels.nodes().into_iter().all(|node| match node.kind() {
            Kind::Source(array) => array.format() == HELD,
            Kind::Foreign(_) | Kind::Pending(_) | Kind::Operation(..) => false,
            _ => true,
        });
        let fill = match fill {
            Some(fill) => Some(fill),
            None if self.dtype().is_float() => Some(Literal::Real(f64::NAN)),
            None => None,
        };
        let is_one = by.groups.ndim() == 1 && by.labelled.len() == 1 && labels.domain().shape()[0] <= LISTED;
        let found = match is_held && is_one {
            true => self.taken(by, &labels, fill)?,
            false => self.looked_up(by, &labels, fill)?,
        };
        // Axes that were reduced, and have no labels, are there again.
        let mut found = found;
        for &axis in by.axes.iter().filter(|axis| !by.labelled.contains(axis)) {
            let first = domain.origin()[axis];
            found = found.new_axis(axis, first..first.saturating_add(1))?;
        }
        Ok(found)
    }

    /// The coordinates of an axis, as elements of it.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not; `Unsupported` if there are too many.
    pub fn coordinate(&self, axis: usize) -> Result<Self> {
        let during = |error: Error| error.during("coordinate");
        let Some(&length) = self.domain().shape().get(axis) else {
            return Err(during(Error::invalid(format!("axis {axis} of {} axes", self.ndim()))));
        };
        if length > COORDINATES {
            return Err(during(Error::unsupported(format!("{length} coordinates in memory"))));
        }
        let range = self.domain().range(axis);
        let domain = Domain::from_ranges(std::slice::from_ref(&range))?;
        let bytes: Vec<u8> = range.flat_map(i64::to_ne_bytes).collect();
        Self::of_elements(&domain, DataType::I64, &bytes)?.renamed(&self.names()[axis..=axis])
    }

    /// The elements along these axes, at the first coordinate of all others.
    fn along(&self, axes: &[usize]) -> Result<Self> {
        let index = |axis: usize| match axes.contains(&axis) {
            true => Index::ALL,
            false => Index::At(self.domain().origin()[axis]),
        };
        self.slice(&(0..self.ndim()).map(index).collect::<Dims<_>>())
    }

    /// By labels along one axis that are at hand: as a view.
    fn taken(&self, by: &Grouped, labels: &Self, fill: Option<Literal>) -> Result<Self> {
        let axis = by.axes[0];
        let numbers = labels.compute::<i64>(&ComputeOptions::default())?.into_data();
        let is_none = |number: i64| number < 0 || number.unsigned_abs() >= by.groups.len();
        let has_none = numbers.iter().any(|&number| is_none(number));
        let coordinates: Vec<i64> =
            numbers.iter().map(|&number| if is_none(number) { 0 } else { number }).collect();
        let at = by.labelled[0] - by.axes.iter().filter(|one| **one < by.labelled[0]).count();
        // A group for elements of none to be shown.
        if by.groups.len() == 0 {
            return Err(Error::invalid("there are no groups"));
        }
        let mut offset: Dims<i64> = Dims::from_elem(0, self.ndim());
        offset[axis] = labels.domain().origin()[0];
        let mut taken = self.take(axis, &coordinates)?.translate(&offset)?;
        taken = taken.moved_axis(axis, at)?;
        if !has_none {
            return Ok(taken);
        }
        let fill = fill.ok_or_else(of_none)?;
        let mut has_group = Self::apply(Function::GreaterEqual, &[labels.into(), 0.into()])?;
        let count = Self::apply(Function::Less, &[labels.into(), (by.groups.len() as i64).into()])?;
        has_group = Self::apply(Function::LogicalAnd, &[(&has_group).into(), (&count).into()])?;
        for _ in at + 1..taken.ndim() {
            let axis = has_group.ndim();
            has_group = has_group.new_axis(axis, taken.domain().range(at + axis))?;
        }
        Self::apply(Function::Where, &[(&has_group).into(), (&taken).into(), Operand::Literal(fill)])
    }

    /// The same with the axis `from` at the place `to`.
    fn moved_axis(&self, from: usize, to: usize) -> Result<Self> {
        let mut order: Vec<usize> = (0..self.ndim()).filter(|&axis| axis != from).collect();
        order.insert(to, from);
        self.permute(&order)
    }

    /// By labels of any number of axes, which are read.
    fn looked_up(&self, by: &Grouped, labels: &Self, fill: Option<Literal>) -> Result<Self> {
        let (first, groups) = (by.axes[0], by.groups.ndim());
        // The loop goes over the axes of what was grouped, but for those without labels.
        let kept_before = first;
        let mut loops = Vec::new();
        let mut of_table: Vec<(usize, Windows)> = Vec::new();
        let mut of_labels: Vec<(usize, Windows)> = Vec::new();
        let (mut own, mut label, mut axis) = (0, 0, 0);
        while own < self.ndim() || label < by.labelled.len() {
            if own == kept_before {
                of_table.extend((0..groups).map(|_| (0, Windows::Whole)));
                own += groups;
                continue;
            }
            if by.labelled.get(label) == Some(&axis) {
                of_labels.push((loops.len(), Windows::Each));
                loops.push(labels.domain().range(label));
                label += 1;
            } else if !by.axes.contains(&axis) {
                of_table.push((loops.len(), Windows::Each));
                loops.push(self.domain().range(own));
                own += 1;
            }
            axis += 1;
        }
        let each: Vec<(usize, Windows)> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let is_label: Vec<bool> =
            (0..loops.len()).map(|axis| of_labels.iter().any(|own| own.0 == axis)).collect();
        let (dtype, count) = (self.dtype(), by.groups.len());
        let fill = fill.map(|fill| fill.bytes(dtype)).transpose()?;
        let look = Look { dtype, is_label, first, groups, count, fill };
        Operation::over(&loops)
            .input(self, &of_table)
            .input(labels, &of_labels)
            .output(dtype, &each)
            .kernel("back", Arc::new(look))
    }
}

/// How a block of results is found by labels.
struct Look {
    dtype: DataType,
    /// Which axes of the block labels have.
    is_label: Vec<bool>,
    /// The first axis of groups, how many axes there are, and how many groups.
    first: usize,
    groups: usize,
    count: u64,
    fill: Option<[u8; 8]>,
}

impl Kernel for Look {
    fn config(&self) -> Config {
        Config::new("back")
            .with("labelled", self.is_label.iter().copied().collect::<Parameter>())
            .with("first", self.first)
            .with("axes", self.groups)
            .with("groups", self.count)
            .with("fill", self.fill.map(u64::from_ne_bytes))
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        match self.dtype.size() {
            1 => self.up::<u8>(steps, inputs, out),
            2 => self.up::<u16>(steps, inputs, out),
            4 => self.up::<u32>(steps, inputs, out),
            _ => self.up::<u64>(steps, inputs, out),
        }
    }
}

/// The kernel that finds results by labels, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [table, labels] = site.inputs else { return Err(damaged()) };
    expect(table.dtype() == site.dtype && labels.dtype() == DataType::I64)?;
    let is_label = flags(config, "labelled")?;
    let (first, groups) = (position(config, "first")?, position(config, "axes")?);
    let along = |labelled: bool| -> Vec<(usize, Windows)> {
        let own = is_label.iter().enumerate().filter(|(_, is_label)| **is_label == labelled);
        own.map(|(axis, _)| (axis, Windows::Each)).collect()
    };
    let mut of_table = along(false);
    expect(is_label.len() == site.loops.ndim() && first <= of_table.len())?;
    expect((1..=table.ndim()).contains(&groups))?;
    of_table.splice(first..first, (0..groups).map(|_| (0, Windows::Whole)));
    site.expect(0, &of_table)?;
    site.expect(1, &along(true))?;
    let count = count(config, "groups")?;
    let known = table.domain().shape()[first..first + groups].iter().copied().fold(1, u64::saturating_mul);
    expect(count == known)?;
    let (dtype, fill) = (site.dtype, fill(config, site.dtype)?);
    Ok(Arc::new(Look { dtype, is_label, first, groups, count, fill }))
}

impl Look {
    fn up<T: Pod>(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let (table, numbers) = (inputs[0].elements::<T>(), inputs[1].elements::<i64>());
        let strides = |domain: &Domain| -> Vec<usize> {
            let shape: Vec<usize> = domain.shape().iter().map(|&length| length as usize).collect();
            Order::C.strides(&shape, 1).iter().map(|stride| stride.unsigned_abs()).collect()
        };
        let (of_table, of_labels) = (strides(inputs[0].domain), strides(inputs[1].domain));
        // How far neighbours along each axis of the block are apart in both.
        let (mut in_table, mut in_labels) = (Vec::new(), Vec::new());
        let (mut own, mut label) = (0, 0);
        for &is_label in &self.is_label {
            own += if own == self.first { self.groups } else { 0 };
            in_table.push(if is_label { 0 } else { of_table[own] });
            in_labels.push(if is_label { of_labels[label] } else { 0 });
            (own, label) = if is_label { (own, label + 1) } else { (own + 1, label) };
        }
        let stride = of_table[self.first + self.groups - 1];
        let mut at = vec![0u64; steps.ndim()];
        let (mut place, mut number_at) = (0, 0);
        for found in bytemuck::cast_slice_mut::<u8, T>(out) {
            let number = u64::try_from(numbers[number_at]).ok().filter(|number| *number < self.count);
            *found = match number {
                Some(group) => table[place + group as usize * stride],
                None => bytemuck::pod_read_unaligned(&self.fill.ok_or_else(of_none)?[..size_of::<T>()]),
            };
            for axis in (0..at.len()).rev() {
                at[axis] += 1;
                place += in_table[axis];
                number_at += in_labels[axis];
                if at[axis] < steps.shape()[axis] {
                    break;
                }
                place -= in_table[axis] * at[axis] as usize;
                number_at -= in_labels[axis] * at[axis] as usize;
                at[axis] = 0;
            }
        }
        Ok(())
    }
}

fn of_none() -> Error {
    Error::invalid("elements of no group have no result there; say with `fill` what they have")
}

/// The groups that an expression is of, the domain of what is grouped, and the numbers of the groups, if its results are over
/// `domain`.
fn grouping_of<'a>(lazy: &'a Lazy, domain: &Domain) -> Option<(&'a Grouped, &'a Domain, &'a Lazy)> {
    let (by, of, numbers) = match lazy.kind() {
        Kind::Group(grouping, all) => (&grouping.by, &all[0], &all[1]),
        Kind::Operation(of, _, inputs) => (of.grouped.as_ref()?, inputs.first()?, inputs.last()?),
        _ => return None,
    };
    (by.domain(of.domain()).ok().as_ref() == Some(domain)).then_some((by, of.domain(), numbers))
}
