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

/// Digits that surely fit an `i64`, which converts to binary64 in one instruction where a `u64` takes several.
const PLAIN_DIGITS: usize = 18;

/// A mantissa of as many digits has no room for another one.
const MOST_BEFORE_A_DIGIT: u64 = 10_u64.pow(17);

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

/// What a decimal is read into.
pub(super) trait Real: Sized {
    /// The nearest to `integer`, of at most seven digits, divided by the power of ten of `places`, at most six.
    fn short(integer: u64, places: usize, negative: bool) -> Self;

    /// The nearest, where `value` is enough to tell: it is exactly the nearest binary64, or else within two units in its last
    /// place.
    fn of_binary64(value: f64, exact: bool) -> Option<Self>;
}

impl Real for f32 {
    #[inline]
    #[allow(clippy::cast_precision_loss)] // seven digits and all powers of ten up to the tenth are exact
    fn short(integer: u64, places: usize, negative: bool) -> Self {
        const POWERS: [f32; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
        let magnitude = integer.cast_signed() as f32 / POWERS.get(places & 7).unwrap_or(&f32::NAN);
        Self::from_bits(magnitude.to_bits() | u32::from(negative) << 31)
    }

    #[inline]
    fn of_binary64(value: f64, _: bool) -> Option<Self> {
        narrow(value).filter(|value| value.is_finite())
    }
}

impl Real for f64 {
    #[inline]
    #[allow(clippy::cast_precision_loss)] // as above
    fn short(integer: u64, places: usize, negative: bool) -> Self {
        let magnitude = integer.cast_signed() as f64 / POWERS.get(places & 7).unwrap_or(&f64::NAN);
        Self::from_bits(magnitude.to_bits() | u64::from(negative) << 63)
    }

    #[inline]
    fn of_binary64(value: f64, exact: bool) -> Option<Self> {
        exact.then_some(value)
    }
}

/// Reads what most elements are, as many as there are and at most `room`: numbers of at most 18 digits without an exponent, a
/// comma behind each. Gives the number of bytes read: whatever needs a closer look, and the last element, is left.
///
/// The position of each number follows from the one before, and that chain of steps is what limits the speed: so digits are
/// found eight bytes at a time, signs and lengths are computed and not branched on, and nothing waits for a value.
#[inline]
pub(super) fn plain<T: Real>(text: &[u8], values: &mut Vec<T>, room: usize) -> usize {
    let mut at = 0;
    // Elements are like the one before.
    let mut short = true;
    for _ in 0..room {
        let mut start = at;
        if text.get(start) == Some(&b' ') {
            // A branch, so that the processor guesses it: either all elements have a space or none.
            std::hint::cold_path();
            start += 1;
        }
        if short && let Some((value, end)) = short_one(text, start) {
            values.push(value);
            at = end + 1;
            continue;
        }
        let Some((value, exact, end)) = plain_one(text, start) else { break };
        let Some(value) = T::of_binary64(value, exact).filter(|_| text.get(end) == Some(&b',')) else {
            break;
        };
        values.push(value);
        short = end - start < 8;
        at = end + 1;
    }
    at
}

/// One number that ends with a comma within eight bytes, as pixels and counts do, and where the comma is.
#[inline]
fn short_one<T: Real>(text: &[u8], start: usize) -> Option<(T, usize)> {
    let chunk = eight(text, start)?;
    let digits = chunk ^ (EACH * 0x30);
    // The high bits of those that are not digits. The first byte, perhaps a sign, is looked at below, and is not waited for. A
    // point and a comma do not carry into the byte behind them; whatever else does is refused.
    let others = (digits.wrapping_add(EACH * 0x76) | digits) & (EACH * 0x80) & !0xff;
    let byte = |others: u64| (others.trailing_zeros() & !7 & 63) as usize;
    let is = |at: usize, byte: u8| (chunk >> at) & 0xff == u64::from(byte);

    let negative = is(0, b'-');
    let sign = usize::from(negative);
    let leading = (digits >> (8 * sign)) & 0xff;
    // All positions are in bits from here on.
    let point = byte(others);
    let digits = digits & !(0xff & 0_u64.wrapping_sub(u64::from(negative)));
    let (joined, last, end) = if is(point, b',') {
        (digits, point, point)
    } else {
        let end = byte(others & others.wrapping_sub(1));
        if !is(point, b'.') || !is(end, b',') || end <= point + 8 {
            return None;
        }
        let whole = (1 << point) - 1;
        // The digits behind the point move to its place.
        ((digits & whole) | ((digits >> 8) & !whole), end - 8, end)
    };
    if leading > 9 || (leading == 0 && point > 8 * sign + 8) {
        return None;
    }
    let integer = integer_of_all(joined << (64 - last));
    Some((T::short(integer, (last - point) / 8, negative), start + end / 8))
}

/// One number, whether it is exact, and where it ends.
#[inline]
#[allow(clippy::cast_precision_loss)] // said in the result
fn plain_one(text: &[u8], start: usize) -> Option<(f64, bool, usize)> {
    let negative = *text.get(start)? == b'-';
    let sign = usize::from(negative);
    let first = text.get(start + sign)?.wrapping_sub(b'0');
    if first > 9 {
        return None;
    }
    let mut mantissa = u64::from(first);
    let mut end = start + sign + 1;
    let mut behind = *text.get(end)?;
    if behind != b'.' {
        // The sign is read as a zero: then where the number ends does not depend on whether there is one.
        let chunk = eight(text, start)? & !0xff | u64::from(if negative { b'0' } else { first + b'0' });
        let digits = leading_digits(chunk);
        if digits == 8 || (first == 0 && digits > 1 + sign) {
            return None;
        }
        mantissa = integer_of(chunk, digits);
        end = start + digits;
        behind = *text.get(end)?;
    }
    let whole = end - start - sign;
    let (mut magnitude, mut exact) = (mantissa.cast_signed() as f64, true);
    if behind == b'.' {
        let (high, low) = (eight(text, end + 1)?, eight(text, end + 9)?);
        let high_digits = leading_digits(high);
        // None of the second eight, where the first are not all digits.
        let low_digits = leading_digits(low) & 0_usize.wrapping_sub(high_digits / 8);
        let mut fraction = high_digits + low_digits;
        end += 1 + fraction;
        mantissa = mantissa * TENS.get(high_digits)? + integer_of(high, high_digits);
        mantissa = mantissa.wrapping_mul(*TENS.get(low_digits)?).wrapping_add(integer_of(low, low_digits));
        // A zero in front of the point is no digit of the mantissa. Zeros behind it are none either, but are rarely many.
        let zero = usize::from(whole == 1 && first == 0);
        if fraction == 0 || whole - zero + fraction > PLAIN_DIGITS {
            return None;
        }
        while let Some(digit) = digit(text, end) {
            if mantissa >= MOST_BEFORE_A_DIGIT {
                return None;
            }
            mantissa = mantissa * 10 + digit;
            end += 1;
            fraction += 1;
        }
        exact = mantissa <= 1 << 53;
        magnitude = mantissa.cast_signed() as f64 / POWERS.get(fraction)?;
    }
    let value = f64::from_bits(magnitude.to_bits() | u64::from(negative) << 63);
    Some((value, exact, end))
}

/// The eight bytes at `at`, the first one lowest.
#[inline]
fn eight(text: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

/// A byte's value times this is that value in each of eight bytes.
const EACH: u64 = 0x0101_0101_0101_0101;

/// How many of eight bytes are digits before the first that is not.
#[inline]
fn leading_digits(chunk: u64) -> usize {
    let digits = chunk ^ (EACH * 0x30);
    // The high bit of a byte is set where it is not below ten. A carry reaches only bytes behind the first of those.
    let others = (digits.wrapping_add(EACH * 0x76) | digits) & (EACH * 0x80);
    others.trailing_zeros() as usize / 8
}

/// The integer that the first `digits` of eight bytes are.
#[inline]
fn integer_of(chunk: u64, digits: usize) -> u64 {
    // As leading zeros in front of them: by halves, since a shift by all 64 bits is none.
    let half = 32 - 4 * digits;
    integer_of_all((chunk << half << half) & 0x0f0f_0f0f_0f0f_0f0f)
}

/// The integer of eight digits, the first of them in the lowest byte.
#[inline]
fn integer_of_all(digits: u64) -> u64 {
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// The binary32 that is nearest to a number that is at most two units in its last place away from `value`, where that is enough
/// to tell.
///
/// Both round to the same binary32, except around half-way between two of them, and below the normal ones, where half-way is
/// elsewhere. Rounding an integer to binary64 and dividing it by an exact power of ten, each to the nearest, stays within two
/// units.
#[inline]
#[allow(clippy::cast_possible_truncation)] // rounding is what is wanted
pub(super) fn narrow(value: f64) -> Option<f32> {
    const BELOW: u64 = (1 << 29) - 1;
    const AROUND: u64 = 4;
    const HALF_WAY: u64 = 1 << 28;
    let from_half_way = (value.to_bits() & BELOW).wrapping_sub(HALF_WAY - AROUND);
    let sure = value == 0.0 || (value.abs() >= f64::from(f32::MIN_POSITIVE) && from_half_way > 2 * AROUND);
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

/// Powers of ten by the number of digits in eight bytes.
const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

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
