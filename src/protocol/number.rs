//! Decimal numbers of JSON, read straight into the type that they are for.

/// A number of RFC 8259's grammar, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Decimal<'a> {
    /// As it was written.
    pub(super) text: &'a [u8],
    negative: bool,
    /// Its digits as one integer, if all of them fit.
    mantissa: Option<u64>,
    /// The power of ten that the mantissa is multiplied by.
    exponent: i64,
    /// Without a fraction or an exponent.
    integer: bool,
}

/// Digits that surely fit a `u64`.
const DIGITS: usize = 19;

/// Reads the number at the start of `text`; gives it and its length, or `None` if there is none.
#[inline]
pub(super) fn scan(text: &[u8]) -> Option<(Decimal<'_>, usize)> {
    let negative = text.first() == Some(&b'-');
    let mut at = usize::from(negative);
    let mut mantissa = 0_u64;

    let start = at;
    while let Some(digit) = digit(text, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let mut digits = at - start;
    if digits == 0 || (digits > 1 && text.get(start) == Some(&b'0')) {
        return None;
    }
    let mut integer = true;
    let mut exponent = 0_i64;
    if text.get(at) == Some(&b'.') {
        integer = false;
        at += 1;
        let point = at;
        while let Some(digit) = digit(text, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        let fraction = at - point;
        if fraction == 0 {
            return None;
        }
        digits += fraction;
        exponent = -i64::try_from(fraction).ok()?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        integer = false;
        let (power, end) = power(text, at + 1)?;
        exponent = exponent.saturating_add(power);
        at = end;
    }
    let mantissa = (digits <= DIGITS).then_some(mantissa);
    Some((Decimal { text: text.get(..at)?, negative, mantissa, exponent, integer }, at))
}

/// Reads what most numbers are: at most 19 digits and a point, and a comma or a bracket behind them. Gives the nearest binary64
/// and the length, or `None` for whatever needs a closer look.
#[inline]
#[allow(clippy::cast_precision_loss)] // checked to be exact
pub(super) fn plain(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let (mut mantissa, mut point) = (0_u64, None);
    for (at, &byte) in text.iter().enumerate().skip(start).take(DIGITS + 1) {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            // Twenty bytes at most, so that nineteen digits and a point, or twenty digits, which the check below refuses.
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() && at > start {
            point = Some(at);
        } else if matches!(byte, b',' | b']') && at > start {
            let whole = point.unwrap_or(at) - start;
            let fraction = point.map_or(0, |point| at - point - 1);
            let leading_zero = whole > 1 && text.get(start) == Some(&b'0');
            if leading_zero || (point.is_some() && fraction == 0) || mantissa > 1 << 53 {
                return None;
            }
            let magnitude = mantissa as f64 / POWERS.get(fraction)?;
            return Some((if negative { -magnitude } else { magnitude }, at));
        } else {
            return None;
        }
    }
    None
}

/// The binary32 that is nearest to a number whose nearest binary64 is `value`, where that is enough to tell.
///
/// The nearest binary64 rounds to the nearest binary32 too, except where the first rounding ended half-way between two
/// binary32, and below the normal ones, where half-way is elsewhere.
#[inline]
#[allow(clippy::cast_possible_truncation)] // rounding is what is wanted
pub(super) fn narrow(value: f64) -> Option<f32> {
    const BELOW: u64 = (1 << 29) - 1;
    const HALF_WAY: u64 = 1 << 28;
    let sure =
        value == 0.0 || (value.abs() >= f64::from(f32::MIN_POSITIVE) && value.to_bits() & BELOW != HALF_WAY);
    sure.then_some(value as f32)
}

#[inline]
fn digit(text: &[u8], at: usize) -> Option<u64> {
    let digit = text.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// The exponent behind an `e`, held where it is far beyond what any type has, and where it ends.
fn power(text: &[u8], mut at: usize) -> Option<(i64, usize)> {
    let negative = text.get(at) == Some(&b'-');
    at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
    let start = at;
    let mut power = 0_i64;
    while let Some(digit) = digit(text, at) {
        power = (power * 10 + i64::try_from(digit).ok()?).min(1_000_000_000);
        at += 1;
    }
    (at > start).then_some((if negative { -power } else { power }, at))
}

/// Powers of ten that a binary64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

impl Decimal<'_> {
    /// The value of an integer, or `None` where it has a fraction, an exponent or too many digits.
    #[inline]
    pub(super) fn integer(&self) -> Option<i128> {
        if !self.integer {
            return None;
        }
        let magnitude = match self.mantissa {
            Some(mantissa) => i128::from(mantissa),
            None => std::str::from_utf8(self.text).ok()?.trim_start_matches('-').parse().ok()?,
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// The nearest binary64; infinite where the number is beyond all of them.
    #[inline]
    pub(super) fn binary64(&self) -> f64 {
        self.exact().unwrap_or_else(|| self.parse().unwrap_or(f64::NAN))
    }

    /// The nearest binary32; infinite where the number is beyond all of them.
    #[inline]
    pub(super) fn binary32(&self) -> f32 {
        self.exact().and_then(narrow).unwrap_or_else(|| self.parse().unwrap_or(f32::NAN))
    }

    /// The nearest binary64 where one operation on two exact numbers gives it (Clinger, "How to Read Floating Point
    /// Numbers Accurately", 1990).
    #[inline]
    #[allow(clippy::cast_precision_loss)] // checked to be exact
    fn exact(&self) -> Option<f64> {
        let mantissa = self.mantissa.filter(|&mantissa| mantissa <= 1 << 53)? as f64;
        let power = *POWERS.get(usize::try_from(self.exponent.unsigned_abs()).ok()?)?;
        let magnitude = if self.exponent < 0 { mantissa / power } else { mantissa * power };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    fn parse<F: std::str::FromStr>(&self) -> Option<F> {
        std::str::from_utf8(self.text).ok()?.parse().ok()
    }
}
