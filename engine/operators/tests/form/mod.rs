//! Changes as sinks get them, against the table that they are the changes of.

use arrow::{array::*, datatypes::*};
use proptest::{prelude::*, sample::Index};
use runink_operators::{Batch, form::FormOperator};
use runink_planner::{ChangeForm, FormOp, StreamKind};
use std::{collections::BTreeMap, sync::Arc};

type Table = BTreeMap<Option<i64>, Option<i64>>;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true), Field::new("k", DataType::Int64, true)]))
}

fn operator(form: ChangeForm, kind: &StreamKind) -> FormOperator {
    let op = FormOp { form, key: vec![1] };
    let output = Arc::new(Schema::new(form.fields(schema().fields(), &op.key)));
    FormOperator::new("sink", &op, kind, &schema(), &output).unwrap()
}

fn batch(changes: &[(Option<i64>, Option<i64>, i64)]) -> Batch {
    let columns: Vec<ArrayRef> =
        vec![Arc::new(changes.iter().map(|c| c.1).collect::<Int64Array>()), Arc::new(changes.iter().map(|c| c.0).collect::<Int64Array>())];
    let rows = RecordBatch::try_new(schema(), columns).unwrap();
    Batch { rows, diffs: Some(changes.iter().map(|c| c.2).collect()), origin: None }
}

fn cell(column: &dyn Array, row: usize) -> Option<i64> {
    let column = column.as_primitive::<Int64Type>();
    column.is_valid(row).then(|| column.value(row))
}

/// Applies what was written to a table, as a reader of the form would.
fn read(form: ChangeForm, batch: &Batch, table: &mut Table) {
    assert!(batch.diffs.is_none(), "what is written stays");
    let columns = batch.rows.columns();
    for row in 0..batch.len() {
        let (value, key) = match form {
            ChangeForm::Debezium => {
                let side = |i: usize| columns[i].as_struct();
                let of = |i: usize| side(i).is_valid(row).then(|| (cell(side(i).column(1), row), cell(side(i).column(0), row)));
                let (before, after) = (of(0), of(1));
                let operation = columns[2].as_string::<i32>().value(row);
                assert_eq!(
                    operation,
                    if before.is_none() {
                        "c"
                    } else if after.is_none() {
                        "d"
                    } else {
                        "u"
                    }
                );
                if let Some((key, value)) = before {
                    assert_eq!(table.remove(&key), Some(value), "the row before is the one that was there");
                }
                after.into_iter().for_each(|(key, value)| assert_eq!(table.insert(key, value), None));
                continue;
            }
            _ => (cell(&columns[0], row), cell(&columns[1], row)),
        };
        match form {
            ChangeForm::Retract if columns[2].as_primitive::<Int64Type>().value(row) < 0 => assert_eq!(table.remove(&key), Some(value)),
            ChangeForm::Retract => assert_eq!(table.insert(key, value), None),
            _ if columns[2].as_boolean().value(row) => {
                assert_eq!(value, None, "of a key that is gone nothing else is said");
                assert!(table.remove(&key).is_some());
            }
            _ => {
                table.insert(key, value);
            }
        }
    }
}

fn any_table() -> impl Strategy<Value = Table> {
    let number = |n: i64| prop_oneof![5 => (0..n).prop_map(Some), 1 => Just(None)];
    proptest::collection::btree_map(number(6), number(3), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_reader_has_the_table_whatever_the_form(
        tables in proptest::collection::vec(any_table(), 1..6),
        passing in any_table(),
        turn in any::<Index>(),
        cut in any::<Index>(),
    ) {
        for (_, form) in ChangeForm::ALL {
            let operator = operator(form, &StreamKind::Changelog { key: vec!["k".into()] });
            let (mut before, mut seen) = (Table::new(), Table::new());
            for table in &tables {
                let of = |table: &Table, diff: i64| table.iter().map(|(k, v)| (*k, *v, diff)).collect::<Vec<_>>();
                // Rows that come and go in the epoch, and rows that stay as they are.
                let mut changes = [of(&before, -1), of(table, 1), of(&passing, 1), of(&passing, -1)].concat();
                if !changes.is_empty() {
                    let at = turn.index(changes.len());
                    changes.rotate_left(at);
                }
                let at = cut.index(changes.len() + 1);
                for written in operator.write(&[batch(&changes[..at]), batch(&changes[at..])]).unwrap() {
                    prop_assert!(written.len() <= before.len() + table.len());
                    read(form, &written, &mut seen);
                }
                prop_assert_eq!(&seen, table, "{:?}", form);
                before.clone_from(table);
            }
        }
    }
}

#[test]
fn rows_that_stay_are_all_written() {
    let rows = || Batch { diffs: None, ..batch(&[(Some(1), Some(5), 1), (Some(1), Some(5), 1)]) };
    let written = |form| operator(form, &StreamKind::AppendOnly).write(&[rows()]).unwrap().iter().map(Batch::len).sum::<usize>();
    assert_eq!(ChangeForm::ALL.map(|(_, form)| written(form)), [2, 2, 2]);
}

#[test]
fn a_row_that_is_there_twice_is_two_rows_to_debezium() {
    let operator = operator(ChangeForm::Debezium, &StreamKind::Changelog { key: vec!["k".into()] });
    let written = operator.write(&[batch(&[(Some(1), Some(5), 2), (Some(1), Some(6), -1)])]).unwrap();
    let operations: Vec<_> = written[0].rows.column(2).as_string::<i32>().iter().flatten().collect();
    assert_eq!(operations, ["u", "c"]);
}
