//! An expression in place of one of the library's: the same to whoever looks at it, and evaluated in another way.

use arrow::{
    datatypes::{DataType, FieldRef, Schema},
    record_batch::RecordBatch,
};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// How it is evaluated.
pub(super) trait Way: fmt::Debug + Send + Sync + Sized + 'static {
    /// Whether another way gives the same wherever the library's expressions are equal.
    fn same(&self, other: &Self) -> bool;

    /// An expression's values for a batch.
    fn evaluate(expr: &Instead<Self>, batch: &RecordBatch) -> Result<ColumnarValue>;

    /// The same for the library's expression over other operands; that one itself, where this way does not fit it.
    fn over(&self, inner: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr>;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Instead<W> {
    /// The library's expression.
    pub(super) inner: Arc<dyn PhysicalExpr>,
    pub(super) way: W,
}

impl<W: Way> Instead<W> {
    /// In place of `inner`.
    pub(super) fn of(inner: Arc<dyn PhysicalExpr>, way: W) -> Arc<dyn PhysicalExpr> {
        Arc::new(Instead { inner, way })
    }
}

impl<W: Way> PartialEq for Instead<W> {
    fn eq(&self, other: &Self) -> bool {
        self.way.same(&other.way) && self.inner.eq(&other.inner)
    }
}

impl<W: Way> Eq for Instead<W> {}

impl<W: Way> Hash for Instead<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl<W: Way> fmt::Display for Instead<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<W: Way> PhysicalExpr for Instead<W> {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.inner.data_type(input)
    }
    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.inner.nullable(input)
    }
    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input)
    }
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        W::evaluate(self, batch)
    }
    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.inner.children()
    }
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(self.way.over(self.inner.clone().with_new_children(children)?))
    }
    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
