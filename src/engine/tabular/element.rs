//! The types that the engine computes in, and choosing one by a tensor's datatype.

use crate::tensor::{Data, Datatype};

/// A type of elements.
pub(super) trait Element: Copy + PartialEq + Default + Send + Sync + 'static {
    const DATATYPE: Datatype;

    /// The elements, if they are of this type.
    fn of(data: &Data) -> Option<&[Self]>;

    /// The same, without a copy.
    fn own(data: Data) -> Option<Vec<Self>>;

    fn wrap(values: Vec<Self>) -> Data;
}

/// A type with arithmetic. Integers wrap, as everywhere in ONNX; a division by zero gives zero, since there is nothing else
/// that it could give without failing a whole batch.
pub(super) trait Number: Element + PartialOrd {
    const ONE: Self;
    /// Below every other, and above.
    const LEAST: Self;
    const LARGEST: Self;
    /// The bounds of what is finite.
    const LEAST_FINITE: Self;
    const LARGEST_FINITE: Self;

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn to_f64(self) -> f64;
    /// Rounded where the type is less exact, saturated where it is narrower.
    fn from_f64(value: f64) -> Self;
    /// Rounded or saturated in the same way.
    fn from_i64(value: i64) -> Self;
    /// The number, or the greatest whole one that is not above it; none where it is NaN and the type has none.
    fn at_most(value: f64) -> Option<Self>;
    fn is_nan(self) -> bool;
}

/// A type with functions. They come from the libm crate, so that no C library decides about bits; `ln` and `pow`, of whose results
/// models subtract others that are nearly equal, by way of FP64, which makes FP32's last bit right.
pub(super) trait Float: Number {
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
    fn tanh(self) -> Self;
    fn pow(self, power: Self) -> Self;
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            const DATATYPE: Datatype = Datatype::$variant;

            fn of(data: &Data) -> Option<&[Self]> {
                if let Data::$variant(values) = data { Some(values) } else { None }
            }

            fn own(data: Data) -> Option<Vec<Self>> {
                if let Data::$variant(values) = data { Some(values) } else { None }
            }

            fn wrap(values: Vec<Self>) -> Data {
                Data::$variant(values)
            }
        }
    };
}

element!(f32, Fp32);
element!(f64, Fp64);
element!(i64, Int64);
element!(i32, Int32);
element!(bool, Bool);

macro_rules! float {
    ($type:ident, $exp:ident, $sqrt:ident, $tanh:ident) => {
        impl Number for $type {
            const ONE: Self = 1.0;
            const LEAST: Self = Self::NEG_INFINITY;
            const LARGEST: Self = Self::INFINITY;
            const LEAST_FINITE: Self = Self::MIN;
            const LARGEST_FINITE: Self = Self::MAX;

            fn add(self, other: Self) -> Self {
                self + other
            }

            fn sub(self, other: Self) -> Self {
                self - other
            }

            fn mul(self, other: Self) -> Self {
                self * other
            }

            fn div(self, other: Self) -> Self {
                self / other
            }

            fn neg(self) -> Self {
                -self
            }

            fn abs(self) -> Self {
                Self::abs(self)
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[allow(clippy::cast_possible_truncation)] // said in the trait
            fn from_f64(value: f64) -> Self {
                value as Self
            }

            #[allow(clippy::cast_precision_loss)] // said in the trait
            fn from_i64(value: i64) -> Self {
                value as Self
            }

            fn at_most(value: f64) -> Option<Self> {
                Some(Self::from_f64(value))
            }

            fn is_nan(self) -> bool {
                Self::is_nan(self)
            }
        }

        impl Float for $type {
            fn exp(self) -> Self {
                libm::$exp(self)
            }

            fn ln(self) -> Self {
                Self::from_f64(libm::log(f64::from(self)))
            }

            fn sqrt(self) -> Self {
                libm::$sqrt(self)
            }

            fn tanh(self) -> Self {
                libm::$tanh(self)
            }

            fn pow(self, power: Self) -> Self {
                Self::from_f64(libm::pow(f64::from(self), f64::from(power)))
            }
        }
    };
}

float!(f32, expf, sqrtf, tanhf);
float!(f64, exp, sqrt, tanh);

macro_rules! integer {
    ($type:ident) => {
        impl Number for $type {
            const ONE: Self = 1;
            const LEAST: Self = Self::MIN;
            const LARGEST: Self = Self::MAX;
            const LEAST_FINITE: Self = Self::MIN;
            const LARGEST_FINITE: Self = Self::MAX;

            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            fn div(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }

            fn neg(self) -> Self {
                self.wrapping_neg()
            }

            fn abs(self) -> Self {
                self.wrapping_abs()
            }

            #[allow(clippy::cast_precision_loss, clippy::cast_lossless)] // said in the trait
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[allow(clippy::cast_possible_truncation)] // said in the trait
            fn from_f64(value: f64) -> Self {
                value as Self
            }

            fn from_i64(value: i64) -> Self {
                let saturated = if value < 0 { Self::MIN } else { Self::MAX };
                Self::try_from(value).unwrap_or(saturated)
            }

            fn at_most(value: f64) -> Option<Self> {
                (!value.is_nan()).then(|| Self::from_f64(libm::floor(value)))
            }

            fn is_nan(self) -> bool {
                false
            }
        }
    };
}

integer!(i64);
integer!(i32);

/// Runs an expression with `$type` as the element type of a datatype, where that has arithmetic; fails otherwise.
macro_rules! for_numbers {
    ($datatype:expr, $type:ident => $body:expr) => {
        match $datatype {
            crate::tensor::Datatype::Fp32 => {
                type $type = f32;
                $body
            }
            crate::tensor::Datatype::Fp64 => {
                type $type = f64;
                $body
            }
            crate::tensor::Datatype::Int64 => {
                type $type = i64;
                $body
            }
            crate::tensor::Datatype::Int32 => {
                type $type = i32;
                $body
            }
            other => Err(format!("{other} is not covered")),
        }
    };
}

/// The same for FP32 and FP64.
macro_rules! for_floats {
    ($datatype:expr, $type:ident => $body:expr) => {
        match $datatype {
            crate::tensor::Datatype::Fp32 => {
                type $type = f32;
                $body
            }
            crate::tensor::Datatype::Fp64 => {
                type $type = f64;
                $body
            }
            other => Err(format!("{other} is not covered")),
        }
    };
}

pub(super) use {for_floats, for_numbers};
