//! What both generators are told: how many events, how fast, from when on, by which seed.

use crate::timeline::Timeline;
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use runink_connector_api::{ConnectorError, OptionKind, OptionSpec, Options};
use std::time::{SystemTime, UNIX_EPOCH};

/// The most events a second that can be asked for.
const MAX_PER_SECOND: f64 = 1e9;

pub(crate) const RATE: OptionSpec = OptionSpec {
    name: "rate",
    kind: OptionKind::Number,
    required: false,
    default: None,
    about: "Events per second, of event time and of real time; as fast as possible unless given.",
};
pub(crate) const SEED: OptionSpec =
    OptionSpec { name: "seed", kind: OptionKind::Count, required: false, default: Some("1"), about: "Another seed makes other events." };
pub(crate) const FIRST_EVENT_TIME: OptionSpec = OptionSpec {
    name: "first_event_time",
    kind: OptionKind::Text,
    required: false,
    default: Some("2026-01-01T00:00:00Z"),
    about: "Event time of the first event (RFC 3339), or `now`.",
};

/// How a generator runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// How many events; without end where absent.
    pub(crate) events: Option<u64>,
    pub(crate) timeline: Timeline,
    /// Whether events wait for their time.
    pub(crate) paced: bool,
    /// The first event's time is when the source was opened: another run has other events.
    pub(crate) from_now: bool,
}

impl Run {
    /// Reads the options. `spacing` is the event-time rate where none is given; `count` is the name of the option that bounds it.
    pub(crate) fn of(options: &Options, count: &str, spacing: f64) -> Result<Self, ConnectorError> {
        let paced = options.number("rate");
        if let Some(rate) = paced {
            check_rate("rate", rate, "It is in events per second; leave it out to generate as fast as possible.")?;
        }
        let event_rate = options.number("event_rate");
        if let Some(rate) = event_rate {
            check_rate("event_rate", rate, "It is in events per second of event time.")?;
            if paced.is_some() {
                return Err(ConnectorError::user("GEN004", "`rate` and `event_rate` are both given")
                    .hint("Leave `event_rate` out: `rate` paces event time and real time alike."));
            }
        }
        let first_us = first_event_time_us(options.text("first_event_time"))?;
        Ok(Run {
            seed: options.count("seed").unwrap_or(1),
            events: options.count(count),
            timeline: Timeline::new(first_us, paced.or(event_rate).unwrap_or(spacing)),
            paced: paced.is_some(),
            from_now: options.text("first_event_time") == Some("now"),
        })
    }
}

fn check_rate(option: &str, rate: f64, hint: &str) -> Result<(), ConnectorError> {
    if rate > 0.0 && rate <= MAX_PER_SECOND {
        return Ok(());
    }
    let message = format!("`{option}` is {rate}: it must be more than 0, and at most {MAX_PER_SECOND}");
    Err(ConnectorError::user("GEN001", message).hint(hint))
}

fn first_event_time_us(text: Option<&str>) -> Result<i64, ConnectorError> {
    let text = text.or(FIRST_EVENT_TIME.default).unwrap_or_default();
    if text == "now" {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
    }
    string_to_timestamp_nanos(text).map(|ns| ns.div_euclid(1_000)).map_err(|cause| {
        ConnectorError::user("GEN002", format!("`first_event_time` is `{text}`, which is no time"))
            .hint("Write it like `2026-01-01T00:00:00Z`, or `now`.")
            .caused_by(cause)
    })
}
