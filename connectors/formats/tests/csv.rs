//! CSV.

use crate::support::{decode_blocks, every_type, field, golden, schema};
use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Field, Int64Type, SchemaRef, TimeUnit},
};
use runink_formats::{CsvFormat, Header, OutputFormat, ReadSpec, RowScan, TextFormat, decoder};
use std::sync::Arc;

fn csv(schema: &SchemaRef, text: &str) -> crate::support::All {
    decode_blocks(&TextFormat::Csv(CsvFormat::default()), &ReadSpec::all(schema.clone(), 1000), [text.as_bytes()])
}

#[test]
fn columns_are_found_by_name_and_others_passed_over() {
    let schema = schema(vec![field("a", DataType::Int64), field("b", DataType::Utf8)]);
    let all = csv(&schema, "x,b, a ,y\r\n1,\"q\"\"q\",2,3\r\n\r\n,\"two\nlines\", 5 ,\n,,,\n,,7,");
    assert_eq!(all.messages(), [""; 0]);
    let ints: Vec<_> = all.batch.column(0).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(ints, [Some(2), Some(5), None, Some(7)]);
    let texts: Vec<_> = all.batch.column(1).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("q\"q"), Some("two\nlines"), None, None]);
    assert_eq!(all.positions, [2, 4, 6, 7]);
}

#[test]
fn cells_that_do_not_fit_reject_their_row() {
    let mut fields = every_type();
    fields[4] = Field::new("i64", DataType::Int64, false);
    let schema = schema(fields);
    let header: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let good = |name: &str| if name == "i64" { "1" } else { "" };
    let bad = [
        ("flag", "maybe"),
        ("i8", "-129"),
        ("i32", "1e10"),
        ("i64", ""),
        ("u64", "-1"),
        ("f32", "1e39"),
        ("f64", "one"),
        ("money", "1.0005"),
        ("bytes", "no base64"),
        ("date", "2026-02-29"),
        ("time_ms", "24:00:00"),
        ("at_us", "yesterday"),
        ("json", "{"),
        ("numbers", "\"[1,\"\"x\"\"]\""),
        ("nested", "\"{\"\"x\"\":1\""),
        ("text", "\"a\" b"),
        ("text", "a,b"),
    ];
    let mut text = format!("{}\n", header.join(","));
    for (column, cell) in bad {
        let cells: Vec<_> = header.iter().map(|name| if *name == column { cell } else { good(name) }).collect();
        text.push_str(&format!("{}\n", cells.join(",")));
    }
    let all = csv(&schema, &text);
    assert_eq!(all.batch.num_rows(), 0);
    let shown: Vec<String> =
        bad.iter().zip(all.messages()).map(|((column, cell), message)| format!("{column} {cell}\n    {message}\n")).collect();
    golden("csv_rejects.txt", &shown.concat());
}

#[test]
fn plain_forms_of_values() {
    let schema = schema(vec![
        field("flag", DataType::Boolean),
        field("n", DataType::Float64),
        field("at", DataType::Timestamp(TimeUnit::Second, None)),
    ]);
    let all =
        csv(&schema, "flag,n,at\nTRUE,+1,2026-01-01\nf,.5,2026-01-01 00:00:00+01\n1, 007 ,1767225600\nno,-Infinity,2026-01-01T00:00Z\n");
    assert_eq!(all.messages(), [""; 0]);
    assert_eq!(
        crate::support::all_text(&OutputFormat::Csv(CsvFormat::default()), &all.batch),
        "flag,n,at\ntrue,1.0,2026-01-01T00:00:00Z\nfalse,0.5,2025-12-31T23:00:00Z\ntrue,7.0,2026-01-01T00:00:00Z\nfalse,-inf,2026-01-01T00:00:00Z\n"
    );
}

#[test]
fn a_quote_that_is_never_closed_rejects_what_it_swallows() {
    let schema = schema(vec![field("a", DataType::Utf8)]);
    let all = csv(&schema, "a\n1\n\"2\n3\n");
    assert_eq!(all.positions, [2]);
    assert_eq!(all.messages(), ["3: decode: not CSV: a quoted cell of this row is never closed (5 bytes until the end)"]);
}

#[test]
fn pieces_decode_to_the_whole() {
    let csv = CsvFormat::default();
    let format = TextFormat::Csv(csv.clone());
    let schema = schema(vec![field("a", DataType::Int64), field("b", DataType::Utf8)]);
    let mut text = String::from("b,a\n");
    for i in 0..200 {
        text.push_str(&if i % 3 == 0 {
            format!("\"x\n\"\"{i}\"\"\",{i}\n")
        } else if i % 7 == 0 {
            format!("\"\",bad{i}\n")
        } else {
            format!("five\" {i},{i}\n")
        });
    }
    let spec = ReadSpec::all(schema, 64);
    let whole = decode_blocks(&format, &spec, [text.as_bytes()]);

    let (names, body) = csv.read_header(text.as_bytes()).unwrap().unwrap();
    let piece_format = TextFormat::Csv(CsvFormat { header: Header::Names(names), ..csv });
    let mut scan = RowScan::new(&format);
    scan.advance(&text.as_bytes()[..body]);
    let mut at = body;
    let (mut rows, mut positions, mut rejects) = (0, Vec::new(), Vec::new());
    while at < text.len() {
        // A piece ends with the first row that ends behind 100 bytes.
        let first_line = scan.lines() + 1;
        let piece = &text.as_bytes()[at..];
        let fixed = 100.min(piece.len());
        scan.advance(&piece[..fixed]);
        let end = fixed + scan.next_row(&piece[fixed..]).unwrap_or(piece.len() - fixed);
        let decoder = decoder(&piece_format, &spec, first_line).unwrap();
        let all = crate::support::drain(decoder, &spec, [&piece[..end]]);
        rows += all.batch.num_rows();
        positions.extend(all.positions);
        rejects.extend(all.rejects);
        at += end;
    }
    assert_eq!((rows, positions, rejects), (whole.batch.num_rows(), whole.positions, whole.rejects));
    assert!(whole.batch.column(1).as_string::<i32>().iter().any(|t| t == Some("x\n\"0\"")));
}

#[test]
fn cells_of_json_may_have_several_lines() {
    let list = DataType::List(Arc::new(field("item", DataType::Int64)));
    let schema = schema(vec![crate::support::json_field("j"), field("l", list)]);
    let all = csv(&schema, "j,l\n\"{\n \"\"a\"\": 1\n}\",\"[1,\n2]\"\n\"\"\"a\nb\"\"\",\n");
    assert_eq!(crate::support::all_text(&OutputFormat::Json, &all.batch), "{\"j\":{  \"a\": 1 },\"l\":[1,2]}\n");
    assert_eq!(all.messages(), ["6: decode: column `j`: expected json, found `\"a b\"`"]);
}

#[test]
fn one_column_may_be_null_on_a_blank_line() {
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![field("a", DataType::Int64)]));
    let all = csv(&schema, "a\n1\n\n2\n");
    assert_eq!(all.batch.column(0).null_count(), 1);
}
