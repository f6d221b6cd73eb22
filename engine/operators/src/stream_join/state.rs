//! A join's state as a checkpoint sees it: one table, one row per row that is kept.
//!
//! `key_group`, `namespace` (the end of the row's bucket in µs; `i64::MAX` for rows that no time lets go); as the key `.side` (0 left, 1 right), the join's
//! keys, and `.row`, which tells rows of a key apart; then `.low_us` and `.high_us` (see `bound`), `.matched`, for a changelog `.weight` and `.partners`; then
//! the columns that are kept, as `left.x` and `right.x`, null in rows of the other side.

use super::{
    StreamJoinOperator, Way,
    bound::{Side, Span},
    rows::{Counts, Deleted, Incoming, MATCHED},
};
use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Int64Array, UInt8Array, UInt16Array, new_null_array},
    compute::{concat_batches, filter_record_batch},
    datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef, UInt8Type},
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_checkpoint::{Namespace, StateChanges, StateError, StateTable};
use std::{ops::Range, sync::Arc};

/// Where the parts of a row stand.
struct Layout {
    schema: SchemaRef,
    keys: Range<usize>,
    low: usize,
    counts: Option<usize>,
    columns: [Range<usize>; 2],
}

impl StreamJoinOperator {
    fn layout(&self) -> Layout {
        let field = |name: &str, data_type: DataType, nullable: bool| -> FieldRef { Arc::new(Field::new(name, data_type, nullable)) };
        let mut fields = vec![
            field("key_group", DataType::UInt16, false),
            field("namespace", DataType::Int64, false),
            field(".side", DataType::UInt8, false),
        ];
        fields.extend(self.spec.keys[0].iter().map(|&k| Arc::new(self.spec.inputs[0].field(k).clone().with_nullable(false))));
        let keys = 3..fields.len();
        fields.push(field(".row", DataType::Int64, false));
        let low = fields.len();
        fields.extend([
            field(".low_us", DataType::Int64, false),
            field(".high_us", DataType::Int64, false),
            field(".matched", DataType::Boolean, false),
        ]);
        let counts = matches!(self.way, Way::Changing(_)).then_some(fields.len());
        if counts.is_some() {
            fields.extend([field(".weight", DataType::Int64, false), field(".partners", DataType::Int64, false)]);
        }
        let columns = Side::BOTH.map(|side| {
            let first = fields.len();
            let (prefix, input) = (["left", "right"][side.index()], &self.spec.inputs[side.index()]);
            for &c in &self.rows[side.index()].stored {
                fields.push(field(&format!("{prefix}.{}", input.field(c).name()), input.field(c).data_type().clone(), true));
            }
            first..fields.len()
        });
        Layout { schema: Arc::new(Schema::new(fields)), keys, low, counts, columns }
    }

    /// `namespace`, then the key.
    pub(super) fn deleted_rows(&self, side: Side, deleted: &[Deleted]) -> Result<RecordBatch, ArrowError> {
        let layout = self.layout();
        let keys: Vec<u32> = deleted.iter().map(|d| d.key).collect();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(deleted.iter().map(|d| d.namespace).collect::<Int64Array>()),
            Arc::new(UInt8Array::from_value(side.index() as u8, deleted.len())),
        ];
        columns.extend(self.keys.columns(&keys)?);
        columns.push(Arc::new(deleted.iter().map(|d| d.sequence).collect::<Int64Array>()));
        let schema = Schema::new(layout.schema.fields()[1..=layout.keys.end].to_vec());
        RecordBatch::try_new(Arc::new(schema), columns)
    }

    fn captured(&mut self, side: Side, layout: &Layout) -> Result<Option<RecordBatch>, ArrowError> {
        let slots = self.rows[side.index()].take_dirty();
        if slots.is_empty() {
            return Ok(None);
        }
        let rows = &self.rows[side.index()];
        let keys: Vec<u32> = slots.iter().map(|&slot| rows.slot(slot).key).collect();
        let times =
            |of: fn(&super::rows::Slot) -> i64| -> ArrayRef { Arc::new(slots.iter().map(|&s| of(rows.slot(s))).collect::<Int64Array>()) };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(keys.iter().map(|&key| self.spec.groups.of_hash(self.keys.hash(key)).0).collect::<UInt16Array>()),
            Arc::new(slots.iter().map(|&slot| rows.namespace(slot)).collect::<Int64Array>()),
            Arc::new(UInt8Array::from_value(side.index() as u8, slots.len())),
        ];
        columns.extend(self.keys.columns(&keys)?);
        columns.extend([times(|s| s.sequence), times(|s| s.low), times(|s| s.high)]);
        columns.push(Arc::new(slots.iter().map(|&slot| Some(rows.has(slot, MATCHED))).collect::<BooleanArray>()));
        if layout.counts.is_some() {
            let counts = |of: fn(&Counts) -> i64| -> ArrayRef {
                Arc::new(slots.iter().map(|&s| of(&rows.counts[s as usize])).collect::<Int64Array>())
            };
            columns.extend([counts(|c| c.weight), counts(|c| c.partners)]);
        }
        for of in Side::BOTH {
            match of == side {
                true => columns.extend(rows.gather_stored(&slots, &(0..rows.stored.len()).collect::<Vec<_>>())?),
                false => columns.extend(
                    layout.schema.fields()[layout.columns[of.index()].clone()].iter().map(|f| new_null_array(f.data_type(), slots.len())),
                ),
            }
        }
        RecordBatch::try_new(layout.schema.clone(), columns).map(Some)
    }

    fn restore_side(&mut self, side: Side, layout: &Layout, rows: &RecordBatch) -> Result<(), ArrowError> {
        let count = rows.num_rows();
        let ints = |column: usize| rows.column(column).as_primitive::<Int64Type>().clone();
        self.spec.layout.prepare(&rows.columns()[layout.keys.clone()], count, &mut self.key_rows)?;
        let mut keys = Vec::with_capacity(count);
        self.keys.intern(&self.key_rows, 0..count, &mut keys);
        let (low, high) = (ints(layout.low), ints(layout.low + 1));
        let spans: Vec<Span> = low.values().iter().zip(high.values()).map(|(&low, &high)| Span { low, high }).collect();
        let matched: Vec<bool> = rows.column(layout.low + 2).as_boolean().values().iter().collect();
        let columns = rows.columns()[layout.columns[side.index()].clone()].to_vec();
        let sequences = ints(layout.keys.end);
        let incoming = Incoming {
            columns: columns.clone(),
            keys: &keys,
            spans: &spans,
            namespaces: ints(1).values().to_vec(),
            matched: &matched,
            sequences: Some(sequences.values()),
        };
        let slots = self.rows[side.index()].insert(&incoming)?;
        if let Some(at) = layout.counts {
            self.count(side);
            let (weights, partners) = (ints(at), ints(at + 1));
            for (row, &slot) in slots.iter().enumerate() {
                self.rows[side.index()].counts[slot as usize] = Counts { weight: weights.value(row), partners: partners.value(row) };
            }
        }
        match &mut self.way {
            Way::Settled => {}
            Way::Versions(_) if side == Side::Right => self.note_versions(&slots),
            Way::Versions(_) => {}
            Way::Changing(changing) => {
                // All columns are kept where rows can be taken back.
                if self.spec.takes_back[side.index()] {
                    let options = RecordBatchOptions::new().with_row_count(Some(count));
                    let fields: Vec<FieldRef> = layout.schema.fields()[layout.columns[side.index()].clone()].to_vec();
                    let whole = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
                    changing.restored(side, &whole, &slots)?;
                }
            }
        }
        Ok(())
    }
}

impl StateTable for StreamJoinOperator {
    fn schema(&self) -> SchemaRef {
        self.layout().schema
    }

    fn key_columns(&self) -> usize {
        self.spec.keys[0].len() + 2
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let layout = self.layout();
        let expired = self.rows.iter_mut().filter_map(|rows| rows.expired_to.take()).max();
        let deleted = std::mem::take(&mut self.deleted);
        let mut upserted = Vec::new();
        for side in Side::BOTH {
            upserted.extend(self.captured(side, &layout)?);
        }
        let deleted = match deleted.first() {
            None => None,
            Some(first) => Some(concat_batches(&first.schema(), &deleted)?),
        };
        Ok(StateChanges {
            expired: expired.map(|end| Namespace(i64::MIN)..Namespace(end.saturating_add(1))).into_iter().collect(),
            deleted,
            upserted: if upserted.is_empty() { None } else { Some(concat_batches(&layout.schema, &upserted)?) },
        })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        let layout = self.layout();
        if rows.schema() != layout.schema {
            return Err(StateError::Schema(format!("expected {:?}, found {:?}", layout.schema, rows.schema())));
        }
        let sides = rows.column(2).as_primitive::<UInt8Type>();
        for side in Side::BOTH {
            let own: BooleanArray = sides.values().iter().map(|&s| Some(usize::from(s) == side.index())).collect();
            let part = filter_record_batch(rows, &own)?;
            self.restore_side(side, &layout, &part)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.rows.iter().map(super::rows::SideRows::bytes).sum::<usize>()
    }

    fn keys(&self) -> usize {
        self.rows.iter().map(super::rows::SideRows::len).sum()
    }
}
