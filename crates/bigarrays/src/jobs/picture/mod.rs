//! Pictures: planes of arrays as pixels.
//!
//! A picture reads no more than it shows: of each pixel the element in its middle, from the coarsest scale that has one for each
//! pixel. What is read and decoded is bounded by a limit, whatever the array.

mod annotate;
mod canvas;
mod chosen;
mod color;
mod computed;
mod contrast;
mod draw;
mod font;
mod levels;
mod maps;
mod options;
mod painting;
mod sampling;
mod shown;

use crate::array::Array;
use crate::base::error::Result;
use crate::compute::{ComputeOptions, Lazy};

pub use canvas::Picture;
pub use color::{Color, ColorMap};
use computed::computed;
pub use contrast::Contrast;
use draw::Drawing;
pub(in crate::jobs) use levels::range_of_type;
pub use options::{PictureOptions, Pixels, Planes, Projection};

/// Draws a plane of an array or view, several beside each other, or a projection of them.
///
/// An element is drawn by the pixels in whose middle it lies. Where the array is a scale of a layer, a coarser one is read if it
/// has an element for each pixel. Elements are grey, or of the colours of a map; channels have colours that are added; labels have
/// colours of their own, the same on every machine, and 0 has none.
///
/// ```
/// use bigarrays::jobs::{Contrast, PictureOptions, Planes, picture};
/// use bigarrays::ndarray::Array3;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let array = OpenOptions::new().create("memory://picture", &CreateSpec::new(DataType::U8, "0:4,0:3,-1:2".parse()?))?;
/// array.write(&[0, 0, -1], Array3::<u8>::from_shape_fn((4, 3, 3), |(x, y, z)| (x + 10 * y + 100 * z) as u8).view())?;
/// let plane = PictureOptions { at: vec![(2, Planes::At(0))], contrast: Some(Contrast::Type), ..PictureOptions::default() };
/// let drawn = picture(&array, &plane)?;
/// assert_eq!((drawn.width(), drawn.height()), (4, 3));
/// assert_eq!(drawn.pixels()[..6], [100, 100, 100, 101, 101, 101]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` for axes, boxes, contrasts and sizes that make no sense; `OutOfBounds` for a plane outside of the domain;
/// `Unsupported` for elements that are no numbers; `MemoryBudget` if not even one element may be read; those of reading.
pub fn picture(array: &Array, options: &PictureOptions<'_>) -> Result<Picture> {
    options.expect(array.dtype())?;
    Drawing::new(array, options, false)?.draw()
}

/// As [`picture`], but of axes of which no plane is asked for, the middle of the box is drawn, and not its beginning.
///
/// ```
/// use bigarrays::jobs::{PictureOptions, Planes, picture, preview};
/// use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array3};
///
/// let array = OpenOptions::new().create("memory://preview", &CreateSpec::new(DataType::U8, "0:4,0:3,-6:2".parse()?))?;
/// array.write(&[0, 0, -2], Array3::<u8>::ones((2, 3, 1)).view())?;
/// let middle = PictureOptions { at: vec![(2, Planes::At(-2))], ..PictureOptions::default() };
/// assert_eq!(preview(&array, &PictureOptions::default())?, picture(&array, &middle)?);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// As [`picture`].
pub fn preview(array: &Array, options: &PictureOptions<'_>) -> Result<Picture> {
    options.expect(array.dtype())?;
    Drawing::new(array, options, true)?.draw()
}

/// Draws planes of an expression, as [`picture`] does of an array. All elements of these planes are computed, before any is left
/// out; they may not take more bytes than the picture's limit.
///
/// ```
/// use bigarrays::compute::{ComputeOptions, Lazy};
/// use bigarrays::jobs::{Contrast, PictureOptions, picture_of};
/// use bigarrays::{DataType, Domain};
///
/// let x = Lazy::of_elements(&Domain::from_shape(&[2, 2])?, DataType::U8, &[1, 2, 3, 4])?;
/// let options = PictureOptions { contrast: Some(Contrast::Range(0.0, 8.0)), ..PictureOptions::default() };
/// let drawn = picture_of(&(&x * 2)?, &options, &ComputeOptions::default())?;
/// assert_eq!([0, 3, 6, 9].map(|at| drawn.pixels()[at]), [64, 128, 191, 255]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// As [`picture`]; `MemoryBudget` if the elements take more bytes than the limit; those of computing.
pub fn picture_of(
    lazy: &Lazy,
    options: &PictureOptions<'_>,
    compute: &ComputeOptions<'_>,
) -> Result<Picture> {
    options.expect(lazy.dtype())?;
    let (array, options) = computed(lazy, options, compute)?;
    Drawing::new(&array, &options, false)?.draw()
}
