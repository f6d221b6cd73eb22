//! JSON lines.

use crate::support::{all_text, every_type, field, json, json_field, schema};
use arrow::{
    array::{AsArray, RecordBatchOptions},
    datatypes::{DataType, Field, Int64Type, TimeUnit},
    record_batch::RecordBatch,
};
use runink_connector_api::{CompareOp, Literal, Predicate};
use runink_formats::{OutputFormat, ReadSpec, TextFormat};

#[test]
fn a_row_of_every_type_comes_back_as_it_was() {
    let schema = schema(every_type());
    let text = concat!(
        r#"{"flag":true,"i8":-128,"i16":-32768,"i32":-2147483648,"i64":-9223372036854775808,"u8":255,"u16":65535,"u32":4294967295,"#,
        r#""u64":18446744073709551615,"f32":0.1,"f64":1e300,"money":-12345678901234567.125,"wide":99999999999999999999999999999999999999,"#,
        r#""text":"é\"\\\n\u0001€😀","bytes":"AP8=","date":"2026-02-28","time_s":"23:59:59","time_ms":"23:59:59.999","time_us":"00:00:00.000001","#,
        r#""time_ns":"00:00:00.000000001","at_s":"1969-12-31T23:59:59Z","at_ms":"2026-01-01T00:00:00.001Z","at_us":"2026-01-01T00:00:00.000001Z","#,
        r#""at_ns":"2026-01-01T00:00:00.000000001Z","json":{"a":[1,2.50,null]},"numbers":[1,null,3],"nested":{"x":1,"y":["a",null]},"#,
        r#""rows":[{"x":null,"y":null},null,{"x":2,"y":[]}]}"#,
        "\n{\"flag\":null",
    );
    let nulls: String = schema.fields().iter().skip(1).map(|f| format!(",\"{}\":null", f.name())).collect();
    let text = format!("{text}{nulls}}}\n");
    let all = json(&schema, &text);
    assert_eq!(all.messages(), [""; 0]);
    assert_eq!(all_text(&OutputFormat::Json, &all.batch), text);
}

#[test]
fn keys_in_any_order_missing_unknown_and_twice() {
    let schema = schema(vec![field("a", DataType::Int64), field("b", DataType::Utf8)]);
    let all = json(
        &schema,
        concat!(
            "{\"a\":1,\"b\":\"x\"}\n",
            "{\"b\":\"y\",\"a\":2}\n",
            "{\"a\":3}\n",
            "{\"z\":{\"a\":[1,{\"b\":\"}\"}]},\"b\":\"w\"}\n",
            "{}\n",
            "  { \"a\" : 5 , \"b\" : \"v\" }  \r\n",
            "\n   \n",
            "{\"a\":6,\"a\":\"no\",\"a\":7}\n",
            "{\"\\u0061\":8}\n",
            "{\"a\":9,\"b\":\"last\"}",
        ),
    );
    assert_eq!(all.messages(), [""; 0]);
    let ints: Vec<_> = all.batch.column(0).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(ints, [Some(1), Some(2), Some(3), None, None, Some(5), Some(7), Some(8), Some(9)]);
    let texts: Vec<_> = all.batch.column(1).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("x"), Some("y"), None, Some("w"), None, Some("v"), None, None, Some("last")]);
    assert_eq!(all.positions, [1, 2, 3, 4, 5, 6, 9, 10, 11]);
}

#[test]
fn space_between_tokens_may_differ_from_line_to_line() {
    let schema = schema(vec![
        field("a", DataType::Int64),
        field("b", DataType::Struct(vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Utf8, true)].into())),
    ]);
    let tokens =
        ["{", "\"a\"", ":", "1", ",", "\"z\"", ":", "[1]", ",", "\"b\"", ":", "{", "\"x\"", ":", "2", ",", "\"y\"", ":", "\"t\"", "}", "}"];
    let spaced = |i: usize, space: &str| format!("{}{space}{}", tokens[..i].concat(), tokens[i..].concat());
    let lines: Vec<String> = (0..=tokens.len()).flat_map(|i| ["", " ", "\t  "].map(|space| spaced(i, space))).collect();
    // Each after each: what the line before has taught must not harm the next.
    let text: String = lines.iter().flat_map(|a| lines.iter().map(move |b| format!("{a}\n{b}\n"))).collect();
    let all = json(&schema, &text);
    assert_eq!(all.messages(), [""; 0]);
    let expected = "{\"a\":1,\"b\":{\"x\":2,\"y\":\"t\"}}\n";
    assert_eq!(all_text(&OutputFormat::Json, &all.batch), expected.repeat(2 * lines.len() * lines.len()));
}

#[test]
fn a_key_that_comes_again_mends_its_own_value_only() {
    let schema = schema(vec![field("a", DataType::Int64), field("b", DataType::Int64)]);
    let all = json(
        &schema,
        concat!(
            "{\"a\":\"x\",\"b\":\"y\",\"a\":1}\n",
            "{\"a\":\"x\",\"b\":\"y\",\"a\":1,\"b\":2}\n",
            "{\"b\":\"x\",\"a\":\"y\",\"b\":\"z\",\"a\":3}\n",
            "{\"a\":4,\"a\":\"x\"}\n",
        ),
    );
    assert_eq!(all.positions, [2]);
    assert_eq!(
        all.messages(),
        [
            "1: decode: column `b`: expected int64, found \"y\"",
            "3: decode: column `b`: expected int64, found \"z\"",
            "4: decode: column `a`: expected int64, found \"x\""
        ]
    );
}

#[test]
fn bad_rows_are_rejected_with_their_line_and_reason() {
    let schema = schema(vec![
        field("a", DataType::Int8),
        Field::new("b", DataType::Utf8, false),
        field("c", DataType::Decimal128(4, 2)),
        field("d", DataType::Timestamp(TimeUnit::Millisecond, None)),
        field("e", DataType::Struct(vec![field("f", DataType::List(Field::new("item", DataType::Float64, true).into()))].into())),
    ]);
    let bad = [
        r#"{"a":128,"b":""}"#,
        r#"{"a":1.5,"b":""}"#,
        r#"{"a":"1","b":""}"#,
        r#"{"a":1}"#,
        r#"{"a":1,"b":null}"#,
        r#"{"c":100,"b":""}"#,
        r#"{"c":1.234,"b":""}"#,
        r#"{"d":"2026-02-30T00:00:00Z","b":""}"#,
        r#"{"e":{"f":[1,true]},"b":""}"#,
        r#"{"e":[],"b":""}"#,
        r#"{"b":"a very long text that is cut in the message, since nobody wants to read so much of it","a":"a very long text that is cut in the message, since nobody wants to read so much"}"#,
        r#"["a"]"#,
        r#"nonsense"#,
        r#"{"a":1"#,
        r#"{"a":01,"b":""}"#,
        r#"{"a":1,}"#,
        r#"{"b":"\x"}"#,
        r#"{"b":"\ud800"}"#,
        r#"{"b":"" "a":1}"#,
        r#"{"b":""} {}"#,
        r#"{"b":"","z":tru}"#,
        "{\"b\":\"\tx\"}",
    ];
    let text: String = bad.iter().map(|row| format!("{{\"b\":\"good\"}}\n{row}\n")).collect();
    let all = json(&schema, &text);
    assert_eq!(all.batch.num_rows(), bad.len());
    assert_eq!(all.positions, (0..bad.len() as u64).map(|i| 2 * i + 1).collect::<Vec<_>>());
    for (i, (reject, row)) in all.rejects.iter().zip(bad).enumerate() {
        assert_eq!((reject.position, reject.raw.as_slice()), (2 * i as u64 + 2, row.as_bytes()));
    }
    let shown: Vec<String> = bad.iter().zip(all.messages()).map(|(row, message)| format!("{row}\n    {message}\n")).collect();
    crate::support::golden("json_rejects.txt", &shown.concat());
}

#[test]
fn predicates_leave_rows_out_but_never_bad_ones() {
    let schema = schema(vec![field("a", DataType::Int64), field("b", DataType::Utf8)]);
    let text =
        "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"x\"}\n{\"b\":\"x\"}\n{\"a\":1,\"b\":7}\n{\"a\":3,\"b\":\"y\"}\n{\"a\":9,\"b\":\"x\"}\n";
    let mut spec = ReadSpec::all(schema, 10);
    spec.predicates = vec![
        Predicate { column: "a".into(), op: CompareOp::Gt, value: Literal::Int(1) },
        Predicate { column: "b".into(), op: CompareOp::Eq, value: Literal::Text("x".into()) },
        Predicate { column: "unknown".into(), op: CompareOp::Eq, value: Literal::Bool(true) },
    ];
    let all = crate::support::decode_blocks(&TextFormat::Json, &spec, [text.as_bytes()]);
    assert_eq!(all.positions, [2, 6]);
    assert_eq!(all.rejects.len(), 1);
}

#[test]
fn no_columns_still_count_rows() {
    let mut spec = ReadSpec::all(schema(vec![field("a", DataType::Int64)]), 10);
    spec.projection.clear();
    let all = crate::support::decode_blocks(&TextFormat::Json, &spec, [b"{\"a\":\"any\"}\n{}\nx\n".as_slice()]);
    assert_eq!((all.batch.num_rows(), all.rejects.len()), (2, 1));
}

#[test]
fn json_columns_keep_the_text_and_always_fit_one_line() {
    let schema = schema(vec![json_field("j")]);
    let all = json(&schema, "{\"j\": {\"b\" : 1.0,  \"a\":[ ]} }\n{\"j\":\"t\"}\n{\"j\":null}\n{\"j\":[1,}\n");
    assert_eq!(all.rejects.len(), 1);
    let texts: Vec<_> = all.batch.column(0).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("{\"b\" : 1.0,  \"a\":[ ]}"), Some("\"t\""), None]);
    let odd = arrow::array::StringArray::from(vec!["{\n  \"a\": 1\r\n}", "\"a\nb\"", "no json", "1 2"]);
    let options = RecordBatchOptions::new();
    let batch = RecordBatch::try_new_with_options(schema, vec![std::sync::Arc::new(odd)], &options).unwrap();
    assert_eq!(
        all_text(&OutputFormat::Json, &batch),
        "{\"j\":{   \"a\": 1\r }}\n{\"j\":\"\\\"a\\nb\\\"\"}\n{\"j\":\"no json\"}\n{\"j\":\"1 2\"}\n"
    );
}
