//! A folder of `.dsl` files as a project.

use runink_connector_api::ConnectorSpec;
use runink_dsl::{Project, ResolvedScenario, SourceFile, variables::Variables};
use runink_examples::{Chaos, ExampleReport, Request, Runner};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) struct Folder {
    root: PathBuf,
    pub(crate) project: Project,
}

impl Folder {
    /// A folder beside this file.
    pub(crate) fn open(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
        let mut paths = Vec::new();
        collect(&root, &mut paths);
        paths.sort();
        let shown = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        let files = paths.iter().map(|path| SourceFile { path: shown(path), text: fs::read_to_string(path).unwrap() });
        let files = files.collect();
        Folder { root, project: Project::new(files) }
    }

    /// Texts in ```` ```gherkin ```` blocks of a page of the book, each a project of its own.
    pub(crate) fn of_page(page: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let page = fs::read_to_string(root.join(page)).unwrap();
        let blocks = page.split("```gherkin\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block.to_owned());
        let project = |text| Project::new(vec![SourceFile { path: "page.dsl".into(), text }]);
        blocks.map(|text| Folder { root: root.clone(), project: project(text) }).collect()
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn scenarios(&self) -> Vec<ResolvedScenario> {
        self.project.scenarios().into_iter().filter_map(|id| self.project.scenario(id)).collect()
    }

    /// A project that is no folder.
    pub(crate) fn of_project(project: Project) -> Self {
        Folder { root: PathBuf::new(), project }
    }

    pub(crate) fn run(&self, runner: &mut Runner, scenario: &ResolvedScenario, workers: Option<usize>, accept: bool) -> Vec<ExampleReport> {
        self.run_with(runner, scenario, workers, accept, None)
    }

    pub(crate) fn run_with(
        &self,
        runner: &mut Runner,
        scenario: &ResolvedScenario,
        workers: Option<usize>,
        accept: bool,
        chaos: Option<Chaos>,
    ) -> Vec<ExampleReport> {
        let connectors: Vec<&'static ConnectorSpec> = runink_files::connectors().into_iter().map(|c| c.spec()).collect();
        let request = Request {
            project: &self.project,
            scenario,
            connectors: &connectors,
            variables: &Variables::default(),
            read: &|path| fs::read(self.root.join(path)).map_err(|_| "there is no such file".to_owned()),
            accept,
            workers,
            chaos,
            wanted: &|_| true,
        };
        runner.run(&request)
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "dsl") {
            found.push(path);
        }
    }
}

/// Whether goldens are rewritten instead of compared.
pub(crate) fn updates_goldens() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1")
}
