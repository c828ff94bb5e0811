//! How settings are written in profiles where serde's own form would be a trap for people.

/// `"none"` for an algorithm that is switched off: a missing field means the default, not "off".
#[cfg(feature = "serde")]
pub(super) mod or_none {
    use serde::de::value::StringDeserializer;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, out: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(algorithm) => algorithm.serialize(out),
            None => out.serialize_str("none"),
        }
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(input)?;
        if text == "none" {
            return Ok(None);
        }
        T::deserialize(StringDeserializer::<D::Error>::new(text)).map(Some)
    }
}

/// A span of time as a number with its unit: `250ms`, `30s`, `5m`, `2h`, `7d`.
#[cfg(feature = "serde")]
pub(super) mod span {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Largest unit first.
    const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

    pub(crate) fn serialize<S: Serializer>(value: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&write(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(input)?;
        read(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not a span of time: write a number and ms, s, m, h or d, as in `30s`"
            ))
        })
    }

    /// In the largest unit that needs no fraction.
    pub(super) fn write(span: Duration) -> String {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let fits = |(_, size): &&(&str, u64)| millis != 0 && millis.is_multiple_of(*size);
        match UNITS.iter().find(fits) {
            Some((unit, size)) => format!("{}{unit}", millis / size),
            None => "0s".to_owned(),
        }
    }

    pub(super) fn read(text: &str) -> Option<Duration> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*size).map(Duration::from_millis)
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use std::time::Duration;

    use super::span::{read, write};

    #[test]
    fn spans_of_time_come_back_as_they_were_written() {
        for (text, millis) in [("0s", 0), ("250ms", 250), ("30s", 30_000), ("90m", 5_400_000), ("7d", 604_800_000)] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(write(Duration::from_millis(millis)), text);
        }
        for bad in ["", "5", "s", "5 s", "-5s", "5sec", "99999999999999999999s", "213503982335d", "1.5h"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
