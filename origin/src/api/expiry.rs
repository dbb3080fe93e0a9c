//! When a video is to be deleted by itself: as callers say it, or as long after its beginning as the server says.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::query::Query;
use crate::{
    clock,
    respond::{Kind, Problem},
};

/// The time that a new video gets, in milliseconds since the Unix epoch: that of its query, else after this long.
pub(super) fn of_new(query: &Query, expire_after: Option<Duration>) -> Result<Option<i64>, Problem> {
    let after = |after: Duration| clock::now_ms().saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
    query.text("expires_at").map_or_else(|| Ok(expire_after.map(after)), |text| read(text).map(Some))
}

/// A time to come, in milliseconds since the Unix epoch.
pub(super) fn read(text: &str) -> Result<i64, Problem> {
    let wrong = |detail| Kind::InvalidParameter.because(detail);
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    let at_ms = time.and_then(|time| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    let at_ms = at_ms.ok_or_else(|| wrong("expires_at is a time such as 2030-12-31T23:59:59Z"))?;
    if at_ms <= clock::now_ms() {
        return Err(wrong("expires_at is over already; DELETE deletes a video now"));
    }
    Ok(at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_come_is_read_in_every_zone() {
        for text in ["9999-01-02T03:04:05.678Z", "9999-01-02T04:04:05.678+01:00", "9999-01-01t22:04:05.678-05:00"] {
            assert_eq!(read(text).ok(), Some(253_370_862_245_678), "{text}");
        }
        for text in ["", "tomorrow", "9999-01-02", "9999-01-02T03:04:05", "253370862245678", "2026-01-01T00:00:00Z"] {
            assert_eq!(read(text).map_err(|problem| problem.kind), Err(Kind::InvalidParameter), "{text}");
        }
    }

    #[test]
    fn the_query_wins_over_what_the_server_says() {
        let of_new = |query: &str, after| of_new(&Query::parse(query).unwrap(), after).unwrap();
        let at_ms = read("9999-01-02T03:04:05Z").unwrap();
        let hour = Duration::from_hours(1);
        assert_eq!(of_new("title=T", None), None);
        assert_eq!(of_new("expires_at=9999-01-02T03:04:05Z", Some(hour)), Some(at_ms));
        let began_ms = clock::now_ms();
        let end_ms = of_new("", Some(hour)).unwrap();
        assert!((began_ms + 3_600_000..=clock::now_ms() + 3_600_000).contains(&end_ms), "{end_ms}");
        assert_eq!(of_new("", Some(Duration::MAX)), Some(i64::MAX));
    }
}
