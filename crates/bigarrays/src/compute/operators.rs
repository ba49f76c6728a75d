//! Rust's operators on expressions. Each gives a `Result`: operands may not agree.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};

use crate::base::error::Result;
use crate::compute::expr::{Lazy, Operand};
use crate::compute::function::Function;

macro_rules! binary {
    ($($trait:ident $method:ident $function:ident),+ $(,)?) => { $(
        impl<T: Into<Operand>> $trait<T> for &Lazy {
            type Output = Result<Lazy>;

            fn $method(self, other: T) -> Self::Output {
                Lazy::apply(Function::$function, &[self.into(), other.into()])
            }
        }
    )+ };
}

binary! {
    Add add Add,
    Sub sub Subtract,
    Mul mul Multiply,
    Div div Divide,
    Rem rem Remainder,
    BitAnd bitand BitwiseAnd,
    BitOr bitor BitwiseOr,
    BitXor bitxor BitwiseXor,
}

impl Neg for &Lazy {
    type Output = Result<Lazy>;

    fn neg(self) -> Self::Output {
        Lazy::apply(Function::Negative, &[self.into()])
    }
}

impl Not for &Lazy {
    type Output = Result<Lazy>;

    fn not(self) -> Self::Output {
        Lazy::apply(Function::Invert, &[self.into()])
    }
}
