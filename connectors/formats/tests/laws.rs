//! What holds for every input: formats give back what they were given, cuts change nothing, nothing panics, and slow references agree.

use crate::{
    random::Random,
    support::{all_text, decode_blocks, encoded, field, json_field, schema},
};
use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, TimeUnit},
    record_batch::RecordBatch,
};
use proptest::prelude::*;
use runink_formats::{CsvFormat, Header, OutputFormat, ReadSpec, TextFormat, infer};

fn csv_format(random: &mut Random) -> CsvFormat {
    CsvFormat {
        delimiter: b",;\t|"[random.below(4)],
        quote: b"\"'"[random.below(2)],
        header: if random.one_in(3) { Header::Absent } else { Header::FirstRow },
        null: ["", "NULL", "\\N"][random.below(3)].into(),
    }
}

fn text_formats(random: &mut Random) -> [(TextFormat, OutputFormat); 2] {
    let csv = csv_format(random);
    [(TextFormat::Json, OutputFormat::Json), (TextFormat::Csv(csv.clone()), OutputFormat::Csv(csv))]
}

/// Cuts bytes at random places.
fn cut<'a>(random: &mut Random, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let most = if random.one_in(2) { 3 } else { bytes.len() };
        let (block, rest) = bytes.split_at(1 + random.below(most.min(bytes.len())));
        blocks.push(block);
        bytes = rest;
    }
    blocks
}

/// Changes, doubles and drops some bytes.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] = b"\"\\{}[],:\n0a\xff"[random.below(12)],
            2 => bytes.insert(at, b"\"\\{}[],:\n0a\xff"[random.below(12)]),
            _ => {
                bytes.remove(at);
            }
        }
    }
}

/// Some columns of a schema, ascending.
fn some_columns(random: &mut Random, batch: &RecordBatch) -> ReadSpec {
    let mut spec = ReadSpec::all(batch.schema(), 1 + random.below(7));
    spec.projection.retain(|_| !random.one_in(3));
    spec
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn text_gives_back_the_rows_it_was_given(seed: u64, rows in 0usize..20) {
        let mut random = Random(seed);
        let batch = random.batch(rows);
        for (format, output) in text_formats(&mut random) {
            let text = encoded(&output, &batch);
            let spec = ReadSpec::all(batch.schema(), 5);
            let all = decode_blocks(&format, &spec, [text.as_slice()]);
            prop_assert_eq!(all.messages(), Vec::<String>::new(), "{}", String::from_utf8_lossy(&text));
            prop_assert_eq!(&all.batch, &batch, "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn projections_give_the_columns_of_the_whole(seed: u64, rows in 1usize..12) {
        let mut random = Random(seed);
        let batch = random.batch(rows);
        let spec = some_columns(&mut random, &batch);
        for (format, output) in text_formats(&mut random) {
            let text = encoded(&output, &batch);
            let all = decode_blocks(&format, &spec, [text.as_slice()]);
            prop_assert_eq!(all.positions.len(), rows);
            if !spec.projection.is_empty() {
                prop_assert_eq!(&all.batch, &batch.project(&spec.projection).unwrap());
            }
        }
    }

    #[test]
    fn cuts_change_nothing_even_in_damaged_text(seed: u64, rows in 0usize..12) {
        let mut random = Random(seed);
        let batch = random.batch(rows);
        let mut spec = some_columns(&mut random, &batch);
        if spec.projection.is_empty() {
            spec.projection.push(0);
        }
        for (format, output) in text_formats(&mut random) {
            let mut text = encoded(&output, &batch);
            let header = text.iter().position(|b| *b == b'\n').map_or(0, |n| n + 1);
            let mut body = text.split_off(if matches!(format, TextFormat::Json) { 0 } else { header });
            damage(&mut random, &mut body);
            if random.one_in(3) {
                text.splice(0..0, [0xef, 0xbb, 0xbf]);
            }
            text.append(&mut body);
            let whole = decode_blocks(&format, &spec, [text.as_slice()]);
            let blocks = cut(&mut random, &text);
            prop_assert_eq!(whole, decode_blocks(&format, &spec, blocks), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(seed: u64, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut random = Random(seed);
        let batch = random.batch(1);
        let spec = ReadSpec::all(batch.schema(), 3);
        for (format, _) in text_formats(&mut random) {
            let format = match format {
                TextFormat::Csv(csv) => TextFormat::Csv(CsvFormat { header: Header::Absent, ..csv }),
                json => json,
            };
            let lines = bytes.iter().filter(|b| **b == b'\n').count() + 1;
            if !bytes.starts_with(&[0xff, 0xfe]) && !bytes.starts_with(&[0xfe, 0xff]) {
                let all = decode_blocks(&format, &spec, [bytes.as_slice()]);
                prop_assert!(all.positions.len() + all.rejects.len() <= lines);
            }
            let _ = infer(&format, &bytes, random.one_in(2));
        }
    }

    #[test]
    fn json_is_what_serde_json_takes_for_it(seed: u64) {
        let mut random = Random(seed);
        let schema = schema(vec![
            json_field("v"),
            field("i", DataType::Int64),
            field("f", DataType::Float64),
            field("t", DataType::Utf8),
        ]);
        let member = |key: &str, value: String| format!("\"{key}\": {value}");
        let mut text = format!(
            "{{{}}}",
            [
                member("v", random.json(3)),
                member("x", random.json(3)),
                member("i", random.json(0)),
                member("f", random.json(0)),
                member("t", random.json(0)),
            ]
            .join([",", " , ", ",\t"][random.below(3)])
        )
        .into_bytes();
        if random.one_in(2) {
            damage(&mut random, &mut text);
            text.retain(|b| *b != b'\n');
        }
        let parsed = serde_json::from_slice::<serde_json::Value>(&text);
        prop_assume!(!parsed.as_ref().is_err_and(|e| e.to_string().contains("out of range")));
        let object = parsed.ok().filter(|v| v.is_object());
        prop_assume!(!text.trim_ascii().is_empty());

        // Whether it is JSON does not depend on the columns.
        let mut none = ReadSpec::all(schema.clone(), 10);
        none.projection.clear();
        let any = decode_blocks(&TextFormat::Json, &none, [text.as_slice()]);
        prop_assert_eq!(any.positions.len(), usize::from(object.is_some()), "{} {:?}", String::from_utf8_lossy(&text), any.messages());

        let Some(object) = object else { return Ok(()) };
        let null = serde_json::Value::Null;
        let get = |key| object.get(key).unwrap_or(&null);
        let whole = get("i").as_i64().or(get("i").as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64));
        let fits = (get("i").is_null() || whole.is_some())
            && (get("f").is_null() || get("f").is_number() || get("f") == "NaN")
            && (get("t").is_null() || get("t").is_string());
        let all = decode_blocks(&TextFormat::Json, &ReadSpec::all(schema, 10), [text.as_slice()]);
        prop_assert_eq!(all.positions.len(), usize::from(fits), "{} {:?}", String::from_utf8_lossy(&text), all.messages());
        if fits {
            let kept = all.batch.column(0).as_string::<i32>();
            let kept = if kept.is_null(0) { null.clone() } else { serde_json::from_str(kept.value(0)).unwrap() };
            prop_assert_eq!(&kept, get("v"));
            let text = all.batch.column(3).as_string::<i32>();
            prop_assert_eq!(text.is_valid(0).then(|| text.value(0)), get("t").as_str());
            let float = all.batch.column(2).as_primitive::<arrow::datatypes::Float64Type>();
            prop_assert_eq!(float.is_valid(0).then(|| float.value(0)), get("f").as_f64());
        }
    }

    #[test]
    fn csv_is_what_a_naive_reader_takes_for_it(seed: u64) {
        let mut random = Random(seed);
        const BYTES: [&str; 10] = ["a", "b", ",", ",", "\"", "\"", "\n", "\n", "\r\n", " "];
        let mut text: String = (0..random.below(60)).map(|_| BYTES[random.below(BYTES.len())]).collect();
        text.push('\n');
        let schema = schema(vec![field("a", DataType::Utf8), field("b", DataType::Utf8)]);
        let format = CsvFormat { header: Header::Absent, null: "\u{0}".into(), ..CsvFormat::default() };
        let all = decode_blocks(&TextFormat::Csv(format), &ReadSpec::all(schema, 100), [text.as_bytes()]);
        let (rows, bad) = naive(&text);
        let columns: Vec<_> = all.batch.columns().iter().map(|c| c.as_string::<i32>()).collect();
        let got: Vec<Vec<String>> = (0..all.batch.num_rows()).map(|i| columns.iter().map(|c| c.value(i).to_owned()).collect()).collect();
        prop_assert_eq!((got, all.rejects.len()), (rows, bad), "{:?}", text);
    }
}

/// RFC 4180, character by character. Good rows have two cells; the number of others is counted.
fn naive(text: &str) -> (Vec<Vec<String>>, usize) {
    let (mut rows, mut bad) = (Vec::new(), 0);
    let (mut row, mut cell, mut broken) = (Vec::new(), String::new(), false);
    let mut quoted = false;
    let mut at_start = true;
    let mut any_quote = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if quoted {
            match (c, chars.peek().copied()) {
                ('"', Some('"')) => cell.push(chars.next().unwrap()),
                ('"', next) => {
                    quoted = false;
                    let rest: String = chars.clone().take(2).collect();
                    broken |= !matches!(next, Some(',' | '\n')) && rest != "\r\n";
                }
                _ => cell.push(c),
            }
            continue;
        }
        match c {
            '"' if at_start => (quoted, any_quote) = (true, true),
            ',' => row.push(std::mem::take(&mut cell)),
            '\n' => {
                if cell.ends_with('\r') {
                    cell.pop();
                }
                row.push(std::mem::take(&mut cell));
                let row = std::mem::take(&mut row);
                let blank = row == [""] && !any_quote;
                match (blank, broken || row.len() != 2) {
                    (true, _) => {}
                    (false, true) => bad += 1,
                    (false, false) => rows.push(row),
                }
                (broken, any_quote) = (false, false);
            }
            c => cell.push(c),
        }
        at_start = matches!(c, ',' | '\n');
    }
    // A quote that is never closed swallows the rest.
    if quoted {
        bad += 1;
    }
    (rows, bad)
}

#[test]
fn what_is_inferred_decodes_the_sample() {
    let mut random = Random(7);
    for _ in 0..100 {
        let batch = random.batch(8);
        for (format, output) in
            [(TextFormat::Json, OutputFormat::Json), (TextFormat::Csv(CsvFormat::default()), OutputFormat::Csv(CsvFormat::default()))]
        {
            let text = all_text(&output, &batch);
            let schema = infer(&format, text.as_bytes(), true).unwrap();
            let all = decode_blocks(&format, &ReadSpec::all(schema.clone(), 100), [text.as_bytes()]);
            assert_eq!(all.messages(), [""; 0], "{schema:#?}\n{text}");
            assert_eq!(all.batch.num_rows(), 8);
        }
    }
}

#[test]
fn units_of_time_do_not_matter_to_the_moment() {
    let text = b"{\"at\":\"2026-01-01T00:00:00.123456789Z\"}\n";
    for (unit, expected) in [
        (TimeUnit::Second, "2026-01-01T00:00:00Z"),
        (TimeUnit::Millisecond, "2026-01-01T00:00:00.123Z"),
        (TimeUnit::Microsecond, "2026-01-01T00:00:00.123456Z"),
        (TimeUnit::Nanosecond, "2026-01-01T00:00:00.123456789Z"),
    ] {
        let schema = schema(vec![field("at", DataType::Timestamp(unit, None))]);
        let all = decode_blocks(&TextFormat::Json, &ReadSpec::all(schema, 1), [text.as_slice()]);
        assert_eq!(all_text(&OutputFormat::Json, &all.batch), format!("{{\"at\":\"{expected}\"}}\n"));
    }
}
