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

/// Schemas by number.
struct Schemas(Vec<(u32, &'static str)>);

impl WriterSchemas for Schemas {
    fn schema(&mut self, id: u32) -> Result<Option<WriterSchema>, ConnectorError> {
        let found = self.0.iter().find(|(n, _)| *n == id);
        Ok(found.map(|(_, text)| WriterSchema { text: (*text).to_owned(), imports: Vec::new() }))
    }
}

fn outcome(decoder: &mut dyn MessageDecoder, messages: &Messages) -> Outcome {
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    decoder
        .decode(messages, &mut |decoded| {
            for row in 0..decoded.rows.batch.num_rows() {
                let json = crate::encode::row_as_json(&decoded.rows.batch, row);
                rows.push((decoded.message_of(row), String::from_utf8(json).unwrap()));
            }
            rejects.extend(decoded.rows.rejects.iter().map(|r| (r.position, r.message.clone(), r.raw.clone())));
        })
        .unwrap();
    (rows, rejects)
}

const AVRO_NEW: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"b","type":["null","string"]},{"name":"more","type":"double"},{"name":"a","type":"int"}]}"#;
const AVRO_OLD: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;
const AVRO_OTHER: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"int"}}]}"#;

#[test]
fn avro_messages_are_read_with_the_schema_they_were_written_with() {
    let double = 1.5f64.to_le_bytes();
    // Numbers are zigzag varints; a union is its branch and its value; a string its length and its bytes.
    let new = |a: u8, b: &[u8]| [&[0, 0, 0, 0, 1, 2, b.len() as u8 * 2][..], b, &double, &[a * 2]].concat();
    let null = [&[0, 0, 0, 0, 1, 0][..], &double, &[2]].concat();
    let mut messages = Messages::default();
    messages.push(&new(5, b"five"));
    messages.push(&null);
    messages.push(&[0, 0, 0, 0, 2, 14]);
    messages.push(&new(6, b"\xff"));
    messages.push(&new(7, b"x\ny"));
    messages.push(&new(8, b"cut")[..9]);
    messages.push(&new(9, b"nine"));
    messages.push(&[0, 0, 0, 0, 9, 1]);
    messages.push(b"{}");
    messages.push(&[&new(1, b"z")[..], b"rest"].concat());
    messages.push(&[0, 0, 0, 0, 3, 0]);
    messages.push(&new(3, b"end"));
    let schemas = Schemas(vec![(1, AVRO_NEW), (2, AVRO_OLD), (3, AVRO_OTHER)]);
    let (rows, rejects) = outcome(avro_decoder(&spec(), Box::new(schemas)).as_mut(), &messages);
    let expected = [
        (0, r#"{"a":5,"b":"five"}"#),
        (1, r#"{"a":1,"b":null}"#),
        (2, r#"{"a":7,"b":null}"#),
        (4, r#"{"a":7,"b":"x\ny"}"#),
        (6, r#"{"a":9,"b":"nine"}"#),
        (11, r#"{"a":3,"b":"end"}"#),
    ];
    assert_eq!(rows, expected.map(|(at, row)| (at, row.to_owned())));
    let whys: Vec<_> = rejects.iter().map(|(at, why, _)| (*at, why.as_str())).collect();
    let expected = [
        (3, "not Avro: the value is none of schema 1"),
        (5, "not Avro: the value is none of schema 1"),
        (7, "not Avro: there is no schema 9 in the registry"),
        (8, "not Avro: the message does not begin with a zero and a schema's number"),
        (9, "not Avro: the value is none of schema 1"),
    ];
    assert_eq!(whys[..5], expected);
    assert_eq!(whys[5].0, 10);
    assert!(rejects.iter().all(|(at, _, raw)| raw.as_slice() == messages.get(*at as usize)));
}

#[test]
fn avro_comes_back_as_it_was_written() {
    use arrow::{
        array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray},
        record_batch::RecordBatch,
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("b", Arc::new(StringArray::from(vec![Some("one"), None]))),
        ("c", Arc::new(Float64Array::from(vec![0.5, -1.0]))),
        ("d", Arc::new(TimestampMicrosecondArray::from(vec![1_000_000, 2]))),
        ("e", Arc::new(Decimal128Array::from(vec![125, -5]).with_precision_and_scale(12, 2).unwrap())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let schema: &'static str = crate::avro_schema(&batch.schema(), false).unwrap().leak();
    let mut messages = Messages::default();
    let mut encoder = crate::MessageEncoder::new(&crate::MessageOutput::Avro(7), &batch.schema(), false).unwrap();
    encoder.encode(&batch, None, &mut messages).unwrap();
    assert_eq!((messages.len(), schema_id(messages.get(1))), (2, Some(7)));
    let mut back = Vec::new();
    let mut decoder = avro_decoder(&ReadSpec::all(batch.schema(), 10), Box::new(Schemas(vec![(7, schema)])));
    decoder.decode(&messages, &mut |d| back.push(d.rows.batch)).unwrap();
    assert_eq!(back, [batch]);
}

#[test]
fn a_message_of_arrow_has_any_number_of_rows() {
    use arrow::{
        array::{ArrayRef, Int32Array, StringArray},
        ipc::writer::StreamWriter,
        record_batch::RecordBatch,
    };
    let stream = |ids: Vec<i32>| {
        let names: StringArray = ids.iter().map(|i| Some(format!("n{i}"))).collect();
        let columns: [(&str, ArrayRef); 2] = [("b", Arc::new(names)), ("a", Arc::new(Int32Array::from(ids)))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    };
    let mut messages = Messages::default();
    messages.push(&stream(vec![1, 2, 3]));
    messages.push(b"no stream");
    messages.push(&stream(vec![4])[..90]);
    messages.push(&stream(vec![5]));
    let mut decoder = message_decoder(&MessageFormat::Arrow, &spec()).unwrap();
    let (rows, rejects) = outcome(decoder.as_mut(), &messages);
    assert_eq!(rows.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 0, 0, 3]);
    assert_eq!(rows[1].1, r#"{"a":2,"b":"n2"}"#);
    assert_eq!(rejects.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [1, 2]);
}
