//! Every diagnostic of planning: its code, what it means, what to do.

pub(crate) use runink_dsl::CodeEntry;

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal, $remedy:literal;)*) => {
        $(pub(crate) const $name: &str = $code;)*
        /// The codes of lowering.
        pub(crate) const LOWERING: &[CodeEntry] = &[$(CodeEntry { code: $code, meaning: $meaning, remedy: $remedy }),*];
    };
}

codes! {
    UNKNOWN_CONNECTOR = "PLN001", "no connector has this name", "use one of the connectors that the message lists";
    CONNECTOR_DIRECTION = "PLN002", "the connector has no source or no sink", "use a connector that has one";
    UNKNOWN_OPTION = "PLN003", "the source or sink has no such option", "correct the name; the message lists the options";
    MISSING_OPTION = "PLN004", "a required option is not given", "add it";
    OPTION_VALUE = "PLN005", "an option's value is not what it accepts", "give a value of the kind that the message names";
    DELIVERY = "PLN006", "the sink does not promise this delivery", "choose a delivery that it promises";
    SCHEMA_UNKNOWN = "PLN007", "the schema of a source is not known", "name a contract with `contract=`";
    SOURCE_UNREAD = "PLN008", "no step, sink or example reads the source", "read it or remove it";
    CONTRACT_UNKNOWN = "PLN009", "no contract has this name and version", "correct the name or write the contract";
    BAD_PATTERN = "PLN010", "a `matches` rule is not a regular expression", "correct the pattern";
    RULE_TYPE = "PLN011", "a rule does not fit its field's type", "change the rule or the type";
    UNIQUE_DECLARED = "PLN012", "`unique` is declared and not checked on a stream", "check it in a step where it matters";
    EVENT_TIME_COLUMN = "PLN013", "the event-time column does not exist or is no time", "name a timestamp or date column";
    KEY_COLUMN = "PLN014", "a key column does not exist", "correct the name";
    CONTRACT_ON_FIXED = "PLN015", "a contract is given to a source that has its own schema", "leave `contract=` out";
    WHICH_INPUT = "PLN021", "a step or sink does not say which of several inputs it reads", "add `from=`";
    NO_SUCH_PORT = "PLN022", "a step is read by a port that it has not", "use one of its ports";
    INPUT_UNUSED = "PLN023", "an input in `from=` is not used by the step", "join or union it, or leave it out";
    DUPLICATE_COLUMN = "PLN024", "two columns would have one name", "name one of them differently";
    NEEDS_NAME = "PLN025", "an expression's result has no name", "write `name = expression`";
    UNKNOWN_COLUMN_NAME = "PLN026", "a column that a line names does not exist", "correct the name";
    NOT_A_LIST = "PLN027", "`unnest` is given a column that is no list", "name a list column";
    SPLIT_ARMS = "PLN028", "the arms of a split cannot all be reached, or the split is not last", "reorder the arms, or move what follows to the next step";
    UNION_COLUMNS = "PLN029", "the inputs of a union have different columns", "give all inputs the same columns with `select`";
    UNION_TYPES = "PLN030", "a column has types in a union that do not go together", "cast one of them";
    KEYED_STREAM = "PLN031", "a line cannot work on a keyed source or a changelog", "read the source without `key=`, or emit on close";
    KEY_LOST = "PLN032", "the key of a keyed stream is dropped or replaced", "keep the key columns";
    NO_COLUMNS = "PLN033", "no column is left", "keep at least one";
    PRIVACY = "PLN034", "a privacy line lacks its argument or has a wrong one", "write it as the message shows";
    REJECTED_INPUT = "PLN035", "a step reads `rejected`", "send it to a sink with `from=rejected`";
    AGGREGATE_MISSING = "PLN040", "an output of `aggregate` has no aggregate in it", "use a function such as `sum`, or add it to `by`";
    NOT_GROUPED = "PLN041", "a column is neither a key nor inside an aggregate", "add it to `by`, or aggregate it";
    WINDOW_TIME = "PLN042", "a window or a join on event time, and a stream has none", "give the source `time=`, or write `on processing time`";
    WINDOW_COLUMN = "PLN043", "a window is `on` a column that is not the stream's event time", "use the event-time column";
    WINDOW_LENGTH = "PLN044", "the lengths of a window do not fit", "change them as the message says";
    EMIT = "PLN045", "`emit`, `allowed lateness` or `keep` do not fit the rest of the line", "change them as the message says";
    OVER_CHANGELOG = "PLN046", "an aggregate over a changelog in a way that rows which are taken back have no meaning in", "change the line as the message says";
    GROUPING_SETS = "PLN047", "grouping sets of too many columns, or one of them twice", "change them as the message says";
    ROW_ORDER = "PLN048", "what a line says of the order of rows does not fit them", "change it as the message says";
    JOIN_BOUND = "PLN050", "the way in which time bounds a join does not fit its inputs", "change it as the message says";
    JOIN_KEY = "PLN051", "the condition of a join compares no key, or not the whole key of the table", "compare every key column with `=`";
    JOIN_ALIAS = "PLN053", "two inputs of a join have one name", "name one of them with `as`";
    JOIN_STREAM = "PLN054", "the stream side of a join takes rows back", "join before the aggregate, or emit on close";
    PATTERN = "PLN055", "a pattern cannot be matched as it is written", "change it as the message says";
    ITERATE = "PLN056", "a recursion that has no fixed point, or a line in it that has no meaning there", "change it as the message says";
    LOOKUP = "PLN057", "a source that is looked up by key is read in a way in which it cannot be", "join it to rows that stay, by its key: `left join t on t.id = x`";
    SINK_KEY = "PLN060", "a sink's key column does not exist", "correct the name";
    CHANGE_FORM = "PLN061", "a sink cannot write changes in this form", "choose a form or a key as the message says";
    SYNTAX = "PLN100", "an expression is not SQL", "correct it where the caret points";
    UNKNOWN_COLUMN = "PLN101", "an expression reads a column that does not exist", "correct the name";
    AMBIGUOUS_COLUMN = "PLN102", "a name stands for several columns", "put the input's name before it";
    UNKNOWN_FUNCTION = "PLN103", "no function has this name", "correct the name";
    TYPE_ERROR = "PLN104", "types do not go together", "cast one of the values";
    NOT_BOOLEAN = "PLN105", "a condition is not true or false", "compare it with something";
    VOLATILE = "PLN106", "a function gives another result each time", "use a column, so that a replay gives the same result";
    AGGREGATE_PLACE = "PLN107", "an aggregate stands where there is nothing to aggregate", "use it in `@do aggregate`";
    OVER = "PLN108", "`over (…)` in an expression", "use `@do aggregate … in <window>`";
    SUBQUERY = "PLN109", "a query inside an expression", "join the other input in a step";
    LITERAL = "PLN110", "a literal cannot be read as the type it is used as", "correct the literal";
    TYPE_UNKNOWN = "PLN111", "the type of an expression is not known", "cast it";
    TOO_LONG = "PLN112", "an expression is too long or too deep", "split it into several lines";
    NOT_SUPPORTED = "PLN113", "an expression uses SQL that Runink does not have", "write it as the message says";
    QUERY_KIND = "PLN120", "a text of `sql` is a statement and not a query, or has a clause that a stream has no answer to", "write a `select` as the message says";
    QUERY_INPUT = "PLN121", "a query reads a name that is no input, itself, or not what stands before it in its step", "name a source or another step";
    QUERY_JOIN = "PLN122", "a join of a query has no condition that a stream can be joined by", "compare a key of both sides with `=`";
    QUERY_WINDOW = "PLN123", "a window of a query is not written as it must be", "write it as the message shows";
    QUERY_GROUP = "PLN124", "`group by` and what a query selects do not go together", "group by what is selected, or aggregate it";
    QUERY_RANK = "PLN125", "a function `over (…)` of a query that cannot run on a stream as it is written", "write it as the message shows";
    QUERY_SET = "PLN126", "two queries that are put together do not have the same columns", "select as many columns in both";
    QUERY_SUBQUERY = "PLN127", "a query inside a condition that cannot be a join", "write it with `exists`, or join the input in `from`";
    NOT_YET = "PLN300", "a construct of the language that cannot run yet", "use what the message names instead";
    INTERNAL = "PLN999", "planning failed for a reason that is not the text's", "report it: this is a bug of Runink";
}

/// All codes of planning, by code.
pub fn catalogue() -> Vec<CodeEntry> {
    let mut all: Vec<CodeEntry> = LOWERING.iter().chain(crate::sanity::CODES).copied().collect();
    all.sort_by_key(|e| e.code);
    all
}
