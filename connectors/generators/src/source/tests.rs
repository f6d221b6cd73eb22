//! Generated sources: shared among workers, cut into epochs, paced, and refused where options are bad.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::{connectors, options::Run, timeline::Timeline};
use arrow::{
    array::AsArray,
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use runink_connector_api::{Connector, OptionValue, Options, SourceConfig};
use std::{collections::BTreeMap, sync::Mutex};

fn connector(name: &str) -> Arc<dyn Connector> {
    connectors().into_iter().find(|c| c.spec().name == name).unwrap()
}

fn source(name: &str, options: &[(&str, OptionValue)]) -> Result<Arc<dyn Source>, ConnectorError> {
    let options = Options(options.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect());
    let connector = connector(name);
    let schema = (connector.spec().fixed_schema)(&options).unwrap();
    connector.source(SourceConfig {
        name: name.into(),
        options,
        base_dir: ".".into(),
        projection: (0..schema.fields().len()).collect(),
        schema: Some(schema),
        predicates: Vec::new(),
        key: Vec::new(),
        time_column: None,
        batch_rows: 1_000,
    })
}

/// Reads all shares; checks that ordinals never go back; batches by (ordinal, first position).
fn read(source: &dyn Source, peers: usize) -> BTreeMap<(Ordinal, u64), RecordBatch> {
    let mut rows = BTreeMap::new();
    for index in 0..peers {
        let mut reader = source.reader(Share { index, peers }).unwrap();
        let mut last = Ordinal::default();
        while let Poll::Rows(chunk) = reader.poll().unwrap() {
            assert!(chunk.ordinal >= last);
            assert!(chunk.batch.num_rows() <= 1_000);
            assert!(chunk.partition.0 < source.partitions());
            last = chunk.ordinal;
            let position = match &chunk.positions {
                Positions::From(start) => *start,
                Positions::Each(each) => each.value(0),
            };
            assert!(rows.insert((chunk.ordinal, position), chunk.batch).is_none());
        }
        assert!(matches!(reader.poll().unwrap(), Poll::End));
    }
    rows
}

#[test]
fn any_number_of_workers_reads_the_same() {
    for (name, count) in [("ticks", "count"), ("nexmark", "events")] {
        let options = [(count, OptionValue::Count(100_000))];
        let source = source(name, &options).unwrap();
        assert_eq!((source.boundedness(), source.epoch_by(), source.partitions()), (Boundedness::Bounded, EpochBy::Volume, 1));
        let one = read(source.as_ref(), 1);
        assert_eq!(one.values().map(RecordBatch::num_rows).sum::<usize>(), 100_000);
        assert_eq!(one.last_key_value().unwrap().0.0, Ordinal { unit: 0, chunk: 3 });
        for peers in [2, 5] {
            assert_eq!(read(source.as_ref(), peers), one, "{name} with {peers}");
        }
    }
}

#[test]
fn other_numbers_of_workers_go_on_where_it_was_left() {
    for (name, options) in [
        ("ticks", vec![("count", OptionValue::Count(100_000))]),
        ("nexmark", vec![("events", OptionValue::Count(100_000))]),
        ("nexmark", vec![("events", OptionValue::Count(100_000)), ("rate", OptionValue::Number(1e9))]),
    ] {
        let source = source(name, &options).unwrap();
        assert!(source.resumable());
        let mut saved: BTreeMap<(usize, usize), SavedPosition> = BTreeMap::new();
        let mut events = 0;
        for (peers, chunks) in [(2, 3), (3, 5), (1, 1), (2, usize::MAX)] {
            let from: Vec<_> = saved.values().cloned().collect();
            for index in 0..peers {
                let mut reader = source.resume(Share { index, peers }, &from).unwrap();
                let mut left = chunks;
                while left > 0 {
                    match reader.poll().unwrap() {
                        Poll::Rows(chunk) => {
                            left -= 1;
                            events += chunk.batch.num_rows();
                            let position = SavedPosition {
                                place: chunk.origin,
                                reader: index,
                                readers: peers,
                                after: chunk.after.unwrap(),
                                ended: false,
                            };
                            saved.insert((index, peers), position);
                        }
                        Poll::Pending { .. } => {}
                        _ => break,
                    }
                }
            }
        }
        assert_eq!(events, 100_000, "{name}");
    }
    assert!(!source("ticks", &[("first_event_time", OptionValue::Text("now".into()))]).unwrap().resumable());
}

#[test]
fn no_events_are_an_empty_source() {
    assert!(read(source("ticks", &[("count", OptionValue::Count(0))]).unwrap().as_ref(), 2).is_empty());
}

#[test]
fn without_an_end_or_with_a_pace_the_clock_cuts_epochs() {
    let rate = |r| ("rate", OptionValue::Number(r));
    let slow = source("ticks", &[]).unwrap();
    assert_eq!((slow.boundedness(), slow.epoch_by(), slow.partitions()), (Boundedness::Unbounded, EpochBy::Clock, 1));
    let bounded = source("nexmark", &[rate(10.0), ("events", OptionValue::Count(5))]).unwrap();
    assert_eq!((bounded.boundedness(), bounded.epoch_by(), bounded.partitions()), (Boundedness::Bounded, EpochBy::Clock, 1));
    let fast = source("nexmark", &[rate(1e6)]).unwrap();
    assert_eq!((fast.epoch_by(), fast.partitions()), (EpochBy::Clock, PARTITIONS));
    let mut spare = fast.reader(Share { index: 20, peers: 32 }).unwrap();
    assert!(matches!(spare.poll().unwrap(), Poll::End));
}

#[test]
fn paced_events_wait_for_their_time() {
    let now = Arc::new(Mutex::new(Duration::ZERO));
    let clock = now.clone();
    let run = Run { seed: 1, events: Some(4), timeline: Timeline::new(0, 10.0), paced: true, from_now: false };
    let model = crate::ticks::model(run, 3);
    let source = GeneratedSource { clock: Arc::new(move || *clock.lock().unwrap()), ..GeneratedSource::new(model, run, vec![0], 100) };
    let mut reader = source.reader(Share { index: 0, peers: 2 }).unwrap();
    let mut due = |ms| {
        *now.lock().unwrap() = Duration::from_millis(ms);
        let mut ids = Vec::new();
        while let Poll::Rows(chunk) = reader.poll().unwrap() {
            ids.extend_from_slice(chunk.batch.column(0).as_primitive::<Int64Type>().values());
        }
        ids
    };
    assert_eq!((due(0), due(99), due(100), due(350), due(351)), (vec![0], vec![], vec![1], vec![2, 3], vec![]));
    assert!(matches!(reader.poll().unwrap(), Poll::End));
}

#[test]
fn bad_options_are_told() {
    let code = |options: &[(&str, OptionValue)]| source("ticks", options).err().map(|e| e.code);
    assert_eq!(code(&[("rate", OptionValue::Number(0.0))]), Some("GEN001"));
    assert_eq!(code(&[("first_event_time", OptionValue::Text("yesterday".into()))]), Some("GEN002"));
    assert_eq!(code(&[("first_event_time", OptionValue::Text("now".into()))]), None);
    let nexmark = |options: &[(&str, OptionValue)]| source("nexmark", options).err().map(|e| e.code);
    assert_eq!(nexmark(&[("event_rate", OptionValue::Number(-1.0))]), Some("GEN001"));
    let both = [("event_rate", OptionValue::Number(1.0)), ("rate", OptionValue::Number(1.0))];
    assert_eq!(nexmark(&both), Some("GEN004"));
}

#[test]
fn event_time_may_run_at_another_rate_without_a_pace() {
    let options = [("events", OptionValue::Count(100)), ("event_rate", OptionValue::Number(0.5))];
    let source = source("nexmark", &options).unwrap();
    assert_eq!(source.epoch_by(), EpochBy::Volume);
    let rows = read(source.as_ref(), 1).into_values().next().unwrap();
    let times = rows.column_by_name("date_time").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.value(99) - times.value(0), 99 * 2_000_000);
}
