//! Dates of times against the library's own.

use arrow::{
    array::{Array, ArrayRef, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use datafusion_expr::{Cast, Expr, col};
use proptest::prelude::*;
use runink_operators::rows::Expression;
use std::sync::Arc;

const DAY_US: i64 = 86_400_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn the_day_of_a_time_is_the_calendars(
        days in proptest::collection::vec(proptest::option::weighted(0.9, prop_oneof![-4..4i64, -100_000..100_000i64]), 1..20),
        within in prop_oneof![Just(0), Just(1), Just(DAY_US - 1), 0..DAY_US],
        zone in proptest::sample::select(vec![None, Some("UTC"), Some("+00:00"), Some("+05:30")]),
        far in proptest::option::weighted(0.3, any::<i64>()),
    ) {
        let mut times: Vec<Option<i64>> = days.iter().map(|day| day.map(|d| d * DAY_US + within)).collect();
        times.extend(far.map(Some));
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times).with_data_type(data_type.clone()));
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("at", data_type, true)]));
        let call = Expr::Cast(Cast::new(Box::new(col("at")), DataType::Date32));
        let found = Expression::compile("step", &call, &schema).unwrap().evaluate(&RecordBatch::try_new(schema, vec![column.clone()]).unwrap());
        match cast(&column, &DataType::Date32) {
            // The library's cast turns a time without a date into none, the engine's fails on it.
            Ok(expected) if expected.null_count() == column.null_count() => prop_assert_eq!(&found.unwrap(), &expected),
            _ => prop_assert!(found.is_err()),
        }
    }
}
