//! Projects: what scenarios take from elsewhere.

use runink_dsl::{
    FileId, Project, ScenarioId, SourceFile,
    ast::{Action, Value},
};

fn project(files: &[(&str, &str)]) -> Project {
    Project::new(files.iter().map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() }).collect())
}

fn messages(project: &Project) -> Vec<String> {
    project.diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect()
}

const CLEAN: &str = "Step: Clean(column, label = \"none\")\n  @do set ${column} = coalesce(${column}, ${label})\n";

#[test]
fn a_scenario_has_everything_that_its_text_takes_from_elsewhere() {
    let text = "
Feature: Orders
  Owner: team-a
  Herd: payments
  @module(layer=silver)
  Background:
    @source(name=orders, type=file, contract=Order)
    @requires(cores=2)
  Scenario: Clean ones
    Owner: team-b
    @affinity(node=gpu)
    @source(name=more, type=file)
    @step(name=Trim, domain=finance, use=Clean, column=note, from=orders)
    @step(name=All)
      @do union more
    @sink(type=stdout)
";
    let contract = "Contract: Order version 1\n  | field | type |\n  | id | int |\n";
    let newer = "Contract: Order version 3\n  | field | type |\n  | id | int |\n";
    let found = project(&[("flows/a.dsl", text), ("steps/finance.dsl", CLEAN), ("contracts/a.dsl", contract), ("contracts/b.dsl", newer)]);
    assert_eq!(messages(&found), Vec::<String>::new());
    assert_eq!(found.scenarios(), [ScenarioId { file: FileId(0), index: 0 }]);

    let scenario = found.scenario(found.scenarios()[0]).unwrap();
    let metadata: Vec<(&str, &str)> = scenario.metadata.iter().map(|m| (m.key.value.as_str(), m.value.value.as_str())).collect();
    assert_eq!(metadata, [("Herd", "payments"), ("Owner", "team-b")]);
    let annotations: Vec<&str> = scenario.annotations.iter().map(|a| a.name.value.as_str()).collect();
    assert_eq!(annotations, ["module", "requires", "affinity"]);
    let sources: Vec<&str> = scenario.sources.iter().map(|s| s.name.value.as_str()).collect();
    assert_eq!(sources, ["orders", "more"]);

    let trim = &scenario.steps[0];
    assert_eq!(trim.body_file, FileId(1));
    assert!(matches!(trim.body.actions[0].value, Action::Set(_)));
    assert_eq!(trim.arguments["column"], Value::Word("note".into()));
    assert_eq!(trim.arguments["label"], Value::Text("none".into()));
    assert_eq!((scenario.steps[1].body_file, scenario.steps[1].arguments.len()), (FileId(0), 0));

    assert_eq!(found.contract("Order", None).map(|(file, c)| (file, c.version.value)), Some((FileId(3), 3)));
    assert_eq!(found.contract("Order", Some(1)).map(|(file, _)| file), Some(FileId(2)));
    assert!(found.contract("Order", Some(2)).is_none());
}

/// The nearest folder `steps` above a file is meant, then any.
#[test]
fn reusable_steps_are_found_from_the_inside_out() {
    let text =
        "Feature: a\n  Scenario: b\n    @source(name=s, type=file)\n    @step(name=Clean, domain=d, column=c)\n    @sink(type=stdout)\n";
    let body_file = |files: &[(&str, &str)]| {
        let found = project(files);
        assert_eq!(messages(&found), Vec::<String>::new());
        found.scenario(found.scenarios()[0]).unwrap().steps[0].body_file
    };
    let near = ("x/y/steps/d.dsl", CLEAN);
    let far = ("steps/d.dsl", CLEAN);
    let other = ("z/steps/d.dsl", CLEAN);
    assert_eq!(body_file(&[("x/y/a.dsl", text), far, other, near]), FileId(3));
    assert_eq!(body_file(&[("x/w/a.dsl", text), near, far, other]), FileId(2));
    assert_eq!(body_file(&[("x/w/a.dsl", text), other]), FileId(1));
}

/// A step without lines is the file's own reusable step of that name.
#[test]
fn reusable_steps_of_the_same_file_need_no_domain() {
    let text = format!(
        "Feature: a\n  Scenario: b\n    @source(name=s, type=file)\n    @step(name=Clean, column=c)\n    @sink(type=stdout)\n{CLEAN}"
    );
    let found = project(&[("a.dsl", &text)]);
    assert_eq!(messages(&found), Vec::<String>::new());
    assert_eq!(found.scenario(found.scenarios()[0]).unwrap().steps[0].body.actions.len(), 1);
}

/// Inputs and outputs that reusable steps name by parameter are known by their arguments.
#[test]
fn names_given_as_arguments_are_checked() {
    let steps = "Step: Both(other)\n  @do union ${other}\n";
    let text = |other: &str| {
        format!(
            "Feature: a\n  Scenario: b\n    @source(name=s, type=file)\n    @source(name=t, type=file)\n    \
             @step(name=Both, domain=d, from=s, other={other})\n    @sink(type=stdout)\n"
        )
    };
    assert_eq!(messages(&project(&[("a.dsl", &text("t")), ("steps/d.dsl", steps)])), Vec::<String>::new());
    assert_eq!(messages(&project(&[("a.dsl", &text("u")), ("steps/d.dsl", steps)])), ["DSL083 nothing here is called `u`"]);
}

/// One broken line says one thing, and what depends on it says nothing.
#[test]
fn a_broken_line_does_not_echo() {
    for text in [
        "Feature: a\n  Scenario: b\n    @sorce(name=s, type=file)\n    @step(name=A, from=s)\n      @when x\n    @sink(type=stdout)\n",
        "Feature: a\n  Scenario: b\n    @source(name=s, type=file)\n    @step(name=A)\n      @when (x\n    @sink(type=stdout)\n",
        "Feature: a\n  Scenario: b\n    @source(name=s, type=file)\n    @step(nme=A)\n      @when x\n    @sink(type=stdout, from=A)\n",
        "Feature: a\n  Scenario: b\n    @source(name=s, type=file)\n    @step(name=A)\n      @wen x\n    @sink(type=stdout)\n",
    ] {
        let found = project(&[("a.dsl", text)]);
        assert_eq!(messages(&found).len(), 1, "{text}\n{:#?}", messages(&found));
    }
}
