//! The catalogue of everything that can be wrong with a text: stable codes, what they mean, what to do.

use serde::Serialize;

/// One code of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CodeEntry {
    /// `DSL0xx`; never used again for something else.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub meaning: &'static str,
    /// What to do, in one sentence.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($name:ident $code:literal $meaning:literal $remedy:literal;)*) => {
        $(#[doc = $meaning] pub const $name: &str = $code;)*

        const CATALOGUE: &[CodeEntry] = &[$(CodeEntry { code: $code, meaning: $meaning, remedy: $remedy }),*];
    };
}

/// All codes of the language, in order.
pub fn catalogue() -> &'static [CodeEntry] {
    CATALOGUE
}

// One line per code: this table is the definition of the constants and of the catalogue.
#[rustfmt::skip]
codes! {
    TEXT_TOO_LARGE "DSL001" "The text is larger than the language reads." "Split the file; data belongs into data files.";
    TOO_MANY "DSL002" "There are more findings in this file than are listed." "Mend the ones above and check again.";
    UNCLOSED_STRING "DSL003" "A quoted text does not end on its line." "Close the quote; inside a text write \\\" (in expressions '').";
    UNCLOSED_TRIPLE "DSL004" "A \"\"\" text has no end." "Close it with \"\"\" before the next step or heading.";
    UNCLOSED_VARIABLE "DSL005" "A ${…} reference is not closed or has no name." "Write ${env.NAME}, ${secret.NAME} or ${parameter}.";
    UNCLOSED_BRACKET "DSL006" "A bracket is opened and not closed." "Close it on the same logical line.";
    UNMATCHED_BRACKET "DSL007" "A bracket is closed that was not opened, or by the wrong kind." "Remove it, or open it where it belongs.";
    NESTED_TOO_DEEP "DSL008" "Brackets are nested deeper than the language reads." "Split the expression over several lines of `@do set`.";
    TAB_INDENT "DSL009" "A line is indented with tabs." "Indent with spaces; the formatter does it.";

    STRAY_LINE "DSL010" "A line stands where no line of its kind can stand." "Put it under the heading it belongs to.";
    HEADING_COLON "DSL011" "A heading has no colon." "Write the colon after the keyword.";
    HEADING_SPELLING "DSL012" "A heading is not spelled as the language spells it." "Use Feature, Background, Scenario, Examples, Step or Contract.";
    HEADING_PLACE "DSL013" "A heading stands where it cannot." "Move the block: scenarios into a feature, examples into a scenario.";
    TITLE_MISSING "DSL014" "A heading has no title." "Write the title after the colon.";
    GHERKIN_LINE "DSL015" "A Gherkin clause stands outside an example and is read as prose." "Write steps with @step, @when, @do and @then; clauses belong under `Examples:`.";
    CODE_AS_PROSE "DSL016" "A line looks like code but is not marked as code." "Begin it with `@`.";
    METADATA_SPELLING "DSL017" "A metadata key is close to a known one." "Correct the key, if that is what was meant.";
    METADATA_TWICE "DSL018" "A metadata key stands twice under one heading." "Keep one of the two.";

    ANNOTATION_UNKNOWN "DSL020" "An annotation is not one of the language." "Correct its name.";
    ANNOTATION_SYNTAX "DSL021" "An annotation is not written as `@name(key=value, …)`." "Put its arguments into brackets.";
    ARGUMENT_SYNTAX "DSL022" "An argument is not written as `key=value`." "Write `key=value`, with commas between arguments.";
    ARGUMENT_TWICE "DSL023" "An argument is given twice." "Keep one of the two.";
    ARGUMENT_MISSING "DSL024" "A required argument is missing." "Add it.";
    VALUE "DSL025" "A value is not one that the language can read." "Put texts into double quotes.";
    ANNOTATION_PLACE "DSL026" "An annotation or code line stands where it cannot." "Move it under the heading or step it belongs to.";
    DURATION "DSL027" "A duration is not written as a number with its unit." "Write for example 250ms, 5s, 10m, 1h30m or 1d.";
    VARIABLE_PLACE "DSL028" "A ${…} reference stands where the language needs the value itself." "Write the value, or use the reference inside an expression or an option.";

    VERB "DSL030" "A `@do` line does not begin with a verb of the language." "Use one of the verbs.";
    EXPECTED "DSL031" "Something else was expected here." "Write what the message names.";
    EXPRESSION_MISSING "DSL032" "An expression is missing." "Write the expression.";
    OTHER_LANGUAGE "DSL033" "A habit of SQL or of another language that is written differently here." "Write it as the hint shows.";
    TRAILING "DSL034" "Something stands after the end of what could be understood." "Remove it, or write the clause that it was meant to be.";
    CLAUSE_TWICE "DSL035" "A clause is given twice." "Keep one of the two.";
    WINDOW "DSL036" "A window is not written as one of the window shapes." "Write tumbling(size), hopping(size, every slide), session(gap) or cumulating(size, every step).";
    OUTPUT_NAME "DSL037" "A computed column has no name." "Write `name = expression`.";
    OTHERWISE "DSL038" "What happens where an expectation is broken is not one of the choices." "Write otherwise reject, tag <name>, alert or fail.";
    EXPECTATION "DSL039" "An expectation is not one that the language can read." "Write a condition, `share of … < 1% over 10m`, or `at least 1000 rows per 1h`.";
    LINE_ORDER "DSL040" "The lines of a step are not in the order @when, @do, @then." "Reorder them, or begin a new step; use `@do keep …` to filter between actions.";
    PATTERN "DSL041" "A pattern of rows does not fit together." "Change its numbers or names as the message says.";

    EXAMPLE_LINE "DSL050" "A line of an example is not a clause of the language." "Begin it with Given, When, Then or And.";
    EXAMPLE_ROWS "DSL051" "A clause of an example needs rows." "Add a table below it, or `from file \"…\"`.";
    TIMESTAMP "DSL052" "A timestamp is not written as RFC 3339." "Write for example 2026-01-01T00:00:00Z.";
    AND_FIRST "DSL053" "`And` has no clause before it." "Begin with Given, When or Then.";

    ROW_UNCLOSED "DSL060" "A row of a table does not end with `|`." "Close the row with `|`.";
    CELL_COUNT "DSL061" "A row has more or fewer cells than its header." "Add or remove cells; write \\| for a bar inside a cell.";
    COLUMN_TWICE "DSL062" "A column name stands twice in a table's header." "Rename one of them.";
    COLUMN_EMPTY "DSL063" "A column of a table has no name." "Name it in the header.";
    TABLE_PLACE "DSL064" "A table stands where none can." "Put it below the clause or contract it belongs to.";
    TABLE_RULE "DSL065" "A separator line stands in a table." "Remove the line; the first row is the header.";

    CONTRACT_HEADING "DSL070" "A contract's heading is not `Contract: Name version N`." "Write the name and a version from 1 on.";
    CONTRACT_COLUMNS "DSL071" "A contract's table lacks a column or has no rows." "Give it the columns `field` and `type` (and `rules`, `tags`).";
    TYPE "DSL072" "A type is not one of the language." "Use one of the types.";
    RULE "DSL073" "A rule is not one of the language." "Use one of the rules.";
    RULE_LITERAL "DSL074" "A rule does not fit the type of its field." "Change the literal, the rule or the type.";
    EVENT_TIME "DSL075" "The event time of a contract is not one timestamp or date column." "Mark one column of type timestamp or date.";
    KEY_REQUIRED "DSL076" "A key column may be null." "Add the rule `required` to it.";
    COMPATIBILITY "DSL077" "The compatibility of a contract is not one of the choices." "Write backward, forward, full or none.";
    RULE_TWICE "DSL078" "A rule stands twice on one field." "Keep one of the two.";

    DUPLICATE_NAME "DSL080" "Two things of one kind have the same name." "Rename one of them: state, outputs and references go by name.";
    TEMPLATE_UNKNOWN "DSL081" "A reusable step does not exist." "Correct the name or the domain, or write the step.";
    TEMPLATE_ARGUMENT "DSL082" "The arguments of a reusable step do not fit its parameters." "Give each parameter without default once, and no others.";
    INPUT_UNKNOWN "DSL083" "Nothing has the name of this input." "Use the name of a source, of a step above or below, or of a split's output (`Step.port`).";
    CYCLE "DSL084" "Steps read each other in a circle." "Break the circle: a step cannot read its own output.";
    UNREAD "DSL085" "Nobody reads the output of this step." "Add a sink, or remove the step.";
    EXAMPLE_NAME "DSL086" "An example names something that the scenario does not have." "Use the name of a source (Given, When) or of a step (Then).";
    CONTRACT_UNKNOWN "DSL087" "A contract does not exist in this project." "Correct the name or the version, or write the contract.";
    STEP_EMPTY "DSL088" "A step has no lines and no reusable step stands behind its name." "Write @when, @do or @then lines, or name the reusable step.";
    INPUT_MISSING "DSL089" "A step or sink has nothing to read." "Declare a source, or say `from=`.";

    VARIABLE_UNKNOWN "DSL090" "A ${…} reference has no such parameter or is not env or secret." "Correct the name.";
    VARIABLE_UNSET "DSL091" "An environment variable is not set and the reference has no default." "Set it, or write ${env.NAME:default}.";
    SECRET_IN_EXPRESSION "DSL092" "A secret stands where its value would enter the plan or the data." "Use secrets only as the value of a connector's option.";
    PARAMETER_VALUE "DSL093" "A parameter's value cannot stand inside an expression." "Give a word, a text, a number, true or false, or a duration.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_entries_are_sentences() {
        for pair in catalogue().windows(2) {
            assert!(pair[0].code < pair[1].code, "{} before {}", pair[0].code, pair[1].code);
        }
        for entry in catalogue() {
            assert!(entry.meaning.ends_with('.') && entry.remedy.ends_with('.'), "{}", entry.code);
        }
    }
}
