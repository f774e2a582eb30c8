//! Values of faults: durations, shares and sizes.

use std::time::Duration;

/// Longest duration that can be injected.
const DURATION_MAX: Duration = Duration::from_secs(60);

/// Largest size that can be injected.
const SIZE_MAX: u64 = 1 << 30;

/// A share in parts per million.
pub(super) const WHOLE: u32 = 1_000_000;

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        Ok(_) => Err("at most 60s can be injected".to_owned()),
        Err(_) => Err("write a number and a unit, such as 300ms or 200us".to_owned()),
    }
}

/// `2%`, `0.5%`: up to four digits after the point.
pub(super) fn share(text: &str) -> Result<u32, String> {
    let wrong = || "write a percentage from 0% to 100%, such as 2% or 0.5%".to_owned();
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str, max| text.len() <= max && text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole, 3) || !digits(fraction, 4) {
        return Err(wrong());
    }
    let parts: u32 = format!("{whole}{fraction:0<4}")
        .parse()
        .map_err(|_| wrong())?;
    if parts > WHOLE {
        Err(wrong())
    } else {
        Ok(parts)
    }
}

/// `64KiB`, `50MiB`, `1GiB`, `512B`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let wrong = || "write a size up to 1GiB, such as 512B, 64KiB or 50MiB".to_owned();
    let units = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("B", 1_u64),
    ];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
        .ok_or_else(wrong)?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes <= SIZE_MAX)
        .ok_or_else(wrong)?;
    usize::try_from(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_per_million() {
        assert_eq!(share("2%"), Ok(20_000));
        assert_eq!(share("0.5%"), Ok(5_000));
        assert_eq!(share("0.0001%"), Ok(1));
        assert_eq!(share("100%"), Ok(WHOLE));
        for bad in [
            "", "%", "2", "-1%", "101%", "100.1%", ".5%", "1e1%", "0.00001%", " 2%",
        ] {
            assert!(share(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("50MiB"), Ok(52_428_800));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("7B"), Ok(7));
        for bad in ["", "KiB", "64", "64KB", "64kib", "2GiB", "-1B", "1.5MiB"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }
}
