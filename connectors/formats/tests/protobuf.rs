//! Protobuf beside prost-reflect, which reads and writes messages one value at a time.

use crate::support::golden;
use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use proptest::{collection::vec, prelude::*};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value, prost::Message,
};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use runink_connector_api::ConnectorError;
use runink_formats::{
    EncodeError, MessageEncoder, MessageOutput, Messages, ProtoFile, ProtobufTypes, ReadSpec, WriterSchema, WriterSchemas, proto_schema,
    protobuf_decoder,
};
use serde_json::{Map, Value as Json, json};
use std::sync::{Arc, LazyLock};

/// Of everything one.
const ALL: &str = r#"
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum State { NEW = 0; PAID = 1; SENT = -5; }

message Order {
  double a = 1;
  float b = 2;
  int32 c = 3;
  int64 d = 4;
  uint32 e = 5;
  uint64 f = 6;
  sint32 g = 7;
  sint64 h = 8;
  fixed32 i = 9;
  fixed64 j = 10;
  sfixed32 k = 11;
  sfixed64 l = 12;
  bool m = 13;
  string n = 14;
  bytes o = 15;
  State state = 16;
  optional int32 maybe = 300;
  repeated sint64 packed = 18;
  repeated fixed32 loose = 19 [packed = false];
  repeated string words = 20;
  repeated State states = 21;
  map<string, int32> counts = 22;
  map<int32, Item> by_number = 23;
  Item item = 24;
  repeated Item items = 25;
  oneof either { int64 left = 26; string right = 27; Item third = 28; }
  google.protobuf.Timestamp at = 29;
  google.protobuf.Int64Value boxed = 30;
  google.protobuf.StringValue boxed_text = 31;
  repeated google.protobuf.Timestamp times = 5000;

  message Item {
    string name = 1;
    Deep deep = 2;
    repeated double prices = 3;
    message Deep { uint64 value = 1; optional bool flag = 2; }
  }
}
"#;

/// The same type as prost-reflect knows it.
fn order() -> MessageDescriptor {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        struct One;
        impl FileResolver for One {
            fn open_file(&self, name: &str) -> Result<File, protox::Error> {
                File::from_source(name, ALL)
            }
        }
        let mut files = ChainFileResolver::new();
        files.add(GoogleFileResolver::new());
        files.add(One);
        let mut compiler = protox::Compiler::with_file_resolver(files);
        compiler.open_file("all.proto").unwrap();
        compiler.descriptor_pool()
    });
    POOL.get_message_by_name("shop.Order").unwrap()
}

fn file(text: &str) -> ProtoFile {
    ProtoFile::parse(text, Vec::new()).unwrap()
}

/// Rows as JSON, and rejects: (message, why).
type Outcome = (Vec<(usize, Json)>, Vec<(u64, String)>, Vec<RecordBatch>);

fn decode(spec: &ReadSpec, types: ProtobufTypes, messages: &[Vec<u8>]) -> Outcome {
    let mut all = Messages::default();
    messages.iter().for_each(|m| all.push(m));
    let (mut rows, mut rejects, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    let mut decoder = protobuf_decoder(spec, types).unwrap();
    decoder
        .decode(&all, &mut |decoded| {
            let batch = &decoded.rows.batch;
            let mut encoder = MessageEncoder::new(&MessageOutput::Json, &batch.schema(), false).unwrap();
            let mut texts = Messages::default();
            encoder.encode(batch, None, &mut texts).unwrap();
            rows.extend(texts.iter().enumerate().map(|(row, t)| (decoded.message_of(row), serde_json::from_slice(t).unwrap())));
            for reject in &decoded.rows.rejects {
                assert_eq!(reject.raw, messages[reject.position as usize]);
            }
            rejects.extend(decoded.rows.rejects.iter().map(|r| (r.position, r.message.clone())));
            batches.push(batch.clone());
        })
        .unwrap();
    (rows, rejects, batches)
}

/// A message as JSON, value by value.
fn reference(message: &DynamicMessage) -> Json {
    let fields = message.descriptor();
    let member = |field: FieldDescriptor| {
        let absent = field.supports_presence() && !message.has_field(&field) && !field.parent_message().is_map_entry();
        let value = if absent { Json::Null } else { value_of(&field.kind(), &message.get_field(&field)) };
        (field.name().to_owned(), value)
    };
    Json::Object(fields.fields().map(member).collect::<Map<_, _>>())
}

fn value_of(kind: &Kind, value: &Value) -> Json {
    match (kind, value) {
        (_, Value::List(values)) => Json::Array(values.iter().map(|v| value_of(kind, v)).collect()),
        (Kind::Message(entry), Value::Map(values)) => {
            let value_kind = entry.map_entry_value_field().kind();
            let entry = |(key, value): (&MapKey, &Value)| {
                let key = match key {
                    MapKey::String(key) => json!(key),
                    MapKey::I32(key) => json!(key),
                    other => panic!("no key here is {other:?}"),
                };
                json!({ "key": key, "value": value_of(&value_kind, value) })
            };
            let mut entries: Vec<Json> = values.iter().map(entry).collect();
            entries.sort_by_key(|e| e["key"].to_string());
            Json::Array(entries)
        }
        (_, Value::Bool(v)) => json!(v),
        (_, Value::I32(v)) => json!(v),
        (_, Value::I64(v)) => json!(v),
        (_, Value::U32(v)) => json!(v),
        (_, Value::U64(v)) => json!(v),
        // Read from its text, as that of a row is.
        (_, Value::F32(v)) => serde_json::from_str(&format!("{v:?}")).unwrap(),
        (_, Value::F64(v)) => serde_json::from_str(&format!("{v:?}")).unwrap(),
        (_, Value::String(v)) => json!(v),
        (_, Value::Bytes(v)) => json!(v.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        (Kind::Enum(kind), Value::EnumNumber(v)) => {
            json!(kind.get_value(*v).map_or_else(|| v.to_string(), |v| v.name().to_owned()))
        }
        (Kind::Message(kind), Value::Message(message)) => match kind.full_name() {
            "google.protobuf.Timestamp" => {
                let part = |n: u32| match message.get_field_by_number(n).unwrap().as_ref() {
                    Value::I64(v) => *v,
                    Value::I32(v) => i64::from(*v),
                    other => panic!("no part of a moment: {other:?}"),
                };
                json!(part(1) * 1_000_000 + part(2) / 1000)
            }
            "google.protobuf.Int64Value" | "google.protobuf.StringValue" => {
                let inner = kind.get_field(1).unwrap();
                value_of(&inner.kind(), &message.get_field(&inner))
            }
            _ => reference(message),
        },
        (kind, value) => panic!("no reference for {kind:?} {value:?}"),
    }
}

/// A row with its moments as numbers, its bytes in hexadecimal, and its maps sorted.
fn plain(row: &Json) -> Json {
    let mut row = row.clone();
    let moment = |v: &mut Json| {
        if let Some(text) = v.as_str() {
            *v = json!(micros(text));
        }
    };
    moment(&mut row["at"]);
    row["times"].as_array_mut().unwrap().iter_mut().for_each(moment);
    if let Some(text) = row["o"].as_str() {
        row["o"] = json!(unbase64(text).iter().map(|b| format!("{b:02x}")).collect::<String>());
    }
    for map in ["counts", "by_number"] {
        row[map].as_array_mut().unwrap().sort_by_key(|e| e["key"].to_string());
    }
    row
}

fn micros(text: &str) -> i64 {
    let values: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let moments = arrow::compute::cast(&values, &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap();
    let moments = arrow::compute::cast(&moments, &DataType::Int64).unwrap();
    moments.as_any().downcast_ref::<Int64Array>().unwrap().value(0)
}

fn unbase64(text: &str) -> Vec<u8> {
    let digit = |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|d| *d == c);
    let bits: Vec<u8> = text.bytes().filter_map(digit).flat_map(|d| (0..6).rev().map(move |i| (d >> i & 1) as u8)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |v, b| v << 1 | b)).collect()
}

/// Any value of a kind.
fn any_value(kind: Kind, depth: usize) -> BoxedStrategy<Value> {
    let small = prop_oneof![Just(0i64), any::<i8>().prop_map(i64::from), any::<i64>()];
    match kind {
        Kind::Double => any::<f64>().prop_filter("a number", |v| v.is_finite()).prop_map(Value::F64).boxed(),
        Kind::Float => any::<f32>().prop_filter("a number", |v| v.is_finite()).prop_map(Value::F32).boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => small.prop_map(|v| Value::I32(v as i32)).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => small.prop_map(Value::I64).boxed(),
        Kind::Uint32 | Kind::Fixed32 => small.prop_map(|v| Value::U32(v as u32)).boxed(),
        Kind::Uint64 | Kind::Fixed64 => small.prop_map(|v| Value::U64(v as u64)).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::String => "[a-zé\n]{0,4}".prop_map(Value::String).boxed(),
        Kind::Bytes => vec(any::<u8>(), 0..5).prop_map(|v| Value::Bytes(v.into())).boxed(),
        Kind::Enum(_) => prop_oneof![Just(0), Just(1), Just(-5)].prop_map(Value::EnumNumber).boxed(),
        Kind::Message(kind) if kind.full_name() == "google.protobuf.Timestamp" => (-60_000_000_000i64..250_000_000_000, 0i32..1_000_000)
            .prop_map(move |(seconds, micros)| {
                let mut message = DynamicMessage::new(kind.clone());
                message.set_field_by_number(1, Value::I64(seconds));
                message.set_field_by_number(2, Value::I32(micros * 1000));
                Value::Message(message)
            })
            .boxed(),
        Kind::Message(kind) => any_message(kind, depth + 1).prop_map(Value::Message).boxed(),
    }
}

fn any_message(kind: MessageDescriptor, depth: usize) -> BoxedStrategy<DynamicMessage> {
    let field = |field: FieldDescriptor| -> BoxedStrategy<Option<(FieldDescriptor, Value)>> {
        let value = if field.is_map() {
            let Kind::Message(entry) = field.kind() else { panic!("a map has entries") };
            let key = any_value(entry.map_entry_key_field().kind(), depth).prop_map(|key| match key {
                Value::String(key) => MapKey::String(key),
                Value::I32(key) => MapKey::I32(key),
                other => panic!("no key is {other:?}"),
            });
            vec((key, any_value(entry.map_entry_value_field().kind(), depth)), 0..3)
                .prop_map(|entries| Value::Map(entries.into_iter().collect()))
                .boxed()
        } else if field.is_list() {
            vec(any_value(field.kind(), depth), 0..4).prop_map(Value::List).boxed()
        } else {
            any_value(field.kind(), depth)
        };
        proptest::option::of(value.prop_map(move |value| (field.clone(), value))).boxed()
    };
    let fields: Vec<_> = kind.fields().map(field).collect();
    fields
        .prop_map(move |fields| {
            let mut message = DynamicMessage::new(kind.clone());
            fields.into_iter().flatten().for_each(|(field, value)| message.set_field(&field, value));
            message
        })
        .boxed()
}

fn all_columns(batch_rows: usize) -> (ReadSpec, ProtobufTypes) {
    let message = file(ALL).message(None).unwrap();
    let schema = message.columns().unwrap();
    (ReadSpec::all(schema, batch_rows), ProtobufTypes::Bare(message))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Rows are what the reference reads, and the messages that are made of them are the same again.
    #[test]
    fn messages_become_rows_and_rows_messages(sent in vec(any_message(order(), 0), 1..6), batch_rows in 1usize..4) {
        let bytes: Vec<Vec<u8>> = sent.iter().map(|m| m.encode_to_vec()).collect();
        let (spec, types) = all_columns(batch_rows);
        let (rows, rejects, batches) = decode(&spec, types, &bytes);
        prop_assert_eq!(rejects, vec![]);
        let rows: Vec<Json> = rows.iter().map(|(_, row)| plain(row)).collect();
        prop_assert_eq!(rows, sent.iter().map(reference).collect::<Vec<_>>());

        let mut back = Messages::default();
        let output = MessageOutput::Protobuf(file(ALL).message(None).unwrap(), None);
        for batch in &batches {
            MessageEncoder::new(&output, &batch.schema(), false).unwrap().encode(batch, None, &mut back).unwrap();
        }
        let back: Vec<DynamicMessage> = back.iter().map(|m| DynamicMessage::decode(order(), m).unwrap()).collect();
        // What is set to zero where that is nothing is absent on the wire.
        let sent: Vec<DynamicMessage> = bytes.iter().map(|m| DynamicMessage::decode(order(), m.as_slice()).unwrap()).collect();
        prop_assert_eq!(back, sent);
    }

    /// Bytes that are damaged are refused where the reference refuses them. Of what it takes, only moments beyond the calendar are refused.
    #[test]
    fn damage_is_refused_and_costs_no_neighbour(
        sent in any_message(order(), 0), damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let good = sent.encode_to_vec();
        let mut bad = good.clone();
        for (at, byte, how) in damage {
            if bad.is_empty() {
                bad.push(byte);
                continue;
            }
            let at = at.index(bad.len());
            match how {
                0 => bad[at] = byte,
                1 => bad.truncate(at),
                _ => bad.insert(at, byte),
            }
        }
        let accepted = DynamicMessage::decode(order(), bad.as_slice()).is_ok();
        let (spec, types) = all_columns(8);
        let (rows, rejects, _) = decode(&spec, types, &[good.clone(), bad.clone(), good]);
        let taken = rows.iter().any(|(message, _)| *message == 1);
        prop_assert_eq!(rows.iter().filter(|(message, _)| *message != 1).count(), 2);
        prop_assert_eq!(rejects.len(), usize::from(!taken));
        let moment = rejects.iter().any(|(_, why)| why.contains("nanoseconds"));
        prop_assert!(taken == accepted || (moment && accepted), "{rejects:?}, the reference: {accepted}");
    }

    /// Only what is wanted is decoded, and it is the same.
    #[test]
    fn some_columns_are_those_of_all(sent in vec(any_message(order(), 0), 1..4), wanted in vec(any::<bool>(), 31)) {
        let bytes: Vec<Vec<u8>> = sent.iter().map(|m| m.encode_to_vec()).collect();
        let (spec, types) = all_columns(8);
        let projection: Vec<usize> = (0..spec.schema.fields().len()).filter(|i| wanted.get(*i) == Some(&true)).collect();
        let names: Vec<String> = projection.iter().map(|i| spec.schema.field(*i).name().clone()).collect();
        let (all, ..) = decode(&spec, ProtobufTypes::Bare(file(ALL).message(None).unwrap()), &bytes);
        let (some, ..) = decode(&ReadSpec { projection, ..spec }, types, &bytes);
        for ((_, all), (_, some)) in all.iter().zip(&some) {
            let expected: Map<String, Json> = names.iter().map(|n| (n.clone(), all[n].clone())).collect();
            prop_assert_eq!(some, &Json::Object(expected));
        }
    }
}

fn spec(fields: Vec<Field>) -> ReadSpec {
    ReadSpec::all(Arc::new(Schema::new(fields)), 8)
}

fn column(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

#[test]
fn pieces_of_a_message_are_one_and_the_last_value_counts() {
    let text = r#"syntax = "proto3"; message M { int64 a = 1; I i = 2; oneof o { string x = 3; I y = 4; string hidden = 6; } repeated int32 r = 5; }
        message I { int64 p = 1; int64 q = 2; }"#;
    let message = file(text).message(None).unwrap();
    let inner = DataType::Struct(vec![column("p", DataType::Int64), column("q", DataType::Int64)].into());
    let spec = spec(vec![
        column("a", DataType::Int64),
        column("i", inner.clone()),
        column("x", DataType::Utf8),
        column("y", inner),
        column("r", DataType::List(Arc::new(column("item", DataType::Int64)))),
    ]);
    let messages: [&[u8]; 3] = [
        // a=1, i{p=1}, a=2, i{q=5}; r = [1], packed [2, 3], [4].
        b"\x08\x01\x12\x02\x08\x01\x08\x02\x12\x02\x10\x05\x28\x01\x2a\x02\x02\x03\x28\x04",
        // y{p=1}, x="b", y{q=2}: the last of them, anew.
        b"\x22\x02\x08\x01\x1a\x01b\x22\x02\x10\x02",
        // x="b", and then one that no column wants.
        b"\x1a\x01b\x32\x01c",
    ];
    let (rows, rejects, _) = decode(&spec, ProtobufTypes::Bare(message), &messages.map(<[u8]>::to_vec));
    assert_eq!(rejects, []);
    let expected = [
        json!({ "a": 2, "i": { "p": 1, "q": 5 }, "x": null, "y": null, "r": [1, 2, 3, 4] }),
        json!({ "a": 0, "i": null, "x": null, "y": { "p": 0, "q": 2 }, "r": [] }),
        json!({ "a": 0, "i": null, "x": null, "y": null, "r": [] }),
    ];
    assert_eq!(rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), expected);
}

#[test]
fn defaults_and_groups_of_the_second_version() {
    let text = r#"syntax = "proto2"; message M { optional int32 a = 1 [default = -7]; optional string b = 2 [default = "x"]; optional int32 c = 3;
        optional group G = 4 { optional int32 n = 1; } enum E { ONE = 1; TWO = 2; } optional E e = 5 [default = TWO]; }"#;
    let message = file(text).message(None).unwrap();
    let schema = message.columns().unwrap();
    let messages: [&[u8]; 2] = [b"", b"\x08\x01\x23\x08\x05\x24\x28\x01"];
    let (rows, ..) = decode(&ReadSpec::all(schema, 8), ProtobufTypes::Bare(message), &messages.map(<[u8]>::to_vec));
    let expected = [
        json!({ "a": -7, "b": "x", "c": null, "g": null, "e": "TWO" }),
        json!({ "a": 1, "b": "x", "c": null, "g": { "n": 5 }, "e": "ONE" }),
    ];
    assert_eq!(rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), expected);
}

/// Schemas by number.
struct Schemas(Vec<(u32, &'static str)>);

impl WriterSchemas for Schemas {
    fn schema(&mut self, id: u32) -> Result<Option<WriterSchema>, ConnectorError> {
        let found = self.0.iter().find(|(n, _)| *n == id);
        let imports = vec![("other.proto".to_owned(), "syntax = \"proto3\"; message Other { string name = 1; }".to_owned())];
        Ok(found.map(|(_, text)| WriterSchema { text: (*text).to_owned(), imports }))
    }
}

#[test]
fn registered_messages_say_what_they_are() {
    let first = r#"syntax = "proto3"; message A { int64 id = 1; } message B { message In { int64 id = 3; } }"#;
    let second = r#"syntax = "proto3"; import "other.proto"; message A { Other other = 1; int64 id = 2; }"#;
    let schemas = || {
        ProtobufTypes::Registered(Box::new(Schemas(vec![
            (1, first),
            (2, second),
            (3, "nonsense"),
            (4, "syntax = \"proto3\"; message A { string id = 1; }"),
        ])))
    };
    let other = DataType::Struct(vec![column("name", DataType::Utf8)].into());
    let spec = spec(vec![Field::new("id", DataType::Int64, false), column("other", other)]);
    let messages: [&[u8]; 10] = [
        b"\0\0\0\0\x01\0\x08\x05",
        b"\0\0\0\0\x01\x04\x02\0\x18\x06",
        b"\0\0\0\0\x02\0\x0a\x03\x0a\x01x\x10\x07",
        b"\0\0\0\0\x02\0\x10\x08",
        b"\0\0\0\0\x03\0\x10\x08",
        b"\0\0\0\0\x04\0",
        b"\0\0\0\0\x05\0",
        b"\0\0\0\0\x01\x02\x0e",
        b"\x08\x05",
        b"\0\0\0\0\x02",
    ];
    let (rows, rejects, _) = decode(&spec, schemas(), &messages.map(<[u8]>::to_vec));
    let expected = [
        (0, json!({ "id": 5, "other": null })),
        (1, json!({ "id": 6, "other": null })),
        (2, json!({ "id": 7, "other": { "name": "x" } })),
        (3, json!({ "id": 8, "other": null })),
    ];
    assert_eq!(rows, expected);
    let shown: Vec<String> = rejects.iter().map(|(at, why)| format!("{at}: {why}\n")).collect();
    golden("protobuf_registered.txt", &shown.concat());
}

#[test]
fn rejects_say_where_and_why() {
    let text = r#"syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
        message M { int64 a = 1; I i = 2; string s = 3; google.protobuf.Timestamp t = 4; repeated I many = 5; google.protobuf.UInt64Value w = 6; optional int32 need = 7; }
        message I { int64 p = 1; repeated sint64 q = 2; }"#;
    let inner =
        DataType::Struct(vec![column("p", DataType::Int8), column("q", DataType::List(Arc::new(column("item", DataType::UInt8))))].into());
    let spec = spec(vec![
        column("a", DataType::Int8),
        column("i", inner.clone()),
        column("s", DataType::Utf8),
        column("t", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        column("many", DataType::List(Arc::new(column("item", inner)))),
        column("w", DataType::Int64),
        Field::new("need", DataType::Int32, false),
    ]);
    let messages: [&[u8]; 15] = [
        b"\x08\x80\x01\x38\x01",
        b"\x12\x03\x08\x80\x01\x38\x01",
        b"\x12\x03\x10\x01\x38\x01",
        b"\x12\x02\x10\x01\x38\x01",
        b"\x2a\x02\x10\x01\x38\x01",
        b"\x1a\x02a\xff\x38\x01",
        b"\x22\x06\x10\x80\x94\xeb\xdc\x03\x38\x01",
        b"\x32\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x38\x01",
        b"\x08\x01",
        b"\x09",
        b"\x08\xff",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        b"\x12\x05\x08",
        b"\x0b\x08\x01",
        b"\x07",
    ];
    let (rows, rejects, _) = decode(&spec, ProtobufTypes::Bare(file(text).message(Some("M")).unwrap()), &messages.map(<[u8]>::to_vec));
    assert_eq!(rows.len() + rejects.len(), messages.len());
    let shown: Vec<String> = rejects.iter().map(|(at, why)| format!("{at}: {why}\n")).collect();
    golden("protobuf_rejects.txt", &shown.concat());
}

fn error(result: Result<impl Sized, EncodeError>) -> ConnectorError {
    match result.map(|_| ()).unwrap_err() {
        EncodeError::Format(error) => error,
        EncodeError::Io(error) => panic!("nothing was written: {error}"),
    }
}

#[test]
fn errors_word_by_word() {
    let small = file(
        r#"syntax = "proto3"; enum E { X = 0; } message M { int64 id = 1; string s = 2; int32 small = 3; repeated int64 r = 4; E e = 5; float f = 6; }"#,
    );
    let again = file("syntax = \"proto3\"; message M { M m = 1; }");
    let second = file("syntax = \"proto2\"; message M { required int64 id = 1; optional int64 other = 2; }");
    let of =
        |fields: Vec<Field>| protobuf_decoder(&spec(fields), ProtobufTypes::Bare(small.message(None).unwrap())).map(|_| ()).unwrap_err();
    let output = |file: &ProtoFile| MessageOutput::Protobuf(file.message(None).unwrap(), None);
    let writes = |file: &ProtoFile, fields: Vec<Field>| {
        error(MessageEncoder::new(&output(file), &(Arc::new(Schema::new(fields)) as SchemaRef), false))
    };
    let encodes = |name: &str, array: ArrayRef| {
        let batch = RecordBatch::try_from_iter_with_nullable([(name, array, true)]).unwrap();
        error(MessageEncoder::new(&output(&small), &batch.schema(), false).unwrap().encode(&batch, None, &mut Messages::default()))
    };
    let list = arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>([Some(vec![Some(1), None])]);
    let schema_of = |name: &str, column: Field| error(proto_schema(&(Arc::new(Schema::new(vec![column])) as SchemaRef), false, name));
    let nested = DataType::List(Arc::new(column("item", DataType::List(Arc::new(column("item", DataType::Int64))))));
    let errors = [
        ProtoFile::parse("syntax = \"proto3\"; message M { int64 id 1; }", Vec::new()).unwrap_err(),
        ProtoFile::parse("import \"missing.proto\";", Vec::new()).unwrap_err(),
        ProtoFile::open(std::path::Path::new("no/such/file.proto")).unwrap_err(),
        small.message(Some("N")).unwrap_err(),
        file("syntax = \"proto3\";").message(None).unwrap_err(),
        again.message(None).unwrap().columns().unwrap_err(),
        of(vec![column("s", DataType::Int64)]),
        of(vec![column("r", DataType::Int64)]),
        of(vec![column("id", DataType::Utf8)]),
        of(vec![Field::new("di", DataType::Int64, false)]),
        writes(&small, vec![column("di", DataType::Int64)]),
        writes(&small, vec![column("s", DataType::Int64)]),
        writes(&small, vec![column("f", DataType::Float64)]),
        writes(&second, vec![column("other", DataType::Int64)]),
        encodes("small", Arc::new(Int64Array::from(vec![1 << 40]))),
        encodes("e", Arc::new(StringArray::from(vec!["Y"]))),
        encodes("r", Arc::new(list)),
        schema_of("M", column("a b", DataType::Int64)),
        schema_of("1M", column("a", DataType::Int64)),
        schema_of("M", column("a", nested)),
    ];
    let shown: Vec<String> = errors.iter().map(|e| format!("{e}\n    hint: {}\n", e.hint.clone().unwrap_or_default())).collect();
    golden("protobuf_errors.txt", &shown.concat());
}

#[test]
fn a_schema_for_columns() {
    let inner = DataType::Struct(vec![column("street", DataType::Utf8), Field::new("number", DataType::Int16, false)].into());
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        column("price", DataType::Decimal128(10, 2)),
        column("day", DataType::Date32),
        column("at", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        column("ship_to", inner.clone()),
        column("all", DataType::List(Arc::new(column("item", inner)))),
        column("ratio", DataType::Float32),
        column("ok", DataType::Boolean),
        column("raw", DataType::Binary),
        column("flags", DataType::List(Arc::new(column("item", DataType::UInt8)))),
    ];
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let text = proto_schema(&schema, true, "shop.Order").unwrap();
    golden("protobuf_schema.txt", &text);
    let message = file(&text).message(None).unwrap();
    assert_eq!(message.name(), "shop.Order");
    MessageEncoder::new(&MessageOutput::Protobuf(message, Some(7)), &schema, true).unwrap();
}
