//! What is known of a stream while a scenario is lowered: its columns and their names, its kind, its time.

use crate::{ColumnLineage, EventTime, NodeId, RowStage, RowStageKind, StreamKind};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;
use runink_dsl::{FileId, ast::Span};
use std::{collections::BTreeSet, sync::Arc};

/// A column while it goes through a step.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its name and type.
    pub(crate) field: FieldRef,
    /// What expressions may call it besides its name: an input of the step and the column's name there.
    pub(crate) origins: Vec<Origin>,
    /// The (source, column) pairs it is made of.
    pub(crate) from: BTreeSet<(String, String)>,
    /// It is one of them, unchanged.
    pub(crate) direct: bool,
    /// The value that it has in every row, where it is a constant.
    pub(crate) constant: Option<ScalarValue>,
}

/// `relation.column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) relation: String,
    pub(crate) column: String,
}

impl Column {
    /// A column that no other is the source of.
    pub(crate) fn new(field: impl Into<FieldRef>) -> Self {
        Column { field: field.into(), origins: Vec::new(), from: BTreeSet::new(), direct: false, constant: None }
    }

    pub(crate) fn name(&self) -> &str {
        self.field.name()
    }

    /// The same column under another name.
    pub(crate) fn renamed(&self, name: &str) -> Column {
        let mut column = self.clone();
        if name != self.name() {
            column.field = Arc::new(self.field.as_ref().clone().with_name(name));
            for origin in &mut column.origins {
                name.clone_into(&mut origin.column);
            }
        }
        column
    }

    /// The same column, which may also be null.
    pub(crate) fn or_null(&self) -> Column {
        let mut column = self.clone();
        column.field = Arc::new(self.field.as_ref().clone().with_nullable(true));
        column.constant = None;
        column
    }

    pub(crate) fn lineage(&self) -> ColumnLineage {
        ColumnLineage { column: self.name().to_owned(), from: self.from.iter().cloned().collect(), direct: self.direct }
    }
}

/// The schema of columns.
pub(crate) fn schema_of(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|c| c.field.clone()).collect::<Vec<_>>()))
}

/// A name that no column has: the wish, or the wish with a number.
pub(crate) fn free_name(columns: &[Column], wish: &str) -> String {
    let taken = |name: &str| columns.iter().any(|c| c.name() == name);
    if !taken(wish) {
        return wish.to_owned();
    }
    let mut number = 2usize;
    loop {
        let name = format!("{wish}_{number}");
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// The output of a node.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) node: NodeId,
    pub(crate) columns: Vec<Column>,
    pub(crate) kind: StreamKind,
    pub(crate) time: Option<EventTime>,
    /// All sources that its rows depend on, tables included.
    pub(crate) sources: BTreeSet<NodeId>,
    pub(crate) bounded: bool,
    /// Nothing but row stages and unions stand between its sources and it.
    pub(crate) row_wise: bool,
}

impl Stream {
    /// The names that a step may call this input's columns by, beside their own.
    pub(crate) fn called(mut self, relations: &[&str]) -> Stream {
        for column in &mut self.columns {
            let name = column.field.name().clone();
            column.origins = relations.iter().map(|r| Origin { relation: (*r).to_owned(), column: name.clone() }).collect();
        }
        self
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        schema_of(&self.columns)
    }

    pub(crate) fn is_append_only(&self) -> bool {
        self.kind == StreamKind::AppendOnly
    }

    /// The key of a keyed source or a changelog.
    pub(crate) fn key(&self) -> &[String] {
        match &self.kind {
            StreamKind::AppendOnly => &[],
            StreamKind::Upsert { key } | StreamKind::Changelog { key } => key,
        }
    }

    /// The event-time column's name.
    pub(crate) fn time_column(&self) -> Option<&str> {
        self.time.as_ref().and_then(|t| self.columns.get(t.column)).map(Column::name)
    }
}

/// A stream in the middle of a step, with row stages that are not yet a node.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) stream: Stream,
    pub(crate) stages: Vec<RowStage>,
    /// Whose work it is.
    pub(crate) step: String,
    pub(crate) at: (FileId, Span),
}

/// A column that a projection makes.
pub(crate) struct Projected {
    pub(crate) expr: Expr,
    pub(crate) column: Column,
}

impl Flow {
    pub(crate) fn new(stream: Stream, step: &str, at: (FileId, Span)) -> Self {
        Flow { stream, stages: Vec::new(), step: step.to_owned(), at }
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.stream.columns
    }

    /// Adds a stage that leaves the columns as they are.
    pub(crate) fn stage(&mut self, kind: RowStageKind) {
        let schema = self.stream.schema();
        self.stages.push(RowStage { step: self.step.clone(), kind, schema });
    }

    /// Hands a column on.
    pub(crate) fn keep(&self, index: usize) -> Projected {
        let column = self.stream.columns[index].clone();
        Projected { expr: column_expr(column.name()), column }
    }

    /// A column from an expression: what it is made of comes from the columns it reads. A bare column stays what it is, under the new name.
    pub(crate) fn make(&self, expr: Expr, field: FieldRef) -> Projected {
        if let Expr::Column(read) = &expr
            && let Some(column) = self.stream.columns.iter().find(|c| c.name() == read.name)
        {
            let renamed = column.renamed(field.name());
            return Projected { expr, column: renamed };
        }
        let mut column = Column::new(field);
        if let Expr::Literal(value, _) = &expr {
            column.constant = Some(value.clone());
        }
        column.from = columns_read(&expr)
            .iter()
            .flat_map(|name| self.stream.columns.iter().filter(move |c| c.name() == name))
            .flat_map(|c| c.from.clone())
            .collect();
        Projected { expr, column }
    }

    /// Adds a projection. The event time stays where its column is handed on unchanged; so do key columns, under their new names. Returns the key column that
    /// was lost, where the stream needs one.
    pub(crate) fn project(&mut self, projected: Vec<Projected>) -> Result<(), String> {
        let passes = |name: &str| {
            let same = |p: &&Projected| matches!(&p.expr, Expr::Column(c) if c.name == name);
            // The same name first: `set copy = at` must not move the event time to the copy.
            let by_name = projected.iter().position(|p| p.column.name() == name && same(&p));
            by_name.or_else(|| projected.iter().position(|p| same(&p)))
        };
        let time = self.stream.time_column().and_then(&passes);
        // Rows that only all their columns tell apart are told apart by those that are left.
        let whole = self.stream.columns.iter().all(|c| self.stream.key().iter().any(|k| k == c.name()));
        let mut lost = None;
        let mut key: Vec<String> = Vec::new();
        for name in self.stream.key() {
            match passes(name) {
                Some(i) => key.push(projected[i].column.name().to_owned()),
                None => lost = Some(name.clone()),
            }
        }
        if whole {
            key = projected.iter().map(|p| p.column.name().to_owned()).collect();
        } else if let Some(lost) = lost {
            return Err(lost);
        }
        self.stream.time = match (time, &self.stream.time) {
            (Some(column), Some(t)) => Some(EventTime { column, shift_us: t.shift_us }),
            _ => None,
        };
        match &mut self.stream.kind {
            StreamKind::AppendOnly => {}
            StreamKind::Upsert { key: k } | StreamKind::Changelog { key: k } => *k = key,
        }
        let (exprs, columns): (Vec<_>, Vec<_>) = projected.into_iter().map(|p| ((p.expr, p.column.name().to_owned()), p.column)).unzip();
        self.stream.columns = columns;
        self.stage(RowStageKind::Project(exprs));
        Ok(())
    }
}

/// A reference to a column by exactly this name (dots and capitals are part of it).
pub(crate) fn column_expr(name: &str) -> Expr {
    Expr::Column(datafusion_common::Column::new_unqualified(name))
}

/// The names of the columns that an expression reads, sorted.
pub(crate) fn columns_read(expr: &Expr) -> BTreeSet<String> {
    expr.column_refs().into_iter().map(|c| c.name.clone()).collect()
}
