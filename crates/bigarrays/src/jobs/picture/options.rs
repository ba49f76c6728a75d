//! What a picture shows, and how.

use std::str::FromStr;

use crate::array::Array;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::jobs::picture::color::{Color, ColorMap};
use crate::jobs::picture::contrast::Contrast;

/// Which planes along an axis are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planes {
    /// The one at this coordinate.
    At(i64),
    /// Those of a range, which is cut to the domain.
    Range {
        /// The first coordinate; without, that of the box.
        start: Option<i64>,
        /// The coordinate before which they end; without, the end of the box.
        stop: Option<i64>,
        /// From each to the next, at least 1.
        step: u64,
    },
}

impl FromStr for Planes {
    type Err = Error;

    /// From `100`, `0:100` or `0:100:10`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("planes {text:?}: expected a coordinate, START:STOP or START:STOP:STEP"))
        };
        let bound = |part: &str| match part.trim() {
            "" => Ok(None),
            number => number.parse().map(Some).map_err(|_| wrong()),
        };
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [at] => bound(at)?.map(Self::At).ok_or_else(wrong),
            [start, stop] => Ok(Self::Range { start: bound(start)?, stop: bound(stop)?, step: 1 }),
            [start, stop, step] => {
                let step = step.trim().parse().ok().filter(|&step| step > 0).ok_or_else(wrong)?;
                Ok(Self::Range { start: bound(start)?, stop: bound(stop)?, step })
            }
            _ => Err(wrong()),
        }
    }
}

/// How planes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// By the largest element of each line of sight.
    Max,
    /// By their mean.
    Mean,
}

impl FromStr for Projection {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "max" => Ok(Self::Max),
            "mean" => Ok(Self::Mean),
            other => {
                Err(Error::invalid(format!("no projection is called {other:?}; there are max and mean")))
            }
        }
    }
}

/// How large the picture of a plane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// Its longer side has so many; elements keep the proportions that they have in space.
    Longest(u32),
    /// Exactly so many.
    Exact {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
}

/// What a picture shows, and how.
#[derive(Clone, Debug)]
pub struct PictureOptions<'a> {
    /// The box that is shown, which may reach outside of the domain; without, all of it.
    pub part: Option<Domain>,
    /// Which planes along axes, by their positions, are shown; the others are shown at the first coordinate of the box.
    pub at: Vec<(usize, Planes)>,
    /// The axes that go down and to the right, by their positions; without, of those that are not fixed the first two of x, y and
    /// z, or where they have other names the two along which elements lie nearest to each other.
    pub axes: Option<[usize; 2]>,
    /// How the planes of a range become one; without, each is drawn, side by side.
    pub projection: Option<Projection>,
    /// How large the picture of a plane is; without, an element has a pixel along the axis where it is shortest, up to 2048
    /// pixels along each side of the whole.
    pub pixels: Option<Pixels>,
    /// Which elements are black, and which are white; without, the percentiles 1 and 99, and for three channels of `uint8`
    /// all that the type has.
    pub contrast: Option<Contrast>,
    /// Whether elements are labels; without, what the array says.
    pub labels: Option<bool>,
    /// Labels that are drawn over the picture: element by element if their resolution is the same or unknown, and otherwise
    /// where they are in space.
    pub overlay: Option<&'a Array>,
    /// How much labels over a picture hide of it, from 0 to 1.
    pub opacity: f64,
    /// The colours of elements from the least to the largest.
    pub color_map: ColorMap,
    /// The colours of channels, from the first that is shown on; without, red, green and blue for three channels, and green and
    /// magenta for two.
    pub colors: Option<Vec<Color>>,
    /// The colour of NaN, of fill values that stand for missing values, and of what is outside of the domain.
    pub missing_color: Color,
    /// Whether a bar shows how long a length is.
    pub scale_bar: bool,
    /// Whether the coordinate of each plane is written on it.
    pub captions: bool,
    /// How many bytes of elements may be read and decoded, about; what would take more is drawn from a coarser scale, or from fewer
    /// elements, and the picture says so.
    pub read_limit: u64,
}

impl Default for PictureOptions<'_> {
    fn default() -> Self {
        Self {
            part: None,
            at: Vec::new(),
            axes: None,
            projection: None,
            pixels: None,
            contrast: None,
            labels: None,
            overlay: None,
            opacity: 0.5,
            color_map: ColorMap::Grey,
            colors: None,
            missing_color: Color::MISSING,
            scale_bar: false,
            captions: false,
            read_limit: 1 << 30,
        }
    }
}

impl PictureOptions<'_> {
    /// An error unless elements of this type can be drawn so.
    pub(super) fn expect(&self, dtype: DataType) -> Result<()> {
        let of_number = |dtype: DataType| match dtype.is_number() {
            true => Ok(()),
            false => Err(Error::unsupported(format!("a picture of {dtype} elements"))),
        };
        of_number(dtype)?;
        self.overlay.map_or(Ok(()), |labels| of_number(labels.dtype()))?;
        self.contrast.map_or(Ok(()), Contrast::expect)?;
        if !(0.0..=1.0).contains(&self.opacity) {
            return Err(Error::invalid(format!("an opacity of {}; it is from 0 to 1", self.opacity)));
        }
        Ok(())
    }
}
