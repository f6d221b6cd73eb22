//! Messages of text formats: the fast way and the way one by one give the same.

#![allow(clippy::unwrap_used)]

use super::*;
use arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

fn spec() -> ReadSpec {
    let fields = vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)];
    ReadSpec::all(Arc::new(Schema::new(fields)), 2)
}

/// (message, row as JSON) and (message, why, bytes).
type Outcome = (Vec<(usize, String)>, Vec<(u64, String, Vec<u8>)>);

fn decode(format: &MessageFormat, spec: &ReadSpec, texts: &[&[u8]]) -> Outcome {
    let mut messages = Messages::default();
    texts.iter().for_each(|t| messages.push(t));
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    let mut decoder = message_decoder(format, spec).unwrap();
    decoder
        .decode(&messages, &mut |decoded| {
            assert!(decoded.rows.batch.num_rows() <= 2 && decoded.rows.rejects.len() <= 2, "batches are bounded");
            for row in 0..decoded.rows.batch.num_rows() {
                let json = crate::encode::row_as_json(&decoded.rows.batch, row);
                rows.push((decoded.message_of(row), String::from_utf8(json).unwrap()));
            }
            rejects.extend(decoded.rows.rejects.iter().map(|r| (r.position, r.message.clone(), r.raw.clone())));
        })
        .unwrap();
    (rows, rejects)
}

#[test]
fn json_messages_keep_their_numbers() {
    let (rows, rejects) =
        decode(&MessageFormat::Json, &spec(), &[b"{\"a\":1}", b"{\"a\":", b"{\"b\":\"x\"}", b"[]", b"{\"a\":3,\"b\":\"y\"}"]);
    assert_eq!(rows, [(0, r#"{"a":1,"b":null}"#.into()), (2, r#"{"a":null,"b":"x"}"#.into()), (4, r#"{"a":3,"b":"y"}"#.into())]);
    assert_eq!(rejects.iter().map(|(at, _, raw)| (*at, raw.as_slice())).collect::<Vec<_>>(), [(1, &b"{\"a\":"[..]), (3, &b"[]"[..])]);
}

#[test]
fn line_breaks_and_blanks_cost_no_neighbour() {
    let texts: [&[u8]; 6] = [b"{\"a\":1}", b"{\n \"a\": 2\n}\n", b"", b"  ", b"{\"b\":\"x\ny\"}", b"{\"a\":4}"];
    let (rows, rejects) = decode(&MessageFormat::Json, &spec(), &texts);
    assert_eq!(rows.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1, 5]);
    let expected = [
        (2, "not JSON: the message is empty".to_owned(), b"".to_vec()),
        (3, "not JSON: the message is empty".to_owned(), b"  ".to_vec()),
        (4, "not JSON: a text has a line break that is not written as `\\n`".to_owned(), b"{\"b\":\"x\ny\"}".to_vec()),
    ];
    assert_eq!(rejects, expected);
}

#[test]
fn csv_messages_are_rows_in_the_order_of_the_columns() {
    let csv = MessageFormat::Csv(CsvFormat::default());
    let texts: [&[u8]; 6] = [b"1,x", b"\"2\",\"y\nz\"", b"3,\"open", b"4,\"a\"", b"5,b\n6,c\n", b"nine,d"];
    let (rows, rejects) = decode(&csv, &spec(), &texts);
    let expected = [
        (0, r#"{"a":1,"b":"x"}"#),
        (1, r#"{"a":2,"b":"y\nz"}"#),
        (3, r#"{"a":4,"b":"a"}"#),
        (4, r#"{"a":5,"b":"b"}"#),
        (4, r#"{"a":6,"b":"c"}"#),
    ];
    assert_eq!(rows, expected.map(|(at, row)| (at, row.to_owned())));
    assert_eq!(rejects.iter().map(|r| (r.0, r.2.clone())).collect::<Vec<_>>(), [(2, b"3,\"open".to_vec()), (5, b"nine,d".to_vec())]);
}

#[test]
fn raw_messages_are_their_bytes() {
    let spec = ReadSpec::all(Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, false)])), 2);
    let (rows, rejects) = decode(&MessageFormat::Raw, &spec, &[b"one", b"", b"\xff", b"two\nlines"]);
    assert_eq!(rows, [(0, r#"{"text":"one"}"#.into()), (1, r#"{"text":""}"#.into()), (3, r#"{"text":"two\nlines"}"#.into())]);
    assert_eq!(rejects, [(2, "not UTF-8 from byte 1 on".into(), b"\xff".to_vec())]);
    let error = message_decoder(&MessageFormat::Raw, &self::spec()).map(|_| ()).unwrap_err();
    assert_eq!(error.code, "FMT021");
}

#[test]
fn events_of_debezium_put_and_delete() {
    let texts: [&[u8]; 8] = [
        br#"{"before":null,"after":{"a":1,"b":"one","c":0},"op":"c","ts_ms":5}"#,
        br#"{"schema":{"type":"struct"},"payload":{"before":{"a":1},"after":{"a":1,"b":"uno"},"op":"u"}}"#,
        br#"{"before":{"a":1,"b":"uno"},"after":null,"op":"d"}"#,
        br#"{"after":null,"op":"c"}"#,
        br#"{"op":"t"}"#,
        br#"{"a":1}"#,
        br#"{"after":{"a":"x"},"op":"r"}"#,
        br#"{"after":{"a":2},"op":"r"}"#,
    ];
    let mut messages = Messages::default();
    texts.iter().for_each(|t| messages.push(t));
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    let mut decoder = message_decoder(&MessageFormat::Debezium, &spec()).unwrap();
    decoder
        .decode(&messages, &mut |decoded| {
            for row in 0..decoded.rows.batch.num_rows() {
                let json = String::from_utf8(crate::encode::row_as_json(&decoded.rows.batch, row)).unwrap();
                rows.push((decoded.message_of(row), decoded.diffs.as_ref().unwrap().value(row), json));
            }
            rejects.extend(decoded.rows.rejects.iter().map(|r| (r.position, r.message.clone())));
        })
        .unwrap();
    let expected =
        [(0, 1, r#"{"a":1,"b":"one"}"#), (1, 1, r#"{"a":1,"b":"uno"}"#), (2, -1, r#"{"a":1,"b":"uno"}"#), (7, 1, r#"{"a":2,"b":null}"#)];
    assert_eq!(rows, expected.map(|(at, diff, row)| (at, diff, row.to_owned())));
    let expected = [
        (3, "not a change of Debezium's: `after` is missing"),
        (4, "not a change of Debezium's: a truncated table: which keys are gone, it does not say"),
        (5, "not a change of Debezium's: it has no `op`"),
        (6, "column `after.a`: expected int64, found \"x\""),
    ];
    assert_eq!(rejects, expected.map(|(at, why)| (at, why.to_owned())));
}
