//! What a reader of any format is asked for, and what it gives.

use arrow::{
    datatypes::{Schema, SchemaRef},
    record_batch::RecordBatch,
};
use runink_connector_api::{Positions, Predicate, Reject, SourceConfig};
use std::sync::Arc;

/// What to read.
#[derive(Debug, Clone)]
pub struct ReadSpec {
    /// All columns that the rows have, with the types wanted.
    pub schema: SchemaRef,
    /// The columns to give, as indices into `schema`, ascending.
    pub projection: Vec<usize>,
    /// A conjunction. Rows for which it is not true may be left out.
    pub predicates: Vec<Predicate>,
    /// How many rows a batch has at most.
    pub batch_rows: usize,
}

impl ReadSpec {
    /// What a source was asked for. `schema` is the configuration's own.
    pub fn new(config: &SourceConfig, schema: SchemaRef) -> Self {
        ReadSpec {
            schema,
            projection: config.projection.clone(),
            predicates: config.predicates.clone(),
            batch_rows: config.batch_rows.max(1),
        }
    }

    /// All columns of a schema, without conditions.
    pub fn all(schema: SchemaRef, batch_rows: usize) -> Self {
        ReadSpec { projection: (0..schema.fields().len()).collect(), schema, predicates: Vec::new(), batch_rows: batch_rows.max(1) }
    }

    /// The schema of the batches.
    pub fn projected(&self) -> SchemaRef {
        Arc::new(Schema::new(self.projection.iter().map(|&i| self.schema.fields()[i].clone()).collect::<Vec<_>>()))
    }
}

/// Some rows.
#[derive(Debug)]
pub struct Decoded {
    /// The rows, with the projected columns.
    pub batch: RecordBatch,
    /// The rows that did not decode.
    pub rejects: Vec<Reject>,
    /// Where the batch's rows stand: line numbers from 1 for text, row numbers from 0 for columnar formats.
    pub positions: Positions,
}
