use jiff::civil::{DateTime, date};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Schedule, Zone};

fn schedule(document: &Value) -> Schedule {
    let schedule: Schedule = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(schedule.problems(), [], "{document}");
    schedule
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next firings after a moment, as the clocks of the schedule's zone show them.
fn check(document: &Value, after: &str, expected: &[&str]) {
    let schedule = schedule(document);
    let next = schedule.next_firings(instant(after), expected.len());
    let shown: Vec<String> = next
        .iter()
        .map(|firing| {
            schedule
                .timezone
                .local(*firing)
                .strftime("%a %F %R")
                .to_string()
        })
        .collect();
    assert_eq!(shown, expected, "{document}");
    for firing in next {
        assert_eq!(schedule.firing_at(firing), Some(firing), "{document}");
    }
}

#[test]
fn expressions_fire_when_the_calendar_says() {
    for (cron, expected) in [
        (
            "0 17 * * ? *",
            ["Sun 2026-11-22 17:00", "Mon 2026-11-23 17:00"],
        ),
        (
            "0/20 8-9 * * ? *",
            ["Sun 2026-11-22 08:00", "Sun 2026-11-22 08:20"],
        ),
        (
            "*/40 8 * * ? *",
            ["Sun 2026-11-22 08:00", "Sun 2026-11-22 08:40"],
        ),
        (
            "10,5 8 * * ? *",
            ["Sun 2026-11-22 08:05", "Sun 2026-11-22 08:10"],
        ),
        (
            "0 9 ? * MON-FRI *",
            ["Mon 2026-11-23 09:00", "Tue 2026-11-24 09:00"],
        ),
        (
            "0  9 ? * 1,tue *",
            ["Sun 2026-11-22 09:00", "Tue 2026-11-24 09:00"],
        ),
        (
            "0 9 ? * L *",
            ["Sat 2026-11-28 09:00", "Sat 2026-12-05 09:00"],
        ),
        (
            "0 9 ? * 6L *",
            ["Fri 2026-11-27 09:00", "Fri 2026-12-25 09:00"],
        ),
        (
            "0 9 ? * MON#1 *",
            ["Mon 2026-12-07 09:00", "Mon 2027-01-04 09:00"],
        ),
        (
            "0 9 ? * 3#5 *",
            ["Tue 2026-12-29 09:00", "Tue 2027-03-30 09:00"],
        ),
        (
            "30 8 L * ? *",
            ["Mon 2026-11-30 08:30", "Thu 2026-12-31 08:30"],
        ),
        (
            "30 8 LW * ? *",
            ["Mon 2026-11-30 08:30", "Thu 2026-12-31 08:30"],
        ),
        (
            "30 8 LW JAN,MAY ? *",
            ["Fri 2027-01-29 08:30", "Mon 2027-05-31 08:30"],
        ),
        // The 15th is a Sunday, then a Tuesday; the 1st a Saturday; the 31st a Sunday.
        ("0 9 15W 11 ? 2026,2028", ["Wed 2028-11-15 09:00", ""]),
        (
            "0 9 15W NOV,DEC ? 2026-2027",
            ["Tue 2026-12-15 09:00", "Mon 2027-11-15 09:00"],
        ),
        (
            "0 9 1W MAY ? *",
            ["Mon 2027-05-03 09:00", "Mon 2028-05-01 09:00"],
        ),
        ("0 9 31W JAN ? 2027", ["Fri 2027-01-29 09:00", ""]),
        (
            "0 9 22W NOV ? *",
            ["Mon 2026-11-23 09:00", "Mon 2027-11-22 09:00"],
        ),
        ("0 9 31W OCT ? 2027", ["Fri 2027-10-29 09:00", ""]),
        (
            "0 0 29 2 ? *",
            ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"],
        ),
        (
            "0 0 31 * ? *",
            ["Thu 2026-12-31 00:00", "Sun 2027-01-31 00:00"],
        ),
        (
            "0 0 1 1 ? 2027/3",
            ["Fri 2027-01-01 00:00", "Tue 2030-01-01 00:00"],
        ),
        ("59 23 31 12 ? 2199", ["Tue 2199-12-31 23:59", ""]),
    ] {
        let expected: Vec<&str> = expected
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        check(&json!({"cron": cron}), "2026-11-22T03:30:00Z", &expected);
    }
}

#[test]
fn skipped_times_fire_after_the_change_and_repeated_ones_once() {
    for (zone, cron, after, expected) in [
        (
            "Europe/Paris",
            "30 2 * * ? *",
            "2026-10-24T12:00:00Z",
            ["Sun 2026-10-25 02:30", "Mon 2026-10-26 02:30"],
        ),
        (
            "Europe/Paris",
            "30 2 * * ? *",
            "2027-03-27T12:00:00Z",
            ["Sun 2027-03-28 03:00", "Mon 2027-03-29 02:30"],
        ),
        (
            "Europe/Paris",
            "0/30 * * * ? *",
            "2027-03-28T00:45:00Z",
            ["Sun 2027-03-28 03:00", "Sun 2027-03-28 03:30"],
        ),
        (
            "Europe/Paris",
            "0/30 * * * ? *",
            "2026-10-25T00:15:00Z",
            ["Sun 2026-10-25 02:30", "Sun 2026-10-25 03:00"],
        ),
        (
            "America/New_York",
            "30 1 * * ? *",
            "2026-10-31T12:00:00Z",
            ["Sun 2026-11-01 01:30", "Mon 2026-11-02 01:30"],
        ),
        (
            "America/New_York",
            "15 2 * * ? *",
            "2027-03-13T12:00:00Z",
            ["Sun 2027-03-14 03:00", "Mon 2027-03-15 02:15"],
        ),
        (
            "America/New_York",
            "0 9 ? * SUN *",
            "2027-03-08T12:00:00Z",
            ["Sun 2027-03-14 09:00", "Sun 2027-03-21 09:00"],
        ),
        // Half an hour.
        (
            "Australia/Lord_Howe",
            "10 2 * * ? *",
            "2026-10-03T12:00:00Z",
            ["Sun 2026-10-04 02:30", "Mon 2026-10-05 02:10"],
        ),
        // The whole 30 December 2011.
        (
            "Pacific/Apia",
            "0 9 * * ? 2011-2012",
            "2011-12-29T12:00:00Z",
            ["Thu 2011-12-29 09:00", "Sat 2011-12-31 00:00"],
        ),
        // At midnight.
        (
            "Asia/Beirut",
            "15 0 * * ? *",
            "2027-03-27T12:00:00Z",
            ["Sun 2027-03-28 01:00", "Mon 2027-03-29 00:15"],
        ),
    ] {
        check(&json!({"cron": cron, "timezone": zone}), after, &expected);
    }
    // 02:30 comes twice; the first one is summer time.
    let twice = schedule(&json!({"cron": "30 2 * * ? *", "timezone": "Europe/Paris"}));
    let first = instant("2026-10-25T00:30:00Z");
    assert_eq!(
        twice.next_firings(instant("2026-10-25T00:00:00Z"), 1),
        [first]
    );
    assert_eq!(
        twice.firing_at(instant("2026-10-25T01:30:00Z")),
        Some(first)
    );
}

#[test]
fn rates_count_from_the_start_or_from_midnight_and_a_day_is_24_hours() {
    check(
        &json!({"rate": "6 hours"}),
        "2026-11-22T03:30:00Z",
        &["Sun 2026-11-22 06:00", "Sun 2026-11-22 12:00"],
    );
    check(
        &json!({"rate": "1 minute"}),
        "2026-11-22T03:30:00Z",
        &["Sun 2026-11-22 03:31", "Sun 2026-11-22 03:32"],
    );
    check(
        &json!({"rate": "1 day", "timezone": "Europe/Paris", "start": "2026-10-23T09:00"}),
        "2026-10-23T07:00:00Z",
        &["Sat 2026-10-24 09:00", "Sun 2026-10-25 08:00"],
    );
    let start = "2026-12-01T09:10:00Z";
    let rate = schedule(&json!({"rate": "2 hours", "start": start, "end": "2026-12-01T13:10:00Z"}));
    let firings = [instant(start), instant("2026-12-01T11:10:00Z")];
    assert_eq!(
        rate.next_firings(instant("2026-11-22T03:30:00Z"), 9),
        firings
    );
    // Whenever the clock was started, each interval is one firing.
    for (told, firing) in [
        ("2026-12-01T09:09:29Z", None),
        ("2026-12-01T09:09:31Z", Some(firings[0])),
        ("2026-12-01T11:09:29Z", Some(firings[0])),
        ("2026-12-01T11:09:45Z", Some(firings[1])),
        ("2026-12-01T12:00:00Z", Some(firings[1])),
        ("2026-12-01T13:10:00Z", None),
    ] {
        assert_eq!(rate.firing_at(instant(told)), firing, "{told}");
    }
}

#[test]
fn once_is_once_and_local_to_the_zone() {
    let once = schedule(&json!({"at": "2026-12-01T09:00", "timezone": "Europe/Paris"}));
    let at = instant("2026-12-01T08:00:00Z");
    assert_eq!(once.next_firings(instant("2026-11-22T03:30:00Z"), 5), [at]);
    assert_eq!(once.next_firings(at, 5), []);
    assert_eq!(once.firings(instant("2026-11-22T03:30:00Z"), at, 0), []);
    for (told, firing) in [
        ("2026-12-01T08:00:59Z", Some(at)),
        ("2026-12-01T08:30:00Z", None),
        ("2026-11-30T08:00:00Z", None),
    ] {
        assert_eq!(once.firing_at(instant(told)), firing, "{told}");
    }
    let skipped = schedule(&json!({"at": "2027-03-28T02:30", "timezone": "Europe/Paris"}));
    assert_eq!(
        skipped.next_firings(at, 1),
        [instant("2027-03-28T01:00:00Z")]
    );
}

#[test]
fn start_and_end_cut_off() {
    let daily = json!({
        "cron": "0 9 * * ? *", "timezone": "America/New_York", "start": "2026-12-01T09:00", "end": "2026-12-03T14:00:00Z"
    });
    // The start counts, the end does not.
    let expected = [
        instant("2026-12-01T14:00:00Z"),
        instant("2026-12-02T14:00:00Z"),
    ];
    assert_eq!(
        schedule(&daily).next_firings(instant("2026-11-22T03:30:00Z"), 9),
        expected
    );
    assert_eq!(
        schedule(&daily).firings(expected[0], expected[1], 9),
        expected[1..]
    );
    assert_eq!(
        schedule(&daily).firing_at(instant("2026-12-03T14:00:00Z")),
        None
    );
    // What is skipped right at the start.
    let skipped =
        json!({"cron": "30 2 * * ? *", "timezone": "Europe/Paris", "start": "2027-03-28T03:00"});
    assert_eq!(
        schedule(&skipped).next_firings(instant("2026-11-22T03:30:00Z"), 1),
        [instant("2027-03-28T01:00:00Z")]
    );
}

#[test]
fn clock_that_rings_for_another_schedule_means_nothing() {
    let daily = schedule(&json!({"cron": "0 9 * * ? *"}));
    for (told, firing) in [
        (
            "2026-12-01T09:00:43Z",
            Some(instant("2026-12-01T09:00:00Z")),
        ),
        ("2026-12-01T09:01:00Z", None),
        ("2026-12-01T08:59:59Z", None),
    ] {
        assert_eq!(daily.firing_at(instant(told)), firing, "{told}");
    }
}

fn problems(document: Value) -> Vec<String> {
    match serde_json::from_value::<Schedule>(document) {
        Err(error) => vec![error.to_string()],
        Ok(schedule) => schedule
            .problems()
            .into_iter()
            .map(|(path, text)| format!("{path}: {text}"))
            .collect(),
    }
}

fn refuses(document: &Value, words: &str) {
    let problems = problems(document.clone());
    assert!(
        problems.iter().any(|problem| problem.contains(words)),
        "{document}: {problems:?}"
    );
}

#[test]
fn expressions_that_can_not_be_are_refused_with_a_reason() {
    for (document, words) in [
        (json!({}), "exactly one of cron, rate and at"),
        (
            json!({"cron": "0 9 * * ? *", "rate": "1 day"}),
            "found cron and rate",
        ),
        (json!({"cron": "0 9 * * *"}), "expected six fields"),
        (json!({"cron": "0 9 * * ? * *"}), "expected six fields"),
        (
            json!({"cron": "0 9 1 * MON *"}),
            "only one of them can be set",
        ),
        (
            json!({"cron": "0 9 * * * *"}),
            "only one of them can be set",
        ),
        (json!({"cron": "0 9 ? * ? *"}), "only one of them may be ?"),
        (
            json!({"cron": "60 9 * * ? *"}),
            "found `60`, expected minutes",
        ),
        (json!({"cron": "+5 9 * * ? *"}), "expected minutes"),
        (json!({"cron": "? 9 * * ? *"}), "expected minutes"),
        (json!({"cron": "0 24 * * ? *"}), "expected hours"),
        (json!({"cron": "0 5-3 * * ? *"}), "expected hours"),
        (json!({"cron": "0 */0 * * ? *"}), "expected hours"),
        (json!({"cron": "0 */ * * ? *"}), "expected hours"),
        (json!({"cron": "0 1/2/3 * * ? *"}), "expected hours"),
        (json!({"cron": "0 9 0 * ? *"}), "expected days of the month"),
        (
            json!({"cron": "0 9 1,L * ? *"}),
            "expected days of the month",
        ),
        (
            json!({"cron": "0 9 1-5W * ? *"}),
            "expected days of the month",
        ),
        (
            json!({"cron": "0 9 L-3 * ? *"}),
            "expected days of the month",
        ),
        (json!({"cron": "0 9 * 13 ? *"}), "expected months"),
        (json!({"cron": "0 9 * JANUARY ? *"}), "expected months"),
        (json!({"cron": "0 9 ? * 0 *"}), "1 is Sunday"),
        (json!({"cron": "0 9 ? * 8 *"}), "1 is Sunday"),
        (
            json!({"cron": "0 9 ? * 3#6 *"}),
            "expected days of the week",
        ),
        (
            json!({"cron": "0 9 ? * 3#1,6#3 *"}),
            "expected days of the week",
        ),
        (json!({"cron": "0 9 * * ? 1969"}), "expected years"),
        (json!({"cron": "0 9 * * ? 99999999999"}), "expected years"),
        (
            json!({"cron": "0 9 31 2 ? *"}),
            "cron: never fires: there is no such day",
        ),
        (json!({"cron": "0 9 31 4,6 ? *"}), "never fires"),
        (json!({"cron": "0 9 29 2 ? 2027"}), "never fires"),
        (
            json!({"cron": "0 9 * * ? 2026", "start": "2027-01-01T00:00Z"}),
            "between `start` and `end`",
        ),
    ] {
        refuses(&document, words);
    }
}

#[test]
fn rates_zones_and_moments_that_can_not_be_are_refused_with_a_reason() {
    for (document, words) in [
        (json!({"rate": "0 hours"}), "a positive number"),
        (json!({"rate": "-1 hours"}), "a positive number"),
        (json!({"rate": "+1 hours"}), "a positive number"),
        (json!({"rate": "6"}), "minutes, hours or days"),
        (json!({"rate": "6 weeks"}), "minutes, hours or days"),
        (json!({"rate": "30 seconds"}), "minutes, hours or days"),
        (json!({"rate": "367 days"}), "366 days at most"),
        (
            json!({"rate": "1 day", "timezone": "Mars/Olympus"}),
            "found `Mars/Olympus`, expected an IANA time zone",
        ),
        (
            json!({"rate": "1 day", "timezone": ""}),
            "expected an IANA time zone",
        ),
        (json!({"at": "2026-12-01"}), "a date and a time"),
        (json!({"at": "2026-13-01T09:00"}), "a date and a time"),
        (json!({"at": "2026-12-01T09:00:00.5"}), "a date and a time"),
        (
            json!({"at": "2026-12-01T09:00[Europe/Paris]"}),
            "a date and a time",
        ),
        (
            json!({"at": "2026-12-01T09:00", "end": "2026-12-02T00:00"}),
            "end: found `end` beside `at`",
        ),
        (
            json!({"rate": "1 day", "start": "2026-12-02T00:00", "end": "2026-12-02T00:00"}),
            "expected a time after `start`",
        ),
        (
            json!({"rate": "1 day", "start": "2026-12-02T00:00", "end": "2026-12-02T00:30Z", "timezone": "America/New_York"}),
            "end: found 2026-12-02T00:30:00Z, expected a time after `start`",
        ),
        (
            json!({"rate": "1 day", "times": 3}),
            "unknown field `times`",
        ),
    ] {
        refuses(&document, words);
    }
}

#[test]
fn definition_survives_json() {
    for document in [
        json!({"cron": "0 9 ? * MON-FRI *", "timezone": "Europe/Paris", "start": "2026-12-01T09:00:00", "end": "2026-12-02T00:00:00Z"}),
        json!({"rate": "1 day", "input": {"team": "north"}}),
        json!({"at": "2026-12-01T09:00:00"}),
    ] {
        assert_eq!(serde_json::to_value(schedule(&document)).unwrap(), document);
    }
    let untidy = json!({"cron": " 0  9 ? * mon-fri *", "timezone": "europe/paris"});
    let tidy = json!({"cron": "0 9 ? * MON-FRI *", "timezone": "Europe/Paris"});
    assert_eq!(serde_json::to_value(schedule(&untidy)).unwrap(), tidy);
    for (cron, tidy) in [
        ("0 9 ? * fril *", "0 9 ? * 6L *"),
        ("0 9 ? * MON#1 *", "0 9 ? * 2#1 *"),
    ] {
        let written = serde_json::to_value(schedule(&json!({ "cron": cron }))).unwrap();
        assert_eq!(written, json!({ "cron": tidy }));
    }
}

/// One field of an expression, with what it means for one value, said without the parser.
#[derive(Debug, Clone)]
enum Plain {
    All,
    One(u32),
    Span(u32, u32),
    Steps(u32, u32),
    Either(u32, u32),
}

impl Plain {
    fn text(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::One(value) => value.to_string(),
            Self::Span(first, last) => format!("{first}-{last}"),
            Self::Steps(first, step) => format!("{first}/{step}"),
            Self::Either(one, other) => format!("{one},{other}"),
        }
    }

    fn holds(&self, value: u32) -> bool {
        match *self {
            Self::All => true,
            Self::One(only) => value == only,
            Self::Span(first, last) => (first..=last).contains(&value),
            Self::Steps(first, step) => value >= first && (value - first).is_multiple_of(step),
            Self::Either(one, other) => value == one || value == other,
        }
    }
}

fn plain(low: u32, high: u32) -> impl Strategy<Value = Plain> {
    prop_oneof![
        2 => Just(Plain::All),
        2 => (low..=high).prop_map(Plain::One),
        1 => (low..=high, low..=high).prop_map(|(a, b)| Plain::Span(a.min(b), a.max(b))),
        2 => (low..=high, 1..=high.min(30)).prop_map(|(first, step)| Plain::Steps(first, step)),
        1 => (low..=high, low..=high).prop_map(|(a, b)| Plain::Either(a, b)),
    ]
}

#[derive(Debug, Clone)]
enum PlainDays {
    OfMonth(Plain),
    OfWeek(Plain),
    Last,
    LastOfWeekday(u32),
    Nth(u32, u32),
}

impl PlainDays {
    fn texts(&self) -> (String, String) {
        let any = || "?".to_owned();
        match self {
            Self::OfMonth(days) => (days.text(), any()),
            Self::OfWeek(days) => (any(), days.text()),
            Self::Last => ("L".to_owned(), any()),
            Self::LastOfWeekday(day) => (any(), format!("{day}L")),
            Self::Nth(day, nth) => (any(), format!("{day}#{nth}")),
        }
    }

    fn holds(&self, local: DateTime) -> bool {
        let day = u32::from(local.day().unsigned_abs());
        let weekday = u32::from(local.weekday().to_sunday_one_offset().unsigned_abs());
        let days = u32::from(local.date().days_in_month().unsigned_abs());
        match self {
            Self::OfMonth(plain) => plain.holds(day),
            Self::OfWeek(plain) => plain.holds(weekday),
            Self::Last => day == days,
            Self::LastOfWeekday(wanted) => weekday == *wanted && day + 7 > days,
            Self::Nth(wanted, nth) => weekday == *wanted && (day - 1) / 7 + 1 == *nth,
        }
    }
}

fn plain_days() -> impl Strategy<Value = PlainDays> {
    prop_oneof![
        3 => plain(1, 31).prop_map(PlainDays::OfMonth),
        3 => plain(1, 7).prop_map(PlainDays::OfWeek),
        1 => Just(PlainDays::Last),
        1 => (1..=7_u32).prop_map(PlainDays::LastOfWeekday),
        1 => (1..=7_u32, 1..=5_u32).prop_map(|(day, nth)| PlainDays::Nth(day, nth)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Goes minute by minute, as a watchman would who looks at the clock on the wall: whatever it shows for the
    /// first time, or has jumped over, counts.
    #[test]
    fn firings_are_those_of_a_watchman(
        minutes in plain(0, 59), hours in plain(0, 23), months in plain(1, 12), days in plain_days(),
        place in prop::sample::select(vec![
            ("Europe/Paris", date(2026, 10, 24)), ("Europe/Paris", date(2027, 3, 27)),
            ("America/New_York", date(2026, 10, 31)), ("America/New_York", date(2027, 3, 13)),
            ("Australia/Lord_Howe", date(2026, 10, 3)), ("Asia/Beirut", date(2027, 3, 27)),
            ("UTC", date(2028, 2, 28)), ("Asia/Kolkata", date(2026, 12, 31)),
        ]),
    ) {
        let (zone, day) = place;
        let (of_month, of_week) = days.texts();
        let cron = format!("{} {} {of_month} {} {of_week} *", minutes.text(), hours.text(), months.text());
        let schedule: Schedule = serde_json::from_value(json!({"cron": cron, "timezone": zone})).unwrap();
        let zone = Zone::parse(zone).unwrap();
        let minute = SignedDuration::from_mins(1);
        let began = zone.first_instant(day.at(12, 0, 0, 0)).unwrap();
        let until = began + SignedDuration::from_hours(60);
        let mut expected = Vec::new();
        let mut shown = zone.local(began);
        let mut now = began;
        while now < until {
            now += minute;
            let mut rings = false;
            while shown < zone.local(now) {
                shown += minute;
                rings |= minutes.holds(u32::from(shown.minute().unsigned_abs()))
                    && hours.holds(u32::from(shown.hour().unsigned_abs()))
                    && months.holds(u32::from(shown.month().unsigned_abs()))
                    && days.holds(shown);
            }
            if rings {
                expected.push(now);
            }
        }
        prop_assert_eq!(&schedule.firings(began, until, usize::MAX), &expected);
        for firing in expected {
            prop_assert_eq!(schedule.firing_at(firing), Some(firing));
        }
    }

    #[test]
    fn no_text_makes_the_parser_or_the_search_fail(text in "[0-9*/,?LW#A-Z -]{0,40}", days in "[0-9L#W*?/-]{1,6}") {
        for cron in [text, format!("0 9 {days} * ? *"), format!("0 9 ? 2 {days} 2027")] {
            if let Ok(schedule) = serde_json::from_value::<Schedule>(json!({"cron": cron})) {
                let after = instant("2026-11-22T03:30:00Z");
                let next = schedule.next_firings(after, 3);
                prop_assert!(next.is_sorted());
                prop_assert!(next.iter().all(|firing| *firing > after));
            }
        }
    }
}
