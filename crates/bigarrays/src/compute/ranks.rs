//! Which of many elements, in their order, a quantile is of.

use crate::base::dtype::DataType;

macro_rules! methods {
    ($($(#[$about:meta])+ $variant:ident $name:literal),+ $(,)?) => {
        /// What a quantile between two elements is. Each is called as NumPy calls it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum QuantileMethod { $($(#[$about])+ $variant),+ }

        const TABLE: &[(QuantileMethod, &str)] = &[$((QuantileMethod::$variant, $name)),+];
    };
}

methods! {
    /// On the line between both.
    #[default]
    Linear "linear",
    /// The lower one.
    Lower "lower",
    /// The higher one.
    Higher "higher",
    /// The nearest, of equally near ones that of even rank.
    Nearest "nearest",
    /// The mean of both.
    Midpoint "midpoint",
    /// The inverse of the distribution function, as the others below are: a step.
    InvertedCdf "inverted_cdf",
    /// A step, with the mean of both where it rises.
    AveragedInvertedCdf "averaged_inverted_cdf",
    /// The nearest, of equally near ones that of even number.
    ClosestObservation "closest_observation",
    /// On lines between steps.
    InterpolatedInvertedCdf "interpolated_inverted_cdf",
    /// On lines between the middles of steps.
    Hazen "hazen",
    /// On lines between n / (N + 1).
    Weibull "weibull",
    /// On lines, with the median of no bias.
    MedianUnbiased "median_unbiased",
    /// On lines, of no bias for normal distributions.
    NormalUnbiased "normal_unbiased",
}

/// Two elements, by their ranks from 0, and how far the quantile is from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Between {
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) share: f64,
}

impl QuantileMethod {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The one that NumPy calls so.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        // The table has a row for each, in their order.
        TABLE[self as usize].1
    }

    /// Whether it is always one of the elements.
    pub(super) fn is_of_one(self) -> bool {
        matches!(
            self,
            Self::Lower | Self::Higher | Self::Nearest | Self::InvertedCdf | Self::ClosestObservation
        )
    }

    /// The type of the result.
    pub(crate) fn result(self, dtype: DataType) -> DataType {
        if dtype.is_float() || self.is_of_one() { dtype } else { DataType::F64 }
    }

    /// What the quantile `q` of `count` elements, at least one, is of.
    pub(crate) fn between(self, q: f64, count: usize) -> Between {
        let n = count as f64;
        let with = |alpha: f64, beta: f64| n * q + (alpha + q * (1.0 - alpha - beta)) - 1.0;
        let at = match self {
            Self::Linear | Self::Lower | Self::Higher | Self::Nearest | Self::Midpoint => (n - 1.0) * q,
            Self::InvertedCdf | Self::AveragedInvertedCdf => n * q - 1.0,
            Self::ClosestObservation => n * q - 1.5,
            Self::InterpolatedInvertedCdf => with(0.0, 1.0),
            Self::Hazen => with(0.5, 0.5),
            Self::Weibull => with(0.0, 0.0),
            Self::MedianUnbiased => with(1.0 / 3.0, 1.0 / 3.0),
            Self::NormalUnbiased => with(3.0 / 8.0, 3.0 / 8.0),
        };
        let floor = at.floor();
        let rest = at - floor;
        let last = count - 1;
        let inside = |at: f64| if at < 0.0 { 0 } else { (at as usize).min(last) };
        let one = |at: f64| Between { low: inside(at), high: inside(at), share: 0.0 };
        match self {
            Self::Lower => one(floor),
            Self::Higher => one(at.ceil()),
            Self::Nearest => one(at.round_ties_even()),
            // Above a step, the next one.
            Self::InvertedCdf => one(if rest > 0.0 { floor + 1.0 } else { floor }),
            Self::ClosestObservation => {
                let is_even = rest == 0.0 && floor.rem_euclid(2.0) == 1.0;
                one(if is_even { floor } else { floor + 1.0 })
            }
            Self::Midpoint => Between {
                low: inside(floor),
                high: inside(at.ceil()),
                share: if rest > 0.0 { 0.5 } else { 0.0 },
            },
            Self::AveragedInvertedCdf => {
                let share = if rest > 0.0 { 1.0 } else { 0.5 };
                Between { low: inside(floor), high: inside(floor + 1.0), share }
            }
            _ => Between { low: inside(floor), high: inside(floor + 1.0), share: rest },
        }
    }
}

impl Between {
    /// The number between two.
    pub(crate) fn of(self, low: f64, high: f64) -> f64 {
        let apart = high - low;
        match self.share {
            _ if low == high || self.share == 0.0 => low,
            1.0 => high,
            0.5 if (low + high).is_finite() => (low + high) * 0.5,
            0.5 => low * 0.5 + high * 0.5,
            _ if low.is_infinite() || high.is_infinite() => low + high,
            // Nearer to the one that it is nearer to, as NumPy has it.
            share if share >= 0.5 => high - apart * (1.0 - share),
            share => low + apart * share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_numpy() {
        let of = |method: QuantileMethod, q, count| {
            let Between { low, high, share } = method.between(q, count);
            (low, high, share)
        };
        assert_eq!(of(QuantileMethod::Linear, 0.5, 4), (1, 2, 0.5));
        assert_eq!(of(QuantileMethod::Linear, 1.0, 4), (3, 3, 0.0));
        assert_eq!(of(QuantileMethod::Nearest, 0.5, 4), (2, 2, 0.0));
        assert_eq!(of(QuantileMethod::InvertedCdf, 0.5, 4), (1, 1, 0.0));
        assert_eq!(of(QuantileMethod::AveragedInvertedCdf, 0.5, 4), (1, 2, 0.5));
        assert_eq!(of(QuantileMethod::Hazen, 0.0, 4), (0, 0, 0.5));
        assert!(QuantileMethod::all().all(|method| QuantileMethod::named(method.name()) == Some(method)));
    }

    #[test]
    fn numbers_between_are_those_of_neither_end() {
        let between = |share| Between { low: 0, high: 1, share };
        assert_eq!(between(0.25).of(1.0, 5.0), 2.0);
        assert_eq!(between(0.75).of(f64::INFINITY, f64::INFINITY), f64::INFINITY);
        assert_eq!(between(0.75).of(f64::NEG_INFINITY, 1.0), f64::NEG_INFINITY);
        assert_eq!(between(0.5).of(f64::MAX, f64::MAX / 2.0), f64::MAX * 0.75);
    }
}
