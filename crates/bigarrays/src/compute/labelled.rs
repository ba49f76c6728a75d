//! What the elements of each label become, where labels are any whole numbers and as many as there are.

use std::sync::Mutex;

use crate::array::Cutout;
use crate::base::buffer::{Order, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, Element};
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::compute::expr::Lazy;
use crate::compute::group::placed;
use crate::compute::groups::{Grouped, Grouping, Groups};
use crate::compute::parts::Execution;
use crate::compute::planner;
use crate::compute::reduction::Reduction;
use crate::compute::resume::Resumed;
use crate::compute::run::ComputeOptions;
use crate::compute::sink::{Place, Table};
use crate::compute::stage::stages;
use crate::compute::steady::Versions;
use crate::compute::taken::Scratch;
use crate::compute::types::is_whole;

/// The labels that there are, ascending, and what the elements of each become.
#[derive(Debug)]
pub struct ByLabel {
    dtype: DataType,
    labels: Vec<i64>,
    sizes: Vec<u64>,
    columns: Vec<(DataType, Vec<u8>)>,
}

/// What the elements of each label become, in one pass over the elements and the labels if it fits into the budget: each
/// expression by its reduction. Labels are whole numbers along `axes` of the expressions, negative ones of which are none; other axes
/// are reduced as well. Only labels that are met take memory.
///
/// Elements are folded as groups are ([`Lazy::group_by`]): the same bits for every budget and number of threads. With a journal, what
/// tasks have folded is kept, up to 64 tables of parts of the elements, and the same call goes on with it.
///
/// ```
/// use bigarrays::compute::{ComputeOptions, Lazy, Reduction, by_label};
/// use bigarrays::{DataType, Domain};
///
/// let x = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 8])?;
/// let segments: Vec<u8> = [1 << 60, 7u64, 1 << 60, 7].iter().flat_map(|one| one.to_ne_bytes()).collect();
/// let segments = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U64, &segments)?;
/// let found = by_label(&[(&x, Reduction::Sum)], &segments, &[0], &ComputeOptions::default())?;
/// assert_eq!(found.labels::<u64>()?, [7, 1 << 60]);
/// assert_eq!(found.column::<u64>(0)?, [17, 7]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if labels are no whole numbers or do not lie where the axes do, if expressions have different domains, and for
/// places (`ArgMin`), which have no label; `MemoryBudget` before anything is read, or once there are more labels than the budget
/// has room for; any error of reading.
pub fn by_label(
    results: &[(&Lazy, Reduction)],
    labels: &Lazy,
    axes: &[usize],
    options: &ComputeOptions<'_>,
) -> Result<ByLabel> {
    let roots = grouped(results, labels, axes).map_err(|error| error.during("by_label"))?;
    let targets = vec![None; roots.len()];
    let resumed = options.journal.map(|journal| Resumed::new(journal, &roots, &targets)).transpose()?;
    // Tables are gone with the process that had them: what was folded for them is what an earlier run leaves.
    resumed.as_ref().map_or(Ok(false), |resumed| resumed.is_done(&targets))?;
    let (passes, limits) = (stages(&roots)?, options.limits()?);
    let (stages, plan) = match resumed.as_ref().and_then(Resumed::plan) {
        Some(recorded) => planner::again(&passes, &targets, limits, recorded)?,
        None => planner::plan(passes, &targets, limits)?,
    };
    let tables: Vec<Mutex<Table>> = roots.iter().map(|_| Mutex::default()).collect();
    let scratch = options.scratch.filter(|_| plan.scratch > 0);
    let scratch =
        scratch.map(|folder| Scratch::new(folder, resumed.as_ref().map(Resumed::key))).transpose()?;
    let folder = scratch.as_ref().map(Scratch::folder);
    resumed.as_ref().map_or(Ok(()), |resumed| resumed.note_plan(&plan, folder))?;
    let execution = Execution {
        stages: &stages,
        plan: &plan,
        boxed: None,
        resumed: resumed.as_ref(),
        whole: resumed.as_ref(),
        scratch: scratch.as_ref(),
        progress: options.progress,
        versions: Versions::default(),
    };
    execution.run(&|number| Some(Place::Table(&tables[number])))?;
    scratch.map_or(Ok(()), |scratch| scratch.remove())?;
    let (mut all, mut sizes, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    for (table, root) in tables.into_iter().zip(&roots) {
        let table = table.into_value();
        // Results of one pass have their labels once.
        if all.is_empty() {
            (all, sizes) = (table.labels, table.sizes);
        }
        columns.push((root.dtype(), table.elements));
    }
    Ok(ByLabel { dtype: kind(labels.dtype()), labels: all, sizes, columns })
}

/// The type in which labels are found.
fn kind(dtype: DataType) -> DataType {
    if dtype == DataType::U64 { DataType::U64 } else { DataType::I64 }
}

fn grouped(results: &[(&Lazy, Reduction)], labels: &Lazy, axes: &[usize]) -> Result<Vec<Lazy>> {
    let Some((first, _)) = results.first() else { return Err(Error::invalid("no results are asked for")) };
    if !is_whole(labels.dtype()) {
        let reason = format!("labels of {} elements, which are no whole numbers", labels.dtype());
        return Err(Error::invalid(reason));
    }
    let numbers = placed(&labels.converted(kind(labels.dtype()))?, axes, first)?;
    let groups = Groups {
        counts: [i64::MAX.unsigned_abs()].into_iter().collect(),
        drops: false,
        labels: Some(kind(labels.dtype())),
    };
    let all: Dims<usize> = (0..first.ndim()).collect();
    let one = |(of, reduction): &(&Lazy, Reduction)| {
        if of.domain() != first.domain() {
            return Err(Error::invalid(format!("elements over {} and over {}", of.domain(), first.domain())));
        }
        if reduction.places() {
            return Err(Error::invalid(format!("{} is a place, of which there is none", reduction.name())));
        }
        of.expect_shallow()?;
        let reduction = reduction.of(of.dtype());
        let by = Grouped { groups: groups.clone(), axes: all.clone(), labelled: axes.into() };
        of.of_groups(Grouping { reduction, by, fill: None }, &numbers, reduction.result(of.dtype()))
    };
    results.iter().map(one).collect()
}

impl ByLabel {
    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The type of the labels: `uint64` if those that were given are, and `int64` for any others.
    pub fn label_type(&self) -> DataType {
        self.dtype
    }

    /// The labels, ascending.
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not their type.
    pub fn labels<T: Element>(&self) -> Result<Vec<T>> {
        elements(self.dtype, bytemuck::cast_slice(&self.labels))
    }

    /// How many elements each label has.
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The type of a result, by its number.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of this number.
    pub fn column_type(&self, number: usize) -> Result<DataType> {
        Ok(self.column_of(number)?.0)
    }

    /// A result, by its number, in the order of the labels.
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not its type, or there is none.
    pub fn column<T: Element>(&self, number: usize) -> Result<Vec<T>> {
        let (dtype, bytes) = self.column_of(number)?;
        elements(*dtype, bytes)
    }

    /// The bytes of the labels, and of a result.
    #[doc(hidden)]
    pub fn bytes(&self, number: Option<usize>) -> Result<&[u8]> {
        match number {
            None => Ok(bytemuck::cast_slice(&self.labels)),
            Some(number) => Ok(&self.column_of(number)?.1),
        }
    }

    fn column_of(&self, number: usize) -> Result<&(DataType, Vec<u8>)> {
        let none = || Error::invalid(format!("result {number} of {}", self.columns.len()));
        self.columns.get(number).ok_or_else(none)
    }
}

fn elements<T: Element>(dtype: DataType, bytes: &[u8]) -> Result<Vec<T>> {
    if T::DTYPE != dtype {
        return Err(Error::invalid(format!("elements are {dtype}, not {}", T::DTYPE)));
    }
    let count = bytes.len() / size_of::<T>();
    let domain = Domain::from_shape(&[count as u64])?;
    let view = View::dense(bytes, &[count], size_of::<T>(), Order::C)?;
    let put = |mut out: ViewMut<'_>| {
        out.copy_from(&view);
        Ok(())
    };
    Ok(Cutout::<T>::filled_by(&domain, Order::C, put)?.into_data().into_raw_vec_and_offset().0)
}
