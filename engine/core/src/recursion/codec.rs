//! Between record batches and packed rows.

use super::packed::Packed;
use arrow::{
    array::{Array, ArrayRef},
    compute::cast,
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
    row::{RowConverter, Rows, SortField},
};
use runink_operators::hash::normal;

/// Packs and unpacks rows of some columns.
pub(crate) struct Codec {
    schema: SchemaRef,
    converter: RowConverter,
}

impl Codec {
    /// # Errors
    /// Where rows of such columns cannot be packed.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, ArrowError> {
        let fields = schema.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect();
        Ok(Codec { schema: schema.clone(), converter: RowConverter::new(fields)? })
    }

    /// # Errors
    /// Where the columns are others than its own.
    pub(crate) fn pack(&self, columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
        // Values that are equal must be the same bytes.
        let columns: Vec<ArrayRef> = columns.iter().map(normal).collect();
        self.converter.convert_columns(&columns)
    }

    /// # Errors
    /// Where bytes are not such rows.
    pub(crate) fn unpack<'a>(&self, rows: impl ExactSizeIterator<Item = &'a Packed>) -> Result<RecordBatch, ArrowError> {
        let count = rows.len();
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(rows.map(|row| parser.parse(row.bytes())))?;
        let typed = columns.iter().zip(self.schema.fields()).map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(column.clone()),
            false => cast(column, field.data_type()),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(self.schema.clone(), typed.collect::<Result<_, _>>()?, &options)
    }
}
