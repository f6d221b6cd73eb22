//! The functions that expressions may use: DataFusion's, by name, without those that give another result each time.

use arrow::datatypes::DataType;
use datafusion_common::{Result, TableReference, config::ConfigOptions, plan_err};
use datafusion_expr::{
    AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, Volatility, WindowUDF,
    planner::{ContextProvider, ExprPlanner},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// All functions.
pub(crate) struct Functions {
    scalar: BTreeMap<String, Arc<ScalarUDF>>,
    aggregate: BTreeMap<String, Arc<AggregateUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: ConfigOptions,
}

impl Functions {
    /// The one table of functions.
    pub(crate) fn get() -> &'static Functions {
        static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
        FUNCTIONS.get_or_init(|| {
            let mut scalar = BTreeMap::new();
            for function in
                datafusion_functions::all_default_functions().into_iter().chain(datafusion_functions_nested::all_default_nested_functions())
            {
                for alias in function.aliases() {
                    scalar.entry(alias.clone()).or_insert_with(|| function.clone());
                }
                scalar.insert(function.name().to_owned(), function);
            }
            let mut aggregate = BTreeMap::new();
            for function in datafusion_functions_aggregate::all_default_aggregate_functions() {
                for alias in function.aliases() {
                    aggregate.entry(alias.clone()).or_insert_with(|| function.clone());
                }
                aggregate.insert(function.name().to_owned(), function);
            }
            // It belongs to grouping sets, which are not there.
            aggregate.remove("grouping");
            Functions {
                scalar,
                aggregate,
                planners: vec![
                    Arc::new(datafusion_functions_nested::planner::NestedFunctionPlanner),
                    Arc::new(datafusion_functions_nested::planner::FieldAccessPlanner),
                    Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
                    Arc::new(datafusion_functions::datetime::planner::DatetimeFunctionPlanner),
                    Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
                    Arc::new(datafusion_functions_aggregate::planner::AggregateFunctionPlanner),
                ],
                options: ConfigOptions::default(),
            }
        })
    }

    /// Whether it is an aggregate.
    pub(crate) fn is_aggregate(&self, name: &str) -> bool {
        self.aggregate.contains_key(name)
    }

    /// Whether it is a scalar function.
    pub(crate) fn is_scalar(&self, name: &str) -> bool {
        self.scalar.contains_key(name)
    }

    /// Whether it may give another result for the same arguments.
    pub(crate) fn is_volatile(&self, name: &str) -> bool {
        self.scalar.get(name).is_some_and(|f| f.signature().volatility != Volatility::Immutable)
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.scalar.keys().chain(self.aggregate.keys()).map(String::as_str)
    }
}

impl ContextProvider for Functions {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        plan_err!("there is no table {name}")
    }
    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }
    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(name).cloned()
    }
    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }
    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregate.get(name).cloned()
    }
    fn get_window_meta(&self, _name: &str) -> Option<Arc<WindowUDF>> {
        None
    }
    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }
    fn options(&self) -> &ConfigOptions {
        &self.options
    }
    fn udf_names(&self) -> Vec<String> {
        self.scalar.keys().cloned().collect()
    }
    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udaf_names(&self) -> Vec<String> {
        self.aggregate.keys().cloned().collect()
    }
    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
