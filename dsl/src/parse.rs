//! Text to trees: the grammar of the language.
//!
//! One walk over the text makes both the lossless tree ([`crate::syntax`]) and the typed one ([`crate::ast`]), so that the two cannot
//! disagree. The walk is by lines; a line of code is lexed and parsed by recursive descent inside its own bounds, so that a broken line costs
//! one diagnostic and nothing after it. Nesting is bounded everywhere, and no byte is looked at more than a fixed number of times.
//!
//! # Lines
//! Headings give the structure, not indentation. A *logical line* of code begins with `@` (or is a `Step:` or `Contract:` heading) and goes on:
//! - while a bracket is open, or, for `@when`, `@do` and `@then`, on lines that are indented deeper than its `@`,
//! - over comment lines between those,
//! - up to the next line that is blank, begins with `@` or a single `|`, or is a heading. A `"""` text may hold blank lines and `|`; it must
//!   end before the next line that begins with `@` or a heading.
//!
//! `#` begins a comment: at the start of a line; in code anywhere outside quotes; after the closing `|` of a row; in titles and values of
//! metadata where it stands between blanks. In prose and inside cells it is text. Tabs in the indentation count to the next multiple of 4 and
//! are warned of. Keywords of headings and clauses of examples are written as here; words inside lines of code are read in any case.
//!
//! # Grammar (EBNF)
//! `NL` is the end of a logical line; `text` runs to the end of the line; `expr` is a SQL scalar expression in PostgreSQL's manner: it ends
//! at bracket depth 0 and outside `case … end` at a comma (in lists), at a word that begins a clause of its line, or at `NL`.
//! `in` begins a window only before a word (`in (…)` is SQL's), `within` unless `group` follows, `over` only before a duration, `keep` only
//! before `state`, `for`, `first` or `last`, `emit` only before `on` or `every`. Clauses may stand in any order, each once. A comma may follow the last
//! argument of an annotation.
//!
//! ```text
//! file         = { feature | scenario | template | contract } ;
//!
//! feature      = { annotation } "Feature:" text NL { prose | metadata | annotation | background | scenario } ;
//! background   = "Background:" [ text ] NL { prose | annotation } ;               (* annotations: @source and others *)
//! scenario     = { annotation } "Scenario:" text NL { prose | metadata | annotation | step | examples } ;
//! template     = "Step:" name [ "(" [ param { "," param } ] ")" ] NL { prose | line } ;
//! param        = name [ "=" value ] ;
//! contract     = "Contract:" name "version" count NL { prose | metadata | table } ; (* one table: field, type, rules, tags, others *)
//! prose        = text NL ;                                                        (* any line that is nothing else *)
//! metadata     = Key ":" text NL ;                                                (* one word with a capital: Owner, Purpose, Slo, … *)
//!
//! annotation   = "@" word [ "(" [ arg { "," arg } [ "," ] ] ")" ] { annotation } NL ;
//! arg          = word { "." word } "=" value ;
//! value        = string | variable | "true" | "false" | [ "-" ] number | duration | bytes | word "@" count | bare
//!              | "[" [ value { "," value } ] "]" | "(" [ value { "," value } ] ")" ;
//! bare         = letters, digits, "_", "-" and "." without a gap ;                 (* anything else is quoted *)
//!
//! step         = "@step" "(" … "name=" word … ")" NL { prose | line } ;           (* lines in the order @when, @do, @then *)
//! line         = "@when" expr NL | "@do" action NL | "@then" expectation NL ;
//! action       = "set" named { "," named }
//!              | "select" item { "," item }
//!              | "drop" columns | "rename" column "to" name { "," column "to" name } | "keep" expr
//!              | "unnest" column { "as" name | "with" "ordinality" "as" name | "keep" "empty" }
//!              | "union" inputs
//!              | "split" arm { "," arm }
//!              | "aggregate" named { "," named } { by | window | "having" expr | emit | "allowed" "lateness" duration | keep }
//!              | [ "inner" | "left" | "right" | "full" | "semi" | "anti" ] "join" input [ "as" name ] "on" expr
//!                { window | "within" [ "-" ] duration [ "to" [ "-" ] duration ] | "as" "of" time | keep }
//!              | "top" count "by" order { "per" items | "with" "ties" | "as" name | window | keep }
//!              | "rank" name "by" order { "per" items | "with" "ties" | window | keep }
//!              | "deduplicate" "by" items { "keep" ( "first" | "last" ) | "order" "by" order | "within" duration | keep }
//!              | ( "lag" | "lead" ) named { "," named } { "by" count | "per" items | "order" "by" order | window | keep }
//!              | "running" named { "," named } { "per" items | "order" "by" order | "within" ( duration | count "rows" ) | window | keep }
//!              | ( "mask" | "hash" | "tokenise" | "truncate" | "redact" | "encrypt" | "decrypt" ) columns [ "with" text ]
//!              | "sql" '"""' text '"""' [ keep ]
//!              | "match" pattern [ without ]
//!                { "where" event { "," event } | "per" items | "order" "by" order | "within" duration | "after" "match" "skip" skip
//!                | "with" "partial" "as" name | "give" named { "," named } | "keep" "for" "ever" }
//!              | "iterate" [ named { "," named } ] { "by" items | "at" "most" count ( "rounds" | "round" ) | keep }
//!              | "call" text ;
//! pattern      = sequence { "or" sequence } ;                                      (* the events' names are free, but for the words of patterns *)
//! sequence     = part { ( "then" | [ without ] "followed" "by" ) part } ;
//! part         = ( name | "(" pattern ")" ) [ ( "?" | "*" | "+" | "{" count [ "," [ count ] ] "}" ) [ "?" ] [ [ without ] "apart" ] ] ;
//! without      = "without" name { "or" name } ;
//! event        = name "is" expr ;
//! skip         = "past" "last" "row" | "to" "next" "row" | "to" ( "first" | "last" ) name ;
//! named        = name "=" expr | expr "as" name ;
//! item         = named | expr ;                                                    (* in select also * and input.* *)
//! arm          = name ( "when" expr | "otherwise" ) ;                              (* otherwise: the last one *)
//! by           = "by" ( items | "grouping" "sets" "(" set { "," set } ")" ) ;     set = "(" [ name { "," name } ] ")" ;
//! window       = "in" shape [ "offset" duration ] [ "on" time ] ;
//! shape        = "tumbling" "(" duration ")" | "hopping" "(" duration "," "every" duration ")"
//!              | "session" "(" duration ")" | "cumulating" "(" duration "," "every" duration ")" ;
//! time         = "processing" "time" | name { "." name } ;
//! emit         = "emit" ( "on" "close" | ( "on" "change" | "every" duration ) [ "and" "on" "close" ] ) ;
//! keep         = "keep" [ "state" ] "for" ( duration | "ever" ) ;
//! order        = expr { "," expr } ;                                               (* with asc, desc, nulls first, nulls last *)
//! expectation  = expr [ otherwise ]                                                (* default: reject *)
//!              | "share" "of" expr ( "<" | "<=" | ">" | ">=" ) number [ "%" ] "over" duration [ otherwise ]
//!              | "at" ( "least" | "most" ) count "rows" "per" duration [ otherwise ] ;   (* the last two: alert (default) or fail *)
//! otherwise    = "otherwise" ( "reject" | "tag" name | "alert" | "fail" ) ;
//!
//! examples     = "Examples:" text NL { prose } { clause NL [ table ] } ;
//! clause       = "Given" ( input [ "from" file ] | count "workers" )
//!              | "When" ( "the" "watermark" [ "of" input ] "reaches" timestamp | input "is" "idle" [ "for" duration ]
//!                       | "time" "passes" duration | "the" "input" "ends" | "the" "worker" "crashes" )
//!              | "Then" ( input "is" [ "empty" | file ] | input "contains" [ file ] | "the" "watermark" "of" input "is" timestamp )
//!              | "And" …                                                           (* goes on as the clause before it *)
//! file         = "file" string ;
//! table        = row { row } ;                                                     (* the first one is the header *)
//! row          = "|" cell "|" { cell "|" } NL ;                                    (* \| \\ \n; an empty cell is null, "" the empty text *)
//!
//! type         = "boolean" | "int" | "int8" … "int64" | "uint8" … "uint64" | "float" | "float32" | "float64" | "decimal" "(" count [ "," count ] ")"
//!              | "string" | "bytes" | "date" | "json" | ( "time" | "timestamp" | "timestamptz" ) [ "(" ( "s" | "ms" | "us" | "ns" ) ")" ]
//!              | "list" "<" type ">" | type "[" "]" | "struct" "<" word ":" type { "," word ":" type } ">" ;
//! rules        = [ rule { "," rule } ] ;
//! rule         = "required" | "key" | "event" "time" | "unique" | "matches" quoted | "one" "of" literal { "," literal } | op literal
//!              | "between" literal "and" literal | "length" op count | "default" literal ;
//! op           = "<" | "<=" | ">" | ">=" | "=" | "<>" ;
//!
//! columns      = column { "," column } ;      column = name { "." name } ;         items = item { "," item } ;          inputs = input { "," input } ;
//! name         = ( word | variable | digits after one of these ) without a gap | '"' … '"' ;
//! input        = name { "." name } ;
//! variable     = "${" ( "env." word [ ":" default ] | "secret." word | word ) "}" ;
//! duration     = digits unit { digits unit } ;   unit = "w" | "d" | "h" | "m" | "s" | "ms" | "us" ;   (* from large to small *)
//!                                                     (* or a parameter of the reusable step that it stands in: "${" word "}" *)
//! bytes        = digits ( "B" | "KiB" | "MiB" | "GiB" | "TiB" | "KB" | "MB" | "GB" | "TB" ) ;
//! string       = '"' … '"' ;                                                       (* \" \\ \n \t *)
//! quoted       = "'" … "'" ;                                                       (* '' for a quote *)
//! ```

mod action;
mod annotation;
mod atoms;
mod blocks;
mod clauses;
mod contract;
mod cursor;
mod declare;
mod examples;
mod expectation;
mod expression;
mod iterate;
mod lexer;
mod lines;
mod out;
mod pattern;
mod prose;
mod relational;
mod rules;
mod running;
mod steps;
mod stop;
mod table;
mod types;

use crate::{
    Diagnostic, FileId,
    ast::{Document, Span},
    codes,
    syntax::{SyntaxKind, SyntaxNode},
};

pub(crate) use cursor::quote;
pub(crate) use declare::{REJECTED, STEP_OPTIONS};
pub(crate) use out::MAX_DIAGNOSTICS;

/// Largest text that is parsed, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 16 << 20;

/// What a text is.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub document: Document,
    /// What is wrong with it, in order of the text.
    pub diagnostics: Vec<Diagnostic>,
    green: rowan::GreenNode,
}

impl Parsed {
    /// The lossless tree.
    pub fn syntax(&self) -> SyntaxNode {
        SyntaxNode::new_root(self.green.clone())
    }
}

/// Parses a text; never fails.
pub fn parse(file: FileId, text: &str) -> Parsed {
    let mut out = out::Out::new(file, if text.len() > MAX_TEXT_BYTES { "" } else { text });
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the text has {} bytes; at most {MAX_TEXT_BYTES} are read", text.len());
        out.report(Diagnostic::error(codes::TEXT_TOO_LARGE, file, Span::default(), message).hint("data belongs into data files"));
    }
    out.start(SyntaxKind::ROOT);
    let mut blocks = blocks::Blocks::new(out);
    blocks.root();
    let (mut out, document) = blocks.into_parts();
    out.finish();
    let (green, mut diagnostics) = out.tree();
    diagnostics.sort_by_key(|d| (d.span.start, d.span.end));
    Parsed { document, diagnostics, green }
}
