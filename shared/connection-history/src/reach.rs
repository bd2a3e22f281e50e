use domain::teamviewer::HistorySettings;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How far windows reach, and how often they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// A window begins so long after the last one.
    pub interval: SignedDuration,
    /// How far a window reaches back beyond the last one.
    pub overlap: SignedDuration,
    /// How far the window of once a day reaches back.
    pub deep: SignedDuration,
    /// From when on there is to be a history; as far as the first window reaches where it is absent.
    pub backfill_from: Option<Timestamp>,
}

impl Reach {
    /// What the settings say; every `every_hours` where they say nothing of it.
    pub fn of(settings: &HistorySettings, every_hours: u16) -> Self {
        let hours = |hours: u16| SignedDuration::from_hours(i64::from(hours));
        let midnight = settings.backfill_from.map(|day| {
            let midnight = day.to_zoned(TimeZone::UTC);
            midnight.map_or(Timestamp::MIN, |midnight| midnight.timestamp())
        });
        Self {
            interval: hours(settings.every_hours.unwrap_or(every_hours)),
            overlap: hours(settings.overlap_hours),
            deep: hours(settings.deep_days.saturating_mul(24)),
            backfill_from: midnight,
        }
    }
}

/// So long before; as long before as can be said.
pub(crate) fn before(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

/// So long after; as long after as can be said.
pub(crate) fn after(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_count_and_the_stack_says_what_they_leave_out() {
        let settings = |json| serde_json::from_value(json).unwrap();
        let usual = Reach::of(&settings(json!({"account": "tv"})), 6);
        let hours = SignedDuration::from_hours;
        assert_eq!(
            usual,
            Reach {
                interval: hours(6),
                overlap: hours(24),
                deep: hours(7 * 24),
                backfill_from: None
            }
        );
        let said = Reach::of(
            &settings(json!({
                "account": "tv", "every_hours": 3, "overlap_hours": 48, "deep_days": 30, "backfill_from": "2026-01-01"
            })),
            6,
        );
        assert_eq!(
            said,
            Reach {
                interval: hours(3),
                overlap: hours(48),
                deep: hours(30 * 24),
                backfill_from: Some("2026-01-01T00:00:00Z".parse().unwrap())
            }
        );
    }
}
