//! Standard output: tables that line up, lines that do not mix, changelogs, and nothing that a terminal would obey.

#![allow(clippy::unwrap_used)]
use super::*;
use arrow::{
    array::{ArrayRef, Float64Array, StringArray},
    datatypes::{DataType, Field, Schema},
};
use runink_connector_api::{OptionValue, Options};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;
impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn batch(cities: &[Option<&str>], values: &[f64]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("city", DataType::Utf8, true), Field::new("value", DataType::Float64, true)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(cities.to_vec())), Arc::new(Float64Array::from(values.to_vec()))];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn config(name: &str, format: &str, changelog: bool) -> SinkConfig {
    SinkConfig {
        name: name.into(),
        options: Options([("format".to_owned(), OptionValue::Text(format.into()))].into()),
        base_dir: ".".into(),
        schema: batch(&[], &[]).schema(),
        key: Vec::new(),
        changelog,
        checkpoints: false,
    }
}

fn writer(connector: &StdoutConnector, config: SinkConfig) -> Box<dyn SinkWriter> {
    connector.sink(config).unwrap().writer(Share { index: 0, peers: 1 }).unwrap()
}

#[test]
fn a_terminal_gets_a_table_that_lines_up() {
    let kept = Kept::default();
    let connector = StdoutConnector::to(Box::new(kept.clone()), true);
    let mut out = writer(&connector, config("a", "auto", false));
    out.write(&batch(&[Some("Zürich"), Some("東京"), None], &[1.5, 1000.0, -2.0]), None).unwrap();
    assert_eq!(kept.text(), "", "few rows wait for others");
    out.flush().unwrap();
    out.write(&batch(&[Some("A city with a longer name"), Some("b")], &[1.0, 2.0]), None).unwrap();
    assert_eq!(out.finish().unwrap().rows, 5);
    let lines = [
        "city     value",
        "──────  ──────",
        "Zürich     1.5",
        "東京    1000.0",
        "null      -2.0",
        "A city with a longer name     1.0",
        "b                             2.0",
    ];
    assert_eq!(kept.text().lines().collect::<Vec<_>>(), lines);
}

#[test]
fn many_rows_do_not_wait_for_a_flush() {
    let kept = Kept::default();
    let connector = StdoutConnector::to(Box::new(kept.clone()), true);
    let mut out = writer(&connector, config("a", "table", false));
    out.write(&batch(&[Some("x"); 30], &[1.0; 30]), None).unwrap();
    assert_eq!(kept.text().lines().count(), 32);
}

#[test]
fn nothing_that_a_terminal_obeys_goes_through() {
    let kept = Kept::default();
    let connector = StdoutConnector::to(Box::new(kept.clone()), true);
    let mut out = writer(&connector, config("a", "table", false));
    let long = "x".repeat(60);
    out.write(&batch(&[Some("a\u{1b}[31m\n"), Some(&long)], &[1.0, 2.0]), None).unwrap();
    out.flush().unwrap();
    let text = kept.text();
    assert!(text.contains("a\\u{1b}[31m\\n "), "{text}");
    assert!(text.contains(&format!("{}… ", "x".repeat(47))), "{text}");
}

#[test]
fn a_changelog_shows_what_is_added_and_taken_back() {
    let kept = Kept::default();
    let connector = StdoutConnector::to(Box::new(kept.clone()), true);
    let mut out = writer(&connector, config("a", "table", true));
    out.write(&batch(&[Some("x"), Some("y"), Some("z")], &[1.0, 2.0, 3.0]), Some(&Int64Array::from(vec![-1, 1, 3]))).unwrap();
    out.flush().unwrap();
    let signs: Vec<_> = kept.text().lines().map(|l| l.chars().take(2).collect::<String>()).collect();
    assert_eq!(signs, ["± ", "─ ", "- ", "+ ", "+3"]);
}

#[test]
fn two_tables_say_which_is_which() {
    let kept = Kept::default();
    let connector = StdoutConnector::to(Box::new(kept.clone()), true);
    let one = connector.sink(config("one", "auto", false)).unwrap();
    let two = connector.sink(config("two", "auto", false)).unwrap();
    let mut a = one.writer(Share { index: 0, peers: 1 }).unwrap();
    let mut b = two.writer(Share { index: 0, peers: 1 }).unwrap();
    for first in [true, true, false, true] {
        let out = if first { &mut a } else { &mut b };
        out.write(&batch(&[Some("x")], &[1.0]), None).unwrap();
        out.flush().unwrap();
    }
    let text = kept.text();
    let titles: Vec<_> = text.lines().filter(|l| l.starts_with("── ")).collect();
    assert_eq!(titles, ["── one ──", "── two ──", "── one ──"]);
}

#[test]
fn a_pipe_gets_json_lines() {
    let kept = Kept::default();
    let connector = StdoutConnector::to(Box::new(kept.clone()), false);
    let mut out = writer(&connector, config("a", "auto", false));
    out.write(&batch(&[Some("x"), None], &[1.5, 2.0]), None).unwrap();
    assert_eq!(out.finish().unwrap().rows, 2);
    assert_eq!(kept.text().lines().next(), Some(r#"{"city":"x","value":1.5}"#));
}

#[test]
fn a_reader_that_has_gone_is_told_from_a_fault() {
    for format in ["json", "table", "csv"] {
        let connector = StdoutConnector::to(Box::new(Broken), false);
        let mut out = writer(&connector, config("a", format, false));
        let wrote = out.write(&batch(&[Some("x")], &[1.0]), None).and_then(|()| out.flush());
        assert_eq!(wrote.unwrap_err().code, NOBODY_READS, "{format}");
    }
}

#[test]
fn it_cannot_be_read() {
    let connector = StdoutConnector::new();
    let config = SourceConfig {
        name: "x".into(),
        options: Options::default(),
        base_dir: ".".into(),
        schema: None,
        projection: Vec::new(),
        predicates: Vec::new(),
        key: Vec::new(),
        time_column: None,
        batch_rows: 1,
    };
    assert_eq!(connector.discover(&config).unwrap_err().code, "FIL013");
}
