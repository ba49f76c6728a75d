//! Connected components: of labels, of a mask or of what is above a threshold, of volumes larger than memory.
//!
//! Two passes over blocks of whole chunks of the target. The first finds the components of each block by runs along rows, keeps what
//! lies at its ends until the blocks beside it are done, and joins what touches there. The second reads and finds them again, which
//! costs less than to write numbers that are not final and to read them, and writes the final ones: they follow the first voxel of
//! each component in coordinate order, the last axis of the array fastest, so that neither blocks nor threads matter.

mod measure;
mod naming;
mod options;
mod part;
mod rule;
mod run;
mod scan;
mod table;

use std::marker::PhantomData;

use crate::array::Array;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::Number;
use crate::for_dtype;

pub use options::{Components, ComponentsOptions};
use rule::{Cell, Equal, Mask, Rule};
use run::Run;

/// Writes the connected components of `source` to `target`, an array of unsigned whole numbers of the same shape: 1, 2, 3 and so on in
/// the order of the first voxel of each, the last axis fastest, and 0 for background. Elements that are no numbers are background.
///
/// Components are of equal values other than background; of all values other than background if they are `binary`; or of values
/// `above` one. Memory is that of blocks, and of a number for each component and for each part of one that reaches an end of a block.
/// Where nothing is stored, nothing is done.
///
/// ```
/// use bigarrays::jobs::{ComponentsOptions, components};
/// use bigarrays::ndarray::array;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let options = OpenOptions::new().format("zarr3");
/// let spec = |dtype| Ok::<_, bigarrays::Error>(CreateSpec::new(dtype, "0:2,0:4".parse()?));
/// let labels = options.create("memory://components/labels", &spec(DataType::U64)?)?;
/// labels.write(&[0, 0], array![[7u64, 7, 0, 7], [0, 0, 5, 7]].view())?;
/// let target = options.create("memory://components/parts", &spec(DataType::U32)?)?;
/// let found = components(&labels, &target, &ComponentsOptions { statistics: true, ..Default::default() })?;
/// assert_eq!(target.read::<u32>(target.domain())?.into_data(), array![[1u32, 1, 0, 2], [0, 0, 3, 2]].into_dyn());
/// assert_eq!((found.count, found.voxels), (3, Some(vec![2, 2, 1])));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if shapes differ, the target has other elements or fewer numbers than there are components, or the options
/// make no sense; `MemoryBudget` before anything is read if a block does not fit, and before anything is written if there are too many
/// components; `Cancelled`; those of reading and writing.
pub fn components(source: &Array, target: &Array, options: &ComponentsOptions<'_>) -> Result<Components> {
    let none =
        |other: DataType| Error::unsupported(format!("components of {other} elements")).at(source.url());
    if options.above.is_some() && options.background.is_some() {
        return Err(Error::invalid("what is above a value has no other background"));
    }
    for_dtype!(source.dtype(), T => {
        let background = element::<T>(options.background.unwrap_or(Number::Whole(0)))?;
        let rest = PhantomData;
        match options.above.map(T::limit).transpose()? {
            Some(None) => found::<T, _>(source, target, options, &Mask { is_background: T::is_nan, of: rest }),
            Some(Some(limit)) => {
                let is_background = move |element: T| !element.is_above(limit);
                found(source, target, options, &Mask { is_background, of: rest })
            }
            None if options.binary => {
                let is_background = move |element: T| element == background || element.is_nan();
                found(source, target, options, &Mask { is_background, of: rest })
            }
            None => found(source, target, options, &Equal { background }),
        }
    }, other => Err(none(other)))
}

fn element<T: Cell>(number: Number) -> Result<T> {
    let mut bytes = [0; 8];
    number.write(T::DTYPE, &mut bytes[..size_of::<T>()])?;
    Ok(T::of_bytes(&bytes[..size_of::<T>()]))
}

fn found<T: Cell, R: Rule<T>>(
    source: &Array,
    target: &Array,
    options: &ComponentsOptions<'_>,
    rule: &R,
) -> Result<Components> {
    Run::new(source, target, options, rule)?.run()
}
