//! The `file` sink.

use crate::{
    sink_suite::{self, write},
    source_suite,
    support::{batch, connector, names_below, schema, sink, sink_config, source, text},
};
use arrow::{
    array::{Int64Array, StringArray},
    record_batch::RecordBatch,
};
use runink_connector_api::{Delivery, OptionValue, Share, SinkWidth};
use std::sync::Arc;

fn columns(names: &[&str]) -> OptionValue {
    OptionValue::Columns(names.iter().map(|n| (*n).to_owned()).collect())
}

fn batches() -> Vec<RecordBatch> {
    vec![batch(&[(1, "one"), (2, "two")]), batch(&[(3, "drei"), (4, "vier"), (5, "fünf")]), batch(&[(6, "six, \"6\"\n")])]
}

#[test]
fn one_file_of_each_format_is_atomic_and_reads_back() {
    for (name, compression) in [
        ("a.json", None),
        ("a.jsonl.gz", None),
        ("a.ndjson.zst", None),
        ("a.csv", None),
        ("a.tsv", Some("gzip")),
        ("a.parquet", None),
        ("a.parquet", Some("snappy")),
        ("a.arrow", None),
        ("made/up/a.json", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let batches = batches();
        let schema = batches[0].schema();
        let mut given = vec![("path", text(name))];
        given.extend(compression.map(|c| ("compression", text(c))));
        let open = || sink(dir.path(), &given, &schema, false).unwrap();
        let opened = open();
        assert_eq!((opened.width(), opened.delivery()), (SinkWidth::One, Delivery::Atomic));
        drop(opened);
        sink_suite::check(dir.path(), 1, &batches, open);

        let source = source(dir.path(), &[("path", text(name))], &schema).unwrap();
        let read = source_suite::check(source.as_ref(), 1_000);
        assert_eq!(read.good(), ["1|one", "2|two", "3|drei", "4|vier", "5|fünf", "6|six, \"6\"\n"], "{name} {compression:?}");
    }
}

#[test]
fn every_sink_keeps_to_what_its_spec_promises() {
    let schema = schema(&["id", "name"]);
    let mut opened = 0;
    for connector in runink_files::connectors().into_iter().filter(|c| c.spec().sink.is_some()) {
        let takes_path = connector.spec().sink.is_some_and(|options| options.iter().any(|o| o.name == "path"));
        let targets: Vec<Vec<(&str, OptionValue)>> = if takes_path {
            vec![vec![("path", text("a.json"))], vec![("path", text("out/")), ("format", text("json"))]]
        } else {
            vec![vec![]]
        };
        for given in targets {
            let dir = tempfile::tempdir().unwrap();
            let config = sink_config(dir.path(), &given, &schema, false);
            let promised = (connector.spec().delivery)(&config.options);
            assert_eq!(connector.sink(config).unwrap().delivery(), promised, "{}", connector.spec().name);
            opened += 1;
        }
    }
    assert_eq!(opened, 4);
}

#[test]
fn a_folder_has_a_part_of_each_worker() {
    let dir = tempfile::tempdir().unwrap();
    let batches = batches();
    let given = [("path", text("out/")), ("format", text("json"))];
    let open = || sink(dir.path(), &given, &batches[0].schema(), false).unwrap();
    let opened = open();
    assert_eq!((opened.width(), opened.delivery()), (SinkWidth::EachWorker, Delivery::Atomic));
    drop(opened);
    sink_suite::check(dir.path(), 2, &batches, open);
    assert_eq!(names_below(dir.path()), ["out/", "out/part-0-0.json", "out/part-1-0.json"]);
    // Other files in the folder are not ours to remove.
    std::fs::write(dir.path().join("out/part-0-0.csv"), "").unwrap();
    write(open().as_ref(), 1, &batches[..1]);
    assert_eq!(names_below(dir.path()), ["out/", "out/part-0-0.csv", "out/part-0-0.json"]);
}

#[test]
fn partition_columns_become_folders() {
    let dir = tempfile::tempdir().unwrap();
    let schema = schema(&["id", "country", "city"]);
    let rows = |ids: &[i64], countries: &[Option<&str>], cities: &[&str]| {
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new(Int64Array::from(ids.to_vec())),
            Arc::new(StringArray::from(countries.to_vec())),
            Arc::new(StringArray::from(cities.to_vec())),
        ];
        RecordBatch::try_new(schema.clone(), columns).unwrap()
    };
    let batches = [
        rows(&[1, 2, 3], &[Some("DE"), Some("AT"), Some("DE")], &["a/b", "c", "a/b"]),
        rows(&[4, 5], &[None, None], &["", ".."]),
        rows(&[6], &[Some("DE")], &["a/b"]),
    ];
    let given = [("path", text("out")), ("format", text("csv")), ("partition_by", columns(&["country", "city"]))];
    sink_suite::check(dir.path(), 2, &batches, || sink(dir.path(), &given, &schema, false).unwrap());
    let files: Vec<_> = names_below(dir.path()).into_iter().filter(|n| !n.ends_with('/')).collect();
    assert_eq!(
        files,
        [
            "out/country=AT/city=c/part-0-0.csv",
            "out/country=DE/city=a%2Fb/part-0-0.csv",
            "out/country=__HIVE_DEFAULT_PARTITION__/city=../part-1-0.csv",
            "out/country=__HIVE_DEFAULT_PARTITION__/city=/part-1-0.csv",
        ]
    );
    assert_eq!(std::fs::read_to_string(dir.path().join(&files[1])).unwrap(), "id\n1\n3\n6\n");
}

#[test]
fn a_target_is_one_sinks_alone_until_it_is_complete_or_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let batches = batches();
    for path in ["a.json", "out/"] {
        let open = |path: &str| sink(dir.path(), &[("path", text(path)), ("format", text("json"))], &batches[0].schema(), false);
        let first = open(path).unwrap();
        assert_eq!(open(path).err().unwrap().code, "FIL026");
        assert_eq!(open(&format!("./{path}")).err().unwrap().code, "FIL026");
        drop(first);
        let second = open(path).unwrap();
        write(second.as_ref(), 1, &batches);
        assert!(open(path).is_ok());
    }
}

#[test]
fn no_rows_make_an_empty_file() {
    let dir = tempfile::tempdir().unwrap();
    let schema = schema(&["id", "name"]);
    for (name, contents) in [("a.json", Some("")), ("a.csv", Some("id,name\n")), ("a.parquet", None)] {
        assert_eq!(write(sink(dir.path(), &[("path", text(name))], &schema, false).unwrap().as_ref(), 1, &[]), 0);
        if let Some(contents) = contents {
            assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap(), contents);
        }
        let source = source(dir.path(), &[("path", text(name))], &schema).unwrap();
        assert!(source_suite::check(source.as_ref(), 1_000).rows.is_empty());
    }
}

#[test]
fn a_changelog_carries_its_multiplicities() {
    let dir = tempfile::tempdir().unwrap();
    let rows = batch(&[(1, "a"), (1, "b")]);
    for given in [vec![("path", text("a.json"))], vec![("path", text("out")), ("format", text("json")), ("partition_by", columns(&["id"]))]]
    {
        let sink = sink(dir.path(), &given, &rows.schema(), true).unwrap();
        let mut writer = sink.writer(Share { index: 0, peers: 1 }).unwrap();
        writer.write(&rows, Some(&Int64Array::from(vec![-1, 1]))).unwrap();
        writer.finish().unwrap();
    }
    let one = std::fs::read_to_string(dir.path().join("a.json")).unwrap();
    assert_eq!(one, "{\"id\":1,\"name\":\"a\",\"_diff\":-1}\n{\"id\":1,\"name\":\"b\",\"_diff\":1}\n");
    let part = std::fs::read_to_string(dir.path().join("out/id=1/part-0-0.json")).unwrap();
    assert_eq!(part, "{\"name\":\"a\",\"_diff\":-1}\n{\"name\":\"b\",\"_diff\":1}\n");
}

#[test]
fn a_link_stays_and_rights_are_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("real.json"), "old").unwrap();
    std::fs::set_permissions(dir.path().join("real.json"), PermissionsExt::from_mode(0o640)).unwrap();
    symlink("real.json", dir.path().join("link.json")).unwrap();
    let rows = batch(&[(1, "a")]);
    write(sink(dir.path(), &[("path", text("link.json"))], &rows.schema(), false).unwrap().as_ref(), 1, &[rows]);
    assert!(dir.path().join("link.json").is_symlink());
    let real = dir.path().join("real.json");
    assert_eq!(std::fs::read_to_string(&real).unwrap(), "{\"id\":1,\"name\":\"a\"}\n");
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_pipe_is_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("p.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    let rows = batch(&[(1, "a")]);
    let sink = sink(dir.path(), &[("path", text("p.json"))], &rows.schema(), false).unwrap();
    assert_eq!((sink.width(), sink.delivery()), (SinkWidth::One, Delivery::AtLeastOnce));
    assert_eq!(write(sink.as_ref(), 1, &[rows]), 1);
    assert_eq!(reader.join().unwrap(), "{\"id\":1,\"name\":\"a\"}\n");
    assert_eq!(names_below(dir.path()), ["p.json"]);
}

#[test]
fn a_full_disk_is_the_operators_matter() {
    let dir = tempfile::tempdir().unwrap();
    let rows = batch(&[(1, "a")]);
    let given = [("path", text("/dev/full")), ("format", text("json"))];
    let mut writer = sink(dir.path(), &given, &rows.schema(), false).unwrap().writer(Share { index: 0, peers: 1 }).unwrap();
    let error = writer.write(&rows, None).and_then(|()| writer.flush()).unwrap_err();
    assert_eq!((error.code, error.who), ("FIL021", runink_connector_api::WhoActs::Operator));
    assert!(error.message.contains("/dev/full"), "{error}");
}

#[test]
fn the_blackhole_counts() {
    let rows = batch(&[(1, "a"), (2, "b")]);
    let config = crate::support::sink_config(std::path::Path::new("."), &[], &rows.schema(), true);
    let sink = connector("blackhole").sink(config).unwrap();
    assert_eq!(write(sink.as_ref(), 3, &[rows.clone(), rows]), 4);
}
