//! What people read when something is wrong: one golden file, rewritten with `UPDATE_GOLDEN=1`.

use crate::support::{batch, connector, gzip, schema, sink, source, source_config, text};
use runink_connector_api::{ConnectorError, OptionValue, Poll, Share};
use std::{fmt::Write as _, path::Path};

/// The error of reading a source to its end.
fn reading(dir: &Path, given: &[(&str, OptionValue)]) -> ConnectorError {
    reading_while(dir, given, || ())
}

/// The same, with something that happens between opening and reading.
fn reading_while(dir: &Path, given: &[(&str, OptionValue)], meanwhile: impl FnOnce()) -> ConnectorError {
    let source = match source(dir, given, &schema(&["id", "name"])) {
        Ok(source) => source,
        Err(error) => return error,
    };
    meanwhile();
    let mut reader = source.reader(Share { index: 0, peers: 1 }).unwrap();
    loop {
        match reader.poll() {
            Err(error) => return error,
            Ok(Poll::End) => panic!("read to the end: {given:?}"),
            Ok(_) => std::thread::yield_now(),
        }
    }
}

fn discovering(dir: &Path, given: &[(&str, OptionValue)]) -> ConnectorError {
    let config = source_config(dir, given, &schema(&["id"]));
    connector("file").discover(&config).unwrap_err()
}

fn writing(dir: &Path, given: &[(&str, OptionValue)]) -> ConnectorError {
    sink(dir, given, &schema(&["id", "name"]), false).err().unwrap()
}

#[test]
fn errors_read_well() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let file = |name: &str, bytes: &[u8]| std::fs::write(at.join(name), bytes).unwrap();
    let line = "{\"id\":1,\"name\":\"x\"}\n".repeat(100_000);
    file("flights.json", line.as_bytes());
    file("data", line.as_bytes());
    file("a.csv", b"id,name\n1,x\n");
    file("cut.json.gz", &gzip(line.as_bytes())[..2_000]);
    file("plain.json.gz", line.as_bytes());
    file("cut.json.zst", &zstd::encode_all(line.as_bytes(), 1).unwrap()[..100]);
    file("grows.json", line.as_bytes());
    file("shrinks.json", line.as_bytes());
    file("empty.json", b"");
    std::fs::create_dir(at.join("folder")).unwrap();
    let path = |name: &str| vec![("path", text(name))];
    let with = |name: &str, option: &'static str, value: OptionValue| vec![("path", text(name)), (option, value)];
    let columns = |names: &[&str]| OptionValue::Columns(names.iter().map(|n| (*n).to_owned()).collect());

    let errors = [
        ("a name that is nearly right", reading(at, &path("flihgts.json"))),
        ("a name that is not there", reading(at, &path("something else.json"))),
        ("a folder that is not there", reading(at, &path("nowhere/a.json"))),
        ("a pattern without match", reading(at, &path("*.jsonl"))),
        ("a bad pattern", reading(at, &path("a***.json"))),
        ("a folder in place of a file", reading(at, &with("folder", "format", text("json")))),
        ("no path", reading(at, &path(""))),
        ("an unknown ending", reading(at, &path("data"))),
        ("files of several formats", reading(at, &path("*"))),
        ("CSV options for JSON", reading(at, &with("flights.json", "delimiter", text(";")))),
        ("a bad delimiter", reading(at, &with("a.csv", "delimiter", text("||")))),
        ("gzip that is cut off", reading(at, &path("cut.json.gz"))),
        ("zstd that is cut off", reading(at, &path("cut.json.zst"))),
        ("gzip that is none", reading(at, &path("plain.json.gz"))),
        ("Parquet from standard input", reading(at, &with("-", "format", text("parquet")))),
        ("compression of Parquet", {
            let given = [("path", text("data")), ("format", text("parquet")), ("compression", text("gzip"))];
            reading(at, &given)
        }),
        ("replay without a time", reading(at, &with("flights.json", "speedup", OptionValue::Number(1.0)))),
        ("replay that stands still", reading(at, &with("flights.json", "speedup", OptionValue::Number(0.0)))),
        ("replay of what grows", {
            let given = [("path", text("flights.json")), ("speedup", OptionValue::Number(1.0)), ("follow", OptionValue::Flag(true))];
            reading(at, &given)
        }),
        (
            "a file that grows",
            reading_while(at, &path("grows.json"), || {
                let mut grown = line.clone();
                grown.push('\n');
                file("grows.json", grown.as_bytes());
            }),
        ),
        ("a file that shrinks", reading_while(at, &path("shrinks.json"), || file("shrinks.json", b"{}"))),
        ("the columns of standard input", discovering(at, &with("-", "format", text("json")))),
        ("the columns of nothing", discovering(at, &path("empty.json"))),
        ("a sink without a name", writing(at, &with("-", "format", text("json")))),
        ("a sink to a folder", writing(at, &with("folder", "format", text("json")))),
        ("parts to a file", writing(at, &with("a.csv/", "format", text("csv")))),
        ("a path through a file", writing(at, &path("a.csv/b.csv"))),
        ("parts of no format", writing(at, &path("folder/"))),
        ("partitions by no column", writing(at, &[("path", text("out")), ("format", text("csv")), ("partition_by", columns(&["nmae"]))])),
        ("partitions by all columns", {
            writing(at, &[("path", text("out")), ("format", text("csv")), ("partition_by", columns(&["id", "name"]))])
        }),
        ("gzip inside Parquet", writing(at, &with("a.parquet", "compression", text("gzip")))),
        ("snappy around text", writing(at, &with("a.json", "compression", text("snappy")))),
        ("a folder's name that is too long", {
            let long = "x".repeat(300);
            let rows = batch(&[(1, &long)]);
            let given = [("path", text("out")), ("format", text("json")), ("partition_by", columns(&["name"]))];
            let mut writer = sink(at, &given, &rows.schema(), false).unwrap().writer(Share { index: 0, peers: 1 }).unwrap();
            writer.write(&rows, None).unwrap_err()
        }),
    ];
    let mut shown = String::new();
    for (what, error) in errors {
        writeln!(shown, "# {what} ({:?})\n{error}\n{}\n", error.who, error.hint.as_deref().unwrap_or("NO HINT")).unwrap();
    }
    let shown = shown.replace(at.to_str().unwrap(), "DIR");
    assert!(!shown.contains("NO HINT"), "{shown}");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors.golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &shown).unwrap();
    }
    assert_eq!(shown, std::fs::read_to_string(golden).unwrap());
}
