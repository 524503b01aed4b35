//! The time of a line: RFC 3339 in UTC, to the microsecond, without the machinery of `std::fmt`.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes the time that it is.
pub(super) fn write_now(line: &mut impl Write) -> fmt::Result {
    // A clock before 1970 is a clock that was never set.
    write(line, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Writes a time since 1970 as `2026-01-02T03:04:05.678901Z`. Years have four digits: after 9999 they begin again.
fn write(line: &mut impl Write, since_epoch: Duration) -> fmt::Result {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let fields = [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, seconds / 3_600 % 24),
        (14..16, seconds / 60 % 60),
        (17..19, seconds % 60),
        (20..26, u64::from(since_epoch.subsec_micros())),
    ];
    for (place, mut value) in fields {
        for digit in text.get_mut(place).into_iter().flatten().rev() {
            *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
            value /= 10;
        }
    }
    line.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar. Years are counted from March, so that the
/// leap day is a year's last, and in eras of 400 years, which all have the same length.
/// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468;
    let day_of_era = days % ERA;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (days / ERA * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64, nanos: u32) -> String {
        let mut line = String::new();
        write(&mut line, Duration::new(seconds, nanos)).unwrap();
        line
    }

    #[test]
    fn known_times() {
        assert_eq!(written(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(951_782_399, 999_999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(written(951_782_400, 1_000), "2000-02-29T00:00:00.000001Z");
        assert_eq!(written(1_709_164_800, 0), "2024-02-29T00:00:00.000000Z");
        assert_eq!(written(1_735_689_599, 500_000_000), "2024-12-31T23:59:59.500000Z");
        assert_eq!(written(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
        assert_eq!(written(253_402_300_799, 0), "9999-12-31T23:59:59.000000Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..200_000 {
            assert_eq!(date(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
