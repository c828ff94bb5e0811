//! `Retry-After` (RFC 9110 section 10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::stored::Instant;

/// The longest wait that is believed; one day. Longer ones come from clocks that are wrong and from services that
/// count milliseconds, and would hold a partner's whole queue.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The shortest wait; the header knows no smaller unit, and "now" would be an endless loop.
const SHORTEST: Duration = Duration::from_secs(1);

/// When the server wants to be called again; `None` where it does not say so in a form that can be read.
/// Of several values the longest one counts.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
    let values = headers.get_all(RETRY_AFTER).iter().filter_map(|value| value.to_str().ok());
    let wait = values.filter_map(|text| span(text.trim(), now)).max()?;
    Some(Instant(now).after(wait.clamp(SHORTEST, LONGEST)).0)
}

fn span(text: &str, now: SystemTime) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    Some(http_date(text, now)?.duration_since(now).unwrap_or(Duration::ZERO))
}

/// The three forms of RFC 9110 section 5.6.7; names of weekdays are not compared with the date.
fn http_date(text: &str, now: SystemTime) -> Option<SystemTime> {
    if text.len() > LONGEST_DATE {
        return None;
    }
    let words: Vec<_> = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, clock) = match words[..] {
        [_, day, month, year, clock, "GMT"] => (day, month, year, clock), // IMF-fixdate, RFC 850
        [_, month, day, clock, year] => (day, month, year, clock),        // asctime
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let month = time::Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let clock = clock_time(clock)?;
    let at = |year: i32| {
        let date = time::Date::from_calendar_date(year, month, number(day, 2)?).ok()?;
        Some(SystemTime::from(time::PrimitiveDateTime::new(date, clock).assume_utc()))
    };
    match year.len() {
        4 => at(number(year, 4)?),
        // "A timestamp that appears to be more than 50 years in the future" is one of the past.
        2 => {
            let year: i32 = number(year, 2)?;
            let far = |at: &SystemTime| at.duration_since(now).is_ok_and(|ahead| ahead > FIFTY_YEARS);
            at(year + 2000).filter(|at| !far(at)).or_else(|| at(year + 1900))
        }
        _ => None,
    }
}

fn clock_time(text: &str) -> Option<time::Time> {
    let parts: Vec<_> = text.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    // 60 is a leap second.
    time::Time::from_hms(number(hour, 2)?, number(minute, 2)?, number::<u8>(second, 2)?.min(59)).ok()
}

fn number<T: std::str::FromStr>(text: &str, digits: usize) -> Option<T> {
    (text.len() <= digits && text.bytes().all(|octet| octet.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The longest date is `Wednesday, 30-Sep-26 08:49:37 GMT`; some room for spaces.
const LONGEST_DATE: usize = 64;

const FIFTY_YEARS: Duration = Duration::from_secs(50 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:07Z, half a minute before the date of RFC 9110's examples.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_747)
    }

    fn wait(values: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        retry_after(&headers, now()).map(|at| at.duration_since(now()).unwrap().as_secs())
    }

    #[test]
    fn all_forms_are_read() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "sun, 6 nov 1994 8:49:37 GMT",
        ] {
            assert_eq!(wait(&[date]), Some(30), "{date}");
        }
        assert_eq!(wait(&["30"]), Some(30));
        assert_eq!(wait(&[" 007 "]), Some(7));
        assert_eq!(wait(&["30", "nonsense", "90", "5"]), Some(90), "the longest counts");
    }

    #[test]
    fn two_digits_name_the_nearest_year() {
        let year = |at: SystemTime| time::OffsetDateTime::from(at).year();
        let read = |text: &str, now: SystemTime| year(http_date(text, now).unwrap());
        assert_eq!(read("Sunday, 06-Nov-94 08:49:37 GMT", now()), 1994);
        let in_2026 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_478_400);
        assert_eq!(read("Sunday, 06-Nov-94 08:49:37 GMT", in_2026), 1994, "2094 is 68 years ahead");
        assert_eq!(read("Sunday, 06-Nov-70 08:49:37 GMT", in_2026), 2070, "44 years ahead");
        assert_eq!(read("Sunday, 06-Nov-26 08:49:37 GMT", in_2026), 2026);
    }

    #[test]
    fn absurd_values_are_bounded() {
        let day = Some(24 * 3600);
        assert_eq!(wait(&["99999999999999999999999999999999999999"]), day);
        assert_eq!(wait(&["600000"]), day);
        assert_eq!(wait(&["Fri, 31 Dec 9999 23:59:60 GMT"]), day);
        for soon in
            ["0", "Sun, 06 Nov 1994 08:49:07 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"]
        {
            assert_eq!(wait(&[soon]), Some(1), "{soon}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let long = "1 ".repeat(5000);
        for bad in [
            "",
            " ",
            "-5",
            "+5",
            "1.5",
            "5s",
            "soon",
            "\u{e9}",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 194 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "06 Nov 1994",
            "Sun, -6 Nov 1994 08:49:37 GMT x",
            "Sun, 29 Feb 2023 08:49:37 GMT",
            &long,
        ] {
            assert_eq!(wait(&[bad]), None, "{bad}");
        }
        assert_eq!(wait(&[]), None);
    }
}
