//! Functions of elements: their names, how many arguments they take, and the types of arguments and results.

use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::types::{common, is_signed, is_whole, real};

/// How the types of arguments and result follow from those of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// All of the common type, whatever it is.
    Any,
    /// All of the common type, which is no boolean one.
    Numbers,
    /// Arguments and result are real numbers.
    Real,
    /// Whole numbers stay as they are; so do real ones.
    Rounding,
    /// Arguments of the common type, a boolean result.
    Compare,
    /// Real arguments, a boolean result.
    Test,
    /// All boolean.
    Logical,
    /// Whole numbers or booleans.
    Bits,
    /// Whole numbers.
    Shift,
    /// A boolean, and two of the common type.
    Choice,
}

macro_rules! functions {
    ($($variant:ident $name:literal $arity:literal $rule:ident),+ $(,)?) => {
        /// A function of elements. Each is called as NumPy calls it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Function { $($variant),+ }

        const TABLE: &[(Function, &str, usize, Rule)] =
            &[$((Function::$variant, $name, $arity, Rule::$rule)),+];
    };
}

functions! {
    Add "add" 2 Any,
    Subtract "subtract" 2 Numbers,
    Multiply "multiply" 2 Any,
    Divide "divide" 2 Real,
    FloorDivide "floor_divide" 2 Numbers,
    Remainder "remainder" 2 Numbers,
    Power "power" 2 Numbers,
    Maximum "maximum" 2 Any,
    Minimum "minimum" 2 Any,
    Fmax "fmax" 2 Any,
    Fmin "fmin" 2 Any,
    Hypot "hypot" 2 Real,
    Arctan2 "arctan2" 2 Real,
    Logaddexp "logaddexp" 2 Real,
    Copysign "copysign" 2 Real,
    Nextafter "nextafter" 2 Real,
    Equal "equal" 2 Compare,
    NotEqual "not_equal" 2 Compare,
    Less "less" 2 Compare,
    LessEqual "less_equal" 2 Compare,
    Greater "greater" 2 Compare,
    GreaterEqual "greater_equal" 2 Compare,
    LogicalAnd "logical_and" 2 Logical,
    LogicalOr "logical_or" 2 Logical,
    LogicalXor "logical_xor" 2 Logical,
    LogicalNot "logical_not" 1 Logical,
    BitwiseAnd "bitwise_and" 2 Bits,
    BitwiseOr "bitwise_or" 2 Bits,
    BitwiseXor "bitwise_xor" 2 Bits,
    Invert "invert" 1 Bits,
    LeftShift "left_shift" 2 Shift,
    RightShift "right_shift" 2 Shift,
    Negative "negative" 1 Numbers,
    Positive "positive" 1 Numbers,
    Absolute "absolute" 1 Any,
    Sign "sign" 1 Numbers,
    Square "square" 1 Numbers,
    Sqrt "sqrt" 1 Real,
    Cbrt "cbrt" 1 Real,
    Exp "exp" 1 Real,
    Exp2 "exp2" 1 Real,
    Expm1 "expm1" 1 Real,
    Log "log" 1 Real,
    Log2 "log2" 1 Real,
    Log10 "log10" 1 Real,
    Log1p "log1p" 1 Real,
    Sin "sin" 1 Real,
    Cos "cos" 1 Real,
    Tan "tan" 1 Real,
    Arcsin "arcsin" 1 Real,
    Arccos "arccos" 1 Real,
    Arctan "arctan" 1 Real,
    Sinh "sinh" 1 Real,
    Cosh "cosh" 1 Real,
    Tanh "tanh" 1 Real,
    Arcsinh "arcsinh" 1 Real,
    Arccosh "arccosh" 1 Real,
    Arctanh "arctanh" 1 Real,
    Floor "floor" 1 Rounding,
    Ceil "ceil" 1 Rounding,
    Trunc "trunc" 1 Rounding,
    Rint "rint" 1 Real,
    IsNan "isnan" 1 Test,
    IsFinite "isfinite" 1 Test,
    IsInf "isinf" 1 Test,
    Signbit "signbit" 1 Test,
    Where "where" 3 Choice,
}

/// The types that arguments are converted to, and that of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) arguments: Dims<DataType>,
    pub(crate) result: DataType,
}

impl Function {
    /// All functions, in the order of the documentation's tables.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The function that NumPy calls so.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, usize, Rule) {
        // The table has a row for each, in their order.
        &TABLE[self as usize]
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// How many arguments it takes.
    pub fn arity(self) -> usize {
        self.row().2
    }

    /// Whether its result is a boolean by comparison.
    pub(crate) fn compares(self) -> bool {
        self.row().3 == Rule::Compare
    }

    /// Whether only the operands behind the first, a condition, have the type of the result.
    pub(crate) fn chooses(self) -> bool {
        self.row().3 == Rule::Choice
    }

    /// The types of arguments and result for operands of these types.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such function of them.
    pub(crate) fn signature(self, operands: &[DataType]) -> Result<Signature> {
        let rule = self.row().3;
        let skipped = usize::from(rule == Rule::Choice);
        let all = operands.iter().skip(skipped).copied().reduce(common).unwrap_or(DataType::Bool);
        let same = |of: DataType| Signature { arguments: Dims::from_elem(of, operands.len()), result: of };
        let none = || {
            let names: Vec<String> = operands.iter().map(ToString::to_string).collect();
            Err(Error::invalid(format!("{} of {} is not defined", self.name(), names.join(" and "))))
        };
        let of_reals = match self {
            // NumPy divides small whole numbers in float64.
            Self::Divide if !all.is_float() => DataType::F64,
            // Each operand for itself: two types of 16 bits fit into float32, a common one of 32 bits does not.
            _ => operands.iter().copied().map(real).reduce(common).unwrap_or(DataType::F64),
        };
        Ok(match rule {
            Rule::Any => same(all),
            Rule::Numbers if all == DataType::Bool => match self {
                Self::FloorDivide | Self::Remainder | Self::Power | Self::Square => same(DataType::I8),
                _ => return none(),
            },
            Rule::Numbers => same(all),
            // Computed in another type, it would be the neighbour in that.
            Rule::Real if self == Self::Nextafter && of_reals == DataType::F16 => return none(),
            Rule::Real => same(of_reals),
            Rule::Rounding => same(all),
            // Of both at once no type holds all.
            Rule::Compare if all == DataType::F64 && operands.iter().all(|&of| is_whole(of)) => {
                let widest = |&of: &DataType| if is_signed(of) { DataType::I64 } else { DataType::U64 };
                Signature { arguments: operands.iter().map(widest).collect(), result: DataType::Bool }
            }
            Rule::Compare => Signature { result: DataType::Bool, ..same(all) },
            Rule::Test => {
                let of = if all.is_float() { all } else { DataType::F64 };
                Signature { result: DataType::Bool, ..same(of) }
            }
            Rule::Logical => same(DataType::Bool),
            Rule::Bits if all == DataType::Bool || is_whole(all) => same(all),
            Rule::Shift if all == DataType::Bool => same(DataType::I8),
            Rule::Shift if is_whole(all) => same(all),
            Rule::Bits | Rule::Shift => return none(),
            Rule::Choice => {
                Signature { arguments: [DataType::Bool, all, all].as_slice().into(), result: all }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_finds_its_row() {
        for function in Function::all() {
            assert_eq!(Function::named(function.name()), Some(function));
            assert!((1..=3).contains(&function.arity()));
        }
    }

    #[test]
    fn types_follow_the_operands() {
        use DataType::*;
        let result = |function: Function, of: &[DataType]| function.signature(of).map(|found| found.result);
        assert_eq!(result(Function::Divide, &[U8, I8]).unwrap(), F64);
        assert_eq!(result(Function::Sqrt, &[I8]).unwrap(), F16);
        assert_eq!(result(Function::Hypot, &[U8, I8]).unwrap(), F16);
        assert_eq!(result(Function::Copysign, &[U16, I16]).unwrap(), F32);
        assert_eq!(result(Function::Less, &[U64, I64]).unwrap(), Bool);
        assert_eq!(Function::Less.signature(&[U64, I64]).unwrap().arguments[..], [U64, I64]);
        assert_eq!(result(Function::Where, &[U8, I8, F32]).unwrap(), F32);
        assert_eq!(Function::Equal.signature(&[I32, U64]).unwrap().arguments[..], [I64, U64]);
        assert!(result(Function::Subtract, &[Bool, Bool]).is_err());
        assert!(result(Function::Nextafter, &[F16, I8]).is_err());
        assert!(result(Function::BitwiseAnd, &[F32, I8]).is_err());
    }
}
