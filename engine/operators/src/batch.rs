//! The unit of data: a record batch, the multiplicities of its rows where it is a changelog, and where the rows came from.

use arrow::{
    array::{Array, ArrayRef, BooleanArray, Int64Array, UInt32Array, UInt64Array},
    compute::{filter, filter_record_batch, take, take_record_batch},
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_connector_api::Positions;
use std::sync::Arc;

/// Rows of one stream in one epoch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The rows.
    pub rows: RecordBatch,
    /// Each row's multiplicity, never zero; all `+1` where absent.
    pub diffs: Option<Int64Array>,
    /// Where the rows came from, as long as that is one place.
    pub origin: Option<Origin>,
}

/// Where rows came from, for rejects.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The source's name in the scenario.
    pub source: Arc<str>,
    /// What positions count in: a file's path, a topic's partition.
    pub place: Arc<str>,
    /// Each row's position.
    pub positions: Positions,
}

impl Origin {
    /// The position of a row.
    pub fn position(&self, row: usize) -> u64 {
        match &self.positions {
            Positions::From(start) => start + row as u64,
            Positions::Each(each) => each.value(row),
        }
    }

    fn each(&self, rows: usize) -> UInt64Array {
        match &self.positions {
            Positions::From(start) => (*start..start + rows as u64).collect(),
            Positions::Each(each) => each.clone(),
        }
    }

    fn with(&self, positions: &ArrayRef) -> Origin {
        let each = positions.as_any().downcast_ref::<UInt64Array>().cloned().unwrap_or_else(|| UInt64Array::from(Vec::<u64>::new()));
        Origin { source: self.source.clone(), place: self.place.clone(), positions: Positions::Each(each) }
    }
}

impl Batch {
    /// Append-only rows of no known origin.
    pub fn of(rows: RecordBatch) -> Self {
        Batch { rows, diffs: None, origin: None }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A range of rows, without copying columns.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Batch {
        Batch {
            rows: self.rows.slice(offset, length),
            diffs: self.diffs.as_ref().map(|d| d.slice(offset, length)),
            origin: self.origin.as_ref().map(|o| Origin {
                source: o.source.clone(),
                place: o.place.clone(),
                positions: match &o.positions {
                    Positions::From(start) => Positions::From(start + offset as u64),
                    Positions::Each(each) => Positions::Each(each.slice(offset, length)),
                },
            }),
        }
    }

    /// The rows for which the mask is true (null is not true).
    ///
    /// # Errors
    /// Where the mask has another length.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Batch, ArrowError> {
        let narrow = |array: ArrayRef| filter(&array, mask);
        Ok(Batch {
            rows: filter_record_batch(&self.rows, mask)?,
            diffs: self.diffs.as_ref().map(|d| narrow(Arc::new(d.clone()))).transpose()?.map(|d| as_diffs(&d)),
            origin: match &self.origin {
                None => None,
                Some(o) => Some(o.with(&narrow(Arc::new(o.each(self.len())))?)),
            },
        })
    }

    /// Rows by index; an index may come several times.
    ///
    /// # Errors
    /// Where an index is out of range.
    pub fn take(&self, indices: &UInt32Array) -> Result<Batch, ArrowError> {
        let pick = |array: ArrayRef| take(&array, indices, None);
        Ok(Batch {
            rows: take_record_batch(&self.rows, indices)?,
            diffs: self.diffs.as_ref().map(|d| pick(Arc::new(d.clone()))).transpose()?.map(|d| as_diffs(&d)),
            origin: match &self.origin {
                None => None,
                Some(o) => Some(match &o.positions {
                    Positions::From(start) => {
                        let each = UInt64Array::from_iter_values(indices.values().iter().map(|&row| start + u64::from(row)));
                        Origin { source: o.source.clone(), place: o.place.clone(), positions: Positions::Each(each) }
                    }
                    Positions::Each(each) => o.with(&pick(Arc::new(each.clone()))?),
                }),
            },
        })
    }
}

fn as_diffs(array: &ArrayRef) -> Int64Array {
    array.as_any().downcast_ref::<Int64Array>().cloned().unwrap_or_else(|| Int64Array::from(Vec::<i64>::new()))
}
